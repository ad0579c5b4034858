"""Statistics of measurements: interrupted samples are left out, and said to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.measure import INTERRUPTED, receive_cost, statistics


def test_interrupted_samples_are_left_out_and_counted() -> None:
    found = statistics([100, 110, 90, 100, 100 * INTERRUPTED + 1])
    assert (found.avg, found.min, found.max, found.samples, found.interrupted) == (100, 90, 110, 4, 1)


def test_equal_samples_have_no_deviation() -> None:
    assert statistics([7, 7, 7]) == (7, 0, 7, 7, 3, 0)


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
