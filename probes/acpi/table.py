"""The header that ACPI tables share, and the lists of structures that some of them are.

A `Table` holds the bytes that are there, cut to the length that the header states; where the two disagree, that is a
problem and the smaller counts. Decoders of single tables take a `Table` and return entries with the offset of each, so
that a problem can say where it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from probes.fact import Fact, Problem, Survey
from probes.layout import Layout, layout

HEADER = layout("System Description Table Header", "5.2.6", "- 4x, length I, revision B, checksum B, - 26x")
SIGNATURE, OEM_ID = slice(0, 4), slice(10, 16)

FACS = layout("Firmware ACPI Control Structure", "5.2.10", "- 4x, length I, - 24x, revision B")
"""The one table without the common header: no checksum and no OEM id."""

STRUCTURE = layout("interrupt controller or affinity structure", "5.2.12 and 5.2.16", "type B, length B")

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


@dataclass(frozen=True)
class Entry:
    """A structure inside a table: its type, the name the specification gives the type, where it is, its fields."""

    type: int
    name: str
    offset: int
    fields: Mapping[str, int]


@dataclass(frozen=True)
class Entries:
    """The structures of a table that could be read, and what was wrong with the others."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


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
    oem_id = "" if shape is FACS else data[OEM_ID].rstrip(b" \0").decode("ascii", "replace")
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


def walk(table: Table, start: int, layouts: Mapping[int, Layout]) -> Entries:
    """Read the list of (type, length, ...) structures that runs from `start` to the end of a table.

    A structure of a type that the specification has not defined is passed over, as it asks for. A length that cannot
    be (shorter than its own two bytes, or beyond the end) ends the list: nothing says where the next one would begin.
    """
    entries: list[Entry] = []
    problems = list(starts_before_end(table, start))
    offset = start
    while offset < len(table.data):
        head = STRUCTURE.read(table.data, offset)
        if head is None:
            problems.append(table.problem(offset, "a structure is cut off before its length"))
            break
        kind, length = head["type"], head["length"]
        shape = layouts.get(kind)
        name = shape.name if shape else f"structure of type {kind}"
        if length < STRUCTURE.size:
            problems.append(table.problem(offset, f"{name} states a length of {length} bytes"))
            break
        if offset + length > len(table.data):
            problems.append(table.problem(offset, f"{name} of {length} bytes runs beyond the end of the table"))
            break
        if shape is None:
            entries.append(Entry(kind, "", offset, {}))
        elif (fields := shape.read(table.data[: offset + length], offset)) is None:
            problems.append(table.problem(offset, f"{name} has {length} bytes, where it needs {shape.size}"))
        else:
            entries.append(Entry(kind, shape.name, offset, fields))
        offset += length
    return Entries(tuple(entries), tuple(problems))


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


def _show(fact: Fact) -> str:
    return f"{fact.name}({', '.join(map(str, fact.args))})"
