"""Leaves 0x80000005, 0x80000006 and 0x80000019: caches and buffers as AMD described them first.

APM volume 3, E.4.4 (first level), E.4.5 (second and third) and E.4.12 (pages of 1 GB). The first level states its ways
as a number, 0xFF for fully associative; the others by a code (table E-4). VIA, Transmeta and Zhaoxin have the same
leaves. Intel has of them only the second level in 0x80000006.

Some processors state sizes wrongly, and their makers say so: Duron model 3 stepping 0 (AMD 23614, erratum T13), early
Athlons model 4, VIA's Nehemiah stepping 1; the C3 before Nehemiah has the second level in the format of the first.

Not told: a third level from family 17h on, where these leaves give the sum of all complexes of the package, and anything
where the code 9 sends to leaf 0x8000001D, which was asked before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.cpuid.deterministic import G, K, M, SharedCache, Tlb
from probes.cpuid.identity import Version, is_dual_node_10h, vendor, version
from probes.cpuid.registers import Lookup, Registers, bits

CODES: Mapping[int, int | None] = {
    0x1: 1,
    0x2: 2,
    0x3: 3,
    0x4: 4,
    0x5: 6,
    0x6: 8,
    0x8: 16,
    0x9: None,
    0xA: 32,
    0xB: 48,
    0xC: 64,
    0xD: 96,
    0xE: 128,
    0xF: 0,
}
"""Ways by code: 0 is fully associative, None is told elsewhere. Codes that are missing mean that there is none."""

FULLY = 0xFF
"""Fully associative, where ways are a number."""

WITHOUT_LEAVES = frozenset({"CyrixInstead", "Geode by NSC"})
"""Vendors that put bytes of leaf 2 there."""

SIZES: Mapping[tuple[str, tuple[int, int, int]], int] = {
    ("AuthenticAMD", (6, 3, 0)): 64 * K,
    ("AuthenticAMD", (6, 4, 0)): 256 * K,
    ("AuthenticAMD", (6, 4, 1)): 256 * K,
}
"""Second levels whose size the processor states wrongly."""


def caches(cpuid: Lookup) -> tuple[SharedCache, ...]:
    """Return the caches that the leaves describe."""
    maker = vendor(cpuid) or ""
    if maker in WITHOUT_LEAVES:
        return ()
    return tuple(_caches(cpuid, maker, version(cpuid) or Version(0, 0, 0)))


def tlbs(cpuid: Lookup) -> tuple[Tlb, ...]:
    """Return the buffers that the leaves describe."""
    maker = vendor(cpuid)
    if maker == "GenuineIntel" or maker in WITHOUT_LEAVES:
        return ()
    return tuple(_tlbs(cpuid))


def _caches(cpuid: Lookup, maker: str, processor: Version) -> Iterator[SharedCache]:
    first, others = cpuid(0x80000005, 0), cpuid(0x80000006, 0)
    if first is not None and maker != "GenuineIntel":
        yield from _by_number(1, "data", first.ecx)
        yield from _by_number(1, "instruction", first.edx)
    if others is None:
        return
    if maker == "CentaurHauls" and processor.family == 6 and processor.model in (7, 8):
        yield from _by_number(2, "unified", others.ecx)
        return
    size = bits(others.ecx, 31, 16) * K
    if maker == "CentaurHauls" and processor == (6, 9, 1) and size == 65 * K:
        size = 64 * K
    yield from _by_code(2, SIZES.get((maker, processor), size), others.ecx, "core")
    if maker != "GenuineIntel" and processor.family < 0x17:
        yield from _third(others.edx, halved=is_dual_node_10h(cpuid))


def _third(register: int, *, halved: bool) -> Iterator[SharedCache]:
    # The size is a lower bound, in steps of 512 KB.
    for cache in _by_code(3, bits(register, 31, 18) * 512 * K, register, "package"):
        if not halved:
            yield cache
        else:  # two nodes in a package, each with half of what is stated (BKDG 31116, CPUID Fn8000_0006)
            yield cache._replace(size=cache.size // 2, ways=cache.ways and cache.ways // 2, sharers="node")


def _by_number(level: int, kind: str, register: int) -> Iterator[SharedCache]:
    size, ways, line_size = bits(register, 31, 24) * K, bits(register, 23, 16), bits(register, 7, 0)
    if size and ways and line_size:
        yield SharedCache(level, kind, size, 0 if ways == FULLY else ways, line_size, None, "core")


def _by_code(level: int, size: int, register: int, sharers: str) -> Iterator[SharedCache]:
    code, line_size = bits(register, 15, 12), bits(register, 7, 0)
    if size and line_size and code in CODES:
        yield SharedCache(level, "unified", size, CODES[code], line_size, None, sharers)


def _tlbs(cpuid: Lookup) -> Iterator[Tlb]:
    first, second, huge = cpuid(0x80000005, 0), cpuid(0x80000006, 0), cpuid(0x80000019, 0)
    if first is not None:
        yield from _first(first)
    if second is not None:
        yield from _second(second.eax, 2, (2 * M, 4 * M), unified=True)
        yield from _second(second.ebx, 2, (4 * K,), unified=True)
    if huge is not None:
        yield from _second(huge.eax, 1, (1 * G,), unified=False)
        yield from _second(huge.ebx, 2, (1 * G,), unified=False)


def _first(registers: Registers) -> Iterator[Tlb]:
    for register, pages in ((registers.eax, (2 * M, 4 * M)), (registers.ebx, (4 * K,))):
        for kind, low in (("instruction", 0), ("data", 16)):
            entries, ways = bits(register, low + 7, low), bits(register, low + 15, low + 8)
            if ways:
                yield from _rows(1, kind, pages, entries, 0 if ways == FULLY else ways)


def _second(register: int, level: int, pages: tuple[int, ...], *, unified: bool) -> Iterator[Tlb]:
    halves = (("instruction", 0), ("data", 16))
    if unified and not bits(register, 31, 16):  # a unified buffer is in the lower half
        halves = (("unified", 0), ("data", 16))
    for kind, low in halves:
        entries, code = bits(register, low + 11, low), bits(register, low + 15, low + 12)
        if code in CODES:
            yield from _rows(level, kind, pages, entries, CODES[code])


def _rows(level: int, kind: str, pages: tuple[int, ...], entries: int, ways: int | None) -> Iterator[Tlb]:
    for page_size in pages:
        # A page of 4 MB takes two entries of a buffer whose entries are counted for 2 MB.
        count = entries // 2 if page_size == 4 * M else entries
        if count:
            yield Tlb(level, kind, page_size, count, ways)
