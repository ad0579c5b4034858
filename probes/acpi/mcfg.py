"""MCFG: where PCI Express configuration space is mapped (PCI Firmware Specification 3.3, 4.1.2)."""

from __future__ import annotations

from collections.abc import Iterator

from probes.acpi.table import Entries, Entry, Table, distinct, starts_before_end
from probes.fact import Fact, Problem, Survey, merge
from probes.layout import layout

START = 44

ALLOCATION = layout(
    "Configuration Space Base Address Allocation", "4.1.2, table 4-3", "base Q, segment H, bus_low B, bus_high B, - 4x"
)

KEY_LENGTH = {"pcie_confspace": 2}


def decode(table: Table) -> Entries:
    """Read the allocations."""
    entries = []
    whole = range(START, len(table.data) - ALLOCATION.size + 1, ALLOCATION.size)
    for offset in whole:
        fields = ALLOCATION.read(table.data, offset)
        if fields is not None:
            entries.append(Entry(0, ALLOCATION.name, offset, fields))
    end = START + len(entries) * ALLOCATION.size
    left = len(table.data) - end
    problems = starts_before_end(table, START)
    if left > 0:
        problems += (table.problem(end, f"{left} bytes are no whole {ALLOCATION.name} of {ALLOCATION.size}"),)
    return Entries(tuple(entries), problems)


def survey(table: Table) -> Survey:
    """Return pcie_confspace of an MCFG."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    rows = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), rows))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    for entry in entries:
        segment, low, high = entry.fields["segment"], entry.fields["bus_low"], entry.fields["bus_high"]
        if low > high:
            problems.append(table.problem(entry.offset, f"buses run from {low} to {high}; the entry is left out"))
            continue
        yield entry.offset, Fact("pcie_confspace", (segment, low, high, entry.fields["base"]))
