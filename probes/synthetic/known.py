"""Machines of the literature: the four of the multikernel paper, with the figures that it gives.

A. Baumann et al., The Multikernel: A new OS architecture for scalable multicore systems, SOSP 2009. Section 4.1 describes the machines;
table 2 gives the latency of a URPC message in cycles, by how far apart two cores are, and the figures here are those over the clock. The
links between the eight sockets follow the layout of figure 2: two rows of four, where neighbours are linked. The paper gives one figure for
one hop and one for more; so do these.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from probes.synthetic.latency import Distance
from probes.synthetic.machine import Synthetic, Thread


@dataclass(frozen=True)
class Known:
    """A machine: its description, its clock, latencies in cycles by what cores share, and which packages are linked."""

    what: str
    description: str
    mhz: int
    shared: int
    hops: Sequence[int]
    """Cycles by the number of links between two packages, from none: same package without a shared cache."""
    links: Sequence[tuple[int, int]]


MACHINES: Mapping[str, Known] = {
    "sosp09-2x4-intel": Known(
        "2 x 4-core Intel Xeon X5355, 2.66 GHz: two dies in a package, each with an L2; one memory",
        "[numa(memory=8GiB)] package:2 die:2 l2:1(size=4MiB) core:2 l1d:1(size=32KiB) pu:1",
        2660,
        180,
        (570, 570),
        ((0, 1),),
    ),
    "sosp09-2x2-amd": Known(
        "2 x 2-core AMD Opteron 2220, 2.8 GHz: an L2 for each core; two nodes",
        "package:2 [numa(memory=4GiB)] core:2 l2:1(size=1MiB) l1d:1(size=64KiB) pu:1",
        2800,
        450,
        (450, 532),
        ((0, 1),),
    ),
    "sosp09-4x4-amd": Known(
        "4 x 4-core AMD Opteron 8380, 2.5 GHz: an L3 in each package; four nodes in a square of links",
        "package:4 [numa(memory=4GiB)] l3:1(size=6MiB) core:4 l2:1(size=512KiB) l1d:1(size=64KiB) pu:1",
        2500,
        448,
        (448, 545, 558),
        ((0, 1), (1, 3), (3, 2), (2, 0)),
    ),
    "sosp09-8x4-amd": Known(
        "8 x 4-core AMD Opteron 8350, 2.0 GHz: an L3 in each package; eight nodes in two rows of four",
        "package:8 [numa(memory=2GiB)] l3:1(size=2MiB) core:4 l2:1(size=512KiB) l1d:1(size=64KiB) pu:1",
        2000,
        538,
        (538, 613, 618),
        ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
    ),
}


def distance(machine: Synthetic, known: Known) -> Distance:
    """Return the latency between two threads of a known machine, in picoseconds."""
    count = max(thread.inside["package"] for thread in machine.threads) + 1
    hops = [_hops(known.links, start, count) for start in range(count)]
    caches = [level.type for level in machine.description.levels if level.type in ("l2", "l3")]

    def between(one: Thread, other: Thread) -> int:
        if any(one.inside[cache] == other.inside[cache] for cache in caches):
            cycles = known.shared
        else:
            apart = hops[one.inside["package"]][other.inside["package"]]
            cycles = known.hops[min(apart, len(known.hops) - 1)]
        return round(cycles * 1_000_000 / known.mhz)

    return between


def _hops(links: Sequence[tuple[int, int]], start: int, count: int) -> list[int]:
    found = {start: 0}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for one, other in links:
            for there in ({one, other} - {here}) if here in (one, other) else ():
                if there not in found:
                    found[there] = found[here] + 1
                    queue.append(there)
    return [found[package] for package in range(count)]
