"""MSCT: the most domains and memory that this machine can ever have (ACPI 6.5, 5.2.19)."""

from __future__ import annotations

from collections.abc import Iterator

from probes.acpi.table import LIMIT, Entries, Entry, Table, read, read_head, versions
from probes.fact import Fact, Problem, Survey

HEAD = versions(
    "Maximum System Characteristics Table", "5.2.19", "offset I, domains I, clock_domains I, physical_address Q"
)
PROXIMITY = versions(
    "Maximum Proximity Domain Information",
    "5.2.19.1",
    "revision B, length B, low I, high I, processors I, memory Q",
)
SIZE = PROXIMITY[0].size


def decode(table: Table) -> Entries:
    """Read the head and the proximity domain structures, which run to the end of the table."""
    head, problems = read_head(table, HEAD)
    if head is None:
        return Entries((), problems)
    entries: list[Entry] = [head]
    more: list[Problem] = []
    offset = max(head.fields["offset"], 36 + HEAD[0].size)
    while offset < len(table.data):
        entry = read(table, offset, len(table.data) - offset, PROXIMITY)
        if entry is None or entry.fields["length"] < SIZE or len(entries) > LIMIT:
            more.append(table.problem(offset, f"{len(table.data) - offset} bytes are no {PROXIMITY[0].name}"))
            break
        entries.append(entry)
        offset += entry.fields["length"]
    return Entries(tuple(entries), tuple(more))


def survey(table: Table) -> Survey:
    """Return the limits of the machine. Highest numbers are stated, so there may be one domain more."""
    found = decode(table)
    if not found.entries:
        return Survey(problems=found.problems)
    problems: list[Problem] = list(found.problems)
    return Survey(tuple(dict.fromkeys(_facts(table, found.entries, problems))), tuple(problems))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[Fact]:
    head, *domains = entries
    most = head.fields
    yield Fact("machine_limits", (most["domains"] + 1, most["clock_domains"] + 1, most["physical_address"]))
    # The last entries of a list are often left empty, all for domain 0, which was described already.
    described: set[int] = set()
    for entry in domains:
        low, high = entry.fields["low"], entry.fields["high"]
        processors, memory = entry.fields["processors"], entry.fields["memory"]
        if low > high:
            problems.append(table.problem(entry.offset, f"domains run from {low} to {high}; they are left out"))
        elif (processors or memory) and low not in described:
            described.add(low)
            yield Fact("domain_limits", (low, high, processors, memory))
