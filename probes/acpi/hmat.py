"""HMAT: how fast memory is, from where (ACPI 6.5, 5.2.28; revision 1 as in ACPI 6.2, 5.2.27)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import unpack_from

from probes.acpi.table import Entries, Entry, Table, Versions, distinct, versions, walk
from probes.fact import Fact, Problem, Survey, Term, merge
from probes.layout import layout

START = 40

STRUCTURE = layout("structure", "5.2.28", "type H, - 2x, length I")

ATTRIBUTES, LOCALITY, SIDE_CACHE = range(3)

STRUCTURES: Mapping[int, Versions] = {
    # Base and length were reserved again in revision 2.
    ATTRIBUTES: versions(
        "Memory Proximity Domain Attributes",
        "5.2.28.3",
        "type H, - 2x, length I, flags H, - 2x, initiator I, domain I, - 4x, base Q, size Q",
    ),
    LOCALITY: versions(
        "System Locality Latency and Bandwidth Information",
        "5.2.28.4",
        "type H, - 2x, length I, flags B, data_type B, min_transfer_size B, - x, initiators I, targets I, - 4x,"
        " base_unit Q",
    ),
    SIDE_CACHE: versions(
        "Memory Side Cache Information",
        "5.2.28.5",
        "type H, - 2x, length I, domain I, - 4x, size Q, attributes I, address_mode H, smbios_handles H",
    ),
}

MATRIX = STRUCTURES[LOCALITY][0].size
"""Where the lists of domains begin in a locality structure; the matrix follows them."""

INITIATOR_VALID = 1
MEMORY_VALID = 2
"""Flag of revision 1 only; since then the memory's domain is always valid (ACPI 6.3, table 5.145)."""

KINDS = {
    0: ("latency", "access"),
    1: ("latency", "read"),
    2: ("latency", "write"),
    3: ("bandwidth", "access"),
    4: ("bandwidth", "read"),
    5: ("bandwidth", "write"),
}
"""Data types (table 5.146). Access is read and write where both are alike."""

CONDITIONS = 0x30
"""Flags: the values need transfers of a least size, or hold for accesses that are not sequential."""

LAST_LEVEL_MEMORY = 1
"""A hierarchy of revision 1: the memory behind memory-side caches (ACPI 6.2, table 5.142)."""

NOT_PROVIDED, UNREACHABLE = 0, 0xFFFF

LIMIT = 1 << 17
"""Matrix entries read of one table: six matrices of 147 domains each."""

ASSOCIATIVITY = {0: "none", 1: "direct_mapped", 2: "complex"}
WRITE_POLICY = {0: "none", 1: "write_back", 2: "write_through"}

EXTENDED_LINEAR = 1
"""Address mode (ACPI 6.6, 5.2.28.5): the cache adds its capacity to the memory's, at addresses that alias. Reserved before."""

UNKNOWN = "unknown"

KEY_LENGTH = {
    "memory_initiator": 1,
    "memory_domain_range": 1,
    "memory_latency": 3,
    "memory_bandwidth": 3,
    "memory_side_cache_latency": 4,
    "memory_side_cache_bandwidth": 4,
    "memory_side_cache": 2,
    "memory_side_cache_extends": 2,
}


def decode(table: Table) -> Entries:
    """Read the structures, without the matrices that follow some."""
    return walk(table, START, STRUCTURES, head=STRUCTURE)


