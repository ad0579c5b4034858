r"""What `acpiexec` printed, as names of the namespace and their values.

                   \_SB.PCI0 Device       0x55c0225263f0 001

AcpiExec: SystemMemory Read : Val 00000000 Addr E0000000 BitWidth 20 [REGION: BaseAddr E0000000 Len 100]
\_SB_.PCI0._CRS                  returned AE_OK
Evaluation of \_SB_.PCI0._CRS returned object 0x7f9a88000df0, external buffer length 18
  [Buffer] Length 02 =     0000: 79 00                                            // y.

A name that was evaluated is followed by its value; what it read of registers, all of which are zero, comes before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, cast

Value: TypeAlias = "int | str | bytes | Reference | tuple[Value, ...] | None"
"""What a name has; None stands for objects of other kinds."""

DEVICE = re.compile(r"^ *(\\\S*) Device +(0x[0-9a-f]+) ")
STATUS = re.compile(r"^(\\\S*)\.(_\w{3}) +returned (AE_\w+)$")
VALUE_OF = re.compile(r"^Evaluation of (\\\S*)\.(_\w{3}) returned object")
ROW = re.compile(r"^( +)\[([A-Z][A-Za-z ]*)\] ?(.*)$")
BYTES = re.compile(r"[0-9A-F]{4,}: ((?:[0-9A-F]{2} )+) *//")
LENGTH = re.compile(r"Length ([0-9A-F]+) =")
INTEGER = re.compile(r"= ([0-9A-F]{1,16})$")
STRING = re.compile(r'Length [0-9A-F]+ = "(.*)"')
REFERENCE = re.compile(r"= (0x[0-9a-f]+) .*Name (\S{4})")
LOOP = re.compile(r"^ACPI Error: Aborting method (\\\S*) due to previous error \(AE_AML_LOOP_TIMEOUT\)")

READS = re.compile(r"AcpiExec: (?:SystemMemory Read|Region access)")
"""Of registers elsewhere than in memory it is not printed whether they are read or written: they count as read."""

MOST = 200_000
"""Rows of values that are read; the largest recorded machine has some thousands."""

MOST_LOOPS = 100

DEEPEST = 8
"""Packages in packages that are read: `_PRT` has two."""


@dataclass(frozen=True)
class Reference:
    """A device that a value names."""

    path: str


class Answer(NamedTuple):
    """What a name was evaluated to, or the exception why not; and whether registers were read for it."""

    value: Value = None
    failed: str = ""
    registers: bool = False


class _Row(NamedTuple):
    """A row of a value: how deep in packages, what kind of object, what is printed of it."""

    level: int
    kind: str
    words: list[str]


@dataclass
class Namespace:
    """Answers by device and name, and methods with loops that do not end."""

    devices: dict[str, dict[str, Answer]] = field(default_factory=dict)
    loops: list[str] = field(default_factory=list)

    def answer(self, path: str, name: str) -> Answer:
        """Return what a name of a device was evaluated to; an answer without a value if it has no such name."""
        return self.devices.get(path, {}).get(name, Answer())

    def integer(self, path: str, name: str) -> int | None:
        """Return the value of a name that is an integer."""
        value = self.answer(path, name).value
        return value if isinstance(value, int) else None


def normal(path: str) -> str:
    """Return a path without the underscores that fill names up to four characters (ACPI 6.5, 19.2.2)."""
    return ".".join(part.rstrip("_") or part for part in path.split("."))


def parent(path: str) -> str:
    """Return the path of the device above."""
    return path.rpartition(".")[0]


def read(text: str) -> Namespace:
    """Return what was evaluated."""
    found = Namespace()
    pointers: dict[str, str] = {}
    waiting: dict[tuple[str, str], list[_Row]] = {}
    rows: list[_Row] = []
    registers, left = False, MOST
    for line in text.split("\n"):
        if line.startswith(" "):
            if left > 0 and (row := ROW.match(line)):
                rows.append(_Row(len(row[1]) // 2, row[2], [row[3]]))
                left -= 1
            elif left > 0 and rows and rows[-1].kind == "Buffer" and "//" in line:
                rows[-1].words.append(line)
                left -= 1
            elif device := DEVICE.match(line):
                pointers[device[2]] = normal(device[1])
        elif line.startswith("AcpiExec:"):
            registers = registers or READS.match(line) is not None
        elif line.startswith("\\") and (status := STATUS.match(line)):
            failed = "" if status[3] == "AE_OK" else status[3]
            found.devices.setdefault(normal(status[1]), {})[status[2]] = Answer(None, failed, registers)
            rows, registers = [], False
        elif line.startswith("Evaluation of") and (named := VALUE_OF.match(line)):
            rows = waiting[normal(named[1]), named[2]] = []
        elif line.startswith("ACPI Error") and (looped := LOOP.match(line)) and len(found.loops) < MOST_LOOPS:
            found.loops.append(normal(looped[1]))
        elif not line:
            rows = []
    for (path, name), printed in waiting.items():
        names = found.devices.setdefault(path, {})
        names[name] = names.get(name, Answer())._replace(value=_value(printed, pointers))
    return found


def _value(rows: list[_Row], pointers: Mapping[str, str]) -> Value:
    """Return a value from its rows; what is in a package is two blanks further in."""
    if not rows:
        return None
    open_: list[list[Value]] = [[]]
    for row in rows:
        level = row.level - rows[0].level
        if not 0 <= level < min(len(open_), DEEPEST):
            continue
        del open_[level + 1 :]
        if row.kind == "Package":
            open_.append([])
            open_[level].append(open_[level + 1])  # type: ignore[arg-type]  # frozen below
        else:
            open_[level].append(_simple(row, pointers))
    return _frozen(open_[0][0]) if open_[0] else None


def _frozen(value: object) -> Value:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else cast("Value", value)


def _simple(row: _Row, pointers: Mapping[str, str]) -> Value:
    first = row.words[0]
    if row.kind == "Integer" and (found := INTEGER.search(first)):
        return int(found[1], 16)
    if row.kind == "String" and (found := STRING.match(first)):
        return found[1]
    if row.kind == "Buffer" and (found := LENGTH.match(first)):
        content = b"".join(bytes.fromhex(part[1]) for word in row.words for part in BYTES.finditer(word))
        return content if len(content) == int(found[1], 16) else None
    if row.kind == "Object Reference" and (found := REFERENCE.match(first)):
        return Reference(pointers.get(found[1], found[2].rstrip("_")))
    return None
