"""The best channels of a few cores, proved: branch and bound over channels, each to be had or not.

The bound of a part: paths over all channels that are still possible. From each core, only so many others can be
neighbours; the rest cost at least the cheapest way of two channels.
"""

from typing import NamedTuple

import numpy as np

from skb.solver.best_first import Branch, Expansion, Proof, prove
from skb.solver.deadline import Deadline
from skb.solver.route_paths import FAR, Channels, Demand, distances, weighted

PROVABLE = 7  # cores


class _Part(NamedTuple):
    had: tuple[tuple[int, int], ...]
    open: tuple[tuple[int, int], ...]


def prove_channels(demand: Demand, cost: int, floor: int, deadline: Deadline) -> Proof[Channels]:
    """Look for channels that cost less than `cost`; say what none can undercut, as is known of `floor`."""
    if floor >= cost or deadline.passed():
        return Proof(cost, None, min(floor, cost))

    def expand(branch: Branch[_Part], limit: int) -> Expansion[_Part, Channels]:
        had, still = branch.part
        pair = max(still, key=lambda one: (demand.traffic[one] + demand.traffic[one[::-1]], one))
        rest = tuple(one for one in still if one != pair)
        with_it = (*had, pair)
        full = {core for core in pair if sum(core in one for one in with_it) >= demand.most}
        found: tuple[int, Channels] | None = None
        branches = []
        for part in (_Part(with_it, tuple(one for one in rest if not full.intersection(one))), _Part(had, rest)):
            channels = Channels(demand.size, part.had)
            reached = weighted(demand, distances(demand, channels))
            if reached < limit and (found is None or reached < found[0]):
                found = reached, channels
            lowest = max(branch.bound, _bound(demand, part))
            if part.open and lowest < limit:
                branches.append(Branch(lowest, branch.depth + 1, part))
        return Expansion(branches, found)

    pairs = demand.every_channel().pairs()
    return prove(Branch(floor, 0, _Part((), pairs)), expand, cost, deadline)


def _bound(demand: Demand, part: _Part) -> int:
    size = demand.size
    possible = Channels(size, (*part.had, *part.open))
    near = distances(demand, possible)
    if (near >= FAR).any():
        return FAR
    direct = np.full((size, size), FAR, dtype=np.int64)
    for a, b in possible.pairs():
        direct[a, b], direct[b, a] = demand.latency[a, b], demand.latency[b, a]
    two = np.stack([(direct[core][:, None] + near + np.diag([FAR] * size)).min(axis=0) for core in range(size)])
    two = np.maximum(near, np.minimum(two, FAR))
    total = 0
    for core in range(size):
        neighbours = [b if a == core else a for a, b in part.had if core in (a, b)]
        others = [other for other in range(size) if other != core and other not in neighbours]
        total += int((demand.traffic[core, neighbours] * near[core, neighbours]).sum())
        saved = sorted(
            (
                min(FAR, int(demand.traffic[core, other]) * int(two[core, other] - near[core, other]))
                for other in others
            ),
            reverse=True,
        )
        total += sum(int(demand.traffic[core, other]) * int(two[core, other]) for other in others)
        total -= sum(saved[: demand.most - len(neighbours)])
    return min(total, FAR)
