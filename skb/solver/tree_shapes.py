"""First trees: the classic shapes, which an answer must never be worse than, and those that greed builds.

Earliest completion (Banikazemi, Moorthy, Panda 1998): again and again the message that arrives first of all that could
be sent next. It is good on flat machines and blind on nested ones, where the way into a far package must be taken
early although it is the slowest. The nested constructions follow Smelt (Kaestle and others 2016): whoever is idle sends
the dearest message that is still needed, but into each part of the machine only one from outside; what the parts are is
read off the costs (`clusters`).
"""

import heapq
from collections.abc import Iterator

from skb.solver.clusters import Clustering
from skb.solver.tree_network import Network, Parents


def classic(network: Network) -> tuple[Parents, ...]:
    """Return the trees that no answer may be worse than."""
    return star(network), binomial(network), spanning(network)


def greedy(network: Network, clusterings: list[Clustering]) -> Iterator[Parents]:
    """Yield trees that look at the costs, those most often good first. Each takes O(n^2 log n) steps."""
    yield earliest(network)
    yield nested(network, clusterings, dearest=True)
    yield nested(network, clusterings, dearest=False)
    for clustering in clusterings:
        yield nested(network, [clustering], dearest=True)
        yield nested(network, [clustering], dearest=False)
    yield shortest_paths(network)


def star(network: Network) -> Parents:
    """Let the root send to all."""
    return [-1 if core == network.root else network.root for core in range(network.size)]


def binomial(network: Network) -> Parents:
    """Double the number of informed cores in every round, cores by rank: the root, then the others by number."""
    ranked = [network.root, *(core for core in range(network.size) if core != network.root)]
    parents = [-1] * network.size
    for rank in range(1, network.size):
        parents[ranked[rank]] = ranked[rank - (1 << (rank.bit_length() - 1))]
    return parents


def spanning(network: Network) -> Parents:
    """Reach every core over the cheapest message from those reached (Prim 1957)."""
    return _grown(network, along_path=False)


def shortest_paths(network: Network) -> Parents:
    """Reach every core as soon as were it the only one (Dijkstra 1959)."""
    return _grown(network, along_path=True)


def _grown(network: Network, *, along_path: bool) -> Parents:
    parents = [-1] * network.size
    waiting = {core: (network.total[network.root][core], network.root) for core in range(network.size)}
    del waiting[network.root]
    while waiting:
        core = min(waiting, key=lambda j: (waiting[j][0], j))
        reached, parents[core] = waiting.pop(core)
        row, offset = network.total[core], reached if along_path else 0
        for other, (known, _) in waiting.items():
            if row[other] + offset < known:
                waiting[other] = row[other] + offset, core
    return parents


def earliest(network: Network) -> Parents:
    """Send next whichever message arrives first."""
    parents = [-1] * network.size
    nearest = [
        sorted((core for core in range(network.size) if core != i), key=row.__getitem__)
        for i, row in enumerate(network.total)
    ]
    tried = [0] * network.size
    offers: list[tuple[int, int, int]] = []  # arrival, sender, free from

    def offer(sender: int, free: int) -> None:
        if tried[sender] < len(nearest[sender]):
            target = nearest[sender][tried[sender]]
            heapq.heappush(offers, (free + network.total[sender][target], sender, free))

    informed = {network.root}
    offer(network.root, 0)
    while len(informed) < network.size:
        arrival, sender, free = heapq.heappop(offers)
        target = nearest[sender][tried[sender]]
        tried[sender] += 1
        if target in informed:
            offer(sender, free)
            continue
        informed.add(target)
        parents[target] = sender
        offer(sender, free + network.send[sender][target])
        offer(target, arrival)
    return parents


def nested(network: Network, clusterings: list[Clustering], *, dearest: bool) -> Parents:
    """Let whoever is idle first send into the coarsest part it belongs to and nobody has entered; then finer ones.

    `clusterings` go from coarse to fine, each a refinement of the one before. Within a choice the dearest message goes
    first, or the nearest. When nothing is left to do at home a core helps elsewhere, nearest first.
    """
    size = network.size
    levels: list[tuple[int, ...]] = [(0,) * size, *(clustering.of for clustering in clusterings), tuple(range(size))]
    home = list(zip(*levels, strict=True))  # of each core: its part at every level, from coarse to fine
    waiting = set(range(size)) - {network.root}
    entered = [{home[network.root][level]} for level in range(len(levels))]
    parents = [-1] * size
    idle = [(0, network.root)]
    while waiting:
        now, sender = heapq.heappop(idle)
        total = network.total[sender]
        target = -1
        for level in range(1, len(levels)):
            ways: dict[int, tuple[int, int]] = {}  # part nobody has entered -> cheapest way into it
            for core in waiting:
                part = home[core][level]
                if home[core][level - 1] == home[sender][level - 1] and part not in entered[level]:
                    way = (total[core], core)
                    if part not in ways or way < ways[part]:
                        ways[part] = way
            if ways:
                target = (max if dearest else min)(ways.values())[1]
                break
        if target < 0:
            target = min(waiting, key=lambda core: (total[core], core))
        waiting.remove(target)
        for level, part in enumerate(home[target]):
            entered[level].add(part)
        parents[target] = sender
        heapq.heappush(idle, (now + network.send[sender][target], sender))
        heapq.heappush(idle, (now + total[target], target))
    return parents
