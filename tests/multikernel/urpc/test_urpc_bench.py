"""The benchmark of URPC: every figure, every goal, and reasons for what is not there."""

from __future__ import annotations

import json
import os

import pytest

from multikernel import urpc
from multikernel.urpc import bench, crossover
from multikernel.urpc._urpc import ring_costs, ring_round_trip, ring_stream, shared_update

two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="needs two cores, and this process may use one only"
)


def cores() -> tuple[int, int]:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    return first, second


@two_cores
def test_benchmark_has_every_figure_and_is_json() -> None:
    before = os.sched_getaffinity(0)
    seen: list[tuple[int, int]] = []
    report = bench.measure(
        rounds=2,
        scale=0.02,
        peers={"mpi4py": lambda _, count: 1_000_000 * count // count},
        missing={"iceoryx2": "no wheel for this machine"},
        progress=lambda done, total: seen.append((done, total)),
    )
    assert os.sched_getaffinity(0) == before
    assert seen == [(1, 2), (2, 2)]
    assert report.figures.keys() | report.missing.keys() == bench.FIGURES.keys()
    assert not report.figures.keys() & report.missing.keys()
    assert all(
        figure.median > 0 for name, figure in report.figures.items() if name not in ("membarrier", "blocked_cpu")
    )
    assert json.loads(json.dumps(report.as_dict()))["figures"].keys() == report.figures.keys()


@two_cores
def test_every_goal_has_an_outcome_and_what_is_missing_says_why() -> None:
    report = bench.measure(rounds=1, scale=0.02, missing={"iceoryx2": "no wheel for this machine"})
    outcomes = {outcome.goal.this: outcome for outcome in report.outcomes}
    assert [outcome.goal for outcome in report.outcomes] == list(bench.GOALS)
    assert outcomes["iceoryx2"].met is None
    assert outcomes["iceoryx2"].reason == "not available: no wheel for this machine"
    assert bench.NOT_HERE in outcomes["mpi4py"].reason
    assert outcomes["pipe"].ratio is not None
    assert outcomes["pipe"].met == (outcomes["pipe"].ratio >= 150)


def test_ratios_are_medians_of_neighbours_and_not_ratios_of_medians() -> None:
    samples = {"pipe": [1000, 90, 200], "channel_python": [10, 1, 1]}
    goal = next(goal for goal in bench.GOALS if goal.this == "pipe")
    assert bench._outcome(goal, samples, {}).ratio == 100
    assert bench._outcome(goal, samples, {}).met is False


def test_a_goal_with_a_fixed_limit_is_held_against_it() -> None:
    goal = next(goal for goal in bench.GOALS if goal.this == "stream")
    assert bench._outcome(goal, {"stream": [100_000]}, {}).met is True
    assert bench._outcome(goal, {"stream": [200_001]}, {}).met is False


def test_benchmark_on_one_core_says_that_it_needs_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    with pytest.raises(urpc.UrpcError, match="one core only"):
        bench.measure()
    with pytest.raises(urpc.UrpcError, match="nothing is shared on one core"):
        crossover.measure()


@two_cores
@pytest.mark.parametrize("design", ["cleared", "sequence", "returned"])
@pytest.mark.parametrize("capacity", [4, 64, 1024])
def test_bare_rings_carry_what_is_put_in(design: str, capacity: int) -> None:
    assert ring_stream(design, *cores(), 5000, capacity) > 0
    assert ring_round_trip(design, *cores(), 500, capacity) > 0
    for burst in (1, 16):
        assert all(ps > 0 for ps in ring_costs(design, *cores(), 160, burst))


@two_cores
def test_bare_rings_refuse_what_cannot_be() -> None:
    first, second = cores()
    with pytest.raises(ValueError, match="'cleared', 'sequence' or 'returned'"):
        ring_stream("flag", first, second, 10)
    with pytest.raises(ValueError, match="4 to 65536 lines"):
        ring_stream("cleared", first, second, 10, 48)
    with pytest.raises(ValueError, match="1 to 16 messages"):
        ring_costs("cleared", first, second, 10, 17)
    with pytest.raises(ValueError, match="two different"):
        ring_round_trip("cleared", first, first, 10)
    with pytest.raises(ValueError, match="cannot both be used"):
        ring_costs("cleared", first, 1023, 10)


@two_cores
@pytest.mark.parametrize(("pause", "chained"), [(0, False), (300, False), (300, True)])
@pytest.mark.parametrize("way", [*crossover.SHARED, *crossover.MESSAGES])
def test_no_way_of_sharing_loses_an_update(way: str, pause: int, chained: bool) -> None:
    """The C code counts updates against what is in the lines, and fails if one is missing; bare stores may lose some."""
    latency, owner, rate = shared_update(way, list(cores()), 11, 300, pause, chained, 60)
    assert latency > 0
    assert rate > 0
    assert (owner > 0) == (way in crossover.MESSAGES)


@two_cores
def test_sharing_refuses_what_cannot_be() -> None:
    first, second = cores()
    for lines in (0, 17):
        with pytest.raises(ValueError, match="1 to 16 lines"):
            shared_update("spin", [first, second], lines, 10)
    with pytest.raises(ValueError, match="two cores or more"):
        shared_update("calls", [first], 1, 10)
    with pytest.raises(ValueError, match="named twice"):
        shared_update("spin", [first, first], 1, 10)
    with pytest.raises(ValueError, match="way must be"):
        shared_update("prayer", [first, second], 1, 10)
    with pytest.raises(ValueError, match="cannot both be used"):
        shared_update("spin", [first, 1023], 1, 10)


@two_cores
def test_sharing_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        shared_update("calls", list(cores()), 1, 10_000_000, timeout=0.05)


@two_cores
def test_crossover_has_every_point_and_is_json() -> None:
    settings = {crossover.Setting(0, chained=False): 100, crossover.Setting(200, chained=True): 50}
    report = crossover.measure(cores(), rounds=1, lines=(1, 4), operations=settings)
    assert len(report.points) == len(crossover.WAYS) * len(settings) * 2
    assert json.loads(json.dumps(report.as_dict()))["cores"] == list(cores())


def points(shared: list[int], messages: list[int]) -> list[crossover.Point]:
    """Curves of one number of cores: all shared ways alike, all message ways alike, at 1, 2, 3... lines."""
    curves = dict.fromkeys(crossover.SHARED, shared) | dict.fromkeys(crossover.MESSAGES, messages)
    return [
        crossover.Point(way, 2, crossover.Setting(0, chained=False), lines, ps, 0, 1)
        for way, curve in curves.items()
        for lines, ps in enumerate(curve, start=1)
    ]


@pytest.mark.parametrize(
    ("shared", "messages", "first"),
    [
        ([100, 200, 300], [250, 250, 250], 3),
        ([100, 300, 200], [250, 250, 150], 2),
        ([300, 100, 300], [250, 250, 250], 3),  # not from 1 on: at 2 it is dearer again
        ([300, 300, 300], [250, 250, 250], 1),
        ([100, 100, 250], [250, 250, 250], None),
    ],
)
def test_curves_cross_where_messages_become_cheaper_and_stay_so(
    shared: list[int], messages: list[int], first: int | None
) -> None:
    assert {found.lines for found in crossover.crossovers(points(shared, messages))} == {first}


def test_numbers_of_cores_are_powers_of_two_and_all() -> None:
    assert crossover._counts(2) == [2]
    assert crossover._counts(12) == [2, 4, 8, 12]
