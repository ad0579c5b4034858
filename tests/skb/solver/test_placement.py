import itertools
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_cases import DATA, Rows, instances, machine, read_instance

from skb.solver.errors import SolverError
from skb.solver.placement import Placement, place

GENEROUS = 60.0  # seconds that a small problem never needs; the answer comes as soon as it is proved


def cost_of(distance: Rows, traffic: Rows, assignment: tuple[int, ...]) -> int:
    return sum(
        traffic[a][b] * distance[assignment[a]][assignment[b]] for a in range(len(traffic)) for b in range(len(traffic))
    )


def assert_honest(found: Placement, distance: Rows, traffic: Rows) -> None:
    assert found.cost == cost_of(distance, traffic, found.assignment)
    assert found.bound <= found.cost
    assert found.status == ("optimal" if found.bound == found.cost else "feasible")


def matrices(size: st.SearchStrategy[int], values: st.SearchStrategy[int]) -> st.SearchStrategy[Rows]:
    def fill(n: int) -> st.SearchStrategy[Rows]:
        rows = st.lists(st.lists(values, min_size=n, max_size=n), min_size=n, max_size=n)
        symmetric = rows.map(lambda m: [[m[min(i, j)][max(i, j)] for j in range(n)] for i in range(n)])
        return st.one_of(rows, symmetric)

    return size.flatmap(fill)


def values() -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, 2), st.integers(0, 30))


@settings(deadline=None, max_examples=150)
@given(
    distance=st.one_of(
        matrices(st.integers(1, 5), values()), st.just(machine(1, 2, 1, 2)), st.just(machine(2, 1, 1, 2))
    ),
    traffic=matrices(st.integers(0, 4), values()),
    max_per_core=st.integers(1, 3),
    avoid=st.sets(st.integers(0, 4), max_size=2),
)
def test_small_placements_are_the_best_of_all(
    distance: Rows, traffic: Rows, max_per_core: int, avoid: set[int]
) -> None:
    avoid = {core for core in avoid if core < len(distance)}
    choices = [
        choice
        for choice in itertools.product(sorted(set(range(len(distance))) - avoid), repeat=len(traffic))
        if all(choice.count(core) <= max_per_core for core in choice)
    ]
    found = place(distance, traffic, max_per_core=max_per_core, avoid=avoid, seconds=GENEROUS)
    if not choices:
        assert (found.status, found.assignment) == ("infeasible", ())
    else:
        assert found.status == "optimal"
        assert found.assignment in choices
        assert found.cost == found.bound == min(cost_of(distance, traffic, choice) for choice in choices)
        assert_honest(found, distance, traffic)


def patterns(count: int) -> dict[str, Rows]:
    draw = random.Random(7)
    every = range(count)
    return {
        "all to all": [[int(a != b) for b in every] for a in every],
        "pipeline": [[5 * (b == a + 1) for b in every] for a in every],
        "ring": [[5 * (b == (a + 1) % count) for b in every] for a in every],
        "hub": [[int(a != b and 0 in (a, b)) for b in every] for a in every],
        "random": [[draw.randrange(100) * (a != b) for b in every] for a in every],
    }


@pytest.mark.parametrize("pattern", list(patterns(8)))
@pytest.mark.parametrize("shape", [(1, 1, 4, 2), (2, 1, 4, 2), (2, 4, 8, 2)])
def test_eight_dispatchers_on_a_symmetric_machine_are_placed_and_proved(
    shape: tuple[int, int, int, int], pattern: str
) -> None:
    distance, traffic = machine(*shape), patterns(8)[pattern]
    found = place(distance, traffic, seconds=GENEROUS)
    assert found.status == "optimal"
    assert len(set(found.assignment)) == 8
    assert_honest(found, distance, traffic)


