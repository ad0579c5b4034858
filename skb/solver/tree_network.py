"""What the tree solver's parts share: the costs of messages between cores, and what a tree makes of them.

Sending from i to j keeps the sender busy `send[i][j]`; then the message can be read, which keeps the receiver busy
`receive[i][j]`; then it may forward. A core serves its children in order. The cost of a tree is the time at which the
last core has received.

For a tree whose *order* of children is open the best order follows by exchanging neighbours: children with the longest
rest of the way (reading, and everything below) first. So a tree is searched for as an array of parents alone.

Some cores may be *relays*: they forward if that helps, but nobody needs to reach them. In an array of parents every
relay hangs somewhere; a branch without a single core that must be reached is dead: it costs nothing and is left out of
the answer. So a search takes relays in and out by moving branches, as it does everything else.

A *reduction* is a broadcast played backwards. Turn the time round: where a parent sent and a child then read, now a
child sends and a parent then reads, and the parent, which is busy with one child at a time, is the one that reads. So
the tree that gathers from all soonest is the one that broadcasts soonest where `send[i][j]` is what reading from j
takes i, and `receive[i][j]` what sending to i takes j; its children are served in the opposite order (`reversed_costs`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from skb.solver.matrix import Matrix, added, transposed

Parents = list[int]  # the parent of each core; the root's is -1
Children = dict[int, tuple[int, ...]]  # of each core that takes part, in the order of sending


@dataclass(frozen=True)
class Network:
    """The costs between all cores, the core that starts, and what a tree must keep to.

    `total` is send and receive together, `optional` the relays. `max_degree` is how many children a core may have,
    `max_depth` how many messages may lie between the root and any core.
    """

    send: Matrix
    receive: Matrix
    total: Matrix
    root: int
    optional: frozenset[int] = frozenset()
    max_degree: int | None = None
    max_depth: int | None = None

    @property
    def size(self) -> int:
        """How many cores there are."""
        return len(self.send)

    @property
    def limited(self) -> bool:
        """Whether not every tree will do."""
        return self.max_degree is not None or self.max_depth is not None

    @property
    def needed(self) -> list[int]:
        """The cores to be reached, the root left out."""
        return [core for core in range(self.size) if core != self.root and core not in self.optional]


def among(network: Network, cores: Sequence[int]) -> Network:
    """Return the network of some cores, the root one of them; their numbers are their places in `cores`."""

    def part(matrix: Matrix) -> Matrix:
        return tuple(tuple(matrix[i][j] for j in cores) for i in cores)

    send, receive = part(network.send), part(network.receive)
    optional = frozenset(place for place, core in enumerate(cores) if core in network.optional)
    root = list(cores).index(network.root)
    return Network(send, receive, added(send, receive), root, optional, network.max_degree, network.max_depth)


def reversed_costs(send: Matrix, receive: Matrix) -> tuple[Matrix, Matrix]:
    """Return what sending and receiving take in the broadcast that, played backwards, is a reduction."""
    return transposed(receive), transposed(send)


def served_in_best_order(network: Network, parents: Sequence[int]) -> tuple[int, Children]:
    """Return the cost of the tree with these parents and its children, each core's in the best order, dead branches cut."""
    children = children_of(parents)
    order = from_the_top(network.root, children)
    below = [0] * network.size  # from having received until all below have; -1 in a dead branch
    for core in reversed(order):
        send, receive = network.send[core], network.receive[core]
        served = [child for child in children[core] if below[child] >= 0]
        served.sort(key=lambda child: (-receive[child] - below[child], child))
        children[core] = served
        if not served and core in network.optional:
            below[core] = -1
            continue
        sent = 0
        for child in served:
            sent += send[child]
            below[core] = max(below[core], sent + receive[child] + below[child])
    return below[network.root], {core: tuple(children[core]) for core in sorted(order) if below[core] >= 0}


def children_of(parents: Sequence[int]) -> list[list[int]]:
    """Return the children of each core."""
    children: list[list[int]] = [[] for _ in parents]
    for core, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(core)
    return children


def from_the_top(root: int, children: Sequence[Sequence[int]] | Mapping[int, Sequence[int]]) -> list[int]:
    """Return the cores of the tree, each after its parent, those nearer the root first."""
    order = [root]
    for core in order:
        order.extend(children[core])
    return order


def depths(root: int, children: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Return how many messages lie between the root and each core."""
    depth = {root: 0}
    for core in from_the_top(root, children):
        depth |= dict.fromkeys(children[core], depth[core] + 1)
    return depth


def excess(network: Network, children: Mapping[int, Sequence[int]], name: Callable[[int], int] = int) -> str:
    """Say in which way a tree goes beyond the limits; nothing if it does not."""
    widest = max(children, key=lambda core: (len(children[core]), -core))
    if network.max_degree is not None and len(children[widest]) > network.max_degree:
        return f"core {name(widest)} has {len(children[widest])} children, and max_degree is {network.max_degree}"
    if network.max_depth is not None:
        depth = depths(network.root, children)
        deepest = max(depth, key=lambda core: (depth[core], -core))
        if depth[deepest] > network.max_depth:
            return (
                f"core {name(deepest)} is {depth[deepest]} messages from the root, and max_depth is {network.max_depth}"
            )
    return ""


def fitted(network: Network, parents: Sequence[int]) -> Parents:
    """Return a tree within the limits, like the one given where that is: who has no room there goes where it hears soonest.

    There always is room: if every core above the greatest depth has all the children it may have, the tree is as large
    as it can be, and that it is large enough was checked.
    """
    _, children = served_in_best_order(network, parents)
    if not network.limited or not excess(network, children):
        return list(parents)
    most = network.size if network.max_degree is None else network.max_degree
    deepest = network.size if network.max_depth is None else network.max_depth
    placed = {network.root: (0, 0, 0)}  # depth, children so far, when it may send next
    result = [network.root] * network.size
    result[network.root] = -1
    for core in from_the_top(network.root, children)[1:]:
        room = [other for other, (depth, served, _) in placed.items() if depth < deepest and served < most]
        parent = parents[core]
        if parent not in room:
            parent = min(room, key=lambda other: (placed[other][2] + network.total[other][core], other))
        depth, served, free = placed[parent]
        placed[parent] = depth, served + 1, free + network.send[parent][core]
        placed[core] = depth + 1, 0, free + network.total[parent][core]
        result[core] = parent
    return result
