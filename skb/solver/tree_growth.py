"""What no tree can undercut on a nested machine: how many cores can be informed in a time, no part of the machine overfilled.

Take clusterings, each finer than the next, and the cheapest message of each kind: within a part of the finest, within a
part of the next but not of the finest, and so on, and between parts of the coarsest. Follow the messages within parts
of one clustering from a message that came from outside: they make a tree of at most as many cores as a part has. A tree
for all cores therefore takes at least as long as the quickest *budgeted growth*: a core has, for each clustering, a
budget of cores that its tree there may still have, itself among them. A message within a part of a clustering shares
the budget for it with the child, and so those for all coarser ones; for all finer ones the child has a new budget.

The most cores after a time, for all budgets, is a dynamic program over steps of time; costs are rounded down to whole
steps, so the answer stays below the truth. This is where bounds that count messages alone are weak: the cheapest
messages are those between siblings, and each core has but one sibling.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from skb.solver.clusters import Clustering
from skb.solver.deadline import Deadline
from skb.solver.tree_network import Network

STEPS = 500  # of time, until the best known cost
MOST_STEPS = 4000
SPLITS = 6_000  # ways to share budgets that are looked at in a step, for each second that the answer may take
MOST_SPLITS = 20_000

Budget = tuple[int, ...]  # for each clustering, from fine to coarse; never less for a coarser one
Kind = tuple[
    int, int
]  # the least send of messages of a kind, and their least send and receive; (-1, -1): there are none


def growth_bound(network: Network, clusterings: Sequence[Clustering], cost: int, deadline: Deadline) -> int:
    """Return a time before which no tree informs every core, or `cost` if that is less.

    Pairs of clusterings are looked at, and triples of fine ones, the quick ones first, for a tenth of the time there is.
    """
    size = network.size
    if size < 3 or cost < 1:
        return 0
    alone, whole = Clustering(tuple(range(size))), Clustering((0,) * size)
    levels = [alone, *reversed(clusterings), whole]  # from fine to coarse
    largest = [max(Counter(one.of).values()) for one in levels]
    most_splits = min(MOST_SPLITS, SPLITS * max(0.1, deadline.end - deadline.start))
    chosen = []
    for count in (2, 3):
        for places in combinations(range(len(levels)), count):
            full = tuple(largest[place] for place in places)
            splits = prod(full) ** 2 // 2**count  # an estimate, and too high
            if len(set(full)) == count and splits <= most_splits:
                chosen.append((splits, full, places))
    share = deadline.share(0.1)
    best = 0
    for _, full, places in sorted(chosen):
        if best >= cost or share.passed():
            break
        kinds = _kinds(network, [levels[place] for place in places])
        best = max(best, _quickest(kinds, full, len(network.needed) + 1, cost))
    return best


def _budgets(full: Budget) -> Iterator[Budget]:
    """Yield all budgets up to the full one, coarse ones last."""
    if not full:
        yield ()
        return
    for most in range(1, full[-1] + 1):
        for finer in _budgets(tuple(min(one, most) for one in full[:-1])):
            yield (*finer, most)


def _kinds(network: Network, clusterings: Sequence[Clustering]) -> list[Kind]:
    send, total = (np.array(matrix, dtype=np.int64) for matrix in (network.send, network.total))
    far = np.iinfo(np.int64).max
    left = ~np.eye(network.size, dtype=bool)
    kinds = []
    for one in [*clusterings, Clustering((0,) * network.size)]:
        of = np.array(one.of)
        mask = left & (of[:, None] == of[None, :])
        left &= ~mask
        least = int(send.min(where=mask, initial=far)), int(total.min(where=mask, initial=far))
        kinds.append(least if mask.any() else (-1, -1))
    return kinds


def _quickest(kinds: Sequence[Kind], full: Budget, cores: int, cost: int) -> int:
    """Return the time that the growth to so many cores takes at least, or `cost` if that is longer."""
    step = min(max(1, cost // STEPS), *(send for send, _ in kinds if send >= 0))
    if step <= 0 or cost // step > MOST_STEPS:
        return 0
    budgets = list(_budgets(full))
    ways = _ways(kinds, full, budgets, step)
    most = np.ones((cost // step + 1, len(budgets)), dtype=np.int64)
    for now in range(1, len(most)):
        reached = most[now - 1].copy()
        for sends, arrives, rests, children, starts, owners in ways:
            if arrives <= now:
                sums = most[now - sends][rests] + most[now - arrives][children]
                reached[owners] = np.maximum(reached[owners], np.maximum.reduceat(sums, starts))
        most[now] = np.minimum(reached, cores)
        if most[now, -1] >= cores:
            return now * step
    return cost


Indices = NDArray[np.int64]
Way = tuple[int, int, Indices, Indices, Indices, Indices]


def _ways(kinds: Sequence[Kind], full: Budget, budgets: Sequence[Budget], step: int) -> list[Way]:
    """Return for each kind of message the steps it takes, and what budgets fall into: what the sender keeps and the child gets."""
    place = {budget: index for index, budget in enumerate(budgets)}
    found = []
    for level, (send, total) in enumerate(kinds):
        if send < 0:
            continue
        splits = [
            (owner, place[rest], place[child])
            for owner, budget in enumerate(budgets)
            for rest, child in _shared(budget, full, level)
        ]
        if splits:
            owners, rests, children = np.array(splits, dtype=np.int64).T
            starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
            found.append((send // step, total // step, rests, children, starts, owners[starts]))
    return found


def _shared(budget: Budget, full: Budget, level: int) -> Iterator[tuple[Budget, Budget]]:
    """Yield how a message shares a budget from some level on: what the sender keeps, and what the child gets."""
    for given in product(*(range(1, one) for one in budget[level:])):
        if any(fine > coarse for fine, coarse in pairwise(given)):
            continue
        kept = [*budget[:level], *(one - part for one, part in zip(budget[level:], given, strict=True))]
        child = [*full[:level], *given]
        for fine in range(len(kept) - 2, -1, -1):
            kept[fine] = min(kept[fine], kept[fine + 1])
            child[fine] = min(child[fine], child[fine + 1])
        yield tuple(kept), tuple(child)
