"""Routes over few channels, against all choices of channels there are."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_cases import DATA, Rows, latencies, machine, read_latency

from skb.solver.errors import SolverError
from skb.solver.route_bound import bound
from skb.solver.route_paths import Channels, Demand, distances, with_channel, without_channel
from skb.solver.routes import Routes, routes

import numpy as np  # isort: skip

GENEROUS = 60.0


def walked(channels: list[tuple[int, int]], latency: Rows) -> list[list[float]]:
    """What the cheapest paths cost, one core after another allowed on the way."""
    size = len(latency)
    far = [[0.0 if a == b else float("inf") for b in range(size)] for a in range(size)]
    for a, b in channels:
        far[a][b], far[b][a] = latency[a][b], latency[b][a]
    for m, a, b in itertools.product(range(size), repeat=3):
        far[a][b] = min(far[a][b], far[a][m] + far[m][b])
    return far


def total(far: list[list[float]], traffic: Rows | None) -> float:
    size = len(far)
    if any(cost == float("inf") for row in far for cost in row):
        return float("inf")
    return sum(
        (1 if traffic is None else traffic[a][b]) * far[a][b] for a in range(size) for b in range(size) if a != b
    )


@st.composite
def questions(draw: st.DrawFn, most: int) -> tuple[Rows, int, Rows | None]:
    size = draw(st.integers(1, most))
    square = lambda value: st.lists(  # noqa: E731
        st.lists(value, min_size=size, max_size=size), min_size=size, max_size=size
    )
    latency = draw(square(st.one_of(st.integers(0, 3), st.integers(0, 100))))
    traffic = draw(st.one_of(st.none(), square(st.integers(0, 5))))
    return latency, draw(st.integers(1 if size <= 2 else 2, max(1, size))), traffic


def choices(size: int, most: int) -> list[list[tuple[int, int]]]:
    pairs = list(itertools.combinations(range(size), 2))
    found = []
    for bits in itertools.product((False, True), repeat=len(pairs)):
        chosen = [pair for pair, bit in zip(pairs, bits, strict=True) if bit]
        if all(sum(core in pair for pair in chosen) <= most for core in range(size)):
            found.append(chosen)
    return found


@settings(deadline=None, max_examples=80)
@given(questions(5))
def test_small_routes_are_the_best_of_all(question: tuple[Rows, int, Rows | None]) -> None:
    latency, most, traffic = question
    best = min(total(walked(chosen, latency), traffic) for chosen in choices(len(latency), most))
    found = routes(latency, most, traffic, seconds=GENEROUS)
    assert (found.status, found.cost, found.bound) == ("optimal", best, best)
    assert_good(found, latency, most, traffic)


@settings(deadline=None)
@given(questions(5))
def test_the_bound_is_below_every_choice(question: tuple[Rows, int, Rows | None]) -> None:
    latency, most, traffic = question
    costs, amounts = np.array(latency, dtype=np.int64), np.array(traffic or [[1] * len(latency)] * len(latency))
    np.fill_diagonal(costs, 0)
    np.fill_diagonal(amounts, 0)
    best = min(total(walked(chosen, latency), traffic) for chosen in choices(len(latency), most))
    assert bound(Demand(costs, amounts, most)) <= best


@settings(deadline=None)
@given(questions(8), st.data())
def test_path_costs_follow_a_channel_that_comes_or_goes(
    question: tuple[Rows, int, Rows | None], data: st.DataObject
) -> None:
    latency, most, _ = question
    size = len(latency)
    costs = np.array(latency, dtype=np.int64)
    np.fill_diagonal(costs, 0)
    demand = Demand(costs, np.ones_like(costs), most)
    pairs = list(itertools.combinations(range(size), 2))
    chosen = [pair for pair in pairs if data.draw(st.booleans())]
    for pair in pairs:
        channels = Channels(size, [other for other in chosen if other != pair])
        without = distances(demand, channels)
        channels.add(*pair)
        with_it = distances(demand, channels)
        assert (with_channel(demand, without, *pair) == with_it).all()
        channels.remove(*pair)
        assert (without_channel(demand, channels, with_it, *pair) == without).all()


def assert_good(found: Routes, latency: Rows, most: int, traffic: Rows | None) -> None:
    size = len(latency)
    far = walked(list(found.channels), latency)
    assert total(far, traffic) == found.cost
    assert found.bound <= found.cost
    around = [{b if a == core else a for a, b in found.channels if core in (a, b)} for core in range(size)]
    assert max(map(len, around)) <= most
    for start, end in itertools.permutations(range(size), 2):
        passed, cost = [start], 0
        while passed[-1] != end:
            hop = found.via[passed[-1]][end]
            assert hop in around[passed[-1]]
            assert hop not in passed
            cost += latency[passed[-1]][hop]
            passed.append(hop)
        assert cost == far[start][end]
    asked = [far[a][b] for a, b in itertools.permutations(range(size), 2) if traffic is None or traffic[a][b]]
    assert found.worst_cost == max(asked, default=0)


def test_traffic_decides_who_is_near() -> None:
    flat = [[10] * 6 for _ in range(6)]
    pairs = [(0, 3), (1, 4), (2, 5)]
    traffic = [[100 if (a, b) in pairs or (b, a) in pairs else 1 for b in range(6)] for a in range(6)]
    found = routes(flat, 2, traffic, seconds=GENEROUS)
    assert set(pairs) <= set(found.channels)


def test_with_channels_for_all_every_path_is_the_cheapest_there_is() -> None:
    found = routes([[0, 100, 1], [100, 0, 1], [1, 1, 0]], 2)
    assert (found.cost, found.status, found.via[0]) == (8, "optimal", (0, 2, 2))


@pytest.mark.parametrize(
    ("latency", "most", "traffic", "message"),
    [
        ([], 2, None, "latency has no rows"),
        ([[0, 1], [1, 0]], 0, None, "max_neighbours is 0, by which no core has a neighbour"),
        ([[0] * 3] * 3, 1, None, "max_neighbours is 1, by which 3 cores stay apart in pairs"),
        ([[0, -1], [1, 0]], 1, None, r"latency\[0\]\[1\] is -1"),
        ([[0, 1], [1, 0]], 1, [[1]], "traffic has 1 rows and latency 2"),
        ([[0, 1], [1, 0]], 1, [[0, -2], [1, 0]], r"traffic\[0\]\[1\] is -2"),
        ([[0, 2**70], [1, 0]], 1, None, "latency has a number beyond 64 bits"),
        ([[0, 2**60], [1, 0]], 1, None, "too large to be summed exactly"),
    ],
)
def test_what_makes_no_sense_is_refused(latency: Rows, most: int, traffic: Rows | None, message: str) -> None:
    with pytest.raises(SolverError, match=message):
        routes(latency, most, traffic)


def test_a_machine_is_connected_better_than_by_a_ring() -> None:
    latency = machine(2, 2, 4, 1)
    ring = [(core, (core + 1) % 16) for core in range(16)]
    found = routes(latency, 3, seconds=0.5)
    assert_good(found, latency, 3, None)
    assert found.cost < total(walked(ring, latency), None)


MEASURED = [pytest.param(path, id=path.stem) for path in latencies()] or [
    pytest.param(DATA, marks=pytest.mark.skip(reason=f"no recorded machines: {DATA} is not there"))
]


@pytest.mark.parametrize("path", MEASURED)
def test_recorded_machines_have_routes(path: Path) -> None:
    latency = read_latency(path)
    if len(latency) > 64:
        latency = [row[:64] for row in latency[:64]]
    assert_good(routes(latency, 3, seconds=0.3), latency, 3, None)
