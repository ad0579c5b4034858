"""Resource descriptors, as `_CRS` returns them: bytes -> ranges of addresses and of buses, and interrupts (ACPI 6.5, 6.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from probes.layout import Layout, layout

MEMORY, PORTS, BUSES = 0, 1, 2
"""Kinds of ranges (6.4.3.5.1)."""

LARGE = 0x80
"""Bit of the first byte that tells descriptors with two bytes of length from those with three bits (6.4.2, 6.4.3)."""

END = 0xF
"""Small item: end tag (6.4.2.9)."""
IRQ = 0x4
"""Small item: interrupts of the old controllers, as a mask (6.4.2.1)."""
INTERRUPTS = 0x09
"""Large item: extended interrupt descriptor (6.4.3.6)."""
EXTENDED = 0x0B

WIDE: Mapping[int, Layout] = {
    0x08: layout(
        "Word Address Space Descriptor",
        "6.4.3.5.3",
        "- 3x, kind B, flags B, special B, granularity H, low H, high H, offset H, length H",
    ),
    0x07: layout(
        "DWord Address Space Descriptor",
        "6.4.3.5.2",
        "- 3x, kind B, flags B, special B, granularity I, low I, high I, offset I, length I",
    ),
    0x0A: layout(
        "QWord Address Space Descriptor",
        "6.4.3.5.1",
        "- 3x, kind B, flags B, special B, granularity Q, low Q, high Q, offset Q, length Q",
    ),
    EXTENDED: layout(
        "Extended Address Space Descriptor",
        "6.4.3.5.4",
        "- 3x, kind B, flags B, special B, - 2x, granularity Q, low Q, high Q, offset Q, length Q, attributes Q",
    ),
}

CONSUMED = 0x01
"""Of the flags, and only of the extended descriptor: the device itself uses the range. In the others the bit is ignored."""

MEMORY_TRANSLATED, PORTS_TRANSLATED = 0x20, 0x10
"""Of the flags of a kind: ports above the bridge are memory below it, and the reverse (6.4.3.5.5)."""

BITS_64 = 0xFFFFFFFFFFFFFFFF


class Range(NamedTuple):
    """Addresses or buses, the last included, on the far side of the bridge; `offset` makes them those of the near side."""

    kind: int
    low: int
    high: int
    offset: int
    translated: bool
    """On the near side the range is of the other kind: ports are memory."""

    @property
    def near(self) -> tuple[int, int]:
        """First and last, as processors see them; of a range that is of the other kind there, as the bus sees them."""
        moved = 0 if self.translated else self.offset
        return self.low + moved & BITS_64, self.high + moved & BITS_64


class Resources(NamedTuple):
    """What a list of descriptors says, and where it could not be read on (or -1)."""

    ranges: tuple[Range, ...]
    interrupts: tuple[int, ...]
    ends: int = -1


def decode(data: bytes) -> Resources:
    """Read descriptors up to the end tag. Ranges without length are closed, and left out."""
    ranges: list[Range] = []
    interrupts: list[int] = []
    offset = 0
    while offset < len(data):
        tag = data[offset]
        size = 3 + int.from_bytes(data[offset + 1 : offset + 3], "little") if tag & LARGE else 1 + (tag & 7)
        item = data[offset : offset + size]
        if len(item) < size:
            break
        if not tag & LARGE and tag >> 3 == END:
            return Resources(tuple(ranges), tuple(interrupts))
        ranges += _range(item)
        interrupts += _interrupts(item)
        offset += size
    return Resources(tuple(ranges), tuple(interrupts), offset)


def _range(item: bytes) -> Iterator[Range]:
    number = item[0] & ~LARGE
    shape = WIDE.get(number) if item[0] & LARGE else None
    fields = shape.read(item, 0) if shape else None
    if not fields or not fields["length"] or fields["low"] > fields["high"]:
        return
    if number == EXTENDED and fields["flags"] & CONSUMED:
        return
    kind, special = fields["kind"], fields["special"]
    translated = bool(special & {MEMORY: MEMORY_TRANSLATED, PORTS: PORTS_TRANSLATED}.get(kind, 0))
    yield Range(kind, fields["low"], fields["high"], fields["offset"], translated)


def _interrupts(item: bytes) -> Iterator[int]:
    if item[0] & LARGE:
        if item[0] & ~LARGE == INTERRUPTS and len(item) >= 5:
            count = min(item[4], (len(item) - 5) // 4)
            yield from (int.from_bytes(item[5 + 4 * index : 9 + 4 * index], "little") for index in range(count))
    elif item[0] >> 3 == IRQ and len(item) >= 3:
        mask = int.from_bytes(item[1:3], "little")
        yield from (number for number in range(16) if mask >> number & 1)
