"""IVRS: AMD's I/O memory management units and the devices behind them (AMD IOMMU specification 3.08, chapter 5).

A block is named by its place among those of the table, from 0. Firmware describes a unit in up to three blocks, of
types 0x10, 0x11 and 0x40, each saying more than the one before; software reads the highest type that it knows (5.2.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from probes.acpi.table import (
    LIMIT,
    Entries,
    Entry,
    Table,
    Versions,
    enabled_names,
    read,
    read_head,
    text,
    versions,
    walk,
)
from probes.fact import Compound, Fact, Problem, Survey, Term, addr
from probes.layout import layout

START = 48

HEAD = versions("I/O Virtualization Reporting Structure", "5.2.1", "information I, - 8x")
BLOCK = layout("block", "5.2.2", "type B, - x, length H")

IVHD_10, IVHD_11, IVHD_40, IVMD_ALL, IVMD_SELECT, IVMD_RANGE = 0x10, 0x11, 0x40, 0x20, 0x21, 0x22
UNITS = frozenset({IVHD_10, IVHD_11, IVHD_40})
MEMORY = frozenset({IVMD_ALL, IVMD_SELECT, IVMD_RANGE})

_IVHD = "type B, flags B, length H, device H, capability H, base Q, segment H, information H"
_LATER = versions(
    "Hardware Definition Block", "5.2.2.1", f"{_IVHD}, attributes I, features_image Q, features_image_2 Q"
)
_IVMD = versions(
    "Memory Definition Block",
    "5.2.2.6",
    "type B, flags B, length H, device H, auxiliary H, segment H, - 6x, base Q, size Q",
)
STRUCTURES: Mapping[int, Versions] = {
    IVHD_10: versions("Hardware Definition Block", "5.2.2.1", f"{_IVHD}, features I"),
    IVHD_11: _LATER,
    IVHD_40: _LATER,
    IVMD_ALL: _IVMD,
    IVMD_SELECT: _IVMD,
    IVMD_RANGE: _IVMD,
}

_FOUR = "type B, device H, settings B"
DEVICES: Mapping[int, Versions] = {
    **{kind: versions("Device Entry", "5.2.2.3", _FOUR) for kind in (0, 1, 2, 3, 4)},
    **{kind: versions("Device Entry", "5.2.2.4", f"{_FOUR}, - x, source H, - x") for kind in (66, 67)},
    **{kind: versions("Device Entry", "5.2.2.4", f"{_FOUR}, extended I") for kind in (64, 70, 71)},
    72: versions("Device Entry", "5.2.2.4", f"{_FOUR}, handle B, source H, variety B"),
    240: versions("Device Entry", "5.2.2.5", f"{_FOUR}, hid Q, cid Q, uid_format B, uid_length B"),
}
PADS = frozenset({0, 64})
ALL, SELECT, RANGE_START, RANGE_END = range(1, 5)
ALIAS_SELECT, ALIAS_RANGE = 66, 67
EXTENDED_SELECT, EXTENDED_RANGE = 70, 71
SPECIAL, ACPI_HID = 72, 240

SPANS = {RANGE_START: "range", ALIAS_RANGE: "alias_range", EXTENDED_RANGE: "extended_range"}
SINGLES = {SELECT: "select", ALIAS_SELECT: "alias_select", EXTENDED_SELECT: "extended_select"}

VARIETIES = {1: "ioapic", 2: "hpet"}

SETTINGS = {
    0: "init_pass",
    1: "external_interrupt_pass",
    2: "nmi_pass",
    4: "system_management_0",
    5: "system_management_1",
    6: "lint0_pass",
    7: "lint1_pass",
}
"""Data settings of a device entry (table 5.2.2.3); bits 4 and 5 are one field, system management messages."""

IVHD_FLAGS = {
    0: "ht_tunnel",
    1: "pass_posted_writes",
    2: "response_pass_posted_writes",
    3: "isochronous",
    4: "iotlb",
    5: "coherent",
    6: "prefetch",
    7: "page_requests",
}
IVMD_FLAGS = {0: "unity", 1: "read", 2: "write", 3: "exclusion"}

ATS_DISABLED = 31
"""Bit of the extended data of entries 70 and 71: address translation services are off."""

UID_NONE, UID_INTEGER, UID_STRING = range(3)

UNKNOWN, NONE = "unknown", "none"
LAST_DEVICE = 0xFFFF


def decode(table: Table) -> Entries:
    """Read the head, and the blocks with their device entries."""
    head, problems = read_head(table, HEAD)
    if head is None:
        return Entries((), problems)
    found = walk(table, START, STRUCTURES, head=BLOCK)
    more = list(found.problems)
    left = LIMIT
    entries = [head]
    for entry in found.entries:
        if entry.type in UNITS:
            devices = tuple(_devices(table, entry, left, more))
            left -= len(devices)
            entries.append(replace(entry, inner=devices))
        else:
            entries.append(entry)
    return Entries(tuple(entries), tuple(more))


def _devices(table: Table, block: Entry, limit: int, problems: list[Problem]) -> Iterator[Entry]:
    """Read the device entries of a block: the two high bits of a type below 0x80 say how long it is (5.2.2.2)."""
    assert block.layout is not None
    offset, end = block.offset + block.layout.size, block.offset + block.length
    count = 0
    while offset < end:
        kind = table.data[offset]
        length = 4 << (kind >> 6) if kind < 0x80 else 0
        if kind == ACPI_HID:
            fixed = DEVICES[ACPI_HID][0].size
            length = fixed + (table.data[offset + fixed - 1] if offset + fixed <= end else 0)
        if length == 0:
            problems.append(table.problem(offset, f"device entry of type {kind:#x}, whose length nothing tells"))
            return
        if offset + length > end:
            problems.append(table.problem(offset, f"device entry of type {kind:#x} runs beyond the end of its block"))
            return
        if count >= limit:
            problems.append(table.problem(offset, f"more than {LIMIT} device entries; those from here are not read"))
            return
        count += 1
        entry = read(table, offset, length, DEVICES.get(kind, ()), kind)
        yield entry or Entry(kind, offset, length, None, {})
        offset += length


def survey(table: Table) -> Survey:
    """Return units, the devices behind each, and memory with rules of its own."""
    found = decode(table)
    problems: list[Problem] = list(found.problems)
    if not found.entries:
        return Survey(problems=found.problems)
    head, *blocks = found.entries
    facts = [Fact("ivrs_platform", _platform(head.fields["information"]))]
    for number, block in enumerate(blocks):
        if block.type in UNITS:
            facts += _unit(number, block)
            facts += _unit_devices(table, number, block, problems)
        elif block.type in MEMORY:
            facts.append(_memory(number, block))
    return Survey(tuple(dict.fromkeys(facts)), tuple(problems))


GUEST_WIDTHS = {2: 48}
"""Encoded sizes of guest virtual addresses; the others are reserved."""


def _platform(information: int) -> tuple[Term, ...]:
    """Take IVinfo apart (5.2.1): widths of guest virtual, physical and virtual addresses, and two flags."""
    guest: Term = GUEST_WIDTHS.get(information >> 5 & 7, UNKNOWN)
    names = enabled_names(information, {0: "extended_features", 1: "dma_remapping_opt_in", 22: "ht_ats_reserved"})
    return (guest, information >> 8 & 0x7F, information >> 15 & 0x7F, names)


def _function(segment: int, device: int) -> Compound:
    return addr(segment, device >> 8, device >> 3 & 31, device & 7)


def _unit(number: int, block: Entry) -> Iterator[Fact]:
    fields = block.fields
    flags = enabled_names(fields["flags"], IVHD_FLAGS)
    where = _function(fields["segment"], fields["device"])
    yield Fact("ivrs_unit", (number, block.type, where, fields["capability"], fields["base"], flags))
    if block.type != IVHD_10 and fields["features_image"]:
        yield Fact("ivrs_unit_features", (number, fields["features_image"], fields["features_image_2"]))


def _unit_devices(table: Table, number: int, block: Entry, problems: list[Problem]) -> Iterator[Fact]:
    segment = block.fields["segment"]
    start: Entry | None = None
    for entry in block.inner:
        fields = entry.fields
        if entry.type in PADS:
            continue
        if entry.layout is None:
            problems.append(table.problem(entry.offset, f"device entry of reserved type {entry.type:#x}"))
            continue
        if entry.type == RANGE_END:
            if start is None or fields["device"] < start.fields["device"]:
                problems.append(
                    table.problem(entry.offset, "a range of devices ends that has not begun; it is left out")
                )
            else:
                yield _device(number, segment, SPANS[start.type], start, fields["device"])
            start = None
            continue
        if start is not None:
            problems.append(table.problem(start.offset, "a range of devices begins and does not end; it is left out"))
            start = None
        if entry.type in SPANS:
            start = entry
        elif entry.type == ALL:
            yield _device(number, segment, "all", replace(entry, fields={**fields, "device": 0}), LAST_DEVICE)
        elif entry.type in SINGLES:
            yield _device(number, segment, SINGLES[entry.type], entry, fields["device"])
        elif entry.type == SPECIAL:
            variety: Term = VARIETIES.get(fields["variety"], UNKNOWN)
            source = _function(segment, fields["source"])
            settings = enabled_names(fields["settings"], SETTINGS)
            yield Fact("ivrs_special_device", (number, variety, fields["handle"], source, settings))
        elif entry.type == ACPI_HID:
            yield _named_device(table, number, segment, entry)
    if start is not None:
        problems.append(table.problem(start.offset, "a range of devices begins and does not end; it is left out"))


def _device(number: int, segment: int, kind: str, entry: Entry, last: int) -> Fact:
    fields = entry.fields
    alias: Term = _function(segment, fields["source"]) if "source" in fields else NONE
    first = _function(segment, fields["device"])
    settings = enabled_names(fields["settings"], SETTINGS)
    if fields.get("extended", 0) >> ATS_DISABLED & 1:
        settings += ("ats_disabled",)
    return Fact("ivrs_device", (number, kind, first, _function(segment, last), alias, settings))


def _named_device(table: Table, number: int, segment: int, entry: Entry) -> Fact:
    fields = entry.fields
    assert entry.layout is not None
    data = table.data[entry.offset + entry.layout.size : entry.offset + entry.length]
    uid: Term = NONE
    if fields["uid_format"] == UID_INTEGER:
        uid = int.from_bytes(data[:8], "little")
    elif fields["uid_format"] == UID_STRING:
        uid = text(data)
    hid, cid = (text(fields[name].to_bytes(8, "little")) for name in ("hid", "cid"))
    return Fact("ivrs_acpi_device", (number, _function(segment, fields["device"]), hid, cid, uid))


def _memory(number: int, block: Entry) -> Fact:
    """Return memory with rules for all devices, one, or a range, whose end is the auxiliary data (5.2.2.6)."""
    fields = block.fields
    first = 0 if block.type == IVMD_ALL else fields["device"]
    last = {IVMD_ALL: LAST_DEVICE, IVMD_SELECT: first}.get(block.type, fields["auxiliary"])
    segment = fields["segment"]
    flags = enabled_names(fields["flags"], IVMD_FLAGS)
    ends = (_function(segment, first), _function(segment, last))
    return Fact("ivrs_memory", (number, *ends, fields["base"], fields["size"], flags))
