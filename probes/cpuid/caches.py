"""Caches of a hardware thread: leaf 4 (Intel, Zhaoxin) or 0x8000001D (AMD, Hygon).

Both leaves have the same fields (SDM volume 2A, CPUID leaf 04H; APM volume 3, E.4.15). A cache is shared by the
hardware threads whose APIC ids are equal after the number of sharers, rounded up to a power of two, is shifted out.

Processors without either leaf (AMD before family 15h, early Pentium 4) describe their caches in leaves 2, 0x80000005
and 0x80000006; those are not decoded, and such a processor yields no cache here rather than a guess.
"""

from __future__ import annotations

from typing import NamedTuple

from probes.cpuid.registers import Lookup, Registers, bits, bits_needed

TYPES = {1: "data", 2: "instruction", 3: "unified"}

CACHES_AT_MOST = 16
"""Subleaves to look at; no processor fills more than five."""


class SharedCache(NamedTuple):
    """A cache as one hardware thread sees it, and how many low bits of the APIC id its sharers differ in."""

    level: int
    type: str
    size: int
    ways: int
    line_size: int
    inclusive: int
    shared_bits: int


def caches(cpuid: Lookup) -> tuple[SharedCache, ...]:
    """Return the caches of a hardware thread, none where neither leaf describes them."""
    if found := _walk(cpuid, 0x4):
        return found
    features = cpuid(0x80000001, 0)
    if features is not None and bits(features.ecx, 22, 22):
        return _walk(cpuid, 0x8000001D)
    return ()


def _walk(cpuid: Lookup, leaf: int) -> tuple[SharedCache, ...]:
    found = []
    for subleaf in range(CACHES_AT_MOST):
        registers = cpuid(leaf, subleaf)
        if registers is None or not bits(registers.eax, 4, 0):
            break
        if bits(registers.eax, 4, 0) in TYPES and bits(registers.eax, 7, 5):
            found.append(_cache(registers))
    return tuple(found)


def _cache(registers: Registers) -> SharedCache:
    line_size = bits(registers.ebx, 11, 0) + 1
    partitions = bits(registers.ebx, 21, 12) + 1
    ways = bits(registers.ebx, 31, 22) + 1
    sets = registers.ecx + 1
    return SharedCache(
        level=bits(registers.eax, 7, 5),
        type=TYPES[bits(registers.eax, 4, 0)],
        size=line_size * partitions * ways * sets,
        ways=0 if bits(registers.eax, 9, 9) else ways,
        line_size=line_size,
        inclusive=bits(registers.edx, 1, 1),
        shared_bits=bits_needed(bits(registers.eax, 25, 14) + 1),
    )
