"""Positions in trees of cores and of dispatchers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.protocols.tree import Position, grow, positions


def test_positions_name_parent_and_children_in_sending_order() -> None:
    places = positions(4, {4: [2, 7], 2: [1]})
    assert places[4] == Position(4, None, (2, 7), 4)
    assert places[2] == Position(2, 4, (1,), 4)
    assert places[7] == Position(7, 4, (), 4)


@pytest.mark.parametrize(
    ("children", "word"),
    [({0: [1, 1]}, "twice"), ({0: [1], 1: [0]}, "twice"), ({0: [1], 2: [3]}, "cannot be reached")],
)
def test_what_is_no_tree_is_refused(children: dict[int, list[int]], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        positions(0, children)


def test_dispatchers_on_one_core_hang_below_the_one_that_speaks_for_it() -> None:
    places = grow(1, {10: [11], 11: []}, core_of=[10, 10, 11, 11])
    assert places[1].children == (2, 0)  # the far core first, then the neighbour
    assert places[2] == Position(2, 1, (3,), 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.data())
def test_every_dispatcher_has_a_place_below_the_root(core_of: list[int], data: st.DataObject) -> None:
    root = data.draw(st.integers(0, len(core_of) - 1))
    order = [core_of[root], *sorted(set(core_of) - {core_of[root]})]
    children: dict[int, list[int]] = {core: [] for core in order}
    for i, core in enumerate(order[1:], start=1):
        children[order[data.draw(st.integers(0, i - 1))]].append(core)
    places = grow(root, children, core_of)
    assert set(places) == set(range(len(core_of)))
    assert [member for member, place in places.items() if place.parent is None] == [root]
