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
from itertools import count, islice, pairwise

from probes.fact import Problem
from probes.recorded import Recording
from probes.source import Files

TABLES = "/sys/firmware/acpi/tables"

HEADER = re.compile(r"^[ \t]*(RSD PTR|[!-~][ -~]{3})[ \t]+@[ \t]+(?:0x)?([0-9A-Fa-f]+)(?![^ \t])")
"""As acpixtract knows them: four letters, whatever they are, and an address."""

LINE = re.compile(r"^[ \t]*([0-9A-Fa-f]{4,8}):[ \t]+([0-9A-Fa-f]{2}(?:[ \t][0-9A-Fa-f]{2}){0,15})(?![^ \t])")
"""Bytes stand one blank apart. Where there are fewer than 16, more blanks follow, and letters that may look like bytes."""

SIGNATURE = re.compile(rb"[!-`{-~][ -`{-~]{3}")
"""Four printable letters that are no small ones: firmware also has `$H2O` and `@NVS`."""

NOT_IN_NAMES = re.compile(r"[^!-\-0-~]")

RSDP = b"RSD PTR "

RSDP_1_SIZE = 20
"""Of ACPI 1.0, which does not say it (ACPI 6.5, 5.2.5.3)."""

SMALLEST = 8
"""Bytes of a table that say what it is and how long."""

HEADER_SIZE = 36
"""Bytes that a table has at least where another one follows it (ACPI 6.5, 5.2.6)."""

LARGEST = 16 * 1024 * 1024

MOST = 1024
"""Tables of a machine; the largest have about a hundred."""

TAKEN = frozenset({"data", "dynamic"})
"""Names of the directories that Linux has beside the tables."""


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
            if len(tables) >= MOST:
                problems.append(_too_many(f"{name}, line {number}"))
                break
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
    found = ((path, table) for path, content in sorted(files.items(), key=_natural) for table in _split(content))
    tables = list(islice(found, MOST))
    problems = tuple(_too_many(path) for path, _ in islice(found, 1))
    called = [(_called(path) or _signature(table) if named else _signature(table), table) for path, table in tables]
    several = Counter(name for name, _ in called)
    numbers = {name: count(1) for name, times in several.items() if times > 1}
    placed: dict[str, bytes] = {}
    for short, table in called:
        numbered = (f"{short}{number}" for number in numbers.get(short, ()))
        own = next((each for each in numbered if each not in several and each not in placed), short)
        placed[own] = table
    return Recording(Files({f"{TABLES}/{own}": table for own, table in placed.items()}, name=name), problems)


def _called(path: str) -> str:
    """Return a name for a file's table; nothing if it cannot have the file's."""
    flat = path.replace("/", "_")
    return "" if flat in TAKEN or not flat.strip(".") else flat


def _too_many(place: str) -> Problem:
    return Problem(place, f"holds more than {MOST} tables", "the others are passed over; no machine has so many")


def _split(content: bytes) -> Iterator[bytes]:
    """Yield tables that follow each other. What follows the last and is none stays with it, for the probe to complain of."""
    start = 0
    while start < len(content):
        length = _length(content[start : start + HEADER_SIZE])
        following = start + length
        least = RSDP_1_SIZE if content.startswith(RSDP, start) else HEADER_SIZE
        if length >= least and is_table(content[following : following + HEADER_SIZE]):
            yield content[start:following]
            start = following
        else:
            yield content[start:]
            return


def _length(content: bytes) -> int:
    if content.startswith(RSDP):
        return int.from_bytes(content[20:24], "little") if content[15:16] >= b"\x02" else RSDP_1_SIZE
    return int.from_bytes(content[4:8], "little")


def _signature(table: bytes) -> str:
    """Return a table's signature as a file's name can have it."""
    return "RSDP" if table.startswith(RSDP) else NOT_IN_NAMES.sub("?", table[:4].decode("latin-1"))


def _natural(item: tuple[str, bytes]) -> tuple[tuple[str | int, ...], str]:
    """Sort SSDT10 behind SSDT9."""
    parts = re.split(r"(\d+)", item[0].lower())
    return tuple(part.zfill(12) if part.isdecimal() else part for part in parts), item[0]
