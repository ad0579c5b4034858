"""The bound of Gilmore (1962) and Lawler (1963) for a whole placement problem at once, as a product of matrices.

What a dispatcher costs at least on a core is its traffic in falling order times the distances to the nearest room in rising order; the
cheapest linear assignment of these costs is a bound. `placement_proof` sharpens it by branching; this is what large problems get.
"""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined,unused-ignore]

from skb.solver.placement_problem import Problem

EXACT = 2**53  # sums up to here are exact in double precision


def root_bound(problem: Problem) -> int:
    """Return what no placement costs less than; 0, which says nothing, where figures are too large to be exact."""
    dearest = sum(max(row) for row in problem.price)
    if sum(map(sum, problem.traffic)) * max(map(max, problem.distance)) + dearest >= EXACT // 4:
        return 0
    traffic, distance = np.array(problem.traffic, dtype=float), np.array(problem.distance, dtype=float)
    size = len(traffic)
    least = traffic.diagonal()[:, None] * distance.diagonal()[None, :]
    falling = -np.sort(-_without_diagonal(traffic), axis=1)
    least = least + falling @ _rising(distance, problem.room, size - 1).T
    if problem.price:
        least = least + np.array(problem.price, dtype=float)
    if problem.constraints:
        allowed = problem.allowed([-1] * size)
        forbidden = least.max() * size + dearest + 1
        for a in problem.dispatchers:
            for k in problem.cores:
                if not allowed(a, k):
                    least[a, k] = forbidden
    slots = np.repeat(least, problem.room, axis=1)
    rows, columns = linear_sum_assignment(slots)
    return problem.rounded(int(slots[rows, columns].sum()))


def _without_diagonal(matrix: Any) -> Any:
    size = len(matrix)
    return matrix[~np.eye(size, dtype=bool)].reshape(size, size - 1)


def _rising(distance: Any, room: int, count: int) -> Any:
    """Return, for each core, the distances to the nearest room for `count` others."""
    away = np.repeat(distance, room, axis=1)
    own = np.arange(len(distance)) * room
    away[np.arange(len(distance)), own] = np.inf  # the room that it takes itself
    return np.sort(away, axis=1)[:, :count]
