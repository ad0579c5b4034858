"""Processors made of registers, for the tests of what is decoded from CPUID."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from probes.cpuid.dump import CpuidDump
from probes.cpuid.registers import Lookup, Registers
from probes.fact import Survey
from probes.machine import survey
from probes.source import Files

Leaves: TypeAlias = Mapping[tuple[int, int], Sequence[int]]

HTT, APIC = 1 << 28, 1 << 9

TOPOLOGY_EXTENSIONS = {(0x80000001, 0): (0, 0, 1 << 22, 0)}

TYPES = {"data": 1, "instruction": 2, "unified": 3}


def cpu(leaves: Leaves) -> Lookup:
    """A processor that answers these leaves and no others."""
    return CpuidDump({key: Registers(*values) for key, values in leaves.items()}).lookup


def leaf_0(vendor: str, highest: int = 0x1F) -> dict[tuple[int, int], tuple[int, ...]]:
    """Leaf 0: the highest leaf and the vendor's twelve characters."""
    ebx, edx, ecx = struct.unpack("<III", vendor.encode())
    return {(0, 0): (highest, ebx, ecx, edx)}


def leaf_1(
    *, apic_id: int = 0, logical: int = 1, version: int = 0x6F0, ecx: int = 0, edx: int = HTT | APIC
) -> dict[tuple[int, int], tuple[int, ...]]:
    """Leaf 1: version, APIC id, ids that are reserved for the package, features."""
    return {(1, 0): (version, apic_id << 24 | logical << 16, ecx, edx)}


def geometry(
    level: int, kind: str, size: int, ways: int, *, sharers: int = 1, cores: int = 1, line: int = 64, flags: int = 0
) -> tuple[int, int, int, int]:
    """A subleaf of leaf 4 or 0x8000001D; 0 ways is fully associative."""
    lanes = ways or size // line
    eax = TYPES[kind] | level << 5 | (0 if ways else 1 << 9) | sharers - 1 << 14 | cores - 1 << 26
    return eax, lanes - 1 << 22 | line - 1, size // (lanes * line) - 1, flags


def listed(leaf: int, rows: Iterable[Sequence[int]]) -> dict[tuple[int, int], tuple[int, ...]]:
    """The subleaves of a leaf, and the empty one that ends them."""
    return {(leaf, number): tuple(row) for number, row in enumerate([*rows, (0, 0, 0, 0)])}


def levels(leaf: int, apic_id: int, *rows: tuple[int, int]) -> dict[tuple[int, int], tuple[int, ...]]:
    """Leaf 0xB, 0x1F or 0x80000026: (type, shift) by level, at each the number of threads that the shift leaves room for."""
    shown = ((shift, 1 << shift, kind << 8 | number, apic_id) for number, (kind, shift) in enumerate(rows))
    return listed(leaf, shown) | {(leaf, len(rows)): (0, 0, len(rows), apic_id)}


def survey_of(cores: Iterable[Leaves]) -> Survey:
    """What is told of a machine with these cores, of which nothing but CPUID is known."""
    dumps = {
        number: CpuidDump({key: Registers(*values) for key, values in leaves.items()})
        for number, leaves in enumerate(cores)
    }
    return survey(Files({}, cpuid=dumps))


def facts(found: Survey, name: str) -> list[tuple[Any, ...]]:
    """The arguments of the facts of a name."""
    return [fact.args for fact in found.facts if fact.name == name]


def sharing(found: Survey, level: int, kind: str = "unified") -> list[list[int]]:
    """Who shares the caches of a level and type."""
    ids = [row[0] for row in facts(found, "cache") if row[1:3] == (level, kind)]
    return [[core for cache, core in facts(found, "cache_shared") if cache == number] for number in ids]


def members(found: Survey, name: str) -> list[list[int]]:
    """Cores by the number of the group they belong to, such as cpu_die, of one package."""
    rows = facts(found, name)
    return [[core for core, number in rows if number == group] for group in sorted({number for _, number in rows})]
