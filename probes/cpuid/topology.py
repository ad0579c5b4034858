"""Where a hardware thread sits, from its APIC id.

An APIC id is a number of fields, thread lowest, package highest; the topology leaves give the widths. Which leaf counts
follows the vendors' manuals:

* Intel and Zhaoxin: leaf 0x1F, else 0xB, else leaves 1 and 4 (SDM volume 3A, 9.9.5).
* AMD and Hygon: leaf 0x80000026, else 0xB, else leaves 0x80000008 and 0x8000001E (APM volume 3, E.4.24, E.5).

A leaf that is there and empty (EBX is 0) does not count. Leaves 0x1F and 0xB give with each level the shift to the
level above it; 0x80000026 gives with each level the shift to that level itself. Levels between core and package that
the vocabulary does not have (module, tile, complex) are passed over.
"""

from __future__ import annotations

from typing import NamedTuple

from probes.cpuid.identity import has_apic_id, version
from probes.cpuid.registers import Lookup, Registers, bits, bits_needed

AMD_VENDORS = frozenset({"AuthenticAMD", "HygonGenuine"})

LEVELS_AT_MOST = 8
"""Levels that a leaf may list; 0x1F knows six types."""

SMT, CORE, DIE = 1, 2, 5
"""Level types of leaves 0x1F and 0xB."""

AMD_CORE, AMD_DIE, AMD_SOCKET = 1, 3, 4
"""Level types of leaf 0x80000026."""


class Widths(NamedTuple):
    """How to cut an APIC id: shifts that leave the number of a core, of a die (where there are any), of a package."""

    core: int
    die: int | None
    package: int


class Position(NamedTuple):
    """A hardware thread's APIC id and what it says."""

    apic_id: int
    package: int
    die: int | None
    core: int
    thread: int


def position(cpuid: Lookup, vendor: str | None) -> Position | None:
    """Return where the hardware thread sits, None if it does not say."""
    found = _by_levels(cpuid, vendor) or _by_counts(cpuid, vendor)
    if found is None:
        return None
    apic_id, widths = found
    package = apic_id >> widths.package
    inside = apic_id & (1 << widths.package) - 1
    return Position(
        apic_id,
        package,
        None if widths.die is None else inside >> widths.die,
        inside >> widths.core,
        inside & (1 << widths.core) - 1,
    )


def _by_levels(cpuid: Lookup, vendor: str | None) -> tuple[int, Widths] | None:
    leaves = (0x80000026, 0xB) if vendor in AMD_VENDORS else (0x1F, 0xB)
    for leaf in leaves:
        levels = _levels(cpuid, leaf)
        if levels:
            widths = _amd_widths(levels) if leaf == 0x80000026 else _widths(levels)
            return levels[0][1].edx, widths
    return None


def _levels(cpuid: Lookup, leaf: int) -> list[tuple[int, Registers]]:
    found: list[tuple[int, Registers]] = []
    for subleaf in range(LEVELS_AT_MOST):
        level = cpuid(leaf, subleaf)
        if level is None or not bits(level.ecx, 15, 8) or not bits(level.ebx, 15, 0):
            break
        found.append((bits(level.ecx, 15, 8), level))
    return found


def _widths(levels: list[tuple[int, Registers]]) -> Widths:
    core, die, below = 0, None, 0
    for kind, registers in levels:
        shift = bits(registers.eax, 4, 0)
        if kind == SMT:
            core = shift
        elif kind == DIE:
            die = below
        below = shift
    return _ordered(core, die, below)


def _amd_widths(levels: list[tuple[int, Registers]]) -> Widths:
    shifts = {kind: bits(registers.eax, 4, 0) for kind, registers in levels}
    package = shifts.get(AMD_SOCKET, max(shifts.values()))
    return _ordered(shifts.get(AMD_CORE, 0), shifts.get(AMD_DIE), package)


def _ordered(core: int, die: int | None, package: int) -> Widths:
    # A shift that is larger than that of the level above it would cut nonsense; the package's counts.
    return Widths(min(core, package), None if die is None else min(die, package), package)


def _by_counts(cpuid: Lookup, vendor: str | None) -> tuple[int, Widths] | None:
    leaf_1 = cpuid(1, 0)
    if leaf_1 is None or not has_apic_id(leaf_1):
        return None
    apic_id = bits(leaf_1.ebx, 31, 24)
    if vendor in AMD_VENDORS:
        return _amd_counts(cpuid, apic_id)
    if not bits(leaf_1.edx, 28, 28):  # HTT clear: one hardware thread in the package
        return apic_id, Widths(0, None, 0)
    package = bits_needed(bits(leaf_1.ebx, 23, 16))
    leaf_4 = cpuid(4, 0)
    cores = bits(leaf_4.eax, 31, 26) + 1 if leaf_4 is not None and bits(leaf_4.eax, 4, 0) else 1
    return apic_id, Widths(max(package - bits_needed(cores), 0), None, package)


def _amd_counts(cpuid: Lookup, apic_id: int) -> tuple[int, Widths]:
    package = 0
    leaf_8 = cpuid(0x80000008, 0)
    if leaf_8 is not None:
        package = bits(leaf_8.ecx, 15, 12) or bits_needed(bits(leaf_8.ecx, 7, 0) + 1)
    core = 0
    leaf_1e = topology_extension(cpuid)
    if leaf_1e is not None:
        apic_id = leaf_1e.eax
        # Up to family 16h the field counts the cores of a compute unit, from 17h on the threads of a core.
        found = version(cpuid)
        if found is not None and found.family >= 0x17:
            core = bits_needed(bits(leaf_1e.ebx, 15, 8) + 1)
    return apic_id, Widths(min(core, package), None, package)


def topology_extension(cpuid: Lookup) -> Registers | None:
    """Return leaf 0x8000001E where the processor has topology extensions (0x80000001 ECX[22])."""
    features = cpuid(0x80000001, 0)
    if features is None or not bits(features.ecx, 22, 22):
        return None
    return cpuid(0x8000001E, 0)
