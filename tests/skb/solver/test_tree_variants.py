"""Subsets, relays, limits, reductions and shapes: against all trees there are, and as the definition has it."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_cases import DATA, Rows, latencies, machine, read_latency, split
from tree_plays import Children, depth, heard, orders, told, trees

from skb.solver.errors import SolverError
from skb.solver.tree import Tree, broadcast_tree, completion_ps, reduction_ps
from skb.solver.tree_question import Wanted
from skb.solver.tree_shapes import CLASSIC

GENEROUS = 60.0  # seconds that a small problem never needs; the answer comes as soon as it is proved


@st.composite
def matrices(draw: st.DrawFn, size: int) -> tuple[Rows, Rows]:
    value = st.one_of(st.integers(0, 3), st.integers(0, 100), st.sampled_from([1, 10, 100]))
    rows = st.lists(st.lists(value, min_size=size, max_size=size), min_size=size, max_size=size)
    return draw(rows), draw(rows)


@st.composite
def variants(draw: st.DrawFn) -> tuple[Rows, Rows, int, Wanted]:
    size = draw(st.integers(1, 5))
    send, receive = draw(matrices(size))
    cores = draw(st.permutations(range(size)))
    members = cores[: draw(st.integers(1, size))]
    relays = [core for core in cores if core not in members][: draw(st.integers(0, 2))]
    wanted = Wanted(
        members=members,
        relays=relays,
        max_degree=draw(st.one_of(st.none(), st.integers(1, 3))),
        max_depth=draw(st.one_of(st.none(), st.integers(1, 3))),
        reduce=draw(st.booleans()),
    )
    return send, receive, draw(st.sampled_from(members)), wanted


def allowed(wanted: Wanted, root: int) -> Iterator[Children]:
    """All trees that keep to what is wanted, with all orders of children."""
    assert wanted.members is not None
    for count in range(len(wanted.relays) + 1):
        for relays in itertools.combinations(wanted.relays, count):
            for tree in trees([*wanted.members, *relays], root):
                if wanted.max_degree is not None and max(map(len, tree.values())) > wanted.max_degree:
                    continue
                if wanted.max_depth is not None and depth(tree, root) > wanted.max_depth:
                    continue
                yield from orders(tree)


@settings(deadline=None, max_examples=150)
@given(variants())
def test_every_variant_is_the_best_of_all_its_trees(question: tuple[Rows, Rows, int, Wanted]) -> None:
    send, receive, root, wanted = question
    play: Callable[[Children, Rows, Rows, int], int] = heard if wanted.reduce else told
    costs = [play(tree, send, receive, root) for tree in allowed(wanted, root)]
    if not costs:
        with pytest.raises(SolverError, match="max_depth"):
            broadcast_tree(send, receive, root, wanted, seconds=GENEROUS)
        return
    found = broadcast_tree(send, receive, root, wanted, seconds=GENEROUS)
    assert (found.status, found.cost_ps, found.bound_ps) == ("optimal", min(costs), min(costs))
    assert_keeps(found, send, receive, wanted)


def assert_keeps(found: Tree, send: Rows, receive: Rows, wanted: Wanted) -> None:
    """The tree is what was wanted, and costs what it says."""
    members = range(len(send)) if wanted.members is None else wanted.members
    assert (heard if wanted.reduce else told)(found.children, send, receive, found.root) == found.cost_ps
    assert set(members) <= set(found.children) <= {*members, *wanted.relays}
    reached = [found.root, *(child for served in found.children.values() for child in served)]
    assert sorted(reached) == sorted(found.children)
    if wanted.max_degree is not None:
        assert max(map(len, found.children.values())) <= wanted.max_degree
    if wanted.max_depth is not None:
        assert depth(found.children, found.root) <= wanted.max_depth
    assert found.bound_ps <= found.cost_ps
    assert found.status == ("optimal" if found.bound_ps == found.cost_ps else "feasible")


@settings(deadline=None)
@given(st.integers(1, 9).flatmap(matrices), st.data())
def test_what_a_reduction_takes_is_what_a_simulation_sees(costs: tuple[Rows, Rows], data: st.DataObject) -> None:
    send, receive = costs
    joined = [0]
    children: dict[int, list[int]] = {}
    for core in data.draw(st.permutations(range(1, len(send)))):
        children.setdefault(data.draw(st.sampled_from(joined)), []).append(core)
        joined.append(core)
    assert reduction_ps(children, send, receive, 0) == heard(children, send, receive, 0)
    assert completion_ps(children, send, receive, 0) == told(children, send, receive, 0)


WANTED = {
    "subset": Wanted(members=[0, 1, 5, 9, 12, 14, 15]),
    "relays": Wanted(members=[0, 5, 10, 15], relays=[1, 4, 11, 14]),
    "degree": Wanted(max_degree=2),
    "chain": Wanted(max_degree=1),
    "depth": Wanted(max_depth=2),
    "both": Wanted(max_degree=3, max_depth=3),
    "reduction": Wanted(reduce=True),
    "narrow reduction": Wanted(reduce=True, max_degree=2, members=range(3, 16), relays=[1]),
    "relays within limits": Wanted(members=range(8), relays=range(8, 16), max_degree=2, max_depth=3),
}


@pytest.mark.parametrize("wanted", [pytest.param(wanted, id=name) for name, wanted in WANTED.items()])
def test_larger_trees_keep_to_what_was_wanted(wanted: Wanted) -> None:
    rows = [[value + (a * b) % 97 for b, value in enumerate(row)] for a, row in enumerate(machine(2, 2, 2, 2))]
    send, receive = split(rows)
    root = 0 if wanted.members is None else wanted.members[0]
    assert_keeps(broadcast_tree(send, receive, root, wanted, seconds=0.3), send, receive, wanted)


def test_a_relay_is_used_where_it_helps() -> None:
    rows = [[0, 100, 1], [100, 0, 1], [1, 1, 0]]
    zero = [[0] * 3] * 3
    assert broadcast_tree(rows, zero, 0, Wanted(members=[0, 1])).cost_ps == 100
    found = broadcast_tree(rows, zero, 0, Wanted(members=[0, 1], relays=[2]))
    assert (found.children, found.cost_ps) == ({0: (2,), 1: (), 2: (1,)}, 2)


@pytest.mark.parametrize("name", CLASSIC)
def test_a_shape_can_be_asked_for(name: str) -> None:
    send, receive = split(machine(2, 2, 2, 1))
    free = broadcast_tree(send, receive, 0, seconds=GENEROUS)
    found = broadcast_tree(send, receive, 0, Wanted(shape=name))
    assert found.cost_ps == free.shapes[name] == told(found.children, send, receive, 0)
    assert found.bound_ps <= free.cost_ps <= found.cost_ps


def edges(name: str, size: int, **more: object) -> set[tuple[int, int]]:
    flat = [[10] * size for _ in range(size)]
    wanted = Wanted(shape=name, **more)  # type: ignore[arg-type]
    tree = broadcast_tree(flat, flat, 0, wanted).children
    return {(core, child) for core, served in tree.items() for child in served}


def test_shapes_are_what_their_names_say() -> None:
    assert edges("star", 5) == {(0, 1), (0, 2), (0, 3), (0, 4)}
    assert edges("binomial", 8) == {(0, 1), (0, 2), (1, 3), (0, 4), (1, 5), (2, 6), (3, 7)}
    assert edges("fibonacci", 8) == {(0, 1), (0, 2), (0, 3), (1, 4), (0, 5), (1, 6), (2, 7)}
    assert edges("cluster", 6, nodes=[0, 0, 0, 7, 7, 7]) == {(0, 3), (0, 1), (0, 2), (3, 4), (3, 5)}
    crossing = [edge for edge in edges("adaptive", 6, nodes=[0, 0, 0, 7, 7, 7]) if (edge[0] < 3) != (edge[1] < 3)]
    assert len(crossing) == 1
    line = [[abs(a - b) * 10 for b in range(5)] for a in range(5)]
    assert broadcast_tree(line, line, 0, Wanted(shape="spanning")).children == {
        0: (1,),
        1: (2,),
        2: (3,),
        3: (4,),
        4: (),
    }


@pytest.mark.parametrize(
    ("root", "wanted", "message"),
    [
        (5, Wanted(members=[0, 1]), r"root is 5, which is not among the members \[0, 1\]"),
        (0, Wanted(members=[0, 77]), r"members\[1\] is 77, which is no row of send"),
        (0, Wanted(members=[0, 2, 2]), "members has core 2 more than once"),
        (0, Wanted(members=[0, 2], relays=[2]), "relays has core 2, which is a member"),
        (0, Wanted(relays=[99]), r"relays\[0\] is 99, which is no row"),
        (0, Wanted(max_degree=0), "max_degree is 0, by which the root can send to nobody"),
        (0, Wanted(max_depth=0), "max_depth is 0"),
        (0, Wanted(max_degree=2, max_depth=2), "max_degree 2 and max_depth 2 let a tree have 7 cores, and there are 8"),
        (0, Wanted(shape="bush"), "shape is 'bush', which is unknown; give one of star, binomial"),
        (0, Wanted(shape="star", max_degree=3), "shape star is beyond the limits: core 0 has 7 children"),
        (0, Wanted(shape="star", max_degree=3, names=range(40, 48)), "core 40 has 7 children"),
        (0, Wanted(shape="binomial", max_depth=2), "core 7 is 3 messages from the root, and max_depth is 2"),
        (0, Wanted(nodes=[1]), "nodes has 1 entries and send 8 rows"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_constraint_named(root: int, wanted: Wanted, message: str) -> None:
    send, receive = split(machine(2, 2, 2, 1))
    with pytest.raises(SolverError, match=message):
        broadcast_tree(send, receive, root, wanted)


MEASURED = [pytest.param(path, id=path.stem) for path in latencies()] or [
    pytest.param(DATA, marks=pytest.mark.skip(reason=f"no recorded machines: {DATA} is not there"))
]


@pytest.mark.parametrize("path", MEASURED)
def test_every_recorded_machine_has_every_variant(path: Path) -> None:
    send, receive = split(read_latency(path))
    size = len(send)
    for wanted in (
        Wanted(reduce=True),
        Wanted(max_degree=3, max_depth=size.bit_length()),
        Wanted(members=range(0, size, 2), relays=range(1, size, 2)),
    ):
        found = broadcast_tree(send, receive, 0, wanted, seconds=0.2)
        assert_keeps(found, send, receive, wanted)
        assert found.cost_ps <= min(found.shapes.values(), default=found.cost_ps)
