"""The header that ACPI tables share, and the lists of structures that some of them are.

A `Table` holds the bytes that are there, cut to the length that the header states; where the two disagree, that is a
problem and the smaller counts. Decoders of single tables take a `Table` and return entries with the offset of each, so
that a problem can say where it is.

Structures have grown with the specification. One that may come in several lengths is declared as all of them,
shortest first, and the longest that fits is read: a field that is absent was not there when the firmware was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from probes.fact import Fact, Problem, Survey
from probes.layout import Layout, layout

HEADER = layout("System Description Table Header", "5.2.6", "- 4x, length I, revision B, checksum B, - 26x")
SIGNATURE, OEM_ID = slice(0, 4), slice(10, 16)

FACS = layout("Firmware ACPI Control Structure", "5.2.10", "- 4x, length I, - 24x, revision B")
"""The one table without the common header: no checksum and no OEM id."""

STRUCTURE = layout("structure", "5.2.12 and 5.2.16", "type B, length B")
"""How the structures of most tables begin."""

LIMIT = 1 << 15
"""Structures read of one table. The largest machines have some thousands; a table of more is damaged, and 16 MiB of
two-byte structures would fill the memory with complaints."""

FEW = 1 << 11
"""The same, of tables whose structures hold lists: no machine has as many host bridges, remapping units or timer blocks."""

SHOWN = 32
"""Problems told of one table; the others are counted."""

BY_FIRMWARE = "the firmware is wrong, or the recording is damaged; what could be read is used"


@dataclass(frozen=True)
class Table:
    """A table whose header could be read."""

    place: str
    signature: str
    revision: int
    length: int
    oem_id: str
    data: bytes

    def problem(self, offset: int, cause: str, remedy: str = BY_FIRMWARE) -> Problem:
        """Return a problem at an offset of this table."""
        return Problem(f"{self.place} ({self.signature}) at offset {offset:#x}", cause, remedy)


Versions: TypeAlias = tuple[Layout, ...]
"""The lengths that a structure has had, shortest first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A structure inside a table: its type, where it is, its length, its fields, and the structures in it.

    A structure of a type that is not defined has no layout and no fields.
    """

    type: int
    offset: int
    length: int
    layout: Layout | None
    fields: Mapping[str, int]
    inner: tuple[Entry, ...] = ()

    @property
    def name(self) -> str:
        """The name that the specification gives to the type; empty if none."""
        return self.layout.name if self.layout else ""


@dataclass(frozen=True)
class Entries:
    """The structures of a table that could be read, and what was wrong with the others."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def versions(name: str, section: str, *fields: str) -> Versions:
    """Declare a structure that has grown: the fields it began with, and those that each revision added."""
    grown = (", ".join(fields[:count]) for count in range(1, len(fields) + 1))
    return tuple(layout(name, section, text) for text in grown)


def read(table: Table, offset: int, length: int, shapes: Versions, kind: int = 0) -> Entry | None:
    """Read the longest version of a structure that `length` bytes at `offset` hold; None if they hold none."""
    length = min(length, len(table.data) - offset)
    for shape in reversed(shapes):
        if shape.size <= length and (fields := shape.read(table.data, offset)) is not None:
            return Entry(kind, offset, length, shape, fields)
    return None


def read_head(table: Table, shapes: Versions, offset: int = 36) -> tuple[Entry | None, tuple[Problem, ...]]:
    """Read what follows the common header; a problem if the table ends before the shortest version of it does."""
    head = read(table, offset, len(table.data) - offset, shapes)
    if head is not None:
        return head, ()
    cause = f"ends before the {shapes[0].name} does: it needs {offset + shapes[0].size} bytes"
    return None, (table.problem(len(table.data), cause),)


def open_table(place: str, data: bytes) -> tuple[Table | None, tuple[Problem, ...]]:
    """Read a table's header and check its length and checksum. None if there is no header to read."""
    signature = data[SIGNATURE]
    if len(signature) < 4 or not all(0x20 <= byte < 0x7F for byte in signature):
        return None, (Problem(place, f"no ACPI table: it begins with {bytes(signature)!r}", BY_FIRMWARE),)
    name = signature.decode("ascii")
    shape = FACS if name == "FACS" else HEADER
    header = shape.read(data, 0)
    if header is None:
        return None, (Problem(place, f"only {len(data)} bytes, where a header has {shape.size}", BY_FIRMWARE),)
    length = header["length"]
    oem_id = "" if shape is FACS else text(data[OEM_ID])
    table = Table(place, name, header["revision"], length, oem_id, data[: max(length, shape.size)])
    problems = []
    if length < shape.size:
        problems.append(table.problem(4, f"states a length of {length} bytes, less than its header"))
    elif length > len(data):
        problems.append(table.problem(len(data), f"ends here, but states a length of {length} bytes"))
    elif shape is HEADER and sum(table.data) & 0xFF:
        problems.append(table.problem(9, f"wrong checksum: the bytes sum to {sum(table.data) & 0xFF:#04x}, not 0"))
    if length < len(data):
        problems.append(table.problem(length, f"{len(data) - length} bytes follow the end that it states"))
    return table, tuple(problems)


