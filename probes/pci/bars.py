"""Base address registers and the expansion ROM's register.

PCI Local Bus Specification 3.0, 6.2.5. Size is not in them: sizing writes to the register, which a probe never does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import read

BAR = layout("base address register", "PCI 3.0, 6.2.5.1", "value I")
BARS_OFFSET = 0x10
ALL_ONES = 0xFFFFFFFF


class Bar(NamedTuple):
    """A base address register that holds something."""

    slot: int
    base: int
    space: str
    width: int
    prefetchable: int


class Rom(NamedTuple):
    """The register of an expansion ROM that holds an address, or is enabled."""

    base: int
    enabled: int


def decode_bars(config: bytes, count: int, start: int = BARS_OFFSET) -> Iterator[Bar | str]:
    """Yield the base address registers that hold something, and in words what is wrong with those that cannot be.

    A register that reads zero may be absent, or present and not assigned: configuration space alone cannot tell.
    """
    index = 0
    while index < count:
        value = read(BAR, config, start + 4 * index)["value"]
        following = index + 1
        if value == ALL_ONES:  # a register that does not answer
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
                high = read(BAR, config, start + 4 * following)["value"]
                yield Bar(index, high << 32 | value & ~0xF, "memory", 64, prefetchable)
                following += 1
        index = following


def decode_rom(config: bytes, offset: int) -> Rom | None:
    """Return the expansion ROM whose register is at `offset` of the header; None where it reads zero or does not answer."""
    value = read(BAR, config, offset)["value"]
    return None if value in (0, ALL_ONES) else Rom(value & ~0x7FF, value & 1)
