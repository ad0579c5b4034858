"""Enhanced Allocation (fixed ranges in place of base address registers) and the subsystem of a bridge.

PCI Express Base Specification 6.0, 7.8.5; PCI-to-PCI Bridge Architecture Specification 1.2, 3.2.5.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import Decoded, bits, cut, flag

ALLOCATION = layout("enhanced allocation capability", "PCI Express 6.0, 7.8.5", "id B, next B, entries B, - x")
ENTRY = layout("enhanced allocation entry", "PCI Express 6.0, 7.8.5.3", "head I, base I, limit I")
UPPER = layout("enhanced allocation entry", "PCI Express 6.0, 7.8.5.3", "value I")
SUBSYSTEM = layout("subsystem capability", "PCI-to-PCI bridge 1.2, 3.2.5.13", "id B, next B, - 2x, vendor H, device H")

PROPERTIES: Mapping[int, str] = {
    0x00: "memory",
    0x01: "prefetchable_memory",
    0x02: "io",
    0x03: "vf_prefetchable_memory",
    0x04: "vf_memory",
    0x05: "bridge_memory",
    0x06: "bridge_prefetchable_memory",
    0x07: "bridge_io",
    0xFD: "unavailable_memory",
    0xFE: "unavailable_io",
    0xFF: "unavailable",
}
"""Primary Properties, 7.8.5.3."""


class Subsystem(NamedTuple):
    """Who made the board."""

    vendor: int
    device: int


class Range(NamedTuple):
    """A fixed range: the register that it stands for (0 to 5; 8 the expansion ROM; 9 to 14 virtual functions'), where and how large."""

    number: int
    equivalent: int
    base: int
    size: int
    kind: str
    enabled: int


def decode_subsystem_capability(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the capability in which a bridge tells its subsystem."""
    fields = SUBSYSTEM.read(config, offset)
    if fields is None:
        yield cut(SUBSYSTEM, offset)
    elif fields["vendor"] not in (0, 0xFFFF):
        yield Subsystem(fields["vendor"], fields["device"])


def decode_allocation(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the enhanced allocation capability at `offset`. A bridge's has its bus numbers before the entries."""
    fields = ALLOCATION.read(config, offset)
    if fields is None:
        yield cut(ALLOCATION, offset)
        return
    place = offset + (8 if config[0x0E] & 0x7F == 1 else 4)
    for index in range(bits(fields["entries"], 5, 0)):
        entry = ENTRY.read(config, place)
        if entry is None:
            yield cut(ENTRY, place)
            return
        head, base, limit = entry["head"], entry["base"], entry["limit"]
        following = place + ENTRY.size
        wide = []
        for low in (base, limit):
            upper = UPPER.read(config, following) if flag(low, 1) else {"value": 0}
            if upper is None:
                yield cut(UPPER, place)
                return
            wide.append(upper["value"] << 32 | low & ~3)
            following += 4 * flag(low, 1)
        kind = PROPERTIES.get(bits(head, 15, 8)) or PROPERTIES.get(bits(head, 23, 16), "unavailable")
        yield Range(index, bits(head, 7, 4), wide[0], (wide[1] | 3) + 1, kind, flag(head, 31))
        place += 4 + 4 * bits(head, 2, 0)
