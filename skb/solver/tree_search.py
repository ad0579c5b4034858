"""Better trees from a first one: late-acceptance hill climbing (Burke and Bykov 2017) along the critical path.

Only a change on the path to the core that receives last, or to a message sent before one on that path, can make a tree
better, so only such changes are tried: hang a subtree elsewhere, or let two cores change places. A step that is not
worse than the tree some steps ago is accepted, which leads across the plateaus that a cost defined by a maximum is full
of. A change costs one pass over the children of each core between it and the root.

Limits are kept at every step: what would go beyond them is not done, or undone. So the start must be within them.
"""

import random
from collections.abc import Sequence

from skb.solver.deadline import Deadline
from skb.solver.tree_network import Network, Parents, children_of, excess, from_the_top, served_in_best_order

MEMORY = 60  # steps; how long ago "some steps ago" is
PATIENCE = 1500  # steps per core without a better tree before the search is content
DETOUR = 150  # steps per core without a better tree before it goes on from the best again


def improve(network: Network, start: Sequence[int], floor: int, deadline: Deadline, seed: int = 1) -> Parents:
    """Search from `start` until the cost reaches `floor`, patience ends or time is up; return the best tree met."""
    if network.size < 3:
        return list(start)
    return _Search(network, start, seed).run(floor, deadline)


class _Search:
    """A walk through trees. `_below[i]` is the time from when i has received until all below it have."""

    def __init__(self, network: Network, start: Sequence[int], seed: int) -> None:
        self._network = network
        self._random = random.Random(seed)
        self._most = network.size if network.max_degree is None else network.max_degree
        self._deepest = network.size if network.max_depth is None else network.max_depth
        into = [sorted(zip(column, range(network.size), strict=True)) for column in zip(*network.total, strict=True)]
        self._near = [[i for _, i in ways if i != j][:8] for j, ways in enumerate(into)]
        self._settle(start)

    def _settle(self, parents: Sequence[int]) -> None:
        self._parents = list(parents)
        self._children = children_of(parents)
        self._below = [0] * len(parents)
        for core in reversed(from_the_top(self._network.root, self._children)):
            self._below[core] = self._worked_out(core)

    def _served(self, core: int) -> list[tuple[int, int, int]]:
        """Return (rest of the way, send, child) for the living children of a core, in the best order."""
        send, receive, below = self._network.send[core], self._network.receive[core], self._below
        return sorted(
            ((receive[j] + below[j], send[j], j) for j in self._children[core] if below[j] >= 0), reverse=True
        )

    def _worked_out(self, core: int) -> int:
        """Return the time from when a core has received until all below it have; -1 in a dead branch."""
        below, send, receive = self._below, self._network.send[core], self._network.receive[core]
        served = [(receive[j] + below[j], send[j]) for j in self._children[core] if below[j] >= 0]
        if not served:
            return -1 if core in self._network.optional else 0
        if len(served) == 1:
            return served[0][0] + served[0][1]
        served.sort(reverse=True)
        sent = latest = 0
        for rest, busy in served:
            sent += busy
            if sent + rest > latest:
                latest = sent + rest
        return latest

    def _critical(self) -> list[int]:
        """Return the cores on the path to the last to receive, and those served before one of them."""
        found: list[int] = []
        core = self._network.root
        while served := self._served(core):
            sent, latest, last = 0, -1, 0
            for place, (rest, send, _) in enumerate(served):
                sent += send
                if sent + rest > latest:
                    latest, last = sent + rest, place
            found += [child for _, _, child in served[: last + 1]]
            core = served[last][2]
        return found

    def _update(self, core: int) -> None:
        """Work out the times of a core and of those above it, as far up as they change."""
        while core >= 0:
            latest = self._worked_out(core)
            if latest == self._below[core]:
                return
            self._below[core] = latest
            core = self._parents[core]

    def _above(self, core: int, other: int) -> bool:
        """Tell whether `core` lies on the way from the root to `other`, or is it."""
        while other >= 0:
            if other == core:
                return True
            other = self._parents[other]
        return False

    def _room(self, core: int, parent: int) -> bool:
        """Tell whether a core may hang there; where there are relays, only the whole tree tells."""
        if self._network.optional:
            return True
        if len(self._children[parent]) >= self._most:
            return False
        if self._network.max_depth is None:
            return True
        depth = 1
        while parent >= 0:
            depth, parent = depth + 1, self._parents[parent]
        level = [core]
        while level := [child for above in level for child in self._children[above]]:
            depth += 1
        return depth - 1 <= self._deepest

    def _beyond(self) -> bool:
        """Tell whether a step has gone beyond the limits, as it can where there are relays."""
        if not (self._network.optional and self._network.limited):
            return False
        return bool(excess(self._network, served_in_best_order(self._network, self._parents)[1]))

    def _hang(self, core: int, parent: int) -> None:
        left = self._parents[core]
        self._children[left].remove(core)
        self._children[parent].append(core)
        self._parents[core] = parent
        self._update(left)
        self._update(parent)

    def _exchange(self, a: int, b: int) -> None:
        """Let two cores change places, neither of them above the other."""
        up_a, up_b = self._parents[a], self._parents[b]
        self._children[up_a][self._children[up_a].index(a)] = b
        self._children[up_b][self._children[up_b].index(b)] = a
        self._parents[a], self._parents[b] = up_b, up_a
        self._children[a], self._children[b] = self._children[b], self._children[a]
        for core in (a, b):
            for child in self._children[core]:
                self._parents[child] = core
            self._below[core] = self._worked_out(core)
        self._update(up_a)
        self._update(up_b)

    def run(self, floor: int, deadline: Deadline) -> Parents:
        root, size, limited = self._network.root, self._network.size, self._network.limited
        cost = best_cost = self._below[root]
        best = list(self._parents)
        memory = [cost] * MEMORY
        critical = self._critical()
        found = step = 0
        while best_cost > floor and step - found < PATIENCE * size and not deadline.passed():
            step += 1
            if (step - found) % (DETOUR * size) == 0:
                self._settle(best)
                cost, critical = best_cost, self._critical()
            core = critical[int(self._random.random() * len(critical))]
            left = self._parents[core]
            draw = self._random.random()
            if draw < 0.4:
                other = self._near[core][int(self._random.random() * len(self._near[core]))]
            else:
                other = int(self._random.random() * size)
            hang = draw < 0.7
            if hang:
                if other == left or self._above(core, other):
                    continue
                if limited and not self._room(core, other):
                    continue
                self._hang(core, other)
            else:
                if self._above(core, other) or self._above(other, core):
                    continue
                self._exchange(core, other)
            changed = self._below[root]
            if (changed <= memory[step % MEMORY] or changed <= cost) and not (limited and self._beyond()):
                cost = changed
                critical = self._critical()
                if cost < best_cost:
                    best_cost, best, found = cost, list(self._parents), step
            elif hang:
                self._hang(core, left)
            else:
                self._exchange(core, other)
            memory[step % MEMORY] = min(memory[step % MEMORY], cost)
        return best
