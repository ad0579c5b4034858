"""CEDT: CXL host bridges and the memory windows over them (CXL 3.1, 9.18.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import unpack_from

from probes.acpi.table import FEW, Entries, Entry, Table, Versions, distinct, enabled_names, versions, walk
from probes.fact import Fact, Problem, Survey, Term, addr, merge
from probes.layout import layout

START = 36

RECORD = layout("CEDT structure", "9.18.1.1", "type B, - x, length H")

CHBS, CFMWS, CXIMS, RDPAS, CSDS = range(5)

STRUCTURES: Mapping[int, Versions] = {
    CHBS: versions(
        "CXL Host Bridge Structure", "9.18.1.2", "type B, - x, length H, uid I, version I, - 4x, base Q, size Q"
    ),
    CFMWS: versions(
        "CXL Fixed Memory Window Structure",
        "9.18.1.3",
        "type B, - x, length H, - 4x, base Q, size Q, ways B, arithmetic B, - 2x, granularity I, restrictions H, qtg H",
    ),
    CXIMS: versions(
        "CXL XOR Interleave Math Structure", "9.18.1.4", "type B, - x, length H, - 2x, granularity B, maps B"
    ),
    RDPAS: versions(
        "RCEC Downstream Port Association Structure",
        "9.18.1.5",
        "type B, - x, length H, segment H, function H, protocol B, base Q",
    ),
    CSDS: versions("CXL System Description Structure", "9.18.1.6", "type B, - x, length H, capabilities H, - 2x"),
}

WAYS = {**{code: 1 << code for code in range(5)}, 8: 3, 9: 6, 10: 12}
"""Encoded number of interleave ways (8.2.4.20.7)."""

GRANULARITIES = {code: 256 << code for code in range(7)}
"""Encoded bytes that lie in one target before the next one's turn."""

ARITHMETIC = {0: "modulo", 1: "xor"}

RESTRICTIONS = {
    0: "device_coherent",
    1: "host_only_coherent",
    2: "volatile",
    3: "persistent",
    4: "fixed_device_configuration",
    5: "back_invalidate",
}

VERSIONS = {0: "cxl_1_1", 1: "cxl_2_0"}
PROTOCOLS = {0: "cxl_io", 1: "cxl_cachemem"}

UNKNOWN = "unknown"

KEY_LENGTH = {
    "cxl_host_bridge": 1,
    "cxl_window": 1,
    "cxl_window_target": 2,
    "cxl_xor_map": 2,
    "cxl_event_collector": 3,
    "cxl_system_capabilities": 0,
}


def decode(table: Table) -> Entries:
    """Read the structures, without the lists at the end of some."""
    return walk(table, START, STRUCTURES, head=RECORD, limit=FEW)


def survey(table: Table) -> Survey:
    """Return host bridges and memory windows of a CEDT."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    rows = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), rows))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    for entry in entries:
        fields = entry.fields
        if entry.type == CHBS:
            version: Term = VERSIONS.get(fields["version"], UNKNOWN)
            yield entry.offset, Fact("cxl_host_bridge", (fields["uid"], version, fields["base"], fields["size"]))
        elif entry.type == CFMWS:
            yield from ((entry.offset, fact) for fact in _window(table, entry, problems))
        elif entry.type == CXIMS:
            granularity: Term = GRANULARITIES.get(fields["granularity"], UNKNOWN)
            maps = _list(table, entry, fields["maps"], "Q", problems)
            yield entry.offset, Fact("cxl_xor_map", (granularity, maps))
        elif entry.type == RDPAS:
            function = fields["function"]
            collector = addr(fields["segment"], function >> 8, function >> 3 & 31, function & 7)
            protocol: Term = PROTOCOLS.get(fields["protocol"], UNKNOWN)
            yield entry.offset, Fact("cxl_event_collector", (collector, protocol, fields["base"]))
        elif entry.type == CSDS:
            yield entry.offset, Fact("cxl_system_capabilities", (fields["capabilities"],))


def _window(table: Table, entry: Entry, problems: list[Problem]) -> Iterator[Fact]:
    """Yield a window and its targets in the order of interleaving; the host bridges' UIDs are the targets."""
    fields = entry.fields
    ways = WAYS.get(fields["ways"])
    granularity: Term = GRANULARITIES.get(fields["granularity"], UNKNOWN)
    arithmetic: Term = ARITHMETIC.get(fields["arithmetic"], UNKNOWN)
    restrictions = enabled_names(fields["restrictions"], RESTRICTIONS)
    how = (UNKNOWN if ways is None else ways, granularity, arithmetic)
    yield Fact("cxl_window", (fields["base"], fields["size"], *how, restrictions, fields["qtg"]))
    if ways is None:
        problems.append(table.problem(entry.offset, f"interleave ways {fields['ways']:#x} are reserved"))
        return
    for position, uid in enumerate(_list(table, entry, ways, "I", problems)):
        yield Fact("cxl_window_target", (fields["base"], position, uid))


def _list(table: Table, entry: Entry, count: int, code: str, problems: list[Problem]) -> tuple[int, ...]:
    assert entry.layout is not None
    begin = entry.offset + entry.layout.size
    size = 4 if code == "I" else 8
    held = min(count, (entry.length - entry.layout.size) // size)
    if held < count:
        problems.append(table.problem(entry.offset, f"{entry.name} holds {held} items, where it states {count}"))
    return unpack_from(f"<{held}{code}", table.data, begin)
