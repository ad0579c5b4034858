"""The placement problem in the form that the search and the proof work on.

The cost of an assignment p is `sum over ordered pairs (a, b) of traffic[a][b] * distance[p(a)][p(b)]`, a == b
included, plus `sum over a of price[a][p(a)]`. If one of the two matrices is symmetric, the other may be replaced by the
sum of itself and its transpose: every cost doubles and nothing else changes. That is done here, because symmetric
matrices make the search twice as fast and the bound stronger: half of each exchange then counts at either end, where
before all of it counted at one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul

from skb.solver.matrix import Matrix, added, transposed
from skb.solver.placement_constraints import Constraint, allows, broken, core_likeness, likeness
from skb.solver.symmetry import Symmetry, symmetry


@dataclass(frozen=True)
class Problem:
    """Dispatchers with traffic between them, cores with distances, at most `room` dispatchers on a core."""

    traffic: Matrix
    distance: Matrix
    room: int
    price: Matrix  # of each dispatcher on each core; () where there is none
    constraints: tuple[Constraint, ...]
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
        return total + sum(row[core] for row, core in zip(self.price, assignment, strict=False))

    def keeps(self, assignment: Sequence[int]) -> bool:
        """Tell whether a complete assignment, within the room, keeps all constraints."""
        return not any(broken(constraint, assignment) for constraint in self.constraints)

    def allowed(self, placed: Sequence[int]) -> Callable[[int, int], bool]:
        """Return a test of (dispatcher, core): may it go there, beside those placed (-1 where not yet)?"""
        tests = [allows(constraint, placed) for constraint in self.constraints]
        return lambda a, core: all(test(a, core) for test in tests)

    def core_symmetry(self) -> Symmetry:
        """Return which cores can be exchanged without changing any cost or constraint."""
        seen = [core_likeness(constraint, self.cores) for constraint in self.constraints]
        columns: list[object] = [tuple(row[k] for row in self.price) for k in self.cores]
        partitions = {
            part for constraint in self.constraints if (part := getattr(constraint, "part", None)) is not None
        }
        return symmetry(self.distance, _classes([columns, *seen]), *map(_together, partitions))

    def like_dispatchers(self) -> tuple[int, ...]:
        """Return for every dispatcher the number of its class; those of one class can be exchanged."""
        seen = [likeness(constraint, self.dispatchers) for constraint in self.constraints]
        return symmetry(self.traffic, _classes([list(self.price) or [()] * len(self.traffic), *seen])).twins()

    def rounded(self, bound: int) -> int:
        """Return the least possible cost that is not below `bound`."""
        return -(-bound // self.step) * self.step


def _classes(values: Sequence[Sequence[object]]) -> Matrix:
    """Return a matrix that has, on its diagonal, a number for what all of `values` say of a row."""
    number: dict[tuple[object, ...], int] = {}
    kinds = [number.setdefault(each, len(number)) for each in zip(*values, strict=True)]
    return tuple(tuple(kind if i == j else 0 for j in range(len(kinds))) for i, kind in enumerate(kinds))


def _together(part: tuple[int, ...]) -> Matrix:
    return tuple(tuple(int(one == other) for other in part) for one in part)


def problem(
    traffic: Matrix, distance: Matrix, room: int, price: Matrix = (), constraints: tuple[Constraint, ...] = ()
) -> Problem:
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
    price = tuple(tuple(scale * value for value in row) for row in price)
    step = math.gcd(step, *(value for row in price for value in row))
    return Problem(traffic, distance, room, price, constraints, scale, symmetric, max(step, 1))