def test_noise_does_not_hide_how_good_a_placement_is() -> None:
    draw = random.Random(3)
    distance = [[value + draw.randrange(value // 20 + 1) for value in row] for row in machine(2, 4, 4, 2)]
    traffic = patterns(6)["pipeline"]
    found = place(distance, traffic, seconds=3)
    assert_honest(found, distance, traffic)
    assert 20 * found.bound >= 19 * found.cost  # within the noise


def test_dispatchers_that_may_share_cores_gather_on_one() -> None:
    found = place(machine(2, 1, 2, 1), patterns(3)["ring"], max_per_core=3, seconds=GENEROUS)
    assert (found.status, found.cost, len(set(found.assignment))) == ("optimal", 0, 1)


def test_avoided_cores_stay_empty() -> None:
    found = place(machine(1, 1, 4, 1), patterns(3)["ring"], avoid=[1], seconds=GENEROUS)
    assert set(found.assignment) == {0, 2, 3}


def test_too_many_dispatchers_are_infeasible_and_the_reason_is_given() -> None:
    found = place(machine(1, 1, 2, 1), patterns(4)["ring"], avoid=[0], max_per_core=3)
    assert found.status == "infeasible"
    assert found.reason == "4 dispatchers do not fit on 1 cores (1 avoided) with at most 3 on each"


def test_no_dispatchers_need_no_cores() -> None:
    assert place([], []).status == "optimal"


def test_without_time_there_is_a_placement_all_the_same() -> None:
    distance, traffic = machine(2, 4, 4, 2), patterns(40)["random"]
    found = place(distance, traffic, seconds=0)
    assert len(set(found.assignment)) == 40
    assert_honest(found, distance, traffic)


def test_the_same_question_has_the_same_answer() -> None:
    distance, traffic = machine(2, 1, 4, 2), patterns(7)["random"]
    first, second = (place(distance, traffic, seconds=GENEROUS) for _ in range(2))
    assert first.assignment == second.assignment


def test_time_is_kept_on_a_large_machine() -> None:
    draw = random.Random(3)
    distance = [[value + draw.randrange(value // 20 + 1) for value in row] for row in machine(2, 8, 8, 2)]
    before = time.thread_time()  # this thread's own work, however busy the machine is
    found = place(distance, patterns(128)["random"], seconds=1)
    assert time.thread_time() - before < 2
    assert found.status == "feasible"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distance": [[0, 1]], "traffic": [[0]]}, r"distance\[0\] has 2 entries where the matrix has 1 rows"),
        ({"distance": [[0]], "traffic": [[-1]]}, r"traffic\[0\]\[0\] is -1"),
        ({"distance": [[0]], "traffic": [[0.5]]}, r"traffic\[0\]\[0\] is 0.5"),
        ({"distance": [[True]], "traffic": [[0]]}, r"distance\[0\]\[0\] is True"),
        ({"distance": [[0]], "traffic": [[0]], "max_per_core": 0}, "max_per_core is 0; give an integer from 1"),
        ({"distance": [[0]], "traffic": [[0]], "avoid": [1]}, "avoid has 1, which is no row of distance"),
        ({"distance": [[0]], "traffic": [[0]], "seconds": float("nan")}, "seconds is nan"),
        ({"distance": [[0]], "traffic": [[0]], "seconds": -1}, "seconds is -1"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SolverError, match=message):
        place(**arguments)  # type: ignore[arg-type]  # that they do not fit is the point


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded problems: {DATA} is not there")
def test_there_are_recorded_problems() -> None:
    assert list(instances())


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in instances()])
def test_bounds_and_costs_enclose_the_best_known(path: Path) -> None:
    traffic, distance, best = read_instance(path)
    found = place(distance, traffic, seconds=1)
    assert_honest(found, distance, traffic)
    assert found.bound <= best <= found.cost


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in instances() if "12" in path.stem])
def test_problems_of_twelve_are_solved(path: Path) -> None:
    traffic, distance, best = read_instance(path)
    found = place(distance, traffic, seconds=GENEROUS)
    assert (found.cost, found.status) == (best, "optimal")
