"""Leaves 4, 0x8000001D and 0x18: caches and buffers with their geometry, a subleaf each; and the records of both.

Leaf 4 (Intel, Zhaoxin, VIA) and 0x8000001D (AMD, Hygon) have the same fields (SDM volume 2A, CPUID leaf 04H; APM
volume 3, E.4.15). A cache is shared by the hardware threads whose APIC ids are equal after the number of sharers,
rounded up to a power of two, is shifted out.

Leaf 0x18 (SDM volume 2A, "Deterministic Address Translation Parameters") describes translation lookaside buffers. A
subleaf of type null does not end its list; EAX of the first states the highest. A buffer that holds translations of
several page sizes gives a record for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from probes.cpuid.identity import vendor, version
from probes.cpuid.registers import AMD_VENDORS, Lookup, Registers, bits, bits_needed

K, M, G = 1 << 10, 1 << 20, 1 << 30

CACHE_TYPES = {1: "data", 2: "instruction", 3: "unified"}

TLB_TYPES = {1: "data", 2: "instruction", 3: "unified", 4: "load", 5: "store"}
"""Loads and stores have buffers of their own on some processors."""

PAGES = (4 * K, 2 * M, 4 * M, 1 * G)
"""Page sizes of EBX[3:0] of leaf 0x18."""

CACHES_AT_MOST = 16
"""Subleaves to look at; no processor fills more than five."""

TLBS_AT_MOST = 32
"""Subleaves to look at, whatever the first claims; no processor fills more than nine."""

KNIGHTS_LANDING = frozenset({(6, 0x57), (6, 0x85)})
"""Processors whose leaf 4 lists memory in the package (MCDRAM) as a third level; its size and sharers mean nothing."""


class SharedCache(NamedTuple):
    """A cache as one hardware thread sees it.

    `sharers` is the number of low bits of the APIC id in which the threads that share it differ, or the level of the
    topology that they share: `core`, `package` or `node`. None is a property that is not told.
    """

    level: int
    type: str
    size: int
    ways: int | None
    line_size: int
    inclusive: int | None
    sharers: int | str


class Tlb(NamedTuple):
    """A buffer's entries for one page size. Ways are 0 if it is fully associative, None if that is not told."""

    level: int
    type: str
    page_size: int
    entries: int
    ways: int | None


def caches(cpuid: Lookup) -> tuple[SharedCache, ...]:
    """Return the caches of leaf 0x8000001D where AMD's manual counts, else of leaf 4."""
    maker = vendor(cpuid)
    processor = version(cpuid)
    if maker in AMD_VENDORS:  # who have leaf 4 reserved; hypervisors fill it
        features = cpuid(0x80000001, 0)
        if features is None or not bits(features.ecx, 22, 22):
            return ()
        found = _walk(cpuid, 0x8000001D)
        if processor is not None and processor.family == 0x15:
            # Every node has its own third level, and a node's APIC ids are no aligned range (BKDG 42301, Fn8000_001D).
            return tuple(cache._replace(sharers="node") if cache.level == 3 else cache for cache in found)
        return found
    found = _walk(cpuid, 0x4)
    if maker == "GenuineIntel" and processor is not None and processor[:2] in KNIGHTS_LANDING:
        return tuple(cache for cache in found if cache.level < 3)
    return found


def shared_bits_at(cpuid: Lookup, level: int) -> int | None:
    """Return the low bits of the APIC id that sharers of a level's cache differ in, None if no leaf tells."""
    return next((it.sharers for it in caches(cpuid) if it.level == level and isinstance(it.sharers, int)), None)


def tlbs(cpuid: Lookup) -> Iterator[Tlb]:
    """Yield the buffers of leaf 0x18."""
    first = cpuid(0x18, 0)
    if first is None:
        return
    for subleaf in range(min(first.eax + 1, TLBS_AT_MOST)):
        registers = cpuid(0x18, subleaf)
        if registers is not None and bits(registers.edx, 4, 0) in TLB_TYPES and bits(registers.edx, 7, 5):
            yield from _buffer(registers)


def _walk(cpuid: Lookup, leaf: int) -> tuple[SharedCache, ...]:
    found = []
    for subleaf in range(CACHES_AT_MOST):
        registers = cpuid(leaf, subleaf)
        if registers is None or not bits(registers.eax, 4, 0):
            break
        # Every processor has lines of several bytes: a geometry of zeros is one that a hypervisor left out.
        described = registers.ebx or registers.ecx
        if bits(registers.eax, 4, 0) in CACHE_TYPES and bits(registers.eax, 7, 5) and described:
            found.append(_cache(registers))
    return tuple(found)


def _cache(registers: Registers) -> SharedCache:
    line_size = bits(registers.ebx, 11, 0) + 1
    partitions = bits(registers.ebx, 21, 12) + 1
    ways = bits(registers.ebx, 31, 22) + 1
    sets = registers.ecx + 1
    return SharedCache(
        level=bits(registers.eax, 7, 5),
        type=CACHE_TYPES[bits(registers.eax, 4, 0)],
        size=line_size * partitions * ways * sets,
        ways=0 if bits(registers.eax, 9, 9) else ways,
        line_size=line_size,
        inclusive=bits(registers.edx, 1, 1),
        sharers=bits_needed(bits(registers.eax, 25, 14) + 1),
    )


def _buffer(registers: Registers) -> Iterator[Tlb]:
    ways = bits(registers.ebx, 31, 16)
    for bit, page_size in enumerate(PAGES):
        if bits(registers.ebx, bit, bit) and ways * registers.ecx:
            yield Tlb(
                level=bits(registers.edx, 7, 5),
                type=TLB_TYPES[bits(registers.edx, 4, 0)],
                page_size=page_size,
                entries=ways * registers.ecx,
                ways=0 if bits(registers.edx, 8, 8) else ways,
            )
