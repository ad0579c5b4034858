"""Leaf 2: caches and buffers by the byte.

Each byte of the four registers names a cache or a buffer; the lowest of EAX is a count (of executions, always 1), and a
register whose bit 31 is set holds none. Intel's bytes: SDM volume 2A, table 3-12, and for processors before it the
application note 485, table 2-10. Byte 0xFF sends to leaf 4 and 0xFE to leaf 0x18, which are asked first in any case.

Cyrix and National Semiconductor have two bytes of their own, which they also put into leaf 0x80000005 (Geode GX1
data book, "CPUID instruction"). Other vendors that answer leaf 2 copy Intel's bytes without meaning them, so that only
these three are believed.

Not told: the trace cache of the Pentium 4 (0x70 to 0x73), which is counted in operations, and prefetching (0xF0, 0xF1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from probes.cpuid.deterministic import G, K, M, SharedCache, Tlb
from probes.cpuid.identity import vendor, version
from probes.cpuid.registers import Lookup, Registers

Entry: TypeAlias = "tuple[SharedCache | Tlb, ...]"

CYRIX_VENDORS = frozenset({"CyrixInstead", "Geode by NSC"})


def caches(cpuid: Lookup) -> tuple[SharedCache, ...]:
    """Return the caches that leaf 2 names."""
    return tuple(entry for entry in _entries(cpuid) if isinstance(entry, SharedCache))


def tlbs(cpuid: Lookup) -> tuple[Tlb, ...]:
    """Return the buffers that leaf 2 names."""
    return tuple(entry for entry in _entries(cpuid) if isinstance(entry, Tlb))


def _entries(cpuid: Lookup) -> Iterator[SharedCache | Tlb]:
    maker = vendor(cpuid)
    if maker == "GenuineIntel":
        table: Mapping[int, Entry] = INTEL | (XEON_MP if (version(cpuid) or ())[:2] == (15, 6) else {})
        found = _bytes(cpuid(2, 0))
    elif maker in CYRIX_VENDORS:
        table = CYRIX
        # Without the count that leaf 2 has: there the byte is part of the value.
        found = _bytes(cpuid(2, 0)) or _bytes(cpuid(0x80000005, 0))
    else:
        return
    for byte in dict.fromkeys(found):
        yield from table.get(byte, ())


def _bytes(registers: Registers | None) -> list[int]:
    if registers is None:
        return []
    whole = b"".join(
        b"\0\0\0\0" if register >> 31 else (register & ~0xFF if number == 0 else register).to_bytes(4, "little")
        for number, register in enumerate(registers)
    )
    return [byte for byte in whole if byte]


def _cache(level: int, kind: str, size: int, ways: int, line_size: int) -> Entry:
    sharers = "package" if level == 3 else "core"
    return (SharedCache(level, kind, size, ways, line_size, None, sharers),)


def _data(size: int, ways: int, line_size: int) -> Entry:
    return _cache(1, "data", size, ways, line_size)


def _code(size: int, ways: int, line_size: int) -> Entry:
    return _cache(1, "instruction", size, ways, line_size)


def _second(size: int, ways: int, line_size: int = 64) -> Entry:
    return _cache(2, "unified", size, ways, line_size)


def _third(size: int, ways: int) -> Entry:
    return _cache(3, "unified", size, ways, 64)


def _tlb(level: int, kind: str, pages: tuple[int, ...], entries: int, ways: int | None) -> Entry:
    return tuple(Tlb(level, kind, page_size, entries, ways) for page_size in pages)


def _itlb(pages: tuple[int, ...], entries: int, ways: int | None) -> Entry:
    return _tlb(1, "instruction", pages, entries, ways)


def _dtlb(pages: tuple[int, ...], entries: int, ways: int | None, level: int = 1) -> Entry:
    return _tlb(level, "data", pages, entries, ways)


def _stlb(pages: tuple[int, ...], entries: int, ways: int) -> Entry:
    return _tlb(2, "unified", pages, entries, ways)


SMALL, LARGE, HUGE, ANY = (4 * K,), (2 * M, 4 * M), (1 * G,), (4 * K, 2 * M, 4 * M)

INTEL: dict[int, Entry] = {
    0x01: _itlb(SMALL, 32, 4),
    0x02: _itlb((4 * M,), 2, 0),
    0x03: _dtlb(SMALL, 64, 4),
    0x04: _dtlb((4 * M,), 8, 4),
    0x05: _dtlb((4 * M,), 32, 4, level=2),
    0x06: _code(8 * K, 4, 32),
    0x08: _code(16 * K, 4, 32),
    0x09: _code(32 * K, 4, 64),
    0x0A: _data(8 * K, 2, 32),
    0x0B: _itlb((4 * M,), 4, 4),
    0x0C: _data(16 * K, 4, 32),
    0x0D: _data(16 * K, 4, 64),
    0x0E: _data(24 * K, 6, 64),
    0x1D: _second(128 * K, 2),
    0x21: _second(256 * K, 8),
    0x22: _third(512 * K, 4),
    0x23: _third(1 * M, 8),
    0x24: _second(1 * M, 16),
    0x25: _third(2 * M, 8),
    0x29: _third(4 * M, 8),
    0x2C: _data(32 * K, 8, 64),
    0x30: _code(32 * K, 8, 64),
    0x39: _second(128 * K, 4),
    0x3A: _second(192 * K, 6),
    0x3B: _second(128 * K, 2),
    0x3C: _second(256 * K, 4),
    0x3D: _second(384 * K, 6),
    0x3E: _second(512 * K, 4),
    0x40: (),  # no second level or, if there is one, no third
    0x41: _second(128 * K, 4, 32),
    0x42: _second(256 * K, 4, 32),
    0x43: _second(512 * K, 4, 32),
    0x44: _second(1 * M, 4, 32),
    0x45: _second(2 * M, 4, 32),
    0x46: _third(4 * M, 4),
    0x47: _third(8 * M, 8),
    0x48: _second(3 * M, 12),
    0x49: _second(4 * M, 16),
    0x4A: _third(6 * M, 12),
    0x4B: _third(8 * M, 16),
    0x4C: _third(12 * M, 12),
    0x4D: _third(16 * M, 16),
    0x4E: _second(6 * M, 24),
    0x4F: _itlb(SMALL, 32, None),
    0x50: _itlb(ANY, 64, None),
    0x51: _itlb(ANY, 128, None),
    0x52: _itlb(ANY, 256, None),
    0x55: _itlb(LARGE, 7, 0),
    0x56: _dtlb((4 * M,), 16, 4),
    0x57: _dtlb(SMALL, 16, 4),
    0x59: _dtlb(SMALL, 16, 0),
    0x5A: _dtlb(LARGE, 32, 4),
    0x5B: _dtlb((4 * K, 4 * M), 64, None),
    0x5C: _dtlb((4 * K, 4 * M), 128, None),
    0x5D: _dtlb((4 * K, 4 * M), 256, None),
    0x60: _data(16 * K, 8, 64),
    0x61: _itlb(SMALL, 48, 0),
    0x63: _dtlb(LARGE, 32, 4) + _dtlb(HUGE, 4, 4),
    0x64: _dtlb(SMALL, 512, 4),
    0x66: _data(8 * K, 4, 64),
    0x67: _data(16 * K, 4, 64),
    0x68: _data(32 * K, 4, 64),
    0x6A: _dtlb(SMALL, 64, 8),  # the micro-TLB, before the three below
    0x6B: _dtlb(SMALL, 256, 8, level=2),
    0x6C: _dtlb(LARGE, 128, 8, level=2),
    0x6D: _dtlb(HUGE, 16, 0, level=2),
    0x76: _itlb(LARGE, 8, 0),
    0x78: _second(1 * M, 4),
    0x79: _second(128 * K, 8),
    0x7A: _second(256 * K, 8),
    0x7B: _second(512 * K, 8),
    0x7C: _second(1 * M, 8),
    0x7D: _second(2 * M, 8),
    0x7F: _second(512 * K, 2),
    0x80: _second(512 * K, 8),
    0x81: _second(128 * K, 8, 32),
    0x82: _second(256 * K, 8, 32),
    0x83: _second(512 * K, 8, 32),
    0x84: _second(1 * M, 8, 32),
    0x85: _second(2 * M, 8, 32),
    0x86: _second(512 * K, 4),
    0x87: _second(1 * M, 8),
    0xA0: _dtlb(SMALL, 32, 0),
    0xB0: _itlb(SMALL, 128, 4),
    0xB1: _itlb((2 * M,), 8, 4) + _itlb((4 * M,), 4, 4),
    0xB2: _itlb(SMALL, 64, 4),
    0xB3: _dtlb(SMALL, 128, 4),
    0xB4: _dtlb(SMALL, 256, 4, level=2),
    0xB5: _itlb(SMALL, 64, 8),
    0xB6: _itlb(SMALL, 128, 8),
    0xBA: _dtlb(SMALL, 64, 4, level=2),
    0xC0: _dtlb((4 * K, 4 * M), 8, 4),
    0xC1: _stlb((4 * K, 2 * M), 1024, 8),
    0xC2: _dtlb((4 * K, 2 * M), 16, 4),
    0xC3: _stlb((4 * K, 2 * M), 1536, 6) + _stlb(HUGE, 16, 4),
    0xC4: _dtlb(LARGE, 32, 4),
    0xCA: _stlb(SMALL, 512, 4),
    0xD0: _third(512 * K, 4),
    0xD1: _third(1 * M, 4),
    0xD2: _third(2 * M, 4),
    0xD6: _third(1 * M, 8),
    0xD7: _third(2 * M, 8),
    0xD8: _third(4 * M, 8),
    0xDC: _third(1536 * K, 12),
    0xDD: _third(3 * M, 12),
    0xDE: _third(6 * M, 12),
    0xE2: _third(2 * M, 16),
    0xE3: _third(4 * M, 16),
    0xE4: _third(8 * M, 16),
    0xEA: _third(12 * M, 24),
    0xEB: _third(18 * M, 24),
    0xEC: _third(24 * M, 24),
}

XEON_MP: dict[int, Entry] = {0x49: _third(4 * M, 16)}
"""On family 0Fh model 06h the byte names the third level."""

CYRIX: dict[int, Entry] = {0x70: _tlb(1, "unified", SMALL, 32, 4), 0x80: _cache(1, "unified", 16 * K, 4, 16)}
