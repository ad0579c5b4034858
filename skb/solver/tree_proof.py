"""The best tree of a small machine, proved: branch and bound over what the core that is idle first does next.

A schedule is built in the order of time. The informed core that is free first either sends to one of the cores that
still wait, or sends no more. Every tree arises once in this way. Of waiting cores that can be exchanged without
disturbing those informed (`symmetry`), one is tried. Relays are sent to like any other, and need not be.
"""

import sys
from itertools import accumulate, zip_longest
from typing import NamedTuple

from skb.solver.best_first import Branch, Expansion, Proof, prove
from skb.solver.deadline import Deadline
from skb.solver.symmetry import symmetry
from skb.solver.tree_bound import counting_bound, distance_bound
from skb.solver.tree_network import Network


class _Schedule(NamedTuple):
    free: tuple[tuple[int, int], ...]  # (from when, core) of those that may send, soonest first
    parents: tuple[int, ...]  # -2 while a core waits
    last: int  # the latest reception so far


def prove_tree(network: Network, cost: int, floor: int, deadline: Deadline) -> Proof[tuple[int, ...]]:
    """Look for a tree that costs less than `cost`; say what none can undercut, as is known of `floor`."""
    if floor >= cost or deadline.passed():
        return Proof(cost, None, min(floor, cost))
    return _Search(network, deadline).run(cost, floor)


class _Search:
    """The parts of a search that do not change from node to node."""

    def __init__(self, network: Network, deadline: Deadline) -> None:
        self._network = network
        self._deadline = deadline
        self._needed = frozenset(network.needed)
        # A relay is like no core that must be reached, and only the diagonal can say so.
        marks = tuple(
            (*row[:core], int(core in network.optional), *row[core + 1 :]) for core, row in enumerate(network.send)
        )
        self._symmetry = symmetry(marks, network.receive)

    def run(self, cost: int, floor: int) -> Proof[tuple[int, ...]]:
        root = self._network.root
        parents = tuple(-1 if core == root else -2 for core in range(self._network.size))
        start = Branch(floor, 0, _Schedule(((0, root),), parents, 0))
        return prove(start, self._expand, cost, self._deadline)

    def _expand(self, branch: Branch[_Schedule], limit: int) -> Expansion[_Schedule, tuple[int, ...]]:
        network, (free, parents, last) = self._network, branch.part
        (now, sender), others = free[0], free[1:]
        waiting = [core for core, parent in enumerate(parents) if parent == -2]
        informed = [core for core, parent in enumerate(parents) if parent != -2]
        missing = len(self._needed.intersection(waiting))
        found: tuple[int, tuple[int, ...]] | None = None
        successors = [(branch.depth, _Schedule(others, parents, last))] if others else []
        for group in self._symmetry.orbits(waiting, informed) if self._may_send(sender, parents) else ():
            target = group[0]
            received = now + network.total[sender][target]
            needed = target in self._needed
            latest = max(last, received) if needed else last
            chosen = (*parents[:target], sender, *parents[target + 1 :])
            if missing > needed:
                free_next = sorted([*others, (now + network.send[sender][target], sender), (received, target)])
                successors.append((branch.depth + needed, _Schedule(tuple(free_next), chosen, latest)))
            elif found is None or latest < found[0]:
                found = latest, chosen
        branches = []
        for depth, schedule in successors:
            if self._deadline.passed():
                return Expansion([branch], found)
            bound = max(branch.bound, self._bound(schedule, limit))
            if bound < limit:
                branches.append(Branch(bound, depth, schedule))
        return Expansion(branches, found)

    def _may_send(self, sender: int, parents: tuple[int, ...]) -> bool:
        """Tell whether the limits let a core send once more."""
        network = self._network
        if network.max_degree is not None and parents.count(sender) >= network.max_degree:
            return False
        depth = 0
        while parents[sender] >= 0:
            depth, sender = depth + 1, parents[sender]
        return network.max_depth is None or depth < network.max_depth

    def _bound(self, schedule: _Schedule, limit: int) -> int:
        """Return a time before which no completion of the schedule informs every core; rough once it is at `limit`."""
        network = self._network
        ready = {core: when for when, core in schedule.free}
        unreached = [core for core, parent in enumerate(schedule.parents) if parent == -2]
        waiting = [core for core in unreached if core in self._needed]
        relays = [core for core in unreached if core not in self._needed]
        bound = max(schedule.last, distance_bound(network, ready, waiting, relays))
        if bound >= limit:
            return bound
        acting = [*ready, *unreached]
        ways = sorted([min([network.total[i][j] for i in acting if i != j]) for j in unreached])[: len(waiting)]
        rows = [list(accumulate(sorted([network.send[i][j] for j in unreached if j != i]), initial=0)) for i in acting]
        sends = [min(taken) for taken in zip_longest(*rows, fillvalue=sys.maxsize)]
        return max(bound, counting_bound(list(ready.values()), sends, ways, most=network.max_degree))
