import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_cases import Rows, machine

from skb.solver.errors import SolverError
from skb.solver.placement import Placement, place
from skb.solver.placement_constraints import Alone, AtMost, Constraint, Different, Only, Same

GENEROUS = 60.0  # seconds that a small problem never needs; the answer comes as soon as it is proved


def holds(constraint: Constraint, at: tuple[int, ...]) -> bool:
    """The meaning of each constraint, said as plainly as possible."""
    if isinstance(constraint, Only):
        return all(at[a] in constraint.cores for a in constraint.dispatchers)
    where = [constraint.part[core] for core in at]
    if isinstance(constraint, Same):
        return all(where[a] == where[b] for a in constraint.dispatchers for b in constraint.dispatchers)
    if isinstance(constraint, Different):
        return all(where[a] != where[b] for a, b in itertools.combinations(constraint.dispatchers, 2))
    if isinstance(constraint, Alone):
        return all(where[a] != where[b] for a in constraint.dispatchers for b in range(len(at)) if a != b)
    return all(
        sum(weight for weight, part in zip(constraint.weight, where, strict=True) if part == each) <= most
        for each, most in enumerate(constraint.most)
    )


def cost_of(distance: Rows, traffic: Rows, price: Rows, at: tuple[int, ...]) -> int:
    every = range(len(at))
    return sum(traffic[a][b] * distance[at[a]][at[b]] for a in every for b in every) + sum(
        row[core] for row, core in zip(price, at, strict=False)
    )


@st.composite
def questions(draw: st.DrawFn) -> tuple[Rows, Rows, Rows, list[Constraint], int]:
    count, cores = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    values = st.one_of(st.integers(0, 2), st.integers(0, 30))

    def matrix(height: int, width: int) -> st.SearchStrategy[Rows]:
        row = st.lists(values, min_size=width, max_size=width)
        return st.lists(row, min_size=height, max_size=height)

    some = st.sets(st.integers(0, count - 1), min_size=1).map(lambda found: tuple(sorted(found)))
    part = st.lists(st.integers(0, 2), min_size=cores, max_size=cores).map(tuple)
    weights = st.lists(st.integers(0, 3), min_size=count, max_size=count).map(tuple)
    constraint = st.one_of(
        st.builds(Only, st.just("only"), some, st.frozensets(st.integers(0, cores - 1))),
        st.builds(Same, st.just("same"), some, part),
        st.builds(Different, st.just("different"), some, part),
        st.builds(Alone, st.just("alone"), some, part),
        st.builds(AtMost, st.just("at most"), weights, part, st.tuples(*[st.integers(0, 6)] * 3)),
    )
    regular = st.sampled_from([machine(1, 2, 1, 2), machine(2, 1, 1, 2)]) if cores == 4 else matrix(cores, cores)
    distance = draw(st.one_of(regular, matrix(cores, cores)))
    price = draw(st.one_of(st.just([]), matrix(count, cores)))
    named = [
        type(each)(**{**vars(each), "name": f"{each.name} {i}"})
        for i, each in enumerate(draw(st.lists(constraint, max_size=3)))
    ]
    return distance, draw(matrix(count, count)), price, named, draw(st.integers(1, 3))


@settings(deadline=None, max_examples=300)
@given(question=questions())
def test_small_placements_under_constraints_are_the_best_of_all(
    question: tuple[Rows, Rows, Rows, list[Constraint], int],
) -> None:
    distance, traffic, price, constraints, most = question

    def choices(constraints: list[Constraint]) -> list[tuple[int, ...]]:
        return [
            at
            for at in itertools.product(range(len(distance)), repeat=len(traffic))
            if all(at.count(core) <= most for core in at) and all(holds(constraint, at) for constraint in constraints)
        ]

    found = place(distance, traffic, max_per_core=most, price=price, constraints=constraints, seconds=GENEROUS)
    possible = choices(constraints)
    if possible:
        assert found.status == "optimal"
        assert found.assignment in possible
        assert found.cost == found.bound == min(cost_of(distance, traffic, price, at) for at in possible)
    else:
        assert (found.status, found.assignment) == ("infeasible", ())
        named = [constraint for constraint in constraints if constraint.name in found.conflict]
        if "max_per_core" in found.conflict:
            assert not choices(named)
        for spared in named:  # none of them can be spared
            rest = [constraint for constraint in named if constraint is not spared]
            assert choices(rest) or ("max_per_core" not in found.conflict)


