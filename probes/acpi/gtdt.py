"""GTDT: the timers of Arm processors and platforms (ACPI 6.5, 5.2.25)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from probes.acpi.interrupts import trigger_of
from probes.acpi.table import FEW, Entries, Entry, Table, Versions, distinct, read, read_head, versions, walk
from probes.fact import Fact, Problem, Survey, Term, merge
from probes.layout import layout

# The EL2 virtual timer came with revision 3 (ACPI 6.3).
HEAD = versions(
    "Generic Timer Description Table",
    "5.2.25, table 5.120",
    "counter Q, - 4x, secure_el1_gsi I, secure_el1_flags I, el1_gsi I, el1_flags I, virtual_gsi I, virtual_flags I,"
    " el2_gsi I, el2_flags I",
    "counter_read Q, timers I, timers_offset I",
    "el2_virtual_gsi I, el2_virtual_flags I",
)

END_OF_REVISION_2, END_OF_REVISION_3 = (36 + shape.size for shape in HEAD[1:])

PLATFORM_TIMER = layout("platform timer", "5.2.25.1", "type B, length H")

BLOCK, WATCHDOG = range(2)

STRUCTURES: Mapping[int, Versions] = {
    BLOCK: versions("Generic Timer Block", "5.2.25.1", "type B, length H, - x, base Q, frames I, frames_offset I"),
    WATCHDOG: versions(
        "Generic Watchdog Timer", "5.2.25.2", "type B, length H, - x, refresh Q, control Q, gsi I, flags I"
    ),
}

FRAME = versions(
    "Generic Timer Block Timer",
    "5.2.25.1, table 5.123",
    "number B, - 3x, base Q, el0_base Q, gsi I, flags I, virtual_gsi I, virtual_flags I, common_flags I",
)
FRAMES = 8

ABSENT = (0, 0xFFFFFFFFFFFFFFFF)
"""Addresses that say that a block is not there."""

TIMERS = ("secure_el1", "el1", "virtual", "el2", "el2_virtual")

TRIGGER, POLARITY, ALWAYS_ON = range(3)
"""Bits of a timer's flags (table 5.121)."""

SECURE, FRAME_ALWAYS_ON = range(2)
"""Bits of a frame's common flags (table 5.125)."""

WATCHDOG_SECURE = 2

UNKNOWN = "unknown"

KEY_LENGTH = {"generic_timer_counter": 1, "generic_timer": 1, "generic_timer_frame": 2, "generic_watchdog": 2}


def decode(table: Table) -> Entries:
    """Read the head, and the platform timers with their frames."""
    head, problems = read_head(table, HEAD[:2])
    if head is None:
        return Entries((), problems)
    start, count = head.fields.get("timers_offset", 0), head.fields.get("timers", 0)
    if not count or start >= END_OF_REVISION_3:
        head = read_head(table, HEAD)[0] or head
    if not count:
        return Entries((head,), ())
    if start < END_OF_REVISION_2:
        return Entries((head,), (table.problem(92, f"platform timers begin at {start:#x}, inside the table's head"),))
    found = walk(table, start, STRUCTURES, head=PLATFORM_TIMER, limit=FEW)
    more = list(found.problems)
    if len(found.entries) != count:
        cause = f"{len(found.entries)} platform timers, where {count} are stated"
        more.append(
            table.problem(start, f"{cause}; those beyond are left out" if len(found.entries) > count else cause)
        )
    timers = tuple(
        replace(entry, inner=tuple(_frames(table, entry, more))) if entry.type == BLOCK else entry
        for entry in found.entries[:count]
    )
    return Entries((head, *timers), tuple(more))


def _frames(table: Table, block: Entry, problems: list[Problem]) -> Iterator[Entry]:
    count, begin = block.fields["frames"], block.fields["frames_offset"]
    size = FRAME[0].size
    held = min(count, FRAMES, max(block.length - begin, 0) // size)
    if held < count or begin < STRUCTURES[BLOCK][0].size:
        problems.append(table.problem(block.offset, f"holds {held} timer frames, where it states {count}"))
    for number in range(held):
        frame = read(table, block.offset + begin + number * size, size, FRAME)
        if frame is not None:
            yield frame


def survey(table: Table) -> Survey:
    """Return the timers of processors, the platform's timer blocks, and watchdogs."""
    found = decode(table)
    if not found.entries:
        return Survey(problems=found.problems)
    return merge((Survey(problems=found.problems), distinct(table, _facts(found.entries), KEY_LENGTH)))


def _facts(entries: tuple[Entry, ...]) -> Iterator[tuple[int, Fact]]:
    head, *timers = entries
    yield from ((head.offset, fact) for fact in _processors(head.fields))
    for entry in timers:
        if entry.type == BLOCK:
            yield from ((frame.offset, _frame(entry, frame)) for frame in entry.inner)
        elif entry.type == WATCHDOG:
            yield entry.offset, _watchdog(entry.fields)


def _processors(fields: Mapping[str, int]) -> Iterator[Fact]:
    for name in ("counter", "counter_read"):
        if fields.get(name, 0) not in ABSENT:
            yield Fact("generic_timer_counter", (name, fields[name]))
    for name in TIMERS:
        gsi = fields.get(f"{name}_gsi")
        if gsi:
            flags = fields[f"{name}_flags"]
            yield Fact("generic_timer", (name, gsi, *_wiring(flags), flags >> ALWAYS_ON & 1))


def _wiring(flags: int) -> tuple[Term, ...]:
    return ("low" if flags >> POLARITY & 1 else "high", trigger_of(flags, TRIGGER))


def _frame(block: Entry, frame: Entry) -> Fact:
    fields = frame.fields
    el0: Term = UNKNOWN if fields["el0_base"] in ABSENT else fields["el0_base"]
    common = fields["common_flags"]
    secure, always_on = common >> SECURE & 1, common >> FRAME_ALWAYS_ON & 1
    where = (block.fields["base"], fields["number"], fields["base"], el0)
    return Fact("generic_timer_frame", (*where, fields["gsi"], *_wiring(fields["flags"]), secure, always_on))


def _watchdog(fields: Mapping[str, int]) -> Fact:
    secure = fields["flags"] >> WATCHDOG_SECURE & 1
    where = (fields["refresh"], fields["control"], fields["gsi"])
    return Fact("generic_watchdog", (*where, *_wiring(fields["flags"]), secure))
