"""Good placements fast: greedy starts, then tabu search and iterated local search side by side, in C.

Traffic without structure is the strength of tabu search, sparse traffic on a large machine that of local search. The searches themselves
are `placement_walk.h`; here its costs are put into 64 bits and constraints into costs. A broken constraint costs more than
the placement that the search starts from, so whatever it finds better than that breaks none.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from skb.solver._placement import Walk
from skb.solver.deadline import Deadline
from skb.solver.placement_constraints import Alone, AtMost, Constraint, Different, Only, Same
from skb.solver.placement_problem import Problem

PATIENCE = 300  # times the square of the number of dispatchers: steps without a better placement before it is content
MOST_WALKS = 4  # side by side; at least two, one of either kind
LARGEST = 2**58  # no sum of the walk's may come near what 64 bits hold


def construct(problem: Problem) -> list[int]:
    """Place one dispatcher after another, the one with most traffic to those placed first, where it costs least now.

    Those that constraints tie down come before all others, and a group that is to be together goes where there is room for all of it. That
    keeps most constraints, but the result may break some.
    """
    kind: Any = np.int64 if _largest(problem) < LARGEST else object
    traffic, distance = np.array(problem.traffic, dtype=kind), np.array(problem.distance, dtype=kind)
    size, cores = len(traffic), len(distance)
    both = traffic + traffic.T
    pull = traffic.diagonal()[:, None] * distance.diagonal()[None, :]
    if problem.price:
        pull = pull + np.array(problem.price, dtype=kind)
    near = min(cores, max(1, size // problem.room))
    centre = np.sort(distance, axis=1)[:, :near].sum(axis=1)
    weight, drawn = traffic.sum(axis=1), np.zeros(size, dtype=kind)
    load = [0] * cores
    assignment = [-1] * size
    urgency = _urgency(problem)
    waiting = list(range(size))
    while waiting:
        dispatcher = max(waiting, key=lambda a: (-urgency[a], drawn[a], weight[a], -a))
        vacant = [k for k in range(cores) if load[k] < problem.room]
        open_cores = _open(problem, assignment, load, dispatcher, vacant)
        cost = pull[dispatcher]
        core = min(open_cores or vacant, key=lambda k: (cost[k], centre[k], k))
        waiting.remove(dispatcher)
        assignment[dispatcher] = core
        load[core] += 1
        drawn += both[:, dispatcher]
        touched = np.flatnonzero(both[:, dispatcher])
        pull[touched] += np.multiply.outer(traffic[touched, dispatcher], distance[:, core])
        pull[touched] += np.multiply.outer(traffic[dispatcher, touched], distance[core, :])
    return assignment


def _urgency(problem: Problem) -> list[int]:
    """Return for each dispatcher when it is to be placed: the larger its group, and the fewer its choices, the earlier."""
    urgency = [len(problem.constraints) + 3 for _ in problem.dispatchers]
    groups = sorted((c for c in problem.constraints if isinstance(c, Same)), key=lambda c: -len(c.dispatchers))
    ranked = [*groups, *(c for kind in (Alone, Only, Different) for c in problem.constraints if isinstance(c, kind))]
    for rank, constraint in reversed(list(enumerate(ranked))):
        for a in constraint.dispatchers:
            urgency[a] = rank
    return urgency


def _open(
    problem: Problem, assignment: Sequence[int], load: Sequence[int], dispatcher: int, vacant: Sequence[int]
) -> list[int]:
    """Return the vacant cores that constraints leave to a dispatcher, if any those with room for all that must go with it."""
    if not problem.constraints:
        return list(vacant)
    allowed = problem.allowed(assignment)
    found = [k for k in vacant if allowed(dispatcher, k)]
    for constraint in problem.constraints:
        if isinstance(constraint, Same) and dispatcher in constraint.dispatchers:
            to_come = sum(assignment[a] < 0 for a in constraint.dispatchers)
            room: dict[int, int] = {}
            for k in found:
                room[constraint.part[k]] = room.get(constraint.part[k], 0) + problem.room - load[k]
            found = [k for k in found if room[constraint.part[k]] >= to_come] or found
    return found


def in_order(problem: Problem) -> list[int]:
    """Fill the cores one after the other."""
    return [a // problem.room for a in problem.dispatchers]


def improve(problem: Problem, starts: Sequence[Sequence[int]], deadline: Deadline, enough: int = 0) -> list[int]:
    """Search from `starts`, which keep all constraints, until the cost is `enough`, patience ends or time is up.

    Returns the best placement met. Several walks go side by side, each as if it were alone, so that with patience and time enough the
    answer is the same each time.
    """
    ranked = sorted((problem.cost(start), tuple(start)) for start in starts)
    cost, best = ranked[0]
    if len(best) < 2 or cost <= enough or deadline.passed():
        return list(best)
    count = max(2, min(MOST_WALKS, len(os.sched_getaffinity(0))))
    form = _Form(problem, ranked[-1][0])
    walks = [form.walk(ranked[seed // 2 % len(ranked)][1], seed) for seed in range(count)]
    end = time.monotonic_ns() + max(0, int(deadline.left() * 1e9))
    patience = PATIENCE * len(best) ** 2
    enough = form.scaled(enough)
    with ThreadPoolExecutor(count) as pool:
        for seed, walk in enumerate(walks):
            if seed % 2:
                pool.submit(_walk, walk.climb, patience // 4, enough, end)
            else:
                pool.submit(_walk, walk.run, patience, enough, end)
    for walk in walks:
        found = walk.best
        if problem.keeps(found):
            cost, best = min((cost, best), (problem.cost(found), tuple(found)))
    return list(best)


SLICE = 100_000_000  # ns between two chances for an interrupt


def _walk(way: Callable[[int, int, int], bool], patience: int, enough: int, end: int) -> None:
    while not way(patience, enough, min(end, time.monotonic_ns() + SLICE)) and time.monotonic_ns() < end:
        pass


def _largest(problem: Problem) -> int:
    """Return a figure that no cost of a placement exceeds."""
    dearest = sum(max(row) for row in problem.price)
    return sum(map(sum, problem.traffic)) * max(map(max, problem.distance), default=0) + dearest


class _Form:
    """A problem as the walk takes it: everything an array of 64-bit integers, constraints as terms, prices or capacities."""

    def __init__(self, problem: Problem, worst: int) -> None:
        traffic, distance = _array(problem.traffic), _array(problem.distance)
        size, cores = traffic.shape[0], distance.shape[0]
        price = _array(problem.price) if problem.price else np.zeros((size, cores), dtype=object)
        linear = price + traffic.diagonal()[:, None] * distance.diagonal()[None, :]
        fine = worst + 1
        most = 4 * (_largest(problem) + fine * 2 * (size + 1) * (len(problem.constraints) + 1))
        self._shift = (most // LARGEST).bit_length()  # a search may be blind to the last digits
        of_traffic = min(self._shift, max(0, int(traffic.max()).bit_length() - 16))
        fine = (fine >> self._shift) + 1
        linear = linear >> self._shift
        self._terms = [(_plain(traffic >> of_traffic), _plain(distance >> (self._shift - of_traffic)))]
        self._capacities: list[Any] = []
        self._groups: list[Any] = []
        wishes: dict[tuple[tuple[int, ...], bool], Any] = {}
        for constraint in problem.constraints:
            if isinstance(constraint, Only):
                outside = [k for k in range(cores) if k not in constraint.cores]
                for a in constraint.dispatchers:
                    linear[a, outside] += fine
            elif isinstance(constraint, AtMost):
                self._capacities.append(_capacity(constraint))
            else:
                apart = isinstance(constraint, Same)
                weight = wishes.setdefault((constraint.part, apart), np.zeros((size, size), dtype=np.int64))
                _want(weight, constraint)
                if apart:
                    members = np.array(constraint.dispatchers, dtype=np.int32)
                    self._groups.append((members, np.array(constraint.part, dtype=np.int32)))
        for (part, apart), weight in wishes.items():
            parts = np.array(part)
            bad = (parts[:, None] != parts[None, :]) if apart else (parts[:, None] == parts[None, :])
            self._terms.append((weight, np.ascontiguousarray(bad * np.int64(fine))))
        self._linear = _plain(linear)
        self._room: Any = np.full(cores, problem.room, dtype=np.int32)

    def scaled(self, cost: int) -> int:
        """Return a cost in the walk's figures."""
        return cost if self._shift == 0 else -1

    def walk(self, start: Sequence[int], seed: int) -> Walk:
        """Return a walk that stands at `start`."""
        at: Any = np.array(start, dtype=np.int32)
        return Walk(self._terms, self._linear, self._room, self._capacities, self._groups, at, seed + 1)


def _array(rows: Sequence[Sequence[int]]) -> Any:
    return np.array(rows, dtype=object)


def _plain(values: Any) -> Any:
    return np.ascontiguousarray(values, dtype=np.int64)


def _want(weight: Any, constraint: Constraint) -> None:
    """Count for each two dispatchers that the constraint has something to say of them."""
    assert not isinstance(constraint, Only | AtMost)
    members = list(constraint.dispatchers)
    if isinstance(constraint, Alone):
        weight[members, :] += 1
        weight[:, members] += 1
    else:
        weight[np.ix_(members, members)] += 1
    np.fill_diagonal(weight, 0)


def _capacity(constraint: AtMost) -> tuple[Any, Any, Any]:
    """Return (weights, parts, most) with numbers brought into 64 bits, each rounded so that nothing fits that did not."""
    shift = max(0, max((*constraint.weight, 1)).bit_length() - 48)
    weight = [-(-each >> shift) for each in constraint.weight]
    most = [min(each >> shift, 2**62) for each in constraint.most]
    return (
        np.array(weight, dtype=np.int64),
        np.array(constraint.part, dtype=np.int32),
        np.array(most, dtype=np.int64),
    )
