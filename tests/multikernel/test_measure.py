"""Statistics of measurements: interrupted samples are left out, and said to be."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel import urpc
from multikernel.link import LONGEST as LONGEST_MESSAGE
from multikernel.measure import (
    INTERRUPTED,
    LONGEST,
    PAIR_NS,
    SHORTEST,
    SLICES,
    WARM_UP,
    Pair,
    receive_cost,
    receiving,
    sending,
    statistics,
)
from multikernel.messages import Slice, Taken, encode


def test_interrupted_samples_are_left_out_and_counted() -> None:
    found = statistics([100, 110, 90, 100, 100 * INTERRUPTED + 1])
    assert (found.avg, found.min, found.max, found.samples, found.interrupted) == (100, 90, 110, 4, 1)


def test_equal_samples_have_no_deviation() -> None:
    assert statistics([7, 7, 7]) == (7, 0, 7, 7, 3, 0, 7)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        statistics([])


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=200))
def test_the_average_lies_between_the_extremes(samples: list[int]) -> None:
    found = statistics(samples)
    assert found.min <= found.avg <= found.max
    assert found.samples + found.interrupted == len(samples)


def test_the_way_belongs_to_the_receiver() -> None:
    assert receive_cost(trip=600, send=100, receive=20) == 200
    assert receive_cost(trip=600, send=100, receive=500) == 500


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_hop_never_costs_less_than_the_one_way_latency(trip: int, send: int, receive: int) -> None:
    assert send + receive_cost(trip, send, receive) >= trip // 2


def of(part: Slice, trip: int = 1000) -> Taken:
    return Taken([trip] * part.rounds, [100] * part.burst, [50] * part.blocks)


def test_the_slice_that_warms_up_does_not_count() -> None:
    pair = Pair()
    pair.add(of(WARM_UP, trip=999_999), [7] * WARM_UP.burst, 1_000_000)
    assert pair.next is not None
    with pytest.raises(ValueError, match="no samples"):
        pair.cost()
    pair.add(of(pair.next), [7] * pair.next.burst, 1_000_000)
    assert pair.cost().sending.max == 1000


def test_slices_grow_where_messages_are_fast_and_shrink_where_they_are_slow() -> None:
    fast, slow = Pair(), Pair()
    for _ in range(SLICES):
        assert fast.next is not None
        fast.add(of(fast.next), [1], 100_000)
    assert fast.next == LONGEST
    while slow.next is not None:
        part = slow.next
        slow.add(of(part), [1], 100_000 * part.rounds)
    assert slow.cost().measured_for >= PAIR_NS * 1000
    assert part.rounds < WARM_UP.rounds


def test_a_pair_whose_time_is_over_is_measured_no_more_but_never_left_without_a_figure() -> None:
    pair = Pair()
    pair.add(of(WARM_UP), [1], PAIR_NS * 100)
    assert pair.next is not None, "nothing has been found yet"
    pair.add(of(pair.next), [1], PAIR_NS)
    assert pair.next is None


def test_what_the_longest_slice_finds_fits_a_message_even_if_every_sample_is_slow() -> None:
    slow = 10**10
    for part in (WARM_UP, SHORTEST, LONGEST):
        assert len(encode(Taken([slow] * part.rounds, [slow] * part.burst, [slow] * part.blocks))) < LONGEST_MESSAGE


def test_both_ends_of_a_channel_measure_a_slice() -> None:
    here, there = urpc.pair(128)
    with here, there:
        received: list[int] = []
        answering = threading.Thread(target=lambda: received.extend(receiving(there, SHORTEST)))
        answering.start()
        taken = sending(here, SHORTEST)
        answering.join(60)
    assert tuple(map(len, taken_of(taken))) == (SHORTEST.rounds, SHORTEST.burst, SHORTEST.blocks)
    assert len(received) == SHORTEST.burst


def taken_of(taken: Taken) -> tuple[list[int], list[int], list[int]]:
    return taken.trips, taken.sends, taken.stream
