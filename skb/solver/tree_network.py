"""What the tree solver's parts share: the costs of messages between cores, and what a tree makes of them.

Sending from i to j keeps the sender busy `send[i][j]`; then the message can be read, which keeps the receiver busy
`receive[i][j]`; then it may forward. A core serves its children in order. The cost of a tree is the time at which the
last core has received.

For a tree whose *order* of children is open the best order follows by exchanging neighbours: children with the longest
rest of the way (reading, and everything below) first. So a tree is searched for as an array of parents alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skb.solver.matrix import Matrix


@dataclass(frozen=True)
class Network:
    """The costs between all cores, and the core that starts. `total` is send and receive together."""

    send: Matrix
    receive: Matrix
    total: Matrix
    root: int

    @property
    def size(self) -> int:
        """How many cores there are."""
        return len(self.send)


Parents = list[int]  # the parent of each core; the root's is -1


def served_in_best_order(network: Network, parents: Sequence[int]) -> tuple[int, dict[int, tuple[int, ...]]]:
    """Return the cost of the tree with these parents and its children, each core's in the best order."""
    children = children_of(parents)
    below = [0] * network.size  # from having received until all below have
    for core in reversed(from_the_top(network.root, children)):
        send, receive = network.send[core], network.receive[core]
        children[core].sort(key=lambda child: (-receive[child] - below[child], child))
        sent = 0
        for child in children[core]:
            sent += send[child]
            below[core] = max(below[core], sent + receive[child] + below[child])
    return below[network.root], {core: tuple(served) for core, served in enumerate(children)}


def children_of(parents: Sequence[int]) -> list[list[int]]:
    """Return the children of each core."""
    children: list[list[int]] = [[] for _ in parents]
    for core, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(core)
    return children


def from_the_top(root: int, children: Sequence[Sequence[int]]) -> list[int]:
    """Return the cores of the tree, each after its parent."""
    order = [root]
    for core in order:
        order.extend(children[core])
    return order
