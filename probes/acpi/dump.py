"""ACPI tables as other programs write them down: the text of `acpidump`, tables one after the other, a folder of raw tables.

    APIC @ 0x00000000BF79E390
      0000: 41 50 49 43 F2 00 00 00 01 0A 44 45 4C 4C 20 20  APIC......DELL

ACPICA's program and the older one of pmtools differ in the width of offsets and in the blanks, and print a line with `@` for each
table; tables of one signature follow each other. All of it becomes files under /sys/firmware/acpi/tables, each under the name that it
had, or else its signature: what a table is, its first bytes say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise

from probes.fact import Problem
from probes.recorded import Recording
from probes.source import Files

TABLES = "/sys/firmware/acpi/tables"

HEADER = re.compile(r"^[ \t]*(RSD PTR|[A-Z0-9_!]{4})[ \t]*@[ \t]*(?:0x)?([0-9A-Fa-f]+)[ \t]*$")

LINE = re.compile(r"^[ \t]*([0-9A-Fa-f]{4,8}):[ \t]+([0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2}){0,15})(?=[ \t]{2}|[ \t]*$)")
"""The text behind the bytes is at least two blanks away, and may look like bytes."""

SIGNATURE = re.compile(rb"[A-Z0-9_!]{4}")

RSDP = b"RSD PTR "

SMALLEST = 8
"""Bytes of a table that say what it is and how long."""

HEAD = 24
"""Bytes that say so of any of them, the root pointer included (ACPI 6.5, 5.2.5.3)."""

LARGEST = 16 * 1024 * 1024


def recognises(text: str) -> bool:
    """Say whether text has a table's header with bytes below."""
    lines = text.splitlines()
    return any(HEADER.match(line) and LINE.match(following) for line, following in pairwise(lines))


def read(text: str, name: str) -> Recording:
    """Read the text; what is wrong with it is told, and the rest counts."""
    tables: list[tuple[str, bytearray]] = []
    problems: list[Problem] = []
    reading = False
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            tables.append((header[1], bytearray()))
            reading = True
        elif reading and (found := LINE.match(line)):
            content = tables[-1][1]
            if int(found[1], 16) != len(content):
                cause = f"offset {found[1]} follows {len(content):#x} bytes"
                problems.append(
                    Problem(f"{name}, line {number}", cause, "the rest of this table is passed over; dump it anew")
                )
                reading = False
            else:
                content += bytes.fromhex(found[2])
    found_tables = {f"{index:05}": bytes(content) for index, (_, content) in enumerate(tables) if content}
    return Recording(from_tables(found_tables, name, named=False).source, tuple(problems))


def is_table(content: bytes) -> bool:
    """Say whether content begins as a table does."""
    if content.startswith(RSDP):
        return True
    if len(content) < SMALLEST or not SIGNATURE.match(content):
        return False
    return SMALLEST <= int.from_bytes(content[4:8], "little") <= LARGEST


def from_tables(files: Mapping[str, bytes], name: str, *, named: bool = True) -> Recording:
    """Give the source of tables in files; a file may hold several. Unless `named`, tables are called by their signatures."""
    tables = [(path, table) for path, content in sorted(files.items(), key=_natural) for table in _split(content)]
    several = Counter(_signature(table) if not named else path for path, table in tables)
    counted: Counter[str] = Counter()
    placed: dict[str, bytes] = {}
    for path, table in tables:
        called = path.replace("/", "_") if named else _signature(table)
        key = path if named else called
        counted[key] += 1
        file = f"{TABLES}/{called}{counted[key] if several[key] > 1 else ''}"
        while file in placed:  # a file of that name, beside one that holds several tables
            file += "x"
        placed[file] = table
    return Recording(Files(placed, name=name))


def _split(content: bytes) -> Iterator[bytes]:
    """Yield tables that follow each other. What follows the last and is none stays with it, for the probe to complain of."""
    start = 0
    while start < len(content):
        length = _length(content[start : start + HEAD])
        end = start + length
        if SMALLEST <= length < len(content) - start and is_table(content[end : end + HEAD]):
            yield content[start:end]
            start = end
        else:
            yield content[start:]
            return


def _length(head: bytes) -> int:
    if head.startswith(RSDP):
        return int.from_bytes(head[20:24], "little") if head[15:16] >= b"\x02" else 20
    return int.from_bytes(head[4:8], "little")


def _signature(table: bytes) -> str:
    return "RSDP" if table.startswith(RSDP) else table[:4].decode("ascii", "replace")


def _natural(item: tuple[str, bytes]) -> tuple[tuple[str | int, ...], str]:
    """Sort SSDT10 behind SSDT9."""
    parts = re.split(r"(\d+)", item[0].lower())
    return tuple(part.zfill(12) if part.isdecimal() else part for part in parts), item[0]
