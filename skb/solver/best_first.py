"""Branch and bound, the most promising part first: the loop that the proofs of both solvers share.

Best first rather than depth first, because the bound that can be given at any moment, that of the best open part, rises
steadily, and because with a good solution known beforehand no part is looked into that depth first would have skipped.
The price is memory, so the number of open parts is limited; at the limit the search ends with what it has proved.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from skb.solver.deadline import Deadline

Part = TypeVar("Part")
Solution = TypeVar("Solution")

MOST_OPEN = 200_000  # parts; some 100 MB


class Branch(NamedTuple, Generic[Part]):
    """A part of the space of solutions: none in it costs less than `bound`. Of equals the deeper is tried first."""

    bound: int
    depth: int
    part: Part


class Expansion(NamedTuple, Generic[Part, Solution]):
    """What looking into a part gave: the parts it falls into, and perhaps a solution."""

    branches: list[Branch[Part]]
    found: tuple[int, Solution] | None


@dataclass(frozen=True)
class Proof(Generic[Solution]):
    """The best cost known, its solution if the search found one better than was known, and the proven bound."""

    cost: int
    solution: Solution | None
    bound: int


def prove(
    start: Branch[Part],
    expand: Callable[[Branch[Part], int], Expansion[Part, Solution]],
    cost: int,
    deadline: Deadline,
) -> Proof[Solution]:
    """Search for solutions cheaper than `cost` until there are none, or the deadline or the limit of parts is reached.

    `expand(branch, cost)` may leave out branches whose bound is not below `cost`.
    """
    solution: Solution | None = None
    count = itertools.count()
    heap = [(start.bound, -start.depth, next(count), start)]
    while heap and heap[0][0] < cost and len(heap) < MOST_OPEN and not deadline.passed():
        branch = heapq.heappop(heap)[-1]
        expansion = expand(branch, cost)
        if expansion.found is not None and expansion.found[0] < cost:
            cost, solution = expansion.found
        for child in expansion.branches:
            if child.bound < cost:
                heapq.heappush(heap, (child.bound, -child.depth, next(count), child))
    return Proof(cost, solution, min(cost, heap[0][0]) if heap else cost)
