"""Machines of the literature: the four of the multikernel paper, with the figures that it gives.

A. Baumann et al., The Multikernel: A new OS architecture for scalable multicore systems, SOSP 2009. Section 4.1 describes packages, dies,
caches and links of the machines; table 2 gives the latency of a URPC message in cycles, by how far apart two cores are. Times here are
these cycles over the clock of section 4.1. The paper gives one figure for each number of links up to two; where more are between two
cores, that of two holds.

Not of the paper: first-level caches (the manuals of the processors have them), sizes of memory, and the distances between nodes, which are
10 and 6 more for each link, as AMD's firmware told them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from probes.fact import Fact
from probes.synthetic.facts import LOCAL, Distances
from probes.synthetic.latency import Distance
from probes.synthetic.machine import Node, Synthetic

DISTANCE_OF_LINK = 6


@dataclass(frozen=True)
class Known:
    """A machine: its description, its clock, and latencies in cycles by what two cores share."""

    what: str
    description: str
    vendor: str
    processor: str
    mhz: int
    shared: int
    """Cycles where two cores have a cache, or else a die, in common."""
    apart: Sequence[int]
    """Cycles by the number of links between two packages, from none."""
    links: Sequence[tuple[int, int]]
    """Packages with a link between them."""


_K10 = "core:4 l2:1(size=512KiB) l1d:1(size=64KiB) l1i:1(size=64KiB) pu:1"

MACHINES: Mapping[str, Known] = {
    "barrelfish-2x4": Known(
        "2 x 4-core Intel Xeon X5355, 2.66 GHz: two dies in a package, each with an L2; one memory controller",
        "[numa(memory=8GiB)] package:2 die:2 l2:1(size=4MiB) core:2 l1d:1(size=32KiB) l1i:1(size=32KiB) pu:1",
        "GenuineIntel",
        "Intel Xeon X5355",
        2660,
        180,
        (570, 570),
        ((0, 1),),
    ),
    "barrelfish-2x2": Known(
        "2 x 2-core AMD Opteron 2220, 2.8 GHz: an L2 for each core; two nodes with links between them",
        "package:2 [numa(memory=4GiB)] core:2 l2:1(size=1MiB) l1d:1(size=64KiB) l1i:1(size=64KiB) pu:1",
        "AuthenticAMD",
        "AMD Opteron 2220",
        2800,
        450,
        (450, 532),
        ((0, 1),),
    ),
    "barrelfish-4x4": Known(
        "4 x 4-core AMD Opteron 8380, 2.5 GHz: an L3 in each package; four nodes in a square of links",
        f"package:4 [numa(memory=4GiB)] l3:1(size=6MiB) {_K10}",
        "AuthenticAMD",
        "AMD Opteron 8380",
        2500,
        448,
        (448, 545, 558),
        ((0, 1), (1, 3), (3, 2), (2, 0)),
    ),
    "barrelfish-8x4": Known(
        "8 x 4-core AMD Opteron 8350, 2.0 GHz: an L3 in each package; eight nodes in two rows of four, neighbours linked",
        f"package:8 [numa(memory=2GiB)] l3:1(size=2MiB) {_K10}",
        "AuthenticAMD",
        "AMD Opteron 8350",
        2000,
        538,
        (538, 613, 618),
        ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
    ),
}


def identity_facts(machine: Synthetic, known: Known) -> list[Fact]:
    """Return which processor a known machine has."""
    cores = sorted(machine.cores)
    vendors = [Fact("cpu_vendor", (core, known.vendor)) for core in cores]
    return [*vendors, *(Fact("cpu_name", (core, known.processor)) for core in cores)]


def latency(machine: Synthetic, known: Known) -> Distance:
    """Return the latency between two threads of a known machine."""
    hops = _hops(known.links)
    package = machine.parts[0].width
    caches = [part.width for part in machine.parts if part.type.name in ("l2", "l3")]

    def between(one: int, other: int) -> int:
        if any(one // width == other // width for width in caches):
            cycles = known.shared
        else:
            cycles = known.apart[min(hops[one // package][other // package], len(known.apart) - 1)]
        return round(cycles * 1_000_000 / known.mhz)

    return between


def distances(machine: Synthetic, known: Known) -> Distances:
    """Return the distances between the nodes of a known machine."""
    hops = _hops(known.links)
    package = machine.parts[0].width

    def between(one: Node, other: Node) -> int:
        return LOCAL + DISTANCE_OF_LINK * hops[one.first // package][other.first // package]

    return between


def _hops(links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the number of links on the shortest way between any two packages."""
    count = 1 + max(package for link in links for package in link)
    neighbours = [[sum(link) - package for link in links if package in link] for package in range(count)]
    found = []
    for start in range(count):
        hops = {start: 0}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there in neighbours[here]:
                if there not in hops:
                    hops[there] = hops[here] + 1
                    queue.append(there)
        found.append([hops[package] for package in range(count)])
    return found
