"""Bridges: bus numbers, and the windows of addresses that they pass on.

PCI-to-PCI Bridge Architecture Specification 1.2, 3.2.5; PC Card Standard 8.0, 4.5 (CardBus). A window whose limit lies below its base is
closed. Registers that read zero make a window at zero, open or absent: only writing to them would tell a bridge that has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import flag, read

BUSES = layout("bus numbers", "PCI-to-PCI bridge 1.2, 3.2.5", "primary B, secondary B, subordinate B")
BUSES_OFFSET = 0x18
"""CardBus bridges have theirs at the same place."""

WINDOWS = layout(
    "windows of a PCI bridge",
    "PCI-to-PCI bridge 1.2, 3.2.5",
    "io_base B, io_limit B, status H, memory_base H, memory_limit H, prefetchable_base H, prefetchable_limit H,"
    " prefetchable_base_upper I, prefetchable_limit_upper I, io_base_upper H, io_limit_upper H",
)
WINDOWS_OFFSET = 0x1C

CARDBUS_WINDOWS = layout(
    "windows of a CardBus bridge",
    "PC Card 8.0, 4.5",
    "memory0_base I, memory0_limit I, memory1_base I, memory1_limit I, io0_base I, io0_limit I, io1_base I, io1_limit I,"
    " line B, pin B, control H",
)


class Buses(NamedTuple):
    """The bus that a bridge is on, the one behind it, and the last one behind that."""

    primary: int
    secondary: int
    subordinate: int


class Window(NamedTuple):
    """A range of bus addresses that a bridge passes on, limit included."""

    number: int
    space: str
    base: int
    limit: int
    width: int
    prefetchable: int


def decode_buses(config: bytes) -> Buses:
    """Return the bus numbers of a bridge whose header was read."""
    return Buses(**read(BUSES, config, BUSES_OFFSET))


def decode_windows(config: bytes) -> Iterator[Window | str]:
    """Yield the open windows of a PCI bridge: I/O is 0, memory 1, prefetchable memory 2."""
    fields = read(WINDOWS, config, WINDOWS_OFFSET)
    yield from _window(
        (0, "io", 0),
        (fields["io_base"], fields["io_limit"]),
        (fields["io_base_upper"], fields["io_limit_upper"]),
        (8, 16),
    )
    yield from _window((1, "memory", 0), (fields["memory_base"], fields["memory_limit"]), None, (16, 32))
    yield from _window(
        (2, "memory", 1),
        (fields["prefetchable_base"], fields["prefetchable_limit"]),
        (fields["prefetchable_base_upper"], fields["prefetchable_limit_upper"]),
        (16, 32),
    )


def _window(
    what: tuple[int, str, int], ends: tuple[int, int], upper: tuple[int, int] | None, place: tuple[int, int]
) -> Iterator[Window | str]:
    """Put a window together. The low four bits of both ends say whether their upper halves exist."""
    index, space, prefetchable = what
    shift, width = place
    kinds = {end & 0xF for end in ends}
    base, limit = ((end & ~0xF) << shift for end in ends)
    limit |= (0x10 << shift) - 1
    if upper is not None and kinds == {1}:
        base, limit = base | upper[0] << width, limit | upper[1] << width
        width *= 2
    elif kinds != {0}:
        name = "prefetchable" if prefetchable else space
        yield f"the {name} window has ends of unknown or different types {ends[0] & 0xF} and {ends[1] & 0xF}"
        return
    if base <= limit:
        yield Window(index, space, base, limit, width, prefetchable)


def decode_cardbus_windows(config: bytes) -> Iterator[Window]:
    """Yield the open windows of a CardBus bridge: memory is 0 and 1, I/O 2 and 3."""
    fields = read(CARDBUS_WINDOWS, config, WINDOWS_OFFSET)
    for index in (0, 1):
        base, limit = (fields[f"memory{index}_{end}"] & ~0xFFF for end in ("base", "limit"))
        if base <= limit:
            yield Window(index, "memory", base, limit | 0xFFF, 32, flag(fields["control"], 8 + index))
    for index in (0, 1):
        base, limit = fields[f"io{index}_base"], fields[f"io{index}_limit"]
        width = 32 if base & 3 == 1 else 16
        base, limit = (end & (1 << width) - 4 for end in (base, limit))
        if base <= limit:
            yield Window(2 + index, "io", base, limit | 3, width, 0)
