"""One function's configuration space: header, base address registers, bridge.

64, 256 or 4096 bytes may be there: without root Linux hands out 64, conventional PCI has 256. Everything but the
capabilities is in the first 64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from probes.layout import Layout, layout

HEADER_SIZE = 64

COMMON = layout(
    "Type 0/1/2 common header",
    "PCI 3.0, 6.1",
    "vendor H, device H, command H, status H, revision B, prog_if B, sub_class B, class B,"
    " cache_line B, latency B, header_type B, bist B",
)

INTERRUPT = layout("interrupt registers", "PCI 3.0, 6.2.4", "line B, pin B")
INTERRUPT_OFFSET = 0x3C

BUSES = layout("bus numbers", "PCI-to-PCI bridge 1.2, 3.2.5", "primary B, secondary B, subordinate B")
BUSES_OFFSET = 0x18
"""CardBus bridges have theirs at the same place (PC Card 8.0, 4.5)."""

BAR = layout("base address register", "PCI 3.0, 6.2.5.1", "value I")
BARS_OFFSET = 0x10

ENDPOINT, PCI_BRIDGE, CARDBUS_BRIDGE = 0, 1, 2


@dataclass(frozen=True)
class Shape:
    """What differs between header types: number of base address registers, where the capability list begins."""

    bars: int
    capability_pointer: int
    is_bridge: bool


SHAPES: Mapping[int, Shape] = {
    ENDPOINT: Shape(bars=6, capability_pointer=0x34, is_bridge=False),
    PCI_BRIDGE: Shape(bars=2, capability_pointer=0x34, is_bridge=True),
    CARDBUS_BRIDGE: Shape(bars=1, capability_pointer=0x14, is_bridge=True),
}


class Bar(NamedTuple):
    """A base address register that holds something."""

    slot: int
    base: int
    space: str
    width: int
    prefetchable: int


@dataclass(frozen=True)
class Header:
    """The fields of a header that any function has."""

    fields: Mapping[str, int]
    type: int
    shape: Shape | None

    @property
    def has_capabilities(self) -> bool:
        """Say whether the function has a list of capabilities (status bit 4)."""
        return bool(self.fields["status"] & 0x10)


def decode_header(config: bytes) -> Header | None:
    """Read the header; None if fewer than 64 bytes are there."""
    if len(config) < HEADER_SIZE:
        return None
    fields = _read(COMMON, config, 0)
    header_type = fields["header_type"] & 0x7F
    return Header(fields, header_type, SHAPES.get(header_type))


def decode_buses(config: bytes) -> tuple[int, int, int]:
    """Return the primary, secondary and subordinate bus of a bridge whose header was read."""
    fields = _read(BUSES, config, BUSES_OFFSET)
    return fields["primary"], fields["secondary"], fields["subordinate"]


def decode_interrupt(config: bytes) -> tuple[int, int]:
    """Return the interrupt pin (0 is none, 1 is A) and line of a function whose header was read."""
    fields = _read(INTERRUPT, config, INTERRUPT_OFFSET)
    return fields["pin"], fields["line"]


def decode_bars(config: bytes, count: int, offset: int = BARS_OFFSET) -> Iterator[Bar | str]:
    """Yield the base address registers that hold something, and in words what is wrong with those that cannot be.

    A register that reads zero may be absent, or present and not assigned: configuration space alone cannot tell.
    """
    index = 0
    while index < count:
        value = _read(BAR, config, offset + 4 * index)["value"]
        following = index + 1
        if value == 0xFFFFFFFF:  # a register that does not answer
            pass
        elif value & 1:
            yield Bar(index, value & ~0x3, "io", 32, 0)
        elif value:
            kind, prefetchable = value >> 1 & 3, value >> 3 & 1
            if kind == 3:
                yield f"base address register {index} has the reserved type 3"
            elif kind != 2:
                yield Bar(index, value & ~0xF, "memory", 32, prefetchable)
            elif following == count:
                yield f"base address register {index} is the last and says that it is the first half of 64 bits"
            else:
                high = _read(BAR, config, offset + 4 * following)["value"]
                yield Bar(index, high << 32 | value & ~0xF, "memory", 64, prefetchable)
                following += 1
        index = following


def _read(shape: Layout, config: bytes, offset: int) -> Mapping[str, int]:
    fields = shape.read(config, offset)
    if fields is None:
        raise ValueError(f"{shape.name} at {offset:#x} is beyond {len(config)} bytes; the header must be read first")
    return fields
