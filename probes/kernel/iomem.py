"""What holds which physical addresses: /proc/iomem, or the firmware's map where that is closed.

Without root the kernel shows /proc/iomem with every address zero. /sys/firmware/memmap, which x86 has, is open to all
and tells memory from reserved ranges, though nothing of devices.

Only outermost ranges are told: they do not overlap, and what lies inside them (the kernel's own code, the registers of
PCI functions) is either of no use here or told better by other facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from probes.fact import Fact, Survey
from probes.reading import AS_ROOT, LOOK_AT_FILE, Reading
from probes.source import Source

IOMEM = "/proc/iomem"
MEMMAP = "/sys/firmware/memmap"

LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) : (.+)")


def probe(source: Source) -> Survey:
    """Read the ranges of physical addresses."""
    reading = Reading(source)
    facts = list(_iomem_facts(reading))
    if not facts:
        facts = list(_memmap_facts(reading, "memory_region"))
    facts += _memmap_facts(reading, "firmware_memory")
    return Survey(tuple(dict.fromkeys(facts)), reading.problems())


def region_type(name: str) -> str:
    """Return the name of a range as an atom: `System RAM` is `system_ram`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _iomem_facts(reading: Reading) -> Iterator[Fact]:
    regions: dict[tuple[int, int], str] = {}
    for line in (reading.text(IOMEM) or "").splitlines():
        if line.startswith(" "):
            continue
        found = LINE.fullmatch(line.rstrip())
        if found is None or int(found[2], 16) < int(found[1], 16):
            reading.problem(IOMEM, f"{line[:60]!r} is not a range and what it holds", LOOK_AT_FILE)
            continue
        regions.setdefault((int(found[1], 16), int(found[2], 16)), region_type(found[3]))
    if regions.keys() == {(0, 0)}:
        reading.problem(IOMEM, "shows no addresses", AS_ROOT)
        return
    for (start, end), kind in regions.items():
        yield Fact("memory_region", (start, end - start + 1, kind))


def _memmap_facts(reading: Reading, fact: str) -> Iterator[Fact]:
    if not reading.exists(MEMMAP):
        return
    for name in sorted(reading.list(MEMMAP), key=lambda name: (len(name), name)):
        path = f"{MEMMAP}/{name}"
        start, end = reading.number(f"{path}/start", 16), reading.number(f"{path}/end", 16)
        kind = reading.text(f"{path}/type")
        if start is not None and end is not None and kind and 0 <= start <= end:
            yield Fact(fact, (start, end - start + 1, region_type(kind)))
