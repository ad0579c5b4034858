"""MADT: interrupt controllers (ACPI 6.5, 5.2.12). Signature APIC."""

from __future__ import annotations

from collections.abc import Iterator

from probes.acpi.table import BY_FIRMWARE, Entries, Entry, Table, distinct, walk
from probes.fact import Fact, Problem, Survey, Term, merge
from probes.layout import layout

START = 44

LOCAL_APIC, IO_APIC, OVERRIDE, LOCAL_APIC_NMI, LOCAL_X2APIC, LOCAL_X2APIC_NMI = 0, 1, 2, 4, 9, 10

STRUCTURES = {
    LOCAL_APIC: layout("Processor Local APIC", "5.2.12.2", "type B, length B, processor_uid B, apic_id B, flags I"),
    IO_APIC: layout("I/O APIC", "5.2.12.3", "type B, length B, id B, - x, base I, gsi_base I"),
    OVERRIDE: layout("Interrupt Source Override", "5.2.12.5", "type B, length B, bus B, irq B, gsi I, inti H"),
    3: layout("NMI Source", "5.2.12.6", "type B, length B, inti H, gsi I"),
    LOCAL_APIC_NMI: layout("Local APIC NMI", "5.2.12.7", "type B, length B, processor_uid B, inti H, lint B"),
    5: layout("Local APIC Address Override", "5.2.12.8", "type B, length B, - 2x, base Q"),
    6: layout("I/O SAPIC", "5.2.12.9", "type B, length B, id B, - x, gsi_base I, base Q"),
    7: layout(
        "Local SAPIC",
        "5.2.12.10",
        "type B, length B, processor_id B, sapic_id B, eid B, - 3x, flags I, processor_uid I",
    ),
    8: layout(
        "Platform Interrupt Source",
        "5.2.12.11",
        "type B, length B, inti H, interrupt_type B, processor_id B, eid B, vector B, gsi I, flags I",
    ),
    LOCAL_X2APIC: layout(
        "Processor Local x2APIC", "5.2.12.12", "type B, length B, - 2x, apic_id I, flags I, processor_uid I"
    ),
    LOCAL_X2APIC_NMI: layout(
        "Local x2APIC NMI", "5.2.12.13", "type B, length B, inti H, processor_uid I, lint B, - 3x"
    ),
    # The structure has grown (76, 80, 82 bytes in ACPI 5.0, 6.0, 6.3); the fields read are in all of them.
    11: layout(
        "Generic Interrupt Controller", "5.2.12.14", "type B, length B, - 2x, interface I, processor_uid I, flags I"
    ),
    12: layout(
        "Generic Interrupt Distributor",
        "5.2.12.15",
        "type B, length B, - 2x, id I, base Q, gsi_base I, version B, - 3x",
    ),
    13: layout(
        "Generic MSI Frame", "5.2.12.16", "type B, length B, - 2x, id I, base Q, flags I, spi_count H, spi_base H"
    ),
    14: layout("Generic Interrupt Redistributor", "5.2.12.17", "type B, length B, - 2x, base Q, range I"),
    15: layout("Generic Interrupt Translator", "5.2.12.18", "type B, length B, - 2x, id I, base Q, - 4x"),
    16: layout("Multiprocessor Wakeup", "5.2.12.19", "type B, length B, mailbox_version H, - 4x, mailbox Q"),
}

ENABLED = 1

ALL_PROCESSORS = {LOCAL_APIC_NMI: 0xFF, LOCAL_X2APIC_NMI: 0xFFFFFFFF}
"""Processor UIDs that mean every processor (5.2.12.7, 5.2.12.13)."""

POLARITY = {0: "bus", 1: "high", 3: "low"}
TRIGGER = {0: "bus", 1: "edge", 3: "level"}
"""MPS INTI flags, bits 0-1 and 2-3 (table 5.26); 2 is reserved in both."""

KEY_LENGTH = {"apic": 2, "ioapic": 2, "interrupt_override": 2, "nmi": 4}


def decode(table: Table) -> Entries:
    """Read the interrupt controller structures."""
    return walk(table, START, STRUCTURES)


def survey(table: Table) -> Survey:
    """Return apic, ioapic, interrupt_override and nmi of a MADT."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    rows = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), rows))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    for entry in entries:
        fields = entry.fields
        args: tuple[Term, ...]
        if entry.type in (LOCAL_APIC, LOCAL_X2APIC):
            args = (fields["processor_uid"], fields["apic_id"], fields["flags"] & ENABLED)
            yield entry.offset, Fact("apic", args)
        elif entry.type == IO_APIC:
            yield entry.offset, Fact("ioapic", (fields["id"], fields["base"], fields["gsi_base"]))
        elif entry.type in (OVERRIDE, LOCAL_APIC_NMI, LOCAL_X2APIC_NMI):
            polarity, trigger = POLARITY.get(fields["inti"] & 3), TRIGGER.get(fields["inti"] >> 2 & 3)
            if polarity is None or trigger is None:
                cause = f"{entry.name} has reserved polarity or trigger ({fields['inti']:#06x}); it is left out"
                problems.append(table.problem(entry.offset, cause, BY_FIRMWARE))
            elif entry.type == OVERRIDE:
                args = (fields["bus"], fields["irq"], fields["gsi"], polarity, trigger)
                yield entry.offset, Fact("interrupt_override", args)
            else:
                uid = fields["processor_uid"]
                who: Term = "all" if uid == ALL_PROCESSORS[entry.type] else uid
                yield entry.offset, Fact("nmi", (who, fields["lint"], polarity, trigger))
