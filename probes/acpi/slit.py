"""SLIT: relative distances between proximity domains (ACPI 6.5, 5.2.17)."""

from __future__ import annotations

from collections.abc import Iterator

from probes.acpi.table import Table
from probes.fact import Fact, Problem, Survey
from probes.layout import layout

LOCALITIES = layout("Number of System Localities", "5.2.17", "count Q")
COUNT_OFFSET = 36
START = 44

LEAST = 10
"""A domain's distance to itself; smaller values are reserved."""

UNREACHABLE = 255


def survey(table: Table) -> Survey:
    """Return the distances that the table states and holds; reserved and unreachable ones give no fact."""
    head = LOCALITIES.read(table.data, COUNT_OFFSET)
    if head is None:
        return Survey(problems=(table.problem(len(table.data), "ends before the number of localities"),))
    problems: list[Problem] = []
    facts = tuple(_distances(table, head["count"], problems))
    return Survey(facts, tuple(problems))


def _distances(table: Table, count: int, problems: list[Problem]) -> Iterator[Fact]:
    held = len(table.data) - START
    if held < count * count:
        problems.append(table.problem(START, f"holds {held} distances, where {count} localities need {count * count}"))
    reserved = []
    for index in range(min(held, count * count)):
        origin, target = divmod(index, count)
        distance = table.data[START + index]
        if distance < LEAST or (origin == target and distance != LEAST):
            reserved.append((origin, target, distance))
        elif distance != UNREACHABLE:
            yield Fact("node_distance", (origin, target, distance))
    if reserved:
        origin, target, distance = reserved[0]
        cause = (
            f"{len(reserved)} distances that cannot be, the first from {origin} to {target}: {distance};"
            " they are left out"
        )
        problems.append(table.problem(START + origin * count + target, cause))
