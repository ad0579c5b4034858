"""DMAR: Intel's DMA remapping units and the devices behind them (Intel VT-d 4.1, chapter 8).

A remapping structure is named by its place among those of the table, from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from probes.acpi.table import (
    FEW,
    LIMIT,
    Entries,
    Entry,
    Table,
    Versions,
    distinct,
    enabled_names,
    read_head,
    text,
    versions,
    walk,
)
from probes.fact import Fact, Problem, Survey, Term, addr, merge
from probes.layout import layout

START = 48

HEAD = versions("DMA Remapping Reporting Structure", "8.1", "host_address_width B, flags B, - 10x")
REMAPPING = layout("remapping structure", "8.2", "type H, length H")

DRHD, RMRR, ATSR, RHSA, ANDD, SATC, SIDP = range(7)

STRUCTURES: Mapping[int, Versions] = {
    # The size was reserved before VT-d 4.0, and 0: one page of 4 KiB then, as now.
    DRHD: versions("Hardware Unit Definition", "8.3", "type H, length H, flags B, size B, segment H, base Q"),
    RMRR: versions("Reserved Memory Region", "8.4", "type H, length H, - 2x, segment H, base Q, limit Q"),
    ATSR: versions("Root Port ATS Capability", "8.5", "type H, length H, flags B, - x, segment H"),
    RHSA: versions("Remapping Hardware Static Affinity", "8.6", "type H, length H, - 4x, base Q, domain I"),
    ANDD: versions("ACPI Namespace Device Declaration", "8.7", "type H, length H, - 3x, number B"),
    SATC: versions("SoC Integrated Address Translation Cache", "8.8", "type H, length H, flags B, - x, segment H"),
    SIDP: versions("SoC Integrated Device Property", "8.9", "type H, length H, - 2x, segment H"),
}

SCOPE = versions("Device Scope", "8.3.1", "type B, length B, flags B, - x, enumeration B, bus B")
SCOPES = dict.fromkeys(range(1, 6), SCOPE)
SCOPE_TYPES = {1: "pci_endpoint", 2: "pci_bridge", 3: "ioapic", 4: "hpet", 5: "acpi_namespace"}

WITH_SCOPES = frozenset({DRHD, RMRR, ATSR, SATC, SIDP})

PLATFORM_FLAGS = {0: "interrupt_remapping", 1: "x2apic_opt_out", 2: "dma_control_opt_in"}
DEVICE_PROPERTIES = {
    0: "nested_not_allowed",
    1: "pwsnp_not_allowed",
    2: "pgsnp_not_allowed",
    3: "atc_hardened",
    4: "atc_required",
}
"""Flags of a device scope, defined for devices of a SIDP (8.9): what requests without PASID may not use, and the
state of the device's translation cache."""

PAGE = 4096
UNKNOWN = "unknown"

KEY_LENGTH: Mapping[str, int] = {
    "dmar_platform": 0,
    "dmar_unit": 1,
    "dmar_reserved_memory": 1,
    "dmar_root_ports": 1,
    "dmar_translation_caches": 1,
    "dmar_device_properties": 1,
    "dmar_device": 6,
    "dmar_device_property": 4,
    "dmar_unit_affinity": 1,
    "dmar_acpi_device": 1,
}


def decode(table: Table) -> Entries:
    """Read the head and the remapping structures with their device scopes."""
    head, problems = read_head(table, HEAD)
    if head is None:
        return Entries((), problems)
    found = walk(table, START, STRUCTURES, head=REMAPPING, limit=FEW)
    left = LIMIT
    entries = [head]
    more = list(found.problems)
    for entry in found.entries:
        if entry.type in WITH_SCOPES and entry.layout is not None:
            begin, end = entry.offset + entry.layout.size, entry.offset + entry.length
            scopes = walk(table, begin, SCOPES, end=end, limit=left)
            left -= len(scopes.entries)
            more += scopes.problems
            entries.append(replace(entry, inner=scopes.entries))
        else:
            entries.append(entry)
    return Entries(tuple(entries), tuple(more))


def survey(table: Table) -> Survey:
    """Return remapping units, reserved memory, and the devices of each."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    if not found.entries:
        return Survey(problems=found.problems)
    rows = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), rows))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    head, *structures = entries
    yield head.offset, Fact("dmar_platform", _platform(head.fields))
    for number, entry in enumerate(structures):
        if entry.layout is not None:
            yield from ((entry.offset, fact) for fact in _structure(table, number, entry, problems))
            for scope in entry.inner:
                yield from ((scope.offset, fact) for fact in _scope(table, number, entry, scope, problems))


def _platform(fields: Mapping[str, int]) -> tuple[Term, ...]:
    """Return the width of addresses, which is stated less one, and what is set of the flags (8.1)."""
    return (fields["host_address_width"] + 1, enabled_names(fields["flags"], PLATFORM_FLAGS))


def _structure(table: Table, number: int, entry: Entry, problems: list[Problem]) -> Iterator[Fact]:
    fields = entry.fields
    if entry.type == DRHD:
        size = PAGE << (fields["size"] & 15)
        yield Fact("dmar_unit", (number, fields["segment"], fields["base"], size, fields["flags"] & 1))
    elif entry.type == RMRR:
        if fields["limit"] < fields["base"]:
            cause = f"reserved memory from {fields['base']:#x} ends at {fields['limit']:#x}; it is left out"
            problems.append(table.problem(entry.offset, cause))
            return
        size = fields["limit"] - fields["base"] + 1
        yield Fact("dmar_reserved_memory", (number, fields["segment"], fields["base"], size))
    elif entry.type == ATSR:
        yield Fact("dmar_root_ports", (number, fields["segment"], fields["flags"] & 1))
    elif entry.type == RHSA:
        yield Fact("dmar_unit_affinity", (fields["base"], fields["domain"]))
    elif entry.type == ANDD:
        name = text(table.data[entry.offset + STRUCTURES[ANDD][0].size : entry.offset + entry.length])
        yield Fact("dmar_acpi_device", (fields["number"], name))
    elif entry.type == SATC:
        yield Fact("dmar_translation_caches", (number, fields["segment"], fields["flags"] & 1))
    elif entry.type == SIDP:
        yield Fact("dmar_device_properties", (number, fields["segment"]))


def _scope(table: Table, number: int, entry: Entry, scope: Entry, problems: list[Problem]) -> Iterator[Fact]:
    """Yield a device. Its address is known if its path has one step; else buses of bridges lie between (8.3.1)."""
    if scope.layout is None:
        problems.append(table.problem(scope.offset, f"device scope of reserved type {scope.type}; it is left out"))
        return
    path = tuple(table.data[scope.offset + SCOPE[0].size : scope.offset + scope.length])
    if len(path) < 2 or len(path) % 2 or any(device > 31 for device in path[::2]) or any(fn > 7 for fn in path[1::2]):
        cause = f"the path {path!r} of a device scope is no list of devices and functions; it is left out"
        problems.append(table.problem(scope.offset, cause))
        return
    bus, segment = scope.fields["bus"], entry.fields["segment"]
    where: Term = addr(segment, bus, *path) if len(path) == 2 else UNKNOWN
    what = SCOPE_TYPES[scope.type]
    yield Fact("dmar_device", (number, what, scope.fields["enumeration"], where, bus, path))
    if entry.type == SIDP:
        for name in enabled_names(scope.fields["flags"], DEVICE_PROPERTIES):
            yield Fact("dmar_device_property", (number, bus, path, name))
