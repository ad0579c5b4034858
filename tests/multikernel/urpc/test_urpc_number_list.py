"""Lists of numbers as the kernel writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.urpc.number_list import numbers


@given(st.sets(st.integers(0, 60)))
def test_lists_of_the_kernel_are_read(chosen: set[int]) -> None:
    assert numbers(",".join(map(str, sorted(chosen))) + "\n") == chosen


@pytest.mark.parametrize(("text", "read"), [("0", {0}), ("0-3,8", {0, 1, 2, 3, 8}), ("\n", set()), ("4-4", {4})])
def test_ranges_are_read(text: str, read: set[int]) -> None:
    assert numbers(text) == read
