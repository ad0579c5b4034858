"""Which processor it is: vendor, family, brand, address widths, kind of core."""

from __future__ import annotations

import struct
from typing import NamedTuple

from probes.cpuid.registers import AMD_VENDORS, Lookup, Registers, bits


class Version(NamedTuple):
    """Family, model and stepping with the extended fields folded in."""

    family: int
    model: int
    stepping: int


def vendor(cpuid: Lookup) -> str | None:
    """Return the vendor string of leaf 0, as it is spelled there."""
    first = cpuid(0, 0)
    if first is None:
        return None
    return _text(struct.pack("<III", first.ebx, first.edx, first.ecx)) or None


def version(cpuid: Lookup) -> Version | None:
    """Return family, model and stepping (leaf 1).

    The extended model counts from family 6 on, as Linux has it: Intel says 6 and 15, AMD 15 and above, and no processor
    of another family between them has set it.
    """
    leaf = cpuid(1, 0)
    if leaf is None:
        return None
    family = bits(leaf.eax, 11, 8)
    model = bits(leaf.eax, 7, 4)
    if family >= 6:
        model |= bits(leaf.eax, 19, 16) << 4
    if family == 15:
        family += bits(leaf.eax, 27, 20)
    return Version(family, model, bits(leaf.eax, 3, 0))


def brand(cpuid: Lookup) -> str | None:
    """Return the brand string (leaves 0x80000002 to 0x80000004), its runs of spaces made one."""
    parts = [cpuid(leaf, 0) for leaf in (0x80000002, 0x80000003, 0x80000004)]
    raw = b"".join(struct.pack("<IIII", *part) for part in parts if part is not None)
    return " ".join(_text(raw).split()) or None


def address_bits(cpuid: Lookup) -> tuple[int, int] | None:
    """Return the widths of physical and virtual addresses (leaf 0x80000008), None where they are not stated."""
    leaf = cpuid(0x80000008, 0)
    if leaf is None or not bits(leaf.eax, 7, 0):
        return None
    return bits(leaf.eax, 7, 0), bits(leaf.eax, 15, 8)


def core_type(cpuid: Lookup) -> str | None:
    """Return `performance` or `efficiency`, or None where the processor does not say.

    Intel: leaf 0x1A EAX[31:24], 0x40 Core and 0x20 Atom. AMD: leaf 0x80000026, where EAX[30] says that cores differ and
    EBX[31:28] is 0 for performance and 1 for efficiency.
    """
    intel = cpuid(0x1A, 0)
    if intel is not None and (kind := {0x40: "performance", 0x20: "efficiency"}.get(bits(intel.eax, 31, 24))):
        return kind
    amd = cpuid(0x80000026, 0)
    if amd is not None and bits(amd.eax, 30, 30):
        return {0: "performance", 1: "efficiency"}.get(bits(amd.ebx, 31, 28))
    return None


def has_apic_id(leaf_1: Registers) -> bool:
    """Say whether leaf 1 holds an APIC id: a processor without a local APIC leaves the field zero."""
    return bool(bits(leaf_1.edx, 9, 9))


def is_dual_node_10h(cpuid: Lookup) -> bool:
    """Say whether it is AMD's package of two nodes of family 10h: model 9, in the G34 package (BKDG 31116, 2.1).

    The smallest has eight cores; a guest that is given fewer is told nothing of nodes.
    """
    found = version(cpuid)
    return found is not None and found[:2] == (0x10, 9) and vendor(cpuid) in AMD_VENDORS and cores_10h(cpuid) >= 8


def cores_10h(cpuid: Lookup) -> int:
    """Return the number of cores in AMD's package (0x80000008 ECX[7:0])."""
    leaf = cpuid(0x80000008, 0)
    return bits(leaf.ecx, 7, 0) + 1 if leaf is not None else 1


def _text(raw: bytes) -> str:
    return raw.replace(b"\0", b"").decode("ascii", "replace")
