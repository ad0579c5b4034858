"""Where a hardware thread sits, from its APIC id.

An APIC id is a number of fields, thread lowest, package highest; the topology leaves give the widths. Which leaf counts
follows the vendors' manuals:

* Intel and Zhaoxin: leaf 0x1F, else 0xB, else leaves 1 and 4 (SDM volume 3A, 9.9.5).
* AMD and Hygon: leaf 0x80000026, else 0xB, else leaves 0x80000008 and 0x8000001E (APM volume 3, E.4.24, E.5).

A leaf that is there and empty (EBX is 0) does not count. Leaves 0x1F and 0xB give with each level the shift to the
level above it; 0x80000026 gives with each level the shift to that level itself. A level of a type that is not known
belongs to the level below it (SDM volume 3A, 9.9.1).

AMD says two more things in other leaves: the node (0x8000001E ECX) and, up to family 16h, the compute unit (EBX). Before
0x80000026 the core complex is what shares an L3 (leaf 0x8000001D); it came with family 17h.

Two families put two nodes into a package and number APICs so that a node's range is no power of two: 10h model 9, which
has no leaf for nodes, and 15h. What its node is decides there who shares an L3 (`inner_node`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from probes.cpuid.deterministic import shared_bits_at
from probes.cpuid.identity import cores_10h, has_apic_id, is_dual_node_10h, version
from probes.cpuid.registers import AMD_VENDORS, Lookup, Registers, bits, bits_needed

LEVELS_AT_MOST = 8
"""Levels that a leaf may list; 0x1F knows six types."""

THREAD = 1
"""Level type of the hardware thread in leaves 0x1F and 0xB."""

DOMAINS = {2: "core", 3: "module", 4: "tile", 5: "die", 6: "die_group"}
"""Level types above it (SDM volume 2A, CPUID leaf 1FH)."""

AMD_DOMAINS = {1: "core", 2: "complex", 3: "die", 4: "package"}
"""Level types of leaf 0x80000026 (APM volume 3, E.4.24)."""

UNIT_FAMILIES = (0x15, 0x16)
"""AMD families with compute units: cores that share their front end, FPU and L2."""


class Position(NamedTuple):
    """A hardware thread's APIC id and what it says.

    Numbers are those inside the package, but for `node`, which is the machine's. None is what the processor does not
    tell.
    """

    apic_id: int | None
    package: int
    core: int
    thread: int
    module: int | None = None
    tile: int | None = None
    die: int | None = None
    die_group: int | None = None
    complex: int | None = None
    node: int | None = None
    inner_node: int | None = None


class _Cut(NamedTuple):
    """An APIC id, and the shifts that leave the number of a level; `package` is always among them, and the largest.

    Firmware of AMD's machines may move all APIC ids up, to leave room for those of I/O APICs. The id that counts then is
    the present one; numbers are cut from the one that leaf 1 still holds, as the packages were numbered by.
    """

    apic_id: int
    shifts: Mapping[str, int]
    initial: int


UNIPROCESSOR = Position(None, 0, 0, 0)
"""The place of a processor without a local APIC, which nothing can tell from another: it is the only one."""


def position(cpuid: Lookup, vendor: str | None) -> Position | None:
    """Return where the hardware thread sits, None if it does not say."""
    cut = _by_levels(cpuid, vendor) or _by_counts(cpuid, vendor)
    if cut is None:
        return None
    package_shift = cut.shifts["package"]
    inside = cut.initial & (1 << package_shift) - 1
    # A shift that is larger than the package's would cut nonsense; the package's counts.
    numbers = {level: inside >> min(shift, package_shift) for level, shift in cut.shifts.items()}
    found = Position(
        cut.apic_id,
        cut.initial >> package_shift,
        numbers.get("core", inside),
        inside & (1 << min(cut.shifts.get("core", 0), package_shift)) - 1,
        *(numbers.get(level) for level in ("module", "tile", "die", "die_group", "complex")),
    )
    return _amd(found, cpuid, inside, package_shift) if vendor in AMD_VENDORS else found


def _by_levels(cpuid: Lookup, vendor: str | None) -> _Cut | None:
    leaves = (0x80000026, 0xB) if vendor in AMD_VENDORS else (0x1F, 0xB)
    for leaf in leaves:
        levels = _levels(cpuid, leaf)
        if levels:
            apic_id = levels[0][1].edx
            return _Cut(apic_id, _amd_shifts(levels) if leaf == 0x80000026 else _shifts(levels), apic_id)
    return None


def _levels(cpuid: Lookup, leaf: int) -> list[tuple[int, Registers]]:
    found: list[tuple[int, Registers]] = []
    for subleaf in range(LEVELS_AT_MOST):
        level = cpuid(leaf, subleaf)
        if level is None or not bits(level.ecx, 15, 8) or not bits(level.ebx, 15, 0):
            break
        found.append((bits(level.ecx, 15, 8), level))
    return found


def _shifts(levels: list[tuple[int, Registers]]) -> dict[str, int]:
    shifts: dict[str, int] = {}
    below = 0
    for kind, registers in levels:
        if kind in DOMAINS:
            shifts[DOMAINS[kind]] = below
        below = bits(registers.eax, 4, 0)
        if kind == THREAD:  # what is above threads is the core, whether it is listed or not
            shifts["core"] = below
    return shifts | {"package": below}


def _amd_shifts(levels: list[tuple[int, Registers]]) -> dict[str, int]:
    shifts = {kind: bits(registers.eax, 4, 0) for kind, registers in levels}
    named = {AMD_DOMAINS[kind]: shift for kind, shift in shifts.items() if kind in AMD_DOMAINS}
    return {"package": max(shifts.values())} | named


def _by_counts(cpuid: Lookup, vendor: str | None) -> _Cut | None:
    leaf_1 = cpuid(1, 0)
    if leaf_1 is None or not has_apic_id(leaf_1):
        return None
    apic_id = bits(leaf_1.ebx, 31, 24)
    if vendor in AMD_VENDORS:
        return _amd_counts(cpuid, leaf_1)
    if not bits(leaf_1.edx, 28, 28):  # HTT clear: one hardware thread in the package
        return _Cut(apic_id, {"core": 0, "package": 0}, apic_id)
    package = bits_needed(bits(leaf_1.ebx, 23, 16))
    leaf_4 = cpuid(4, 0)
    cores = bits(leaf_4.eax, 31, 26) + 1 if leaf_4 is not None and bits(leaf_4.eax, 4, 0) else 1
    return _Cut(apic_id, {"core": max(package - bits_needed(cores), 0), "package": package}, apic_id)


def _amd_counts(cpuid: Lookup, leaf_1: Registers) -> _Cut:
    apic_id = initial = bits(leaf_1.ebx, 31, 24)
    # Where the leaf that counts cores is missing, the count of leaf 1 stands, if HTT is set (APM volume 3, E.5.1).
    package = bits_needed(bits(leaf_1.ebx, 23, 16)) if bits(leaf_1.edx, 28, 28) else 0
    leaf_8 = cpuid(0x80000008, 0)
    if leaf_8 is not None:
        package = bits(leaf_8.ecx, 15, 12) or bits_needed(bits(leaf_8.ecx, 7, 0) + 1)
    core = 0
    leaf_1e = topology_extension(cpuid)
    if leaf_1e is not None:
        apic_id = leaf_1e.eax
        if apic_id > 0xFF:  # more than leaf 1 has room for
            initial = apic_id
        # Up to family 16h the field counts the cores of a compute unit, from 17h on the threads of a core.
        if _family(cpuid) >= 0x17:
            core = bits_needed(bits(leaf_1e.ebx, 15, 8) + 1)
    return _Cut(apic_id, {"core": min(core, package), "package": package}, initial)


def _amd(found: Position, cpuid: Lookup, inside: int, package_shift: int) -> Position:
    family = _family(cpuid)
    node = None
    leaf_1e = topology_extension(cpuid)
    if leaf_1e is not None:
        # On family 16h, which is never more than one node, the register is reserved (BKDG 48751, CPUID Fn8000_001E).
        node = bits(leaf_1e.ecx, 7, 0) if family != 0x16 else 0
        found = found._replace(node=node, inner_node=node if family == 0x15 else None)
        if family in UNIT_FAMILIES:
            found = found._replace(module=bits(leaf_1e.ebx, 7, 0))
    elif is_dual_node_10h(cpuid):
        found = found._replace(inner_node=inside // (cores_10h(cpuid) // 2))
    if found.complex is None and family >= 0x17:
        shared = shared_bits_at(cpuid, 3)
        if shared is not None:
            found = found._replace(complex=inside >> min(shared, package_shift))
    return found


def topology_extension(cpuid: Lookup) -> Registers | None:
    """Return leaf 0x8000001E where the processor has topology extensions (0x80000001 ECX[22])."""
    features = cpuid(0x80000001, 0)
    if features is None or not bits(features.ecx, 22, 22):
        return None
    return cpuid(0x8000001E, 0)


def _family(cpuid: Lookup) -> int:
    found = version(cpuid)
    return found.family if found is not None else 0
