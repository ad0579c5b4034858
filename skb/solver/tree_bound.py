"""What no broadcast tree can undercut. Two relaxations; a bound is the greater of them.

*Distance*: a core receives no sooner than if it were the only one, over the shortest path.

*Counting*: look at parts of the machine that the informed cores have not entered (single cores, or clusters). Each must
be entered by a message from outside it. The k-th of these messages cannot be sent before enough cores are informed to
send it: a core's l-th takes at least its l cheapest sends, and the p-th part to be entered is informed no sooner than
the m-th message plus the (p+1-m)-th cheapest way into any part, for every m <= p. This bounds when the k-th message is
sent; and since some part is entered by each, the last is entered no sooner than if the dearest ways came first.
Counting clusters and not only cores matters on nested machines, where every core has a cheap way in from its sibling,
but not every pair of siblings.
"""

import heapq
from collections.abc import Mapping, Sequence

from skb.solver.clusters import Clustering
from skb.solver.tree_network import Network


def bound(network: Network, clusterings: list[Clustering]) -> int:
    """Return a time before which no tree informs every core."""
    ready = {network.root: 0}
    best = distance_bound(network, ready, network.needed, sorted(network.optional))
    if network.max_depth is not None:
        best = max(best, _hops_bound(network, network.max_depth))
    single = Clustering(tuple(range(network.size)))
    return max([best, *(_clusters_bound(network, clustering) for clustering in [*clusterings, single])])


def distance_bound(
    network: Network, ready: Mapping[int, int], waiting: Sequence[int], relays: Sequence[int] = ()
) -> int:
    """Return when the last of `waiting` can have received at the soonest, were none in the other's way."""
    soonest = {j: min([free + network.total[i][j] for i, free in ready.items()]) for j in (*waiting, *relays)}
    missing = len(waiting)
    last = latest = 0
    while missing:
        core = min(soonest, key=soonest.__getitem__)
        last = soonest.pop(core)
        if core not in network.optional:
            missing -= 1
            latest = last
        row = network.total[core]
        for other, known in soonest.items():
            if last + row[other] < known:
                soonest[other] = last + row[other]
    return latest


def _hops_bound(network: Network, hops: int) -> int:
    """Return the same for paths of so many messages at most."""
    columns = list(zip(*network.total, strict=True))
    far = sum(map(max, network.total)) + 1
    soonest = [0 if core == network.root else far for core in range(network.size)]
    for _ in range(min(hops, network.size - 1)):
        after = [min(map(sum, zip(soonest, column, strict=True))) for column in columns]
        if (after := list(map(min, soonest, after))) == soonest:
            break
        soonest = after
    return max((soonest[core] for core in network.needed), default=0)


def counting_bound(
    ready: Sequence[int],
    sends: Sequence[int],
    ways: Sequence[int],
    sizes: Sequence[int] | None = None,
    most: int | None = None,
) -> int:
    """Return when the last part can be entered at the soonest.

    `ready` are the times from which informed cores may send, `sends[l]` is what l sends take any core at least, `ways`
    what the cheapest message into each part takes, `sizes` how many cores may send once each part is entered (one),
    `most` how many messages a core may send.
    """
    rising = sorted(ways)
    falling_sizes = sorted(sizes or [1] * len(ways), reverse=True)
    senders = [(free, 0, free) for free in ready]  # may send at, messages sent, since
    heapq.heapify(senders)
    starts: list[int] = []
    while True:
        start, sent, since = heapq.heappop(senders)
        starts.append(start)
        if len(starts) == len(rising):
            return max(map(sum, zip(starts, reversed(rising), strict=True)))
        if most is None or sent + 1 < most:
            heapq.heappush(senders, (since + sends[min(sent + 1, len(sends) - 1)], sent + 1, since))
        entered = max(map(sum, zip(starts, reversed(rising[: len(starts)]), strict=True)))
        for _ in range(min(falling_sizes[len(starts) - 1], len(rising))):
            heapq.heappush(senders, (entered, 0, entered))


def _clusters_bound(network: Network, clustering: Clustering) -> int:
    """Count how soon every cluster can have been entered; all cores of an entered one are taken to be informed."""
    of, cores = clustering.of, range(network.size)
    home = of[network.root]
    ways: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for j in cores:
        if of[j] != home:
            sizes[of[j]] = sizes.get(of[j], 0) + 1
            way = min(network.total[i][j] for i in cores if of[i] != of[j])
            ways[of[j]] = min(way, ways.get(of[j], way))
    if not ways:
        return 0
    sends = [0]
    outward = [sorted(network.send[i][j] for j in cores if of[j] != of[i]) for i in cores]
    taken = [0] * network.size
    for step in range(min(map(len, outward))):
        taken = [t + row[step] for t, row in zip(taken, outward, strict=True)]
        sends.append(min(taken))
    # The root's own cluster: the others in it are informed no sooner than by the cheapest message there is for them.
    near = [min(network.total[i][j] for i in cores if i != j) for j in cores if of[j] == home and j != network.root]
    entered = len({of[core] for core in network.needed} - {home})
    if not entered:
        return 0
    largest = sorted(sizes.values(), reverse=True)
    return counting_bound([0, *near], sends, sorted(ways.values())[:entered], largest[:entered], network.max_degree)
