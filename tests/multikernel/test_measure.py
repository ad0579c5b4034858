"""Statistics of measurements: interrupted samples are left out, and said to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.measure import INTERRUPTED, statistics


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
