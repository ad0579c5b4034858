"""Registers, lookups, and the one rule that keeps every decoder honest.

A processor that is asked for a leaf beyond its highest answers with something else: Intel's repeat the highest basic
leaf. So a lookup answers None beyond the maximum that each range of leaves states in its first one, and decoders take
what they get. `probes.cpuid.dump.record`, which alone asks the instruction, keeps to that; recordings hold no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class Registers(NamedTuple):
    """What one execution leaves behind."""

    eax: int
    ebx: int
    ecx: int
    edx: int


Lookup: TypeAlias = Callable[[int, int], Registers | None]
"""(leaf, subleaf) -> registers, or None if the processor has no such leaf or the answer is not known."""

HYPERVISOR_RANGE = 0x40000000

RANGES = (0x0, HYPERVISOR_RANGE, 0x80000000, 0x80860000, 0xC0000000)
"""First leaves of the basic, the hypervisor's, the extended, Transmeta's and Centaur's range."""

AMD_VENDORS = frozenset({"AuthenticAMD", "HygonGenuine"})
"""Vendors that follow AMD's manual where it differs from Intel's. Hygon's processors are AMD's design."""

RANGE_MASK = 0xFFFF0000


def highest_leaf(lookup: Lookup, first: int) -> int | None:
    """Return the highest leaf of the range that begins at `first`, None if the processor has no such range."""
    answer = lookup(first, 0)
    if answer is None or answer.eax & RANGE_MASK != first:
        return None
    return answer.eax


def bits(value: int, high: int, low: int) -> int:
    """Return bits `high` to `low` of a register, as the manuals write `EAX[31:26]`."""
    return value >> low & ((1 << high - low + 1) - 1)


def bits_needed(count: int) -> int:
    """Return the width of a field that can number `count` things: the count rounded up to a power of two."""
    return max(count - 1, 0).bit_length()
