"""Good placements fast: a greedy construction, then robust tabu search (Taillard 1991).

Neighbours of an assignment are those in which one dispatcher moves to a core with room, or two exchange their cores.
Instead of a table with the gain of every exchange, kept for all pairs, `_pull[a][k]` holds what dispatcher a would cost
on core k while all others stay. A gain is then four look-ups and a correction, an accepted change costs one pass over
the rows of those dispatchers that talk to the moved one, and cores beyond the number of dispatchers come for free.
All neighbours are looked at in one stroke, as arrays; costs that may not fit in 64 bits make them arrays of Python's integers.
"""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

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
        largest = sum(map(sum, problem.traffic)) * max(map(max, problem.distance))
        self._type: Any = np.int64 if 16 * largest < 2**62 else object
        self._never = 16 * largest + 1  # more than any step changes the cost by
        self._distance = np.array(problem.distance, dtype=self._type)
        self._round_trip = self._distance + self._distance.T
        self._own = np.array([row[a] for a, row in enumerate(problem.traffic)], dtype=self._type)
        self._out = np.array(problem.traffic, dtype=self._type)
        np.fill_diagonal(self._out, 0)
        self._both = self._out + self._out.T
        self._tabu = np.zeros((len(problem.traffic), len(problem.distance)), dtype=np.int64)
        self._steps = 0
        self._settle(start)

    def _settle(self, assignment: Sequence[int]) -> None:
        """Stand at an assignment and work out all of its pulls."""
        self._at = np.array(assignment, dtype=np.intp)
        self._load = np.bincount(self._at, minlength=len(self._distance))
        self._cost = self._problem.cost(assignment)
        self._pull = (
            self._own[:, None] * self._distance.diagonal()[None, :]
            + self._out @ self._distance[:, self._at].T
            + self._out.T @ self._distance[self._at, :]
        )

    def _shift(self, weights: tuple[Any, Any], left: int, core: int) -> None:
        """Let all feel that dispatchers of the `weights` (to them, from them) have gone from one core to another."""
        out, home = weights
        there = self._distance[:, core] - self._distance[:, left]
        if self._problem.symmetric:
            touched = np.flatnonzero(out)
            self._pull[touched] += np.multiply.outer(2 * out[touched], there)
            return
        back = self._distance[core, :] - self._distance[left, :]
        touched = np.flatnonzero((out != 0) | (home != 0))
        self._pull[touched] += np.multiply.outer(out[touched], there) + np.multiply.outer(home[touched], back)

    def _move(self, dispatcher: int, core: int) -> None:
        """Put a dispatcher on a core with room, and bar the way back for a while."""
        left = int(self._at[dispatcher])
        self._bar(dispatcher, left)
        self._load[left] -= 1
        self._load[core] += 1
        self._at[dispatcher] = core
        self._shift((self._out[:, dispatcher], self._out[dispatcher, :]), left, core)

    def _exchange(self, a: int, b: int) -> None:
        """Let two dispatchers exchange their cores, and bar the way back for a while."""
        left, core = int(self._at[a]), int(self._at[b])
        self._bar(b, core)
        self._bar(a, left)
        self._at[a], self._at[b] = core, left
        self._shift((self._out[:, a] - self._out[:, b], self._out[a, :] - self._out[b, :]), left, core)

    def _bar(self, dispatcher: int, core: int) -> None:
        size = max(len(self._at), 4)
        self._tabu[dispatcher, core] = self._steps + self._random.randint(size - size // 4, size + size // 4)

    def _best_step(self, best: int) -> tuple[int, int, int, int] | None:
        """Return (change of cost, dispatcher, its core, the other dispatcher or -1) of the best neighbour allowed."""
        at, pull, size = self._at, self._pull, len(self._at)
        here = self._distance.diagonal()[at]
        gain = pull[:, at]
        stay = gain.diagonal().copy()
        gain -= stay[:, None]
        change = gain + gain.T
        change -= self._both * (here[:, None] + here[None, :] - self._round_trip[at[:, None], at])
        barred = self._tabu[:, at] > self._steps
        barred &= barred.T
        record = best - self._cost  # a change below this leads to a new best, which nothing forbids
        barred &= change >= record
        if self._problem.room > 1:
            barred |= at[:, None] == at[None, :]
        else:
            np.fill_diagonal(barred, True)
        change[barred] = self._never
        a, b = divmod(int(change.argmin()), size)
        least = int(change[a, b])
        chosen = (least, a, int(at[b]), b) if least < self._never else None

        vacant = np.flatnonzero(self._load < self._problem.room)
        if len(vacant):
            change = pull[:, vacant] - stay[:, None]
            barred = (self._tabu[:, vacant] > self._steps) & (change >= record)
            barred |= at[:, None] == vacant[None, :]
            change[barred] = self._never
            a, k = divmod(int(change.argmin()), len(vacant))
            if change[a, k] < least:
                chosen = (int(change[a, k]), a, int(vacant[k]), -1)
        return chosen

    def run(self, deadline: Deadline) -> list[int]:
        """Walk; return the best assignment met."""
        best_cost, best = self._cost, self._standing()
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
                self._exchange(dispatcher, other)
            else:
                self._move(dispatcher, core)
            self._cost += change
            if self._cost < best_cost:
                best_cost, best, found = self._cost, self._standing(), self._steps
        return best

    def _standing(self) -> list[int]:
        """Return the assignment as it is now."""
        return [int(core) for core in self._at]

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
