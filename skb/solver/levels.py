"""A noisy matrix of distances seen as the few levels that the machine has, each at its least.

Measured distances differ by some percent where the machine is symmetric, and the noise hides the symmetry that a proof
lives on. Lowered to the least of its level no distance grows, so what is proved of the lowered matrix holds for the
measured one, short of at most the noise.
"""

from collections.abc import Iterable
from itertools import pairwise

from skb.solver.matrix import Matrix

WALL = 12  # percent; dearer than the next cheaper by more is another level, measured figures of one level lie closer


def walls(values: Iterable[int]) -> list[tuple[int, int]]:
    """Return the neighbours (cheap, dear) between which there is a wall, from the cheapest on."""
    return [(cheap, dear) for cheap, dear in pairwise(sorted(values)) if 100 * dear > (100 + WALL) * cheap]


def lowered(distance: Matrix) -> Matrix:
    """Replace each distance by the least of its level."""
    values = sorted({value for row in distance for value in row})
    starts = {dear for _, dear in walls(values)}
    least: dict[int, int] = {}
    level = min(values, default=0)
    for value in values:
        level = value if value in starts else level
        least[value] = level
    return tuple(tuple(least[value] for value in row) for row in distance)