def walk(
    table: Table,
    start: int,
    layouts: Mapping[int, Versions],
    *,
    end: int | None = None,
    head: Layout = STRUCTURE,
    limit: int = LIMIT,
) -> Entries:
    """Read the list of (type, length, ...) structures that runs from `start` to `end`, by default the table's.

    A structure of a type that the specification has not defined is passed over, as it asks for. A length that cannot
    be (shorter than what states it, or beyond the end) ends the list: nothing says where the next one would begin.
    """
    entries: list[Entry] = []
    stop = len(table.data) if end is None else min(end, len(table.data))
    of_what = "the table" if end is None else "what it is part of"
    problems = list(starts_before_end(table, start))
    offset = start
    passed = 0
    while offset < stop:
        begin = head.read(table.data, offset) if offset + head.size <= stop else None
        if begin is None:
            problems.append(table.problem(offset, "a structure is cut off before its length"))
            break
        if passed >= limit:
            cause = f"more than {limit} structures; the {stop - offset} bytes from here are not read"
            problems.append(table.problem(offset, cause))
            break
        passed += 1
        kind, length = begin["type"], begin["length"]
        shapes = layouts.get(kind, ())
        name = shapes[0].name if shapes else f"structure of type {kind}"
        if length < head.size:
            problems.append(table.problem(offset, f"{name} states a length of {length} bytes"))
            break
        if offset + length > stop:
            problems.append(table.problem(offset, f"{name} of {length} bytes runs beyond the end of {of_what}"))
            break
        if not shapes:
            entries.append(Entry(kind, offset, length, None, NO_FIELDS))
        elif (entry := read(table, offset, length, shapes, kind)) is None:
            problems.append(table.problem(offset, f"{name} has {length} bytes, where it needs {shapes[0].size}"))
        else:
            entries.append(entry)
        offset += length
    return Entries(tuple(entries), tuple(problems))


NO_FIELDS: Mapping[str, int] = {}


def flatten(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield structures, each followed by those in it."""
    for entry in entries:
        yield entry
        yield from flatten(entry.inner)


def starts_before_end(table: Table, start: int) -> tuple[Problem, ...]:
    """Return a problem if a table ends before its list, which may be empty, begins."""
    if start <= len(table.data):
        return ()
    return (table.problem(len(table.data), f"ends before offset {start:#x}, where its list begins"),)


def distinct(table: Table, facts: Iterator[tuple[int, Fact]], key_length: Mapping[str, int]) -> Survey:
    """Keep the first fact of each key (the leading arguments); a later one that says otherwise is a problem.

    Takes facts with their offsets. Firmware repeats itself: placeholders for processors that are not there are often
    the same entry many times over, and those are no problem.
    """
    kept: dict[tuple[object, ...], Fact] = {}
    problems = []
    for offset, fact in facts:
        key = (fact.name, *fact.args[: key_length[fact.name]])
        first = kept.setdefault(key, fact)
        if first != fact:
            problems.append(
                table.problem(
                    offset, f"contradicts an earlier entry: {_show(fact)} after {_show(first)}; the first counts"
                )
            )
    return Survey(tuple(kept.values()), tuple(problems))


def shorten(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Return the first problems of a table, and one that counts the others if they are many."""
    if len(problems) <= SHOWN:
        return problems
    place = problems[SHOWN].place
    return (
        *problems[:SHOWN],
        Problem(place, f"here, and in what follows, are {len(problems) - SHOWN} more", BY_FIRMWARE),
    )


def text(data: bytes) -> str:
    """Return the text of a field that zero bytes or spaces fill up; bytes that are no ASCII become U+FFFD."""
    return data.split(b"\0")[0].rstrip(b" ").decode("ascii", "replace")


def enabled_names(value: int, names: Mapping[int, str]) -> tuple[str, ...]:
    """Return the names of the bits that are set, in the order of the bits; bits without a name are passed over."""
    return tuple(name for bit, name in names.items() if value >> bit & 1)


def _show(fact: Fact) -> str:
    return f"{fact.name}({', '.join(map(str, fact.args))})"
