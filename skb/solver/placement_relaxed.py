"""A placement from the continuous problem: the fast approximate method of Vogelstein et al. (2015), here as one more start for the search.

Instead of one core each, dispatchers have shares of cores (a doubly stochastic matrix). From shares that are all alike the cost is followed
downhill as Frank and Wolfe (1956) do: the steepest direction leads to the cheapest linear assignment, and along it the cost is a parabola,
so its lowest point is known. The assignment nearest to where this ends sees the problem as a whole, which a search by exchanges does not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined,unused-ignore]

from skb.solver.deadline import Deadline
from skb.solver.placement_problem import Problem

ROUNDS = 30
STILL = 1e-3  # share by which the shares still change in a round that is worth another


def relaxed(problem: Problem, deadline: Deadline, seed: int = 0) -> list[int] | None:
    """Return a placement, or None if there was no time for it. It takes no constraints into account.

    With a `seed` other than 0 the shares are not all alike at the beginning.
    """
    slots = [core for core in problem.cores for _ in range(problem.room)]
    cores = len(slots)
    distance = _floats(problem.distance)[np.ix_(slots, slots)]
    traffic = np.zeros((cores, cores))
    size = len(problem.traffic)
    traffic[:size, :size] = _floats(problem.traffic)
    price = np.zeros((cores, cores))
    if problem.price:
        price[:size] = _floats(problem.price)[:, slots]
    shares = np.full((cores, cores), 1 / cores)
    if seed:
        shares = (shares + _some_shares(cores, seed)) / 2
    for _ in range(ROUNDS):
        slope = traffic @ shares @ distance.T + traffic.T @ shares @ distance + price
        if deadline.passed():
            return None
        goal = linear_sum_assignment(slope)[1]
        step = -shares
        step[np.arange(cores), goal] += 1
        rise = float((slope * step).sum())
        bend = float((traffic @ step @ distance.T * step).sum())
        length = min(1.0, -rise / (2 * bend)) if bend > 0 else 1.0
        shares += length * step
        if rise >= 0 or np.linalg.norm(length * step) < STILL * np.sqrt(cores):
            break
    return [slots[slot] for slot in _nearest(shares, size)]


def _some_shares(cores: int, seed: int) -> Any:
    """Return a doubly stochastic matrix at random (Sinkhorn and Knopp 1967)."""
    shares = np.random.default_rng(seed).random((cores, cores))
    for _ in range(10):
        shares /= shares.sum(axis=0)
        shares /= shares.sum(axis=1)[:, None]
    return shares


def _nearest(shares: Any, size: int) -> list[int]:
    return [int(slot) for slot in linear_sum_assignment(-shares)[1][:size]]


def _floats(rows: Sequence[Sequence[int]]) -> Any:
    return np.array([[float(value) for value in row] for row in rows])
