"""The parts of a machine, read off the costs of its messages: cores that are much nearer each other than the rest.

Cores belong together below a threshold if a chain of messages cheaper than it connects them. All thresholds worth
trying lie in the gaps between the costs of a minimum spanning tree, and the wide gaps (by ratio: 40 to 100 matters,
1000 to 1060 does not; see `levels`) are the walls of caches, packages and nodes.
"""

from dataclasses import dataclass

from skb.solver.levels import walls
from skb.solver.matrix import Matrix

MOST_LEVELS = 6


@dataclass(frozen=True)
class Clustering:
    """A partition: `of[core]` is the part that a core belongs to, named by the least core in it."""

    of: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many parts there are."""
        return len(set(self.of))


def clusterings(total: Matrix) -> list[Clustering]:
    """Return the partitions that the widest gaps in the costs suggest, from coarse to fine."""
    edges = _spanning_edges(total)
    gaps = sorted(walls(cost for cost, _, _ in edges), key=lambda wall: (wall[1] + 1) / (wall[0] + 1))
    thresholds = sorted((dear for _, dear in gaps[-MOST_LEVELS:]), reverse=True)
    return [_connected(len(total), [(a, b) for cost, a, b in edges if cost < threshold]) for threshold in thresholds]


def _spanning_edges(total: Matrix) -> list[tuple[int, int, int]]:
    """Return the edges (cost, a, b) of a minimum spanning tree, a message being as dear as its cheaper direction."""
    edges = []
    waiting = {core: (min(total[0][core], total[core][0]), 0) for core in range(1, len(total))}
    while waiting:
        core = min(waiting, key=lambda j: (waiting[j], j))
        cost, near = waiting.pop(core)
        edges.append((cost, near, core))
        row = total[core]
        for other, (known, _) in waiting.items():
            way = min(row[other], total[other][core])
            if way < known:
                waiting[other] = way, core
    return edges


def _connected(size: int, edges: list[tuple[int, int]]) -> Clustering:
    least = list(range(size))

    def find(core: int) -> int:
        while least[core] != core:
            least[core] = least[least[core]]
            core = least[core]
        return core

    for a, b in edges:
        x, y = find(a), find(b)
        least[max(x, y)] = min(x, y)
    return Clustering(tuple(find(core) for core in range(size)))
