"""SRAT: which proximity domain processors, memory and initiators belong to (ACPI 6.5, 5.2.16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.acpi.table import Entries, Entry, Table, Versions, distinct, enabled_names, text, versions, walk
from probes.fact import Fact, Problem, Survey, Term, addr, merge

START = 48

APIC, MEMORY, X2APIC, GICC, GIC_ITS, INITIATOR, PORT, RINTC = range(8)

STRUCTURES: Mapping[int, Versions] = {
    APIC: versions(
        "Processor Local APIC/SAPIC Affinity",
        "5.2.16.1",
        "type B, length B, domain B, apic_id B, flags I, sapic_eid B, domain_middle B, domain_high H, clock_domain I",
    ),
    MEMORY: versions(
        "Memory Affinity", "5.2.16.2", "type B, length B, domain I, - 2x, base Q, size Q, - 4x, flags I, - 8x"
    ),
    X2APIC: versions(
        "Processor Local x2APIC Affinity",
        "5.2.16.3",
        "type B, length B, - 2x, domain I, apic_id I, flags I, clock_domain I, - 4x",
    ),
    GICC: versions("GICC Affinity", "5.2.16.4", "type B, length B, domain I, processor_uid I, flags I, clock_domain I"),
    GIC_ITS: versions("GIC ITS Affinity", "5.2.16.5", "type B, length B, domain I, - 2x, id I"),
    INITIATOR: versions(
        "Generic Initiator Affinity",
        "5.2.16.6",
        "type B, length B, - x, handle_type B, domain I, handle_low Q, handle_high Q, flags I, - 4x",
    ),
    PORT: versions(
        "Generic Port Affinity",
        "5.2.16.7",
        "type B, length B, - x, handle_type B, domain I, handle_low Q, handle_high Q, flags I, - 4x",
    ),
    RINTC: versions(
        "RINTC Affinity",
        "ACPI 6.6, 5.2.16",
        "type B, length B, - 2x, domain I, processor_uid I, flags I, clock_domain I",
    ),
}

ENABLED = 1

MEMORY_FLAGS = {1: "hot_pluggable", 2: "non_volatile"}
"""Bits of the memory affinity flags (table 5.60) that a fact keeps; bit 0 is enabled."""

HANDLE_ACPI, HANDLE_PCI = 0, 1
"""Device handle types (table 5.64): by ACPI _HID and _UID, or by PCI segment and function (tables 5.65, 5.66)."""

NAMES = {INITIATOR: "generic_initiator", PORT: "generic_port"}

KEY_LENGTH: Mapping[str, int] = {
    "cpu_affinity": 1,
    "processor_affinity": 1,
    "memory_affinity": 1,
    "gic_its_affinity": 1,
    "generic_initiator": 1,
    "generic_initiator_acpi": 2,
    "generic_port": 1,
    "generic_port_acpi": 2,
}


def decode(table: Table) -> Entries:
    """Read the affinity structures."""
    return walk(table, START, STRUCTURES)


def survey(table: Table) -> Survey:
    """Return the affinities of an SRAT; entries that are not enabled give none."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    rows = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), rows))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    for entry in entries:
        fields = entry.fields
        if entry.type == GIC_ITS:  # the one structure without flags
            yield entry.offset, Fact("gic_its_affinity", (fields["id"], fields["domain"]))
        elif not fields.get("flags", 0) & ENABLED:
            continue
        elif entry.type in (APIC, X2APIC):
            yield entry.offset, Fact("cpu_affinity", (fields["apic_id"], _domain(table, entry)))
        elif entry.type in (GICC, RINTC):
            yield entry.offset, Fact("processor_affinity", (fields["processor_uid"], fields["domain"]))
        elif entry.type == MEMORY:
            if not fields["size"]:
                problems.append(table.problem(entry.offset, f"{entry.name} is enabled and has no size; it is left out"))
                continue
            flags = enabled_names(fields["flags"], MEMORY_FLAGS)
            yield entry.offset, Fact("memory_affinity", (fields["base"], fields["size"], _domain(table, entry), flags))
        else:
            fact = _device(NAMES[entry.type], entry, table.data[entry.offset + 8 : entry.offset + 24])
            if fact is not None:
                yield entry.offset, fact
            else:
                cause = f"{entry.name} names its device by a handle of reserved type {fields['handle_type']}"
                problems.append(table.problem(entry.offset, f"{cause}; it is left out"))


def _domain(table: Table, entry: Entry) -> int:
    """Return a domain of 32 bits; of 8 in revision 1, which reserved the others and had no x2APIC (table 5.57)."""
    domain = entry.fields["domain"]
    if entry.type == APIC:
        domain |= entry.fields["domain_middle"] << 8 | entry.fields["domain_high"] << 16
    return domain & 0xFF if table.revision < 2 and entry.type != X2APIC else domain


def _device(name: str, entry: Entry, handle: bytes) -> Fact | None:
    domain = entry.fields["domain"]
    if entry.fields["handle_type"] == HANDLE_PCI:
        segment, bus, function = int.from_bytes(handle[:2], "little"), handle[2], handle[3]
        return Fact(name, (addr(segment, bus, function >> 3, function & 7), domain))
    if entry.fields["handle_type"] == HANDLE_ACPI:
        uid: Term = int.from_bytes(handle[8:12], "little")
        return Fact(f"{name}_acpi", (text(handle[:8]), uid, domain))
    return None
