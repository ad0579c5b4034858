"""Memory of channels: on which nodes it lies, in pages of which size, and what is not taken for it."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel import urpc

PAGE = os.sysconf("SC_PAGESIZE")
HUGE = 2 << 20
MISSING = 1000  # no kernel is configured for so many nodes, and 1023 is the most that may be named
ADD_SEALS, SHRINK_AND_GROW = 1033, 2 | 4  # linux/fcntl.h
MFD_HUGETLB, HUGE_SHIFT = 4, 26  # linux/memfd.h
SEGMENT, SEGMENT_VERSION = b"urpcchan", 3
POOL, POOL_VERSION = b"urpcpool", 2

Run = Callable[..., str]
Create = Callable[..., urpc.Segment | urpc.Pool]

creations = pytest.mark.parametrize(
    "create", [urpc.Segment.create, lambda **how: urpc.Pool.create(1 << 20, **how)], ids=["segment", "pool"]
)


def free_huge_pages() -> int:
    try:
        return int(Path(f"/sys/kernel/mm/hugepages/hugepages-{HUGE >> 10}kB/free_hugepages").read_text())
    except (OSError, ValueError):
        return 0


def places_memory() -> bool:
    try:
        urpc.Segment.create(nodes=(MISSING, None))
    except ValueError:
        return True
    return False


def needs_huge_pages(count: int) -> None:
    if free_huge_pages() < count:
        pytest.skip(f"fewer than {count} free huge pages of 2 MiB: as root, echo {count} > /proc/sys/vm/nr_hugepages")


@pytest.fixture
def node() -> int:
    """A node that has memory for us."""
    found = urpc.Segment.create().nodes[0]
    if found is None:
        pytest.skip("the kernel does not say where memory lies (no get_mempolicy)")
    return found


@creations
def test_what_is_asked_for_on_a_node_lies_there(create: Create, node: int) -> None:
    assert create(nodes=(node, node)).nodes == (node, node)
    assert create(nodes=[None, node]).nodes[1] == node
    assert create(nodes=(node, None)).nodes[0] == node


@creations
@pytest.mark.parametrize("second", [False, True])
def test_a_node_that_is_not_there_is_one_clear_error(create: Create, node: int, second: bool) -> None:
    if not places_memory():
        pytest.skip("this kernel, or this container, places no memory (no mbind): then no node is wrong")
    with pytest.raises(ValueError, match=f"cannot lie on node {MISSING}: .* Mems_allowed_list"):
        create(nodes=(node, MISSING) if second else (MISSING, node))


@creations
@pytest.mark.parametrize(
    ("nodes", "error"),
    [
        ((0,), ValueError),
        ((0, 0, 0), ValueError),
        ((-1, 0), ValueError),
        ((0, 1024), ValueError),
        ((0, 1 << 70), OverflowError),
        (("0", 0), TypeError),
        (0, TypeError),
    ],
)
def test_what_are_no_nodes_is_refused(create: Create, nodes: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        create(nodes=nodes)


@creations
@pytest.mark.parametrize("page_size", [0, -4096, 1, 2048, 4097, 3 << 20, 1 << 35])
def test_what_is_no_page_size_is_refused(create: Create, page_size: int) -> None:
    with pytest.raises(ValueError, match="page_size must be a power of two"):
        create(page_size=page_size)


@creations
@pytest.mark.parametrize("page_size", [None, 4096, 1 << 25, 1 << 34])
def test_pages_of_a_size_that_cannot_be_had_are_ordinary(create: Create, page_size: int | None) -> None:
    if page_size and Path(f"/sys/kernel/mm/hugepages/hugepages-{page_size >> 10}kB").exists():
        pytest.skip(f"this kernel has pages of {page_size} bytes")
    assert create(page_size=page_size).page_size == PAGE


@creations
def test_where_too_few_huge_pages_are_left_pages_are_ordinary(create: Create) -> None:
    held = []
    while free_huge_pages():
        held.append(urpc.Segment.create(page_size=HUGE))
        assert held[-1].page_size == HUGE
    assert create(page_size=HUGE).page_size == PAGE


def test_huge_pages_carry_messages_and_payloads() -> None:
    needs_huge_pages(4)
    a, b = urpc.pair(16384, pool=1_000_000, page_size=HUGE)
    assert a.segment.page_size == HUGE
    for data in (b"", b"short", bytes(600_000), bytes(700_000)):
        a.send(data)
        assert b.receive() == data
        b.send(data)
        assert a.receive() == data


def test_huge_pages_must_be_taken_by_name() -> None:
    needs_huge_pages(3)
    for made in (urpc.Segment.create(page_size=HUGE), urpc.Pool.create(1, page_size=HUGE)):
        with pytest.raises(urpc.UrpcError, match=r"attach\(fd, huge_pages=True\)"):
            type(made).attach(made.fd)
        attached = type(made).attach(made.fd, huge_pages=True)
        assert attached.page_size == HUGE
        assert attached.nodes == made.nodes


def test_huge_pages_go_back() -> None:
    needs_huge_pages(1)
    before = free_huge_pages()
    segment = urpc.Segment.create(page_size=HUGE)
    channel = urpc.Channel(segment, 0, bell := urpc.Doorbell.create(), bell)
    segment.close()
    assert free_huge_pages() == before - 1
    del segment, channel
    assert free_huge_pages() == before


@pytest.mark.parametrize("capacity", [2**power for power in range(3, 15)])
def test_rings_share_no_page(capacity: int) -> None:
    segment, bell = urpc.Segment.create(capacity), urpc.Doorbell.create()
    ends = urpc.Channel(segment, 0, bell, bell), urpc.Channel(segment, 1, bell, bell)
    with mmap.mmap(segment.fd, 0) as memory:
        clean = bytes(memory)
        pages = []
        for end in ends:
            before = bytes(memory)
            for _ in range(capacity):
                assert end.try_send(b"\xff" * 56)
            after = bytes(memory)
            written = [i for i in range(0, len(after), 64) if after[i : i + 64] != before[i : i + 64]]
            assert len(written) == capacity
            pages.append({i // PAGE for i in written})
    assert not pages[0] & pages[1]
    assert 0 not in pages[0] | pages[1]  # the lines of control
    assert not any(clean[PAGE:])


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 14), st.data())
def test_a_ring_of_any_capacity_brings_what_it_was_given(power: int, data: st.DataObject) -> None:
    capacity = 2**power
    a, b = urpc.pair(capacity, spin_ns=0)
    longest = urpc.max_message(capacity)
    for _ in range(data.draw(st.integers(1, 6))):
        forth, back = (bytes([i]) * data.draw(st.integers(0, longest)) for i in (1, 2))
        a.send(forth)
        b.send(back)
        assert b.receive() == forth
        assert a.receive() == back


@pytest.fixture
def made() -> Iterator[Callable[..., int]]:
    """Make memory as a hostile creator would: made(header, size, huge=False), sealed. Gives its descriptor."""
    descriptors = []

    def make(header: bytes, size: int, huge: bool = False) -> int:
        flags = os.MFD_ALLOW_SEALING | (MFD_HUGETLB | 21 << HUGE_SHIFT if huge else 0)
        descriptors.append(fd := os.memfd_create("forged", flags))
        os.ftruncate(fd, size)
        with mmap.mmap(fd, size) as memory:
            memory[: len(header)] = header
        fcntl.fcntl(fd, ADD_SEALS, SHRINK_AND_GROW)
        return fd

    yield make
    for fd in descriptors:
        os.close(fd)


def header(
    magic: bytes = SEGMENT, version: int = SEGMENT_VERSION, parameter: int = 8, grain: int = PAGE, *_: object
) -> bytes:
    return magic + struct.pack("<IIQ", version, parameter, grain)


def test_memory_made_by_the_book_is_taken(made: Callable[..., int]) -> None:
    assert urpc.Segment.attach(made(header(), 3 * PAGE)).capacity == 8
    assert urpc.Segment.attach(made(header(parameter=1024), PAGE + 2 * 65536)).capacity == 1024
    pool = urpc.Pool.attach(made(header(POOL, POOL_VERSION, 3), (1 + 1 + 6) * 4096))
    assert pool.size == 3 * 4096


@pytest.mark.parametrize(
    ("forged", "pages"),
    [
        (header(magic=POOL), 3),
        (header(version=2), 3),
        (header(version=4), 3),
        (header(parameter=0), 3),
        (header(parameter=4), 3),
        (header(parameter=9), 3),
        (header(parameter=1 << 15), 3),
        (header(parameter=0xFFFFFFFF), 3),
        (header(parameter=64), 2),  # too short by a page
        (header(parameter=64), 4),  # too long
        (header(parameter=128), 3),  # a larger ring than there is room for
        (header(grain=0), 3),
        (header(grain=1), 3),
        (header(grain=64), 3),
        (header(grain=2048), 3),
        (header(grain=PAGE + 1), 3),
        (header(grain=3 * PAGE), 4),
        (header(grain=2 * PAGE), 3),  # above the page
        (header(grain=HUGE), HUGE // PAGE + 1),
        (header(grain=1 << 63), 3),
        (header(grain=(1 << 64) - 1), 3),
        (header()[:16], 3),
        (b"", 3),
    ],
)
def test_a_segment_whose_header_does_not_fit_is_refused(made: Callable[..., int], forged: bytes, pages: int) -> None:
    with pytest.raises(urpc.UrpcError, match="no segment of this version"):
        urpc.Segment.attach(made(forged, pages * PAGE))


@pytest.mark.parametrize(
    ("parameter", "grain", "pages"),
    [(0, PAGE, 4), (3, PAGE, 7), (3, PAGE, 9), (3, 0, 8), (3, 8192, 9), (1 << 20 | 1, PAGE, 8), (0xFFFFFFFF, PAGE, 8)],
)
def test_a_pool_whose_header_does_not_fit_is_refused(
    made: Callable[..., int], parameter: int, grain: int, pages: int
) -> None:
    with pytest.raises(urpc.UrpcError, match="no pool of this version"):
        urpc.Pool.attach(made(header(POOL, POOL_VERSION, parameter, grain), pages * 4096))


def test_rings_on_huge_pages_of_their_own_are_taken_and_checked(made: Callable[..., int]) -> None:
    """As they are made for two nodes, of which a machine may have but one."""
    needs_huge_pages(4)
    apart = header(grain=HUGE)
    for size in (HUGE, 3 * HUGE):
        with pytest.raises(urpc.UrpcError, match="no segment"):
            urpc.Segment.attach(made(apart, size, huge=True), huge_pages=True)
    with pytest.raises(urpc.UrpcError, match="no segment"):
        urpc.Segment.attach(made(header(grain=2 * HUGE), 2 * HUGE, huge=True), huge_pages=True)
    fd = made(apart, 2 * HUGE, huge=True)
    segment, bell = urpc.Segment.attach(fd, huge_pages=True), urpc.Doorbell.create()
    a, b = urpc.Channel(segment, 0, bell, bell), urpc.Channel(segment, 1, bell, bell)
    for _ in range(20):
        a.send(b"there")
        b.send(b"back")
        assert (b.receive(), a.receive()) == (b"there", b"back")
    with mmap.mmap(fd, 0) as memory:
        assert memory[HUGE + 8 : HUGE + 12] == b"back"  # the second ring begins the second page


def test_a_container_that_forbids_placement_gets_memory_all_the_same(run: Run) -> None:
    """Docker's seccomp profile answers EPERM to mbind and get_mempolicy; kernels without NUMA ENOSYS."""
    output = run(
        f"""
        import ctypes, errno, os, platform, struct
        numbers = {{"x86_64": (0xC000003E, 237, 239), "aarch64": (0xC00000B7, 235, 236)}}.get(platform.machine())
        from multikernel import urpc
        libc = ctypes.CDLL(None, use_errno=True)
        def forbid(number, error):  # a filter: load the number; if it is this one, return the error
            program = struct.pack("<HBBI", 0x20, 0, 0, 0) + struct.pack("<HBBI", 0x15, 0, 1, number)
            program += struct.pack("<HBBI", 0x06, 0, 0, 0x00050000 | error) + struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)
            text = ctypes.create_string_buffer(program)
            class Program(ctypes.Structure):
                _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
            filter = Program(4, ctypes.cast(text, ctypes.c_void_p).value)
            assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0
        if numbers is None:
            print("unknown")
            raise SystemExit
        forbid(numbers[1], errno.EPERM)
        forbid(numbers[2], errno.ENOSYS)
        a, b = urpc.pair(8, pool=4096, nodes=(0, 1000), page_size={HUGE})
        a.send(bytes(9000)[:4096])
        print(len(b.receive()), a.segment.nodes)
        """
    )
    if output == "unknown\n":
        pytest.skip("the numbers of system calls on this processor are not known to the test")
    assert output == "4096 (None, None)\n"
