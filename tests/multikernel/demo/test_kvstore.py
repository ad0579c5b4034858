"""The replicated store's own logic: a replica's state depends on the writes and their order, and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from multikernel.demo.kvstore import Store, Workload, delete, put, swap, traffic, two_digits

KEYS = st.binary(min_size=1, max_size=6)
VALUES = st.binary(max_size=8)
WRITES = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.one_of(st.builds(put, KEYS, VALUES), st.builds(delete, KEYS), st.builds(swap, KEYS, VALUES, VALUES)),
    )
)


def test_put_delete_and_swap_do_what_they_say() -> None:
    store = Store()
    assert store.apply(0, put(b"k", b"v"))
    assert store.get(b"k") == b"v"
    assert not store.apply(0, swap(b"k", b"other", b"w"))
    assert store.apply(0, swap(b"k", b"v", b"w"))
    assert store.get(b"k") == b"w"
    assert store.apply(0, delete(b"k"))
    assert not store.apply(0, delete(b"k"))
    assert store.get(b"k") is None
    assert store.apply(0, swap(b"k", b"", b"first"))


@given(WRITES)
def test_replicas_that_apply_the_same_writes_agree(writes: list[tuple[int, bytes]]) -> None:
    one, other = Store(), Store()
    for origin, write in writes:
        assert one.apply(origin, write) == other.apply(origin, write)
    assert one.state_digest() == other.state_digest()
    assert one.order_digest() == other.order_digest()


def test_another_order_shows_even_where_the_contents_are_the_same() -> None:
    one, other = Store(), Store()
    for key in (b"a", b"b"):
        one.apply(0, put(key, b"1"))
    for key in (b"b", b"a"):
        other.apply(0, put(key, b"1"))
    assert one.state_digest() == other.state_digest()
    assert one.order_digest() != other.order_digest()


@given(st.integers(0, 10**12))
def test_rounding_keeps_two_digits(number: int) -> None:
    rounded = two_digits(number)
    assert rounded <= number <= rounded * 1.1 + 1
    assert len(str(rounded).rstrip("0")) <= 2


def test_traffic_goes_through_the_dispatcher_that_orders() -> None:
    matrix = traffic(3, Workload(write_percent=10))
    assert matrix[1][2] == matrix[2][1] == 0
    assert all(matrix[0][i] > 0 and matrix[i][0] > 0 for i in (1, 2))
