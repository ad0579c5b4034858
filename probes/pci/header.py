"""The header: who a function is, and where the rest of its first 64 bytes stands.

PCI Local Bus Specification 3.0, 6.1 and 6.2; PCI-to-PCI Bridge Architecture Specification 1.2, 3.2; PC Card Standard 8.0, 4.5 (CardBus).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from probes.layout import layout
from probes.pci.config import HEADER_SIZE, read

COMMON = layout(
    "Type 0/1/2 common header",
    "PCI 3.0, 6.1",
    "vendor H, device H, command H, status H, revision B, prog_if B, sub_class B, class B,"
    " cache_line B, latency B, header_type B, bist B",
)
INTERRUPT = layout("interrupt registers", "PCI 3.0, 6.2.4", "line B, pin B")
IDENTIFIER = layout("subsystem identifiers", "PCI 3.0, 6.2.4", "vendor H, device H")

INTERRUPT_OFFSET = 0x3C
ENDPOINT, PCI_BRIDGE, CARDBUS_BRIDGE = 0, 1, 2


@dataclass(frozen=True)
class Shape:
    """What differs between header types: number of base address registers, where the capability list and the ROM's register are."""

    bars: int
    capability_pointer: int
    rom: int | None


SHAPES: Mapping[int, Shape] = {
    ENDPOINT: Shape(bars=6, capability_pointer=0x34, rom=0x30),
    PCI_BRIDGE: Shape(bars=2, capability_pointer=0x34, rom=0x38),
    CARDBUS_BRIDGE: Shape(bars=1, capability_pointer=0x14, rom=None),
}


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
    fields = read(COMMON, config, 0)
    header_type = fields["header_type"] & 0x7F
    return Header(fields, header_type, SHAPES.get(header_type))


def decode_interrupt(config: bytes) -> tuple[int, int]:
    """Return the interrupt pin (0 is none, 1 is A) and line of a function whose header was read."""
    fields = read(INTERRUPT, config, INTERRUPT_OFFSET)
    return fields["pin"], fields["line"]


def decode_subsystem(config: bytes, header_type: int) -> tuple[int, int] | None:
    """Return the vendor and device of the subsystem, None where the header does not tell them.

    A PCI bridge's stand in a capability; a CardBus bridge's behind the first 64 bytes.
    """
    fields = None
    if header_type == ENDPOINT:
        fields = IDENTIFIER.read(config, 0x2C)
    elif header_type == CARDBUS_BRIDGE:
        fields = IDENTIFIER.read(config, 0x40)
    if fields is None or fields["vendor"] in (0, 0xFFFF):
        return None
    return fields["vendor"], fields["device"]
