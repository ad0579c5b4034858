"""How good a placement can be at best: branch and bound with the bound of Gilmore (1962) and Lawler (1963).

A node of the search has some dispatchers placed. What each of the others costs at least on each core is what it
exchanges with those placed, plus the least it can exchange with those that are not: its traffic in falling order times
the distances to free room in rising order. The cheapest linear assignment of these costs is a bound, and its prices say
for every (dispatcher, core) by how much choosing it must raise the bound; so most children are dropped unseen.

Two symmetries keep hierarchical machines tractable. Cores that can be exchanged without disturbing those in use are one
column of the bound and one child. Of dispatchers with equal traffic, one is placed, and once all placements of it on a
group of cores have been looked into, the others need not try that group any more: exchanging the two would lead back.
(Why both together are safe: groups barred at a node are unions of orbits of symmetries that fix what was placed there;
the symmetries used below it are fewer, so they map barred cores to barred cores.)
"""

from operator import mul
from typing import NamedTuple

from skb.solver.best_first import Branch, Expansion, Proof, prove
from skb.solver.deadline import Deadline
from skb.solver.linear import assign
from skb.solver.placement_problem import Problem


class _Partial(NamedTuple):
    placed: tuple[int, ...]  # core of each dispatcher, -1 where none is chosen yet
    barred: tuple[frozenset[int], ...]  # cores that a dispatcher need not try


def prove_placement(problem: Problem, cost: int, floor: int, deadline: Deadline) -> Proof[tuple[int, ...]]:
    """Look for a placement that costs less than `cost`; say what none can undercut, as is known of `floor`."""
    if floor >= cost or deadline.passed():
        return Proof(cost, None, min(floor, cost))
    return _Search(problem, deadline).run(cost, floor)


class _Search:
    """The parts of a search that do not change from node to node."""

    def __init__(self, problem: Problem, deadline: Deadline) -> None:
        self._problem = problem
        self._deadline = deadline
        self._twin_of = problem.like_dispatchers()
        self._cores = problem.core_symmetry()
        self._nearest = [sorted(zip(away, problem.cores, strict=True)) for away in problem.distance]
        dearest = sum(max(row) for row in problem.price)
        self._forbidden = 1 + sum(map(sum, problem.traffic)) * max(map(max, problem.distance)) + dearest

    def run(self, cost: int, floor: int) -> Proof[tuple[int, ...]]:
        nothing = frozenset[int]()
        count = len(self._problem.traffic)
        start = Branch(floor, 0, _Partial((-1,) * count, (nothing,) * count))
        return prove(start, self._expand, cost, self._deadline)

    def _expand(self, branch: Branch[_Partial], limit: int) -> Expansion[_Partial, tuple[int, ...]]:
        problem, (placed, barred) = self._problem, branch.part
        waiting = [a for a in problem.dispatchers if placed[a] < 0]
        if not waiting:
            return Expansion([], (branch.bound, placed))
        load = [0] * len(problem.distance)
        for core in placed:
            if core >= 0:
                load[core] += 1
        groups = self._cores.orbits(
            (k for k in problem.cores if load[k] < problem.room), {core for core in placed if core >= 0}
        )
        matrix = self._matrix(placed, barred, waiting, load, groups)
        fixed = self._fixed_cost(placed)
        if matrix is None:  # no time left to finish it
            return Expansion([branch], None)
        room = [sum(problem.room - load[k] for k in group) for group in groups]
        linear = assign(matrix, room, self._deadline)
        if linear is None:
            bound = problem.rounded(fixed + sum(map(min, matrix)))
            return Expansion([branch._replace(bound=max(branch.bound, bound))], None)
        bound = max(branch.bound, problem.rounded(fixed + linear.total))
        if bound >= limit:
            return Expansion([], None)

        complete = list(placed)
        slots = [[k for k in group for _ in range(problem.room - load[k])] for group in groups]
        for a, column in zip(waiting, linear.column_of, strict=True):
            complete[a] = slots[column].pop()
        found = (problem.cost(complete), tuple(complete)) if problem.keeps(complete) else None
        if len(waiting) == 1:
            return Expansion([], found)

        # Branch on the dispatcher that leaves fewest children, and of those on the one whose wrong cores cost most.
        def raised(index: int) -> list[int]:
            price = linear.row_price[index]
            return [
                problem.rounded(fixed + linear.total + entry - price - column_price)
                for entry, column_price in zip(matrix[index], linear.column_price, strict=True)
            ]

        bounds = [raised(index) for index in range(len(waiting))]
        index = min(
            range(len(waiting)),
            key=lambda i: (sum(bound < limit for bound in bounds[i]), -sum(min(bound, limit) for bound in bounds[i])),
        )
        dispatcher = waiting[index]
        alike = [a for a in waiting if self._twin_of[a] == self._twin_of[dispatcher] and a != dispatcher]
        branches = []
        for child_bound, group in sorted(zip(bounds[index], groups, strict=True)):
            if child_bound >= limit:
                break
            child = [*placed]
            child[dispatcher] = group[0]
            branches.append(Branch(max(bound, child_bound), branch.depth + 1, _Partial(tuple(child), barred)))
            if alike:
                now = list(barred)
                for a in alike:
                    now[a] = barred[a].union(group)
                barred = tuple(now)
        return Expansion(branches, found)

    def _fixed_cost(self, placed: tuple[int, ...]) -> int:
        distance = self._problem.distance
        own = sum(row[core] for row, core in zip(self._problem.price, placed, strict=False) if core >= 0)
        return own + sum(
            weight * distance[placed[a]][placed[b]]
            for a, row in enumerate(self._problem.traffic)
            if placed[a] >= 0
            for b, weight in enumerate(row)
            if weight and placed[b] >= 0
        )

    def _matrix(
        self,
        placed: tuple[int, ...],
        barred: tuple[frozenset[int], ...],
        waiting: list[int],
        load: list[int],
        groups: list[list[int]],
    ) -> list[list[int]] | None:
        """Return what each waiting dispatcher costs at least on each group of cores; None if time runs out."""
        traffic, distance, price = self._problem.traffic, self._problem.distance, self._problem.price
        allowed = self._problem.allowed(placed)
        settled = [(b, core) for b, core in enumerate(placed) if core >= 0]
        near = [self._near(group[0], load, len(waiting) - 1) for group in groups]
        matrix = []
        for a in waiting:
            if self._deadline.passed():
                return None
            row = traffic[a]
            falling = sorted((row[b] for b in waiting if b != a and row[b]), reverse=True)
            exchanged = [(row[b], traffic[b][a], core) for b, core in settled if row[b] or traffic[b][a]]
            entries = []
            for group, rising in zip(groups, near, strict=True):
                core = group[0]
                if core in barred[a] or not allowed(a, core):
                    entries.append(self._forbidden)
                    continue
                away = distance[core]
                entry = row[a] * away[core] + sum(map(mul, falling, rising)) + (price[a][core] if price else 0)
                for out, back, other in exchanged:
                    entry += out * away[other] + back * distance[other][core]
                entries.append(entry)
            matrix.append(entries)
        return matrix

    def _near(self, core: int, load: list[int], count: int) -> list[int]:
        """Return the distances from `core` to the nearest room for `count` others, the nearest first."""
        rising: list[int] = []
        for away, other in self._nearest[core]:
            if len(rising) >= count:
                break
            rising += [away] * (self._problem.room - load[other] - (other == core))
        return rising[:count]
