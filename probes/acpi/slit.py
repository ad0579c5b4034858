"""SLIT: relative distances between proximity domains (ACPI 6.5, 5.2.17)."""

from __future__ import annotations

from collections.abc import Iterator

from probes.acpi.table import Entries, Table, read_head, versions
from probes.fact import Fact, Problem, Survey

LOCALITIES = versions("System Locality Information Table", "5.2.17", "count Q")
START = 44

LIMIT = 1 << 19
"""Distances read: those of 724 localities. Linux knows 1024 nodes at most, and 16 MiB of distances fill the memory."""

LEAST = 10
"""A domain's distance to itself; smaller values are reserved."""

UNREACHABLE = 255


def decode(table: Table) -> Entries:
    """Read the number of localities."""
    head, problems = read_head(table, LOCALITIES)
    return Entries((head,) if head else (), problems)


def survey(table: Table) -> Survey:
    """Return the distances that the table states and holds; reserved ones give no fact, unreachable ones their own."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    if not found.entries:
        return Survey(problems=found.problems)
    facts = tuple(_distances(table, found.entries[0].fields["count"], problems))
    return Survey(facts, tuple(problems))


def _distances(table: Table, count: int, problems: list[Problem]) -> Iterator[Fact]:
    held = len(table.data) - START
    if held < count * count:
        problems.append(table.problem(START, f"holds {held} distances, where {count} localities need {count * count}"))
    elif held > count * count:
        cause = f"{held - count * count} bytes follow the distances of {count} localities"
        problems.append(table.problem(START + count * count, cause))
    if min(held, count * count) > LIMIT:
        problems.append(table.problem(START + LIMIT, f"more than {LIMIT} distances; those from here are not read"))
    reserved = []
    for index in range(min(held, count * count, LIMIT)):
        origin, target = divmod(index, count)
        distance = table.data[START + index]
        if distance < LEAST or (origin == target and distance != LEAST):
            reserved.append((origin, target, distance))
        elif distance == UNREACHABLE:
            yield Fact("node_unreachable", (origin, target))
        else:
            yield Fact("node_distance", (origin, target, distance))
    if reserved:
        origin, target, distance = reserved[0]
        cause = (
            f"{len(reserved)} distances that cannot be, the first from {origin} to {target}: {distance};"
            " they are left out"
        )
        problems.append(table.problem(START + origin * count + target, cause))