def survey(table: Table) -> Survey:
    """Return initiators, latencies, bandwidths and memory-side caches of an HMAT."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    rows = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), rows))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    for entry in entries:
        if entry.type == ATTRIBUTES:
            yield from ((entry.offset, fact) for fact in _attributes(entry.fields, table.revision))
        elif entry.type == SIDE_CACHE:
            yield entry.offset, _side_cache(entry.fields)
            if entry.fields["address_mode"] == EXTENDED_LINEAR:
                yield entry.offset, Fact("memory_side_cache_extends", _side_cache(entry.fields).args[:2])
    yield from _matrices(table, entries, problems)


def _attributes(fields: Mapping[str, int], revision: int) -> Iterator[Fact]:
    valid = fields["flags"]
    if revision < 2 and not valid & MEMORY_VALID:
        return
    if valid & INITIATOR_VALID:
        yield Fact("memory_initiator", (fields["domain"], fields["initiator"]))
    if revision < 2 and fields["size"]:
        yield Fact("memory_domain_range", (fields["base"], fields["size"], fields["domain"]))


def _side_cache(fields: Mapping[str, int]) -> Fact:
    """Take the cache attributes apart (table 5.148)."""
    attributes = fields["attributes"]
    levels, level = attributes & 15, attributes >> 4 & 15
    associativity: Term = ASSOCIATIVITY.get(attributes >> 8 & 15, UNKNOWN)
    policy: Term = WRITE_POLICY.get(attributes >> 12 & 15, UNKNOWN)
    line = attributes >> 16
    return Fact("memory_side_cache", (fields["domain"], level, levels, fields["size"], associativity, policy, line))


def _matrices(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    """Yield latencies and bandwidths; values under a condition fill in where there are none without."""
    told: set[tuple[object, ...]] = set()
    left = LIMIT
    matrices = [entry for entry in entries if entry.type == LOCALITY]
    for entry in sorted(matrices, key=lambda entry: _under_condition(entry, table.revision)):
        fill_in = _under_condition(entry, table.revision)
        cause = _unreadable(entry, table.revision)
        cells = entry.fields["initiators"] * entry.fields["targets"]
        if cause is None and cells > left:
            cause = f"the table has more than {LIMIT} entries"
        if cause is not None:
            problems.append(table.problem(entry.offset, f"{cause}; the matrix is left out"))
            continue
        left -= cells
        for fact in _matrix(table, entry, problems):
            key = (fact.name, *fact.args[:-1])
            if not fill_in or key not in told:
                told.add(key)
                yield entry.offset, fact


def _under_condition(entry: Entry, revision: int) -> bool:
    flags = entry.fields["flags"]
    return flags & 31 == LAST_LEVEL_MEMORY if revision < 2 else flags & CONDITIONS != 0


def _unreadable(entry: Entry, revision: int) -> str | None:
    """Say what is wrong with a matrix, if anything is."""
    fields = entry.fields
    initiators, targets = fields["initiators"], fields["targets"]
    need = MATRIX + 4 * (initiators + targets) + 2 * initiators * targets
    if need > entry.length:
        return f"{initiators} initiators and {targets} targets need {need} bytes, and it has {entry.length}"
    if fields["data_type"] not in KINDS:
        return f"data type {fields['data_type']} is reserved"
    if _level(fields["flags"], revision) is None:
        return f"memory hierarchy {fields['flags'] & 31} is reserved"
    return None


def _matrix(table: Table, entry: Entry, problems: list[Problem]) -> Iterator[Fact]:
    fields = entry.fields
    (what, kind), level = KINDS[fields["data_type"]], _level(fields["flags"], table.revision)
    initiators, targets, base = fields["initiators"], fields["targets"], fields["base_unit"]
    domains = unpack_from(f"<{initiators + targets}I", table.data, entry.offset + MATRIX)
    values = unpack_from(f"<{initiators * targets}H", table.data, entry.offset + MATRIX + 4 * len(domains))
    name = f"memory_side_cache_{what}" if level else f"memory_{what}"
    middle: tuple[Term, ...] = (level, kind) if level else (kind,)
    impossible = 0
    for index, value in enumerate(values):
        if value in (NOT_PROVIDED, UNREACHABLE):
            continue
        row, column = divmod(index, targets)
        scaled = _scale(what, value * base, table.revision)
        if 0 < scaled < 1 << 63:
            yield Fact(name, (domains[row], domains[initiators + column], *middle, scaled))
        else:
            impossible += 1
    if impossible:
        cause = f"{impossible} entries times the base unit {base} are no {what} of any memory; they are left out"
        problems.append(table.problem(entry.offset, cause))


def _level(flags: int, revision: int) -> int | None:
    """Return 0 for memory, else the level of the memory-side cache that the values are for.

    Revision 1 had "last level memory" at 1 and the caches from 2 on, in five bits (ACPI 6.2, table 5.142).
    """
    if revision < 2:
        return {0: 0, 1: 0, 2: 1, 3: 2, 4: 3}.get(flags & 31)
    hierarchy = flags & 15
    return hierarchy if hierarchy <= 3 else None


def _scale(what: str, value: int, revision: int) -> int:
    """Return ps or MB/s. Since revision 2 a value is just that (table 5.146).

    In revision 1 it is tenths of a nanosecond or of 1 MB/s. Linux rounds bandwidth up, and so do we.
    """
    if revision >= 2:
        return value
    return value * 100 if what == "latency" else -(-value // 10)
