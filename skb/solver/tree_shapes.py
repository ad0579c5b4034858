"""First trees: the classic shapes, which an answer must never be worse than, and those that greed builds.

*Classic* shapes have names, and can be asked for by them. Those that look at ranks alone take the cores in the order of
their numbers, as libraries that know nothing of the machine do.

* `star`: the root sends to all.
* `binomial`: the number of informed cores doubles in every round.
* `fibonacci`: the same where a message takes two rounds to arrive and one to send (Bar-Noy and Kipnis 1992).
* `spanning`: every core over the cheapest message from those reached (Prim 1957).
* `cluster`: a binomial tree over one core of each node, and one within each node.
* `adaptive`: whoever is idle sends its dearest message that is still needed, and into each node only one from outside;
  then whoever receives last is taken to whoever can serve it soonest, as long as that helps (after Smelt, Kaestle and
  others 2016).

Nodes are those that the caller names, else the coarsest parts that the costs themselves suggest (`clusters`).

*Greedy* ones: earliest completion (Banikazemi, Moorthy, Panda 1998), again and again the message that arrives first of
all that could be sent next, is good on flat machines and blind on nested ones, where the way into a far package must be
taken early although it is the slowest. The nested constructions carry the rule of `adaptive` through all levels of the
machine.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence

from skb.solver.clusters import Clustering
from skb.solver.tree_network import Network, Parents, served_in_best_order

Groups = Sequence[int]  # of each core: the node that it belongs to


def star(network: Network, _: Groups) -> Parents:
    """Let the root send to all."""
    return [-1 if core == network.root else network.root for core in range(network.size)]


def binomial(network: Network, _: Groups) -> Parents:
    """Double the number of informed cores in every round, cores by rank: the root, then the others by number."""
    return _ranked(network, _ranks(network), rounds=1)


def fibonacci(network: Network, _: Groups) -> Parents:
    """Let a core send in every round, and forward from two rounds after it was sent to, cores by rank."""
    return _ranked(network, _ranks(network), rounds=2)


def cluster(network: Network, groups: Groups) -> Parents:
    """Send to the first core of each node by a binomial tree, and within each node by another."""
    members: dict[int, list[int]] = {}
    for core in _ranks(network):
        members.setdefault(groups[core], []).append(core)
    parents = _ranked(network, [cores[0] for cores in members.values()], rounds=1)
    for cores in members.values():
        inner = _ranked(network, cores, rounds=1)
        for core in cores[1:]:
            parents[core] = inner[core]
    return parents


def _ranks(network: Network) -> list[int]:
    return [network.root, *(core for core in range(network.size) if core != network.root)]


def _ranked(network: Network, ranked: Sequence[int], *, rounds: int) -> Parents:
    """Let every core send to the next by rank in every round, from so many rounds after it was sent to."""
    parents = [-1] * network.size
    idle = [(0, 0)]  # round, rank
    for rank in range(1, len(ranked)):
        now, sender = heapq.heappop(idle)
        parents[ranked[rank]] = ranked[sender]
        heapq.heappush(idle, (now + 1, sender))
        heapq.heappush(idle, (now + rounds, rank))
    return parents


def spanning(network: Network, _: Groups) -> Parents:
    """Reach every core over the cheapest message from those reached."""
    return _grown(network, along_path=False)


def adaptive(network: Network, groups: Groups) -> Parents:
    """Send the dearest message first, into each node once; then reattach whoever receives last."""
    waiting = set(range(network.size)) - {network.root}
    entered = {groups[network.root]}
    parents = [-1] * network.size
    idle = [(0, network.root)]
    while waiting:
        now, sender = heapq.heappop(idle)
        total = network.total[sender]
        ways: dict[int, tuple[int, int]] = {}  # node nobody has entered -> cheapest way into it
        for core in waiting:
            if groups[core] not in entered:
                way = (total[core], core)
                ways[groups[core]] = min(way, ways.get(groups[core], way))
        home = [(total[core], core) for core in waiting if groups[core] == groups[sender]]
        if not ways and not home:
            continue
        target = max(ways.values() or home)[1]
        waiting.remove(target)
        entered.add(groups[target])
        parents[target] = sender
        heapq.heappush(idle, (now + network.send[sender][target], sender))
        heapq.heappush(idle, (now + total[target], target))
    return _reattached(network, parents)


def _reattached(network: Network, parents: Parents) -> Parents:
    cost, children = served_in_best_order(network, parents)
    while True:
        received = {network.root: 0}
        idle: dict[int, int] = {}
        waiting = [network.root]
        for core in waiting:
            now = received[core]
            for child in children[core]:
                now += network.send[core][child]
                received[child] = now + network.receive[core][child]
            idle[core] = now
            waiting += children[core]
        leaves = [core for core in received if not children[core] and core != network.root]
        if not leaves:
            return parents
        last = max(
            leaves, key=lambda core: (received[core], core)
        )  # messages that cost nothing may make inner ones as late
        others = [core for core in idle if core != last]
        changed = list(parents)
        changed[last] = min(others, key=lambda core: (idle[core] + network.total[core][last], core))
        cheaper, order = served_in_best_order(network, changed)
        if cheaper >= cost:
            return parents
        cost, children, parents = cheaper, order, changed


CLASSIC: Mapping[str, Callable[[Network, Groups], Parents]] = {
    "star": star,
    "binomial": binomial,
    "fibonacci": fibonacci,
    "spanning": spanning,
    "cluster": cluster,
    "adaptive": adaptive,
}


def nodes(network: Network, clusterings: list[Clustering]) -> Groups:
    """Return the nodes that the costs suggest: the coarsest parts, or one if all is flat."""
    return clusterings[0].of if clusterings else (0,) * network.size


def classic(network: Network, groups: Groups) -> dict[str, Parents]:
    """Return the trees that no answer may be worse than. There must be no relays in the network."""
    return {name: shape(network, groups) for name, shape in CLASSIC.items()}


def greedy(network: Network, clusterings: list[Clustering]) -> Iterator[Parents]:
    """Yield trees that look at the costs, those most often good first. Each takes O(n^2 log n) steps."""
    yield earliest(network)
    yield nested(network, clusterings, dearest=True)
    yield nested(network, clusterings, dearest=False)
    for clustering in clusterings:
        yield nested(network, [clustering], dearest=True)
        yield nested(network, [clustering], dearest=False)
    yield shortest_paths(network)


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