def node_of(distance: Rows, width: int) -> tuple[int, ...]:
    return tuple(core // width for core in range(len(distance)))


def assert_kept(found: Placement, constraints: list[Constraint]) -> None:
    assert found.status in ("optimal", "feasible")
    assert all(holds(constraint, found.assignment) for constraint in constraints)


def test_a_large_machine_keeps_constraints_of_every_kind() -> None:
    distance = machine(2, 4, 8, 2)
    draw = random.Random(5)
    count = 60
    traffic = [[draw.randrange(100) * (a != b) for b in range(count)] for a in range(count)]
    package, physical, cache = node_of(distance, 64), node_of(distance, 2), node_of(distance, 16)
    constraints: list[Constraint] = [
        Same("pipeline together", tuple(range(12)), cache),
        Different("replicas apart", (20, 21), package),
        Alone("the poller has a physical core to itself", (30, 31), physical),
        Only("near the card", (40, 41, 42), frozenset(range(64, 128))),
        AtMost("memory", tuple(10 + a % 5 for a in range(count)), package, (400, 400)),
        AtMost("one thread of each core", (1,) * count, physical, (1,) * 64),
    ]
    found = place(distance, traffic, constraints=constraints[:5], seconds=3)
    assert_kept(found, constraints[:5])
    conflict = place(distance, traffic, constraints=constraints, seconds=3)
    assert conflict.status == "infeasible"
    assert set(conflict.conflict) == {"pipeline together", "one thread of each core"}
    assert "cannot hold together" in conflict.reason


def test_a_group_goes_as_one_where_it_costs_less() -> None:
    distance = machine(2, 1, 4, 1)
    traffic = [[0] * 4 for _ in range(4)]
    traffic[0][3] = 100
    node = node_of(distance, 4)
    constraints: list[Constraint] = [Same("together", (0, 1, 2), node), Only("far", (3,), frozenset({4, 5, 6, 7}))]
    found = place(distance, traffic, constraints=constraints, start=(0, 1, 2, 4), seconds=GENEROUS)
    assert_kept(found, constraints)
    assert {node[core] for core in found.assignment} == {1}


def test_a_price_on_moving_keeps_what_gains_less() -> None:
    distance = machine(2, 1, 4, 1)
    traffic = [[0, 1], [1, 0]]
    current = (0, 4)

    def moving(price: int) -> Rows:
        return [[0 if core == home else price for core in range(8)] for home in current]

    gain = 2 * (distance[0][4] - distance[0][1])
    stays = place(distance, traffic, price=moving(gain + 1), start=current, seconds=GENEROUS)
    assert (stays.assignment, stays.cost) == (current, 2 * distance[0][4])
    moves = place(distance, traffic, price=moving(gain - 1), start=current, seconds=GENEROUS)
    assert sum(a != b for a, b in zip(moves.assignment, current, strict=True)) == 1
    assert moves.status == "optimal"


def test_figures_beyond_64_bits_are_exact() -> None:
    big = 10**30
    distance = [[big * value for value in row] for row in machine(2, 1, 2, 1)]
    traffic = [[0, big, 1], [0, 0, 0], [1, 0, 0]]
    found = place(distance, traffic, constraints=[Different("apart", (0, 2), node_of(distance, 2))], seconds=GENEROUS)
    assert found.status == "optimal"
    assert found.cost == cost_of(distance, traffic, [], found.assignment)


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (Only("near", (5,), frozenset({0})), "near: there is no dispatcher 5; there are 0 to 1"),
        (Only("near", (0,), frozenset({9})), "near: there is no core 9; there are 0 to 3"),
        (Same("together", (0, 1), (0, 0)), "together: give a part from 0 for each of the 4 cores"),
        (AtMost("memory", (1,), (0, 0, 1, 1), (1, 1)), "memory: give a weight from 0 for each of the 2 dispatchers"),
        (AtMost("memory", (1, 1), (0, 0, 1, 1), (1,)), "memory: give the most for each of the 2 parts"),
    ],
)
def test_a_constraint_that_makes_no_sense_is_refused(constraint: Constraint, message: str) -> None:
    with pytest.raises(SolverError, match=message):
        place(machine(2, 1, 2, 1), [[0, 1], [1, 0]], constraints=[constraint])


def test_prices_have_the_shape_of_the_question() -> None:
    with pytest.raises(SolverError, match=r"price\[0\] has 1 entries; give 4"):
        place(machine(2, 1, 2, 1), [[0, 1], [1, 0]], price=[[1], [1]])
