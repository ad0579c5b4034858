"""Good placements fast: a greedy construction, then robust tabu search (Taillard 1991).

Neighbours of an assignment are those in which one dispatcher moves to a core with room, or two exchange their cores.
Instead of a table with the gain of every exchange, kept for all pairs, `_pull[a][k]` holds what dispatcher a would cost
on core k while all others stay. A gain is then four look-ups and a correction, an accepted change costs one pass over
the rows of those dispatchers that talk to the moved one, and cores beyond the number of dispatchers come for free.
"""

import itertools
import random
from collections.abc import Sequence

from skb.solver.deadline import Deadline
from skb.solver.placement_problem import Problem

PATIENCE = 25  # times the square of the number of dispatchers: steps without a better placement before it is content
DETOUR = 10  # steps per dispatcher without a better placement before it starts again beside the best


def construct(problem: Problem, deadline: Deadline) -> list[int]:
    """Place one dispatcher after another, the one with most traffic to those placed first, where it costs least now."""
    assignment = [-1] * len(problem.traffic)
    load = [0] * len(problem.distance)
    pull = [[row[a] * away[k] for k, away in enumerate(problem.distance)] for a, row in enumerate(problem.traffic)]
    near = max(1, len(problem.traffic) // problem.room)
    centre = [sum(sorted(away)[:near]) for away in problem.distance]
    tie = [sum(row) for row in problem.traffic]
    drawn = [0] * len(problem.traffic)
    waiting = set(problem.dispatchers)
    hurried = False
    while waiting:
        hurried = hurried or deadline.passed()
        open_cores = [k for k in problem.cores if load[k] < problem.room]
        if hurried:
            dispatcher, core = min(waiting), open_cores[0]
        else:
            dispatcher = max(waiting, key=lambda a: (drawn[a], tie[a], -a))
            cost = pull[dispatcher]
            core = min(open_cores, key=lambda k: (cost[k], centre[k], k))
        waiting.remove(dispatcher)
        assignment[dispatcher] = core
        load[core] += 1
        if not hurried:
            for a in waiting:
                out, back = problem.traffic[a][dispatcher], problem.traffic[dispatcher][a]
                if out or back:
                    drawn[a] += out + back
                    away = problem.distance[core]
                    pull[a] = [
                        v + out * row[core] + back * d
                        for v, row, d in zip(pull[a], problem.distance, away, strict=True)
                    ]
    return assignment


def improve(problem: Problem, start: Sequence[int], deadline: Deadline, seed: int = 1) -> list[int]:
    """Search from `start` until nothing is left to gain, patience ends or time is up; return the best placement met."""
    if len(problem.traffic) < 2 or deadline.passed():
        return list(start)
    return _Search(problem, start, seed).run(deadline)


class _Search:
    """A walk through assignments that remembers where it must not go back to."""

    def __init__(self, problem: Problem, start: Sequence[int], seed: int) -> None:
        self._problem = problem
        self._random = random.Random(seed)
        self._both = [
            [a + b for a, b in zip(row, column, strict=True)]
            for row, column in zip(problem.traffic, zip(*problem.traffic, strict=True), strict=True)
        ]
        self._round_trip = [
            [a + b for a, b in zip(row, column, strict=True)]
            for row, column in zip(problem.distance, zip(*problem.distance, strict=True), strict=True)
        ]
        self._columns = list(zip(*problem.distance, strict=True))
        self._partners = [[b for b, weight in enumerate(row) if weight and b != a] for a, row in enumerate(self._both)]
        self._tabu = [[0] * len(problem.distance) for _ in problem.traffic]
        self._steps = 0
        self._settle(start)

    def _settle(self, assignment: Sequence[int]) -> None:
        """Stand at an assignment and work out all of its pulls."""
        problem = self._problem
        self._at = list(assignment)
        self._load = [0] * len(problem.distance)
        for core in assignment:
            self._load[core] += 1
        self._cost = problem.cost(assignment)
        self._pull = [
            [problem.traffic[a][a] * problem.distance[k][k] for k in problem.cores] for a in problem.dispatchers
        ]
        for b, core in enumerate(assignment):
            self._shift(b, self._columns[core], problem.distance[core])

    def _shift(self, moved: int, there: Sequence[int], back: Sequence[int]) -> None:
        """Let the others feel `moved` at distances that have grown by `there` towards it and by `back` from it."""
        traffic = self._problem.traffic
        for a in self._partners[moved]:
            row = self._pull[a]
            if self._problem.symmetric:
                weight = self._both[a][moved]
                self._pull[a] = [v + weight * d for v, d in zip(row, there, strict=True)]
            else:
                out, home = traffic[a][moved], traffic[moved][a]
                self._pull[a] = [v + out * d + home * e for v, d, e in zip(row, there, back, strict=True)]

    def _move(self, dispatcher: int, core: int) -> None:
        left = self._at[dispatcher]
        distance, columns = self._problem.distance, self._columns
        self._load[left] -= 1
        self._load[core] += 1
        self._at[dispatcher] = core
        size = max(len(self._at), 4)
        self._tabu[dispatcher][left] = self._steps + self._random.randint(size - size // 4, size + size // 4)
        self._shift(
            dispatcher,
            [new - old for new, old in zip(columns[core], columns[left], strict=True)],
            [new - old for new, old in zip(distance[core], distance[left], strict=True)],
        )

    def _best_step(self, best: int) -> tuple[int, int, int, int] | None:
        """Return (change of cost, dispatcher, its core, the other dispatcher or -1) of the best neighbour allowed."""
        at, pull, distance, now = self._at, self._pull, self._problem.distance, self._steps
        room = self._problem.room
        vacant = [k for k, load in enumerate(self._load) if load < room]
        stay = [row[core] for row, core in zip(pull, at, strict=True)]
        here = [distance[core][core] for core in at]
        record = best - self._cost  # a change below this leads to a new best, which nothing forbids
        chosen: tuple[int, int, int, int] | None = None
        least: float = float("inf")
        for a, core in enumerate(at):
            row, tabu, base = pull[a], self._tabu[a], stay[a]
            for k in vacant:
                change = row[k] - base
                if change < least and k != core and (tabu[k] <= now or change < record):
                    least, chosen = change, (change, a, k, -1)
            both, trips, diagonal = self._both[a], self._round_trip[core], here[a]
            for b in range(a + 1, len(at)):
                other = at[b]
                change = row[other] - base + pull[b][core] - stay[b] - both[b] * (diagonal + here[b] - trips[other])
                if (
                    change < least
                    and other != core
                    and (tabu[other] <= now or self._tabu[b][core] <= now or change < record)
                ):
                    least, chosen = change, (change, a, other, b)
        return chosen

    def run(self, deadline: Deadline) -> list[int]:
        """Walk; return the best assignment met."""
        best_cost, best = self._cost, list(self._at)
        found = 0
        while best_cost > 0 and self._steps - found < PATIENCE * len(best) ** 2 and not deadline.passed():
            self._steps += 1
            if (self._steps - found) % (DETOUR * len(best)) == 0:
                self._settle(self._beside(best))
            step = self._best_step(best_cost)
            if step is None:
                continue
            change, dispatcher, core, other = step
            if other >= 0:
                self._move(other, self._at[dispatcher])
            self._move(dispatcher, core)
            self._cost += change
            if self._cost < best_cost:
                best_cost, best, found = self._cost, list(self._at), self._steps
        return best

    def _beside(self, assignment: Sequence[int]) -> list[int]:
        """Disturb some dispatchers, a different number each time: move one to a core with room, or exchange two."""
        changed = list(assignment)
        vacant = [k for k in self._problem.cores if assignment.count(k) < self._problem.room]
        chosen = self._random.sample(range(len(changed)), self._random.randint(2, len(changed)))
        for a, b in itertools.pairwise(chosen):
            if vacant and self._random.random() < len(vacant) / len(self._problem.distance):
                index = self._random.randrange(len(vacant))
                changed[a], vacant[index] = vacant[index], changed[a]
            else:
                changed[a], changed[b] = changed[b], changed[a]
        return changed
