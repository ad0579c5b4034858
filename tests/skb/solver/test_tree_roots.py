"""One tree for several roots, against all trees there are."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_cases import DATA, Rows, latencies, machine, read_latency, split
from tree_plays import Children, depth, heard, orders, told, trees

from skb.solver.errors import SolverError
from skb.solver.tree_question import Wanted
from skb.solver.tree_roots import SharedTree, shared_tree

GENEROUS = 60.0


@st.composite
def questions(draw: st.DrawFn) -> tuple[Rows, Rows, list[int], Wanted, list[int] | None]:
    size = draw(st.integers(1, 5))
    value = st.one_of(st.integers(0, 3), st.integers(0, 100))
    rows = st.lists(st.lists(value, min_size=size, max_size=size), min_size=size, max_size=size)
    cores = draw(st.permutations(range(size)))
    members = cores[: draw(st.integers(1, size))]
    roots = members[: draw(st.integers(1, 3))]
    relays = [core for core in cores if core not in members][: draw(st.integers(0, 1))]
    limit = st.one_of(st.none(), st.integers(1, 3))
    wanted = Wanted(members, relays, max_degree=draw(limit), max_depth=draw(limit), reduce=draw(st.booleans()))
    weights = draw(st.one_of(st.none(), st.lists(st.integers(1, 9), min_size=len(roots), max_size=len(roots))))
    return draw(rows), draw(rows), list(roots), wanted, weights


def turned(tree: Children, root: int) -> dict[int, list[int]]:
    """The same edges, seen from another root."""
    around: dict[int, set[int]] = {core: set(served) for core, served in tree.items()}
    for core, served in tree.items():
        for child in served:
            around[child].add(core)
    children: dict[int, list[int]] = {}
    waiting = [(root, -1)]
    for core, parent in waiting:
        children[core] = sorted(around[core] - {parent})
        waiting += [(child, core) for child in children[core]]
    return children


def best(question: tuple[Rows, Rows, list[int], Wanted, list[int] | None]) -> int | None:
    send, receive, roots, wanted, weights = question
    assert wanted.members is not None
    costs = []
    for relays in ([], wanted.relays) if wanted.relays else ([],):
        for tree in trees([*wanted.members, *relays], roots[0]):
            seen = [turned(tree, root) for root in roots]
            if wanted.max_degree is not None and max(len(c) for t in seen for c in t.values()) > wanted.max_degree:
                continue
            if wanted.max_depth is not None and max(map(depth, seen, roots)) > wanted.max_depth:
                continue
            play = heard if wanted.reduce else told
            each = [min(play(t, send, receive, r) for t in orders(one)) for one, r in zip(seen, roots, strict=True)]
            costs.append(max(each) if weights is None else sum(map(int.__mul__, each, weights)))
    return min(costs, default=None)


@settings(deadline=None, max_examples=80)
@given(questions())
def test_a_shared_tree_is_the_best_of_all(question: tuple[Rows, Rows, list[int], Wanted, list[int] | None]) -> None:
    send, receive, roots, wanted, weights = question
    least = best(question)
    if least is None:
        with pytest.raises(SolverError, match="max_de"):
            shared_tree(send, receive, roots, wanted, weights=weights, seconds=GENEROUS)
        return
    found = shared_tree(send, receive, roots, wanted, weights=weights, seconds=GENEROUS)
    assert (found.status, found.cost_ps, found.bound_ps) == ("optimal", least, least)
    assert_one_tree(found, send, receive, wanted)


def assert_one_tree(found: SharedTree, send: Rows, receive: Rows, wanted: Wanted) -> None:
    shapes = set()
    for root, children in found.children.items():
        assert (heard if wanted.reduce else told)(children, send, receive, root) == found.costs_ps[root]
        shapes.add(frozenset(frozenset((core, child)) for core, served in children.items() for child in served))
        if wanted.max_degree is not None:
            assert max(map(len, children.values())) <= wanted.max_degree
        if wanted.max_depth is not None:
            assert depth(children, root) <= wanted.max_depth
    assert len(shapes) == 1
    assert found.bound_ps <= found.cost_ps


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted(reduce=True), Wanted(max_degree=2), Wanted(max_degree=3, max_depth=6)]
)
def test_all_cores_of_a_machine_share_a_tree(wanted: Wanted) -> None:
    send, receive = split(machine(2, 2, 2, 2))
    found = shared_tree(send, receive, range(16), wanted, seconds=0.5)
    assert list(found.children) == list(range(16))
    assert found.cost_ps == max(found.costs_ps.values())
    assert_one_tree(found, send, receive, wanted)


@pytest.mark.parametrize(
    ("roots", "weights", "wanted", "message"),
    [
        ([], None, Wanted(), "roots names no core"),
        ([0, 0], None, Wanted(), "roots names a core more than once"),
        ([0, 3], None, Wanted(members=[0, 1]), "roots has core 3, which is not among the members"),
        ([0, 1], [1], Wanted(), "weights is .* an integer from 1 for each of the 2 roots"),
        ([0, 1], [1, 0], Wanted(), "weights is"),
        ([0, 1], None, Wanted(shape="star"), "shape goes with one root"),
        ([0, 1, 2], None, Wanted(max_degree=1), "there is no tree that keeps to both"),
    ],
)
def test_what_makes_no_sense_is_refused(
    roots: list[int], weights: list[int] | None, wanted: Wanted, message: str
) -> None:
    send, receive = split(machine(1, 1, 4, 1))
    with pytest.raises(SolverError, match=message):
        shared_tree(send, receive, roots, wanted, weights=weights, seconds=GENEROUS)


MEASURED = [pytest.param(path, id=path.stem) for path in latencies()] or [
    pytest.param(DATA, marks=pytest.mark.skip(reason=f"no recorded machines: {DATA} is not there"))
]


@pytest.mark.parametrize("path", MEASURED)
def test_recorded_machines_have_shared_trees(path: Path) -> None:
    send, receive = split(read_latency(path))
    found = shared_tree(send, receive, [0, len(send) - 1], seconds=0.3)
    assert_one_tree(found, send, receive, Wanted())
