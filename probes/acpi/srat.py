"""SRAT: which proximity domain processors and memory belong to (ACPI 6.5, 5.2.16)."""

from __future__ import annotations

from collections.abc import Iterator

from probes.acpi.table import Entries, Entry, Table, distinct, walk
from probes.fact import Fact, Problem, Survey, merge
from probes.layout import layout

START = 48

APIC, MEMORY, X2APIC, GICC = 0, 1, 2, 3

STRUCTURES = {
    APIC: layout(
        "Processor Local APIC/SAPIC Affinity",
        "5.2.16.1",
        "type B, length B, domain B, apic_id B, flags I, sapic_eid B, domain_middle B, domain_high H, clock_domain I",
    ),
    MEMORY: layout(
        "Memory Affinity", "5.2.16.2", "type B, length B, domain I, - 2x, base Q, size Q, - 4x, flags I, - 8x"
    ),
    X2APIC: layout(
        "Processor Local x2APIC Affinity",
        "5.2.16.3",
        "type B, length B, - 2x, domain I, apic_id I, flags I, clock_domain I, - 4x",
    ),
    GICC: layout("GICC Affinity", "5.2.16.4", "type B, length B, domain I, processor_uid I, flags I, clock_domain I"),
    4: layout("GIC ITS Affinity", "5.2.16.5", "type B, length B, domain I, - 2x, its_id I"),
    5: layout(
        "Generic Initiator Affinity", "5.2.16.6", "type B, length B, - x, handle B, domain I, - 16x, flags I, - 4x"
    ),
}

ENABLED, HOT_PLUGGABLE, NON_VOLATILE = 1, 2, 4

KEY_LENGTH = {"cpu_affinity": 1, "processor_affinity": 1, "memory_affinity": 1}


def decode(table: Table) -> Entries:
    """Read the affinity structures."""
    return walk(table, START, STRUCTURES)


def survey(table: Table) -> Survey:
    """Return cpu_affinity, processor_affinity and memory_affinity of an SRAT; entries not enabled give none."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    rows = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), rows))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    for entry in entries:
        fields = entry.fields
        if not fields.get("flags", 0) & ENABLED:
            continue
        if entry.type in (APIC, X2APIC):
            yield entry.offset, Fact("cpu_affinity", (fields["apic_id"], _domain(table, entry)))
        elif entry.type == GICC:
            yield entry.offset, Fact("processor_affinity", (fields["processor_uid"], fields["domain"]))
        elif entry.type == MEMORY:
            if not fields["size"]:
                problems.append(table.problem(entry.offset, f"{entry.name} is enabled and has no size; it is left out"))
                continue
            flags = tuple(
                name
                for bit, name in ((HOT_PLUGGABLE, "hot_pluggable"), (NON_VOLATILE, "non_volatile"))
                if fields["flags"] & bit
            )
            args = (fields["base"], fields["size"], _domain(table, entry), flags)
            yield entry.offset, Fact("memory_affinity", args)


def _domain(table: Table, entry: Entry) -> int:
    # Revision 1 had a domain of 8 bits and reserved the others, which firmware then left unset (5.2.16, table 5.57).
    low = entry.fields["domain"]
    if entry.type == APIC:
        low |= entry.fields["domain_middle"] << 8 | entry.fields["domain_high"] << 16
    return low & 0xFF if table.revision < 2 else low
