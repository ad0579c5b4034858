"""The placement problem in the form that the search and the proof work on.

The cost of an assignment p is `sum over ordered pairs (a, b) of traffic[a][b] * distance[p(a)][p(b)]`, a == b
included. If one of the two matrices is symmetric, the other may be replaced by the sum of itself and its transpose:
every cost doubles and nothing else changes. That is done here, because symmetric matrices make the search twice as fast
and the bound stronger: half of each exchange then counts at either end, where before all of it counted at one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

from skb.solver.matrix import Matrix, added, transposed


@dataclass(frozen=True)
class Problem:
    """Dispatchers with traffic between them, cores with distances, at most `room` dispatchers on a core."""

    traffic: Matrix
    distance: Matrix
    room: int
    scale: int  # costs here are this many times the costs asked for
    symmetric: bool  # both matrices
    step: int  # every cost here is a multiple of it

    @property
    def dispatchers(self) -> range:
        """The dispatchers, by row of `traffic`."""
        return range(len(self.traffic))

    @property
    def cores(self) -> range:
        """The cores, by row of `distance`."""
        return range(len(self.distance))

    def cost(self, assignment: Sequence[int]) -> int:
        """Return the cost of a complete assignment."""
        total = 0
        for a, row in enumerate(self.traffic):
            away = self.distance[assignment[a]]
            total += sum(map(mul, row, [away[core] for core in assignment]))
        return total

    def rounded(self, bound: int) -> int:
        """Return the least possible cost that is not below `bound`."""
        return -(-bound // self.step) * self.step


def problem(traffic: Matrix, distance: Matrix, room: int) -> Problem:
    """Bring a placement problem into its working form."""
    traffic_back, distance_back = transposed(traffic), transposed(distance)
    scale = 1
    if distance == distance_back and traffic != traffic_back:
        traffic, scale = added(traffic, traffic_back), 2
    elif traffic == traffic_back and distance != distance_back:
        distance, scale = added(distance, distance_back), 2
    symmetric = traffic == transposed(traffic) and distance == transposed(distance)
    step = math.gcd(*(v for row in traffic for v in row)) * math.gcd(*(v for row in distance for v in row))
    if symmetric and not (
        any(row[i] for i, row in enumerate(traffic)) and any(row[i] for i, row in enumerate(distance))
    ):
        step *= 2  # every exchange counts once in either direction, and none lies on a diagonal
    return Problem(traffic, distance, room, scale, symmetric, max(step, 1))
