"""What a header holds besides bus numbers and base addresses: subsystem, expansion ROM, and the windows that a bridge forwards.

A window whose base is above its limit is closed. Registers that read zero throughout are not implemented (PCI-to-PCI Bridge 1.2, 3.2.5.6
and 3.2.5.9): taken at their word they would forward the first kilobytes of memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from probes.layout import layout
from probes.pci.config import CARDBUS_BRIDGE, ENDPOINT, PCI_BRIDGE
from probes.pci.function import Found, Function

SUBSYSTEM = layout("subsystem", "PCI 3.0, 6.2.4", "vendor H, device H")
SUBSYSTEM_OFFSETS = {ENDPOINT: 0x2C, CARDBUS_BRIDGE: 0x40}

ROM = layout("expansion ROM base address", "PCI 3.0, 6.2.5.2", "value I")
ROM_OFFSETS = {ENDPOINT: 0x30, PCI_BRIDGE: 0x38}
ROM_RESOURCE = 6
"""Its line in the kernel's `resource` file."""

WINDOWS = layout(
    "bridge windows",
    "PCI-to-PCI bridge 1.2, 3.2.5",
    "io_base B, io_limit B, - 2x, memory_base H, memory_limit H, prefetch_base H, prefetch_limit H, prefetch_base_high I,"
    " prefetch_limit_high I, io_base_high H, io_limit_high H",
)
WINDOWS_OFFSET = 0x1C

CARDBUS_WINDOWS = layout(
    "CardBus windows",
    "PC Card 8.0, 4.5",
    "memory_base0 I, memory_limit0 I, memory_base1 I, memory_limit1 I, io_base0 I, io_limit0 I, io_base1 I, io_limit1 I, - 2x, control H",
)


def decode_windows(function: Function) -> Iterator[Found]:
    """Yield what the header holds besides."""
    if (
        function.header_type in SUBSYSTEM_OFFSETS
        and len(function.config) >= SUBSYSTEM_OFFSETS[function.header_type] + 4
    ):
        fields = function.read(SUBSYSTEM, SUBSYSTEM_OFFSETS[function.header_type])
        if fields["vendor"] not in (0, 0xFFFF):
            yield function.fact("pci_subsystem", fields["vendor"], fields["device"])
    if function.header_type in ROM_OFFSETS:
        value = function.read(ROM, ROM_OFFSETS[function.header_type])["value"]
        base = value & ~0x7FF
        if base and value != 0xFFFFFFFF:
            yield function.fact("expansion_rom", base, function.sizes.get(ROM_RESOURCE, "unknown"), value & 1)
    if function.header_type == PCI_BRIDGE:
        yield from _bridge(function)
    elif function.header_type == CARDBUS_BRIDGE:
        yield from _cardbus(function)


def _bridge(function: Function) -> Iterator[Found]:
    fields = function.read(WINDOWS, WINDOWS_OFFSET)
    io_base, io_limit = fields["io_base"], fields["io_limit"]
    if io_base & 0xF != io_limit & 0xF or io_base & 0xF > 1:
        yield f"the I/O window has the type {io_base & 0xF:#x} below and {io_limit & 0xF:#x} above"
    elif io_base or io_limit:
        wide = io_base & 0xF == 1
        low = (io_base & 0xF0) << 8 | (fields["io_base_high"] << 16 if wide else 0)
        high = (io_limit & 0xF0) << 8 | (fields["io_limit_high"] << 16 if wide else 0) | 0xFFF
        yield from _window(function, "io", low, high)
    if fields["memory_base"] or fields["memory_limit"]:
        low, high = (fields["memory_base"] & 0xFFF0) << 16, (fields["memory_limit"] & 0xFFF0) << 16 | 0xFFFFF
        yield from _window(function, "memory", low, high)
    base, limit = fields["prefetch_base"], fields["prefetch_limit"]
    if base & 0xF != limit & 0xF or base & 0xF > 1:
        yield f"the prefetchable window has the type {base & 0xF:#x} below and {limit & 0xF:#x} above"
    elif base or limit:
        wide = base & 0xF == 1
        low = (base & 0xFFF0) << 16 | (fields["prefetch_base_high"] << 32 if wide else 0)
        high = (limit & 0xFFF0) << 16 | 0xFFFFF | (fields["prefetch_limit_high"] << 32 if wide else 0)
        yield from _window(function, "prefetchable", low, high)


def _cardbus(function: Function) -> Iterator[Found]:
    fields = function.read(CARDBUS_WINDOWS, WINDOWS_OFFSET)
    for number in (0, 1):
        low, high = fields[f"memory_base{number}"], fields[f"memory_limit{number}"]
        if low or high:
            space = "prefetchable" if fields["control"] >> 8 + number & 1 else "memory"
            yield from _window(function, space, low & ~0xFFF, high | 0xFFF)
    for number in (0, 1):
        low, high = fields[f"io_base{number}"], fields[f"io_limit{number}"]
        if low or high:
            yield from _window(function, "io", low & 0xFFFC, high & 0xFFFC | 3)


def _window(function: Function, space: str, low: int, high: int) -> Iterator[Found]:
    if low <= high:
        yield function.fact("bridge_window", space, low, high)
