"""What no choice of channels can undercut.

A core has k neighbours at most, each of these k - 1 others, and so on: at most k (k - 1)^(h - 1) cores are h channels
away. Whoever is more than h channels away costs at least the cheapest way of more than h messages. So from each core,
start with what every other costs over any channels, and for each h add the least rises (from at least h messages to at
least h + 1) of as many cores as must be further away than h.
"""

import numpy as np

from skb.solver.route_paths import Array, Demand, distances


def bound(demand: Demand) -> int:
    """Return a cost that no channels undercut."""
    size = demand.size
    # What a path of at least so many messages costs. One of at least one message: the cheapest there is.
    longer = distances(demand, demand.every_channel())
    total = int((demand.traffic * longer).sum())
    reached = level = demand.most
    while reached < size - 1:
        after = np.maximum(longer, _one_more(demand, longer))
        rises = demand.traffic * (after - longer)
        np.fill_diagonal(rises, np.iinfo(np.int64).max)  # nobody is away from itself
        rises.sort(axis=1)
        total += int(rises[:, : size - 1 - reached].sum())
        longer = after
        level *= demand.most - 1
        reached += level
        if level <= 0:
            break
    return total


def _one_more(demand: Demand, longer: Array) -> Array:
    """Return the cost of one message and then a path of at least as many as `longer` has."""
    size = demand.size
    apart = demand.latency.copy()
    np.fill_diagonal(apart, np.iinfo(np.int64).max // 4)
    result = np.empty_like(longer)
    for core in range(size):
        result[core] = (apart[core][:, None] + longer).min(axis=0)
    return result
