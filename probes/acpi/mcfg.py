"""MCFG: where PCI Express configuration space is mapped (PCI Firmware Specification 3.3, 4.1.2)."""

from __future__ import annotations

from collections.abc import Iterator

from probes.acpi.table import LIMIT, Entries, Entry, Table, distinct, read, starts_before_end, versions
from probes.fact import Fact, Problem, Survey, merge

START = 44

ALLOCATION = versions(
    "Configuration Space Base Address Allocation", "4.1.2, table 4-3", "base Q, segment H, bus_low B, bus_high B, - 4x"
)
SIZE = ALLOCATION[0].size

KEY_LENGTH = {"pcie_confspace": 2}


def decode(table: Table) -> Entries:
    """Read the allocations."""
    count = max(len(table.data) - START, 0) // SIZE
    offsets = range(START, START + min(count, LIMIT) * SIZE, SIZE)
    entries = tuple(entry for offset in offsets if (entry := read(table, offset, SIZE, ALLOCATION)))
    problems = starts_before_end(table, START)
    end = START + len(entries) * SIZE
    left = len(table.data) - end
    if left > 0:
        why = f"more than {LIMIT} allocations" if left >= SIZE else f"no whole {ALLOCATION[0].name} of {SIZE}"
        problems += (table.problem(end, f"{left} bytes are left over: {why}"),)
    return Entries(entries, problems)


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
