"""What messages cost on a machine that is described: by the smallest part that two hardware threads have in common, or from a matrix.

The default figures are round ones of today's two-socket servers: some nanoseconds between the threads of a core, some tens in a cache,
about a hundred in a package, and half as much again between packages. They are one-way latencies; a round trip is twice as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

from probes.fact import Fact
from probes.foreign.latencies import one_way_facts
from probes.synthetic.description import DescriptionError
from probes.synthetic.machine import Synthetic, Thread

DEFAULTS: Mapping[str, int] = {
    "core": 10_000,
    "l1d": 10_000,
    "l1i": 10_000,
    "l2": 20_000,
    "l3": 40_000,
    "l4": 60_000,
    "l5": 60_000,
    "die": 60_000,
    "group": 70_000,
    "numa": 70_000,
    "package": 80_000,
    "machine": 130_000,
}
"""Picoseconds by the type of the smallest part in common; a part that is not listed counts as the next larger one that is."""

ITEM = re.compile(r"([a-z][a-z0-9]*):([0-9]{1,9}(?:\.[0-9]{1,6})?)(ps|ns|us)")

PS = {"ps": 1, "ns": 1000, "us": 1_000_000}

Distance = Callable[[Thread, Thread], int]


def parse(text: str) -> dict[str, int]:
    """Read latencies by level: `core:10ns l3:40ns machine:130ns`. Those that are not given are the defaults. Raises DescriptionError."""
    latencies = dict(DEFAULTS)
    place = 0
    for word in text.split(" "):
        if word:
            found = ITEM.fullmatch(word.lower())
            if found is None or found[1] not in DEFAULTS:
                remedy = f"write type:time like l3:40ns; types are {', '.join(DEFAULTS)}"
                raise DescriptionError(text, place, f"{word!r} is no latency of a level", remedy)
            latencies[found[1]] = round(float(found[2]) * PS[found[3]])
        place += len(word) + 1
    return latencies


def by_level(machine: Synthetic, latencies: Mapping[str, int]) -> Distance:
    """Return the latency between two threads by what they have in common."""
    levels = [
        (f"group{at}" if level.type == "group" else level.type, latencies.get(level.type, latencies["machine"]))
        for at, level in enumerate(machine.description.levels)
    ][::-1]

    def between(one: Thread, other: Thread) -> int:
        for key, latency in levels:
            if one.inside[key] == other.inside[key]:
                return latency
        return latencies["machine"]

    return between


def message_facts(machine: Synthetic, between: Distance) -> Iterator[Fact]:
    """Yield what messages cost between all threads."""
    pairs: dict[tuple[int, int], float] = {}
    for one, other in combinations(machine.threads, 2):
        pairs[one.core, other.core] = pairs[other.core, one.core] = between(one, other)
    return one_way_facts(pairs, 1)
