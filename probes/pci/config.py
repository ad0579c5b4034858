"""Configuration space as bytes: how much of it there is, and how a structure in it is read.

64, 256 or 4096 bytes may be there: without root Linux hands out 64, conventional PCI has 256, PCI Express 4096. The
decoders of this package are pure functions from these bytes to an iterator of records. A record is a `NamedTuple` whose
fields are the arguments of its fact after the function's address. Between the records a decoder yields, as text, what is
wrong with what it read; the probe adds the place and the remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from probes.layout import Layout

HEADER_SIZE = 64
CONFIG_SIZE = 256
EXTENDED_SIZE = 4096

UNKNOWN: Literal["unknown"] = "unknown"
"""What stands for a value that nothing tells."""

Known: TypeAlias = "int | str"
"""A number, or UNKNOWN."""

Decoded: TypeAlias = "Iterator[tuple[object, ...] | str]"
"""Records, and in words what is wrong."""


def cut(shape: Layout, offset: int) -> str:
    """Say that a structure begins and does not end in the bytes that are there."""
    return f"the {shape.name} at {offset:#05x} is cut short"


def read(shape: Layout, config: bytes, offset: int) -> Mapping[str, int]:
    """Return the fields of a structure that is known to be there: one in a header that was read."""
    fields = shape.read(config, offset)
    if fields is None:
        raise ValueError(f"{shape.name} at {offset:#x} is beyond {len(config)} bytes; the header must be read first")
    return fields


def bits(value: int, high: int, low: int) -> int:
    """Return bits `high` to `low` of a register, as the specifications write `high:low`."""
    return value >> low & (1 << high - low + 1) - 1


def flag(value: int, bit: int) -> int:
    """Return one bit of a register."""
    return value >> bit & 1


def names(value: int, table: Mapping[int, str]) -> tuple[str, ...]:
    """Return the names of the bits that are set; bits without a name are reserved and ignored, as the specifications ask."""
    return tuple(name for bit, name in table.items() if value >> bit & 1)
