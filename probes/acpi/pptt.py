"""PPTT: processors in a tree, and their caches (ACPI 6.5, 5.2.30).

Structures refer to each other by offset in the table, and so do the facts: a node or cache is named by its offset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import unpack_from

from probes.acpi.table import Entries, Entry, Table, Versions, text, versions, walk
from probes.fact import Fact, Problem, Survey, Term

START = 36

NODE, CACHE, ID = range(3)

STRUCTURES: Mapping[int, Versions] = {
    NODE: versions(
        "Processor Hierarchy Node",
        "5.2.30.1",
        "type B, length B, - 2x, flags I, parent I, processor_uid I, resources I",
    ),
    # The cache's id came with revision 3 (ACPI 6.4).
    CACHE: versions(
        "Cache Type",
        "5.2.30.2",
        "type B, length B, - 2x, flags I, next I, size I, sets I, ways B, attributes B, line_size H",
        "id I",
    ),
    ID: versions(
        "ID",
        "ACPI 6.3, 5.2.29.3",
        "type B, length B, - 2x, vendor I, level_1 Q, level_2 Q, major H, minor H, spin H",
    ),
}
"""Type 2 was taken back in ACPI 6.4; tables of before have it."""

PACKAGE, UID_VALID, THREAD, LEAF, IDENTICAL = range(5)
"""Bits of a node's flags (table 5.157). The last three came with revision 2 (ACPI 6.3)."""

THREAD_SINCE = 2

SIZE_VALID, SETS_VALID, WAYS_VALID, ALLOCATION_VALID, TYPE_VALID, POLICY_VALID, LINE_VALID, ID_VALID = range(8)
"""Bits of a cache's flags (table 5.159)."""

ALLOCATION = {0: "read", 1: "write", 2: "read_write", 3: "read_write"}
CACHE_TYPE = {0: "data", 1: "instruction", 2: "unified", 3: "unified"}
WRITE_POLICY = {0: "write_back", 1: "write_through"}
"""Attributes of a cache: bits 0-1, 2-3, and 4 (table 5.160)."""

UNKNOWN, NONE = "unknown", "none"


def decode(table: Table) -> Entries:
    """Read the structures, without the lists of private resources."""
    return walk(table, START, STRUCTURES)


def survey(table: Table) -> Survey:
    """Return nodes, caches and who owns them."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    return Survey(tuple(_facts(table, found.entries, problems)), (*problems,))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[Fact]:
    kinds = {entry.offset: entry.type for entry in entries if entry.layout is not None}
    parents = _links(table, entries, (NODE, "parent"), kinds, problems)
    nexts = _links(table, entries, (CACHE, "next"), kinds, problems)
    for entry in entries:
        if entry.type == NODE:
            yield _node(table, entry, parents)
            yield from _resources(table, entry, kinds, problems)
        elif entry.type == CACHE:
            yield from _cache(entry, nexts)
        elif entry.type == ID:
            fields = entry.fields
            vendor = text(fields["vendor"].to_bytes(4, "little"))
            numbers = tuple(fields[name] for name in ("level_1", "level_2", "major", "minor", "spin"))
            yield Fact("processor_id", (entry.offset, vendor, *numbers))


def _links(
    table: Table, entries: tuple[Entry, ...], link: tuple[int, str], kinds: Mapping[int, int], problems: list[Problem]
) -> Mapping[int, Term]:
    """Return where each structure of a kind leads; 0 leads nowhere.

    What leads to no structure of that kind, or closes a circle, is a problem and unknown. Every structure is passed
    once: chains that meet are one chain from there on.
    """
    kind, field = link
    leads: dict[int, Term] = {}
    for entry in entries:
        if entry.type != kind:
            continue
        target = entry.fields[field]
        if target == 0:
            leads[entry.offset] = NONE
        elif kinds.get(target) == kind:
            leads[entry.offset] = target
        else:
            leads[entry.offset] = UNKNOWN
            problems.append(table.problem(entry.offset, f"{field} {target:#x} is no {STRUCTURES[kind][0].name}"))
    passed: dict[int, int] = {}
    for start in tuple(leads):
        at: Term = start
        before: int | None = None
        while isinstance(at, int) and at not in passed:
            passed[at] = start
            before, at = at, leads[at]
        if isinstance(at, int) and before is not None and passed[at] == start:
            leads[before] = UNKNOWN
            problems.append(table.problem(before, f"{field} {at:#x} closes a circle; it is unknown"))
    return leads


def _node(table: Table, entry: Entry, parents: Mapping[int, Term]) -> Fact:
    flags = entry.fields["flags"]
    uid: Term = entry.fields["processor_uid"] if flags >> UID_VALID & 1 else NONE
    late = table.revision >= THREAD_SINCE
    since: tuple[Term, ...] = tuple(flags >> bit & 1 if late else UNKNOWN for bit in (THREAD, LEAF, IDENTICAL))
    return Fact("processor_node", (entry.offset, parents[entry.offset], uid, flags >> PACKAGE & 1, *since))


def _resources(table: Table, entry: Entry, kinds: Mapping[int, int], problems: list[Problem]) -> Iterator[Fact]:
    begin = entry.offset + STRUCTURES[NODE][0].size
    count = entry.fields["resources"]
    held = min(count, (entry.offset + entry.length - begin) // 4)
    if held < count:
        problems.append(table.problem(entry.offset, f"holds {held} private resources, where it states {count}"))
    strays = []
    for resource in dict.fromkeys(unpack_from(f"<{held}I", table.data, begin)):
        if kinds.get(resource) == CACHE:
            yield Fact("processor_node_cache", (entry.offset, resource))
        elif kinds.get(resource) == ID:
            yield Fact("processor_node_id", (entry.offset, resource))
        else:
            strays.append(resource)
    if strays:
        cause = f"{len(strays)} private resources are no cache and no id, the first {strays[0]:#x}"
        problems.append(table.problem(entry.offset, cause))


def _cache(entry: Entry, nexts: Mapping[int, Term]) -> Iterator[Fact]:
    fields, flags, attributes = entry.fields, entry.fields["flags"], entry.fields["attributes"]

    def known(bit: int, value: Term) -> Term:
        return value if flags >> bit & 1 else UNKNOWN

    yield Fact(
        "processor_cache",
        (
            entry.offset,
            known(TYPE_VALID, CACHE_TYPE[attributes >> 2 & 3]),
            known(SIZE_VALID, fields["size"]),
            known(SETS_VALID, fields["sets"]),
            known(WAYS_VALID, fields["ways"]),
            known(LINE_VALID, fields["line_size"]),
            nexts[entry.offset],
        ),
    )
    if flags & (1 << ALLOCATION_VALID | 1 << POLICY_VALID):
        policy = known(POLICY_VALID, WRITE_POLICY[attributes >> 4 & 1])
        yield Fact(
            "processor_cache_policy", (entry.offset, policy, known(ALLOCATION_VALID, ALLOCATION[attributes & 3]))
        )
    if flags >> ID_VALID & 1 and "id" in fields:
        yield Fact("processor_cache_id", (entry.offset, fields["id"]))
