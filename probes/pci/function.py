"""A PCI function whose capabilities are decoded, and how their decoders are written.

A decoder takes a function and the offset of a capability; it yields facts, and in words what is wrong. Configuration space may end
anywhere (64, 256 or 4096 bytes, or where a recording was cut): a structure that is not there in whole is one of those words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from probes.fact import Compound, Fact, Term
from probes.layout import Layout


@dataclass(frozen=True)
class Function:
    """A function: its address, its configuration space, and what the kernel's `resource` file tells of sizes."""

    address: Compound
    config: bytes
    header_type: int
    sizes: Mapping[int, int]
    """Bytes by line of `resource`; only those that are known."""

    def fact(self, name: str, *arguments: Term) -> Fact:
        """Give a fact about this function."""
        return Fact(name, (self.address, *arguments))

    def read(self, shape: Layout, offset: int) -> Mapping[str, int]:
        """Read a structure. Raises Short if configuration space ends before it does."""
        fields = shape.read(self.config, offset)
        if fields is None:
            raise Short(f"the {shape.name} at {offset:#x} goes beyond the {len(self.config)} bytes that were read")
        return fields


class Short(Exception):
    """A structure is not there in whole."""


Found: TypeAlias = Fact | str
Decoder: TypeAlias = Callable[[Function, int], Iterator[Found]]


def bits(value: int, high: int, low: int) -> int:
    """Give bits `high` to `low` of a value."""
    return value >> low & ((1 << (high - low + 1)) - 1)
