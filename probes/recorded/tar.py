"""Tar archives, read from the front: regular files and links, all in memory, nothing on disk.

An archive comes from anywhere and may claim anything: members that lead outside, devices, names of a gigabyte. So every header is
checked, what is kept is bounded in number, size and depth, and what is passed over is told. The standard library's reader takes names
of any length into memory, and half a second for the sixteen thousand files of a machine of middling size.

POSIX.1-2008, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar's manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from probes.fact import Problem
from probes.recorded import RecordingError
from probes.recorded.compressed import Damaged, Stream

BLOCK = 512

FILE_LIMIT = 64 << 20
"""Bytes of one file. Probes read none beyond 16 MiB; what a bundle notes of a large machine may be longer."""

KEPT_LIMIT = 256 << 20
"""Bytes of all files that are kept."""

MEMBER_LIMIT = 1_000_000

PATH_LIMIT = 1024
DEPTH_LIMIT = 40
"""Of names; those of the kernel's files have a third of this."""

EXTENSION_LIMIT = 1 << 20
"""Bytes of an extended header."""

FILE, HARD_LINK, LINK, DIRECTORY = b"0", b"1", b"2", b"5"
FILES = frozenset({FILE, b"\0", b"7"})
GNU_PATH, GNU_TARGET = b"L", b"K"
EXTENDED, GLOBAL = b"x", b"g"

KINDS = {b"3": "a device", b"4": "a device", b"6": "a named pipe", b"S": "a sparse file"}


class Contents(NamedTuple):
    """Files and links of an archive, by path without a leading slash, and what was wrong with it."""

    files: dict[str, bytes]
    links: dict[str, str]
    problems: tuple[Problem, ...]


class Header(NamedTuple):
    """One member, as its header says."""

    path: str
    size: int
    kind: bytes
    target: str


def is_tar(head: bytes) -> bool:
    """Say whether content begins with the header of a member."""
    return parse_header(head[:BLOCK]) is not None


def parse_header(block: bytes) -> Header | None:
    """Read a header; None if it is none. Its checksum is that of the bytes, with blanks for itself."""
    if len(block) < BLOCK:
        return None
    stated = _number(block[148:156])
    if stated != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        return None
    path, size = _text(block[:100]), _number(block[124:136])
    if size is None:
        return None
    if block[257:263] == b"ustar\0" and block[345]:
        path = f"{_text(block[345:500])}/{path}"
    return Header(path, size, block[156:157], _text(block[157:257]))


def read_tar(stream: Stream, place: str) -> Contents:
    """Read an archive as far as that goes; what cannot be taken is told. Raises RecordingError if nothing can be."""
    reader = _Reader(stream, place)
    try:
        ending = reader.run()
    except Damaged as error:
        ending = str(error)
    if not reader.files and not reader.links:
        raise RecordingError(place, ending or "is an archive without files", "copy or record it anew")
    if ending:
        reader.problem(place, ending, "what comes before counts; copy or record it anew")
    return Contents(reader.files, reader.links, reader.told())


class _Reader:
    """What has been read of an archive. Lives as long as the reading."""

    def __init__(self, stream: Stream, place: str) -> None:
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self._stream = stream
        self._place = place
        self._left = KEPT_LIMIT
        self._problems: list[Problem] = []
        self._passed_over: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def run(self) -> str:
        """Read member by member; gives what ended it, nothing if that was the archive's end mark."""
        path = target = ""
        size: int | None = None
        for _ in range(MEMBER_LIMIT):
            offset = self._stream.offset
            block = self._stream.read(BLOCK)
            if not block.strip(b"\0"):
                return "" if len(block) == BLOCK else f"ends without an end mark, at offset {offset:#x}"
            header = parse_header(block)
            if header is None:
                return f"has no header of a member at offset {offset:#x}"
            if header.kind in (GNU_PATH, GNU_TARGET, EXTENDED, GLOBAL):
                content = self._content(header, EXTENSION_LIMIT)
                if content is None:
                    return f"has a damaged extended header at offset {offset:#x}"
                if header.kind == GNU_PATH:
                    path = _text(content)
                elif header.kind == GNU_TARGET:
                    target = _text(content)
                elif header.kind == EXTENDED:
                    records = _records(content)
                    path, target = records.get("path", path), records.get("linkpath", target)
                    size = _decimal(records.get("size"))
                continue
            member = Header(
                path or header.path, header.size if size is None else size, header.kind, target or header.target
            )
            path = target = ""
            size = None
            if not self._take(member):
                return f"is cut off within {member.path!r}, at offset {self._stream.offset:#x}"
        return f"has more than {MEMBER_LIMIT} members"

    def problem(self, place: str, cause: str, remedy: str) -> None:
        """Note what is wrong."""
        self._problems.append(Problem(place, cause, remedy))

    def told(self) -> tuple[Problem, ...]:
        """Give what was wrong; what was passed over for one reason is told once."""
        passed_over = (
            Problem(
                f"{self._place}: {self._first[cause]}" + (f" and {count - 1} more" if count > 1 else ""),
                cause,
                "passed over",
            )
            for cause, count in self._passed_over.items()
        )
        return (*self._problems, *passed_over)

    def _take(self, member: Header) -> bool:
        """Keep a member or pass it over; False if the archive ends within it."""
        path = self._clean(member.path)
        if member.kind == DIRECTORY or (member.kind in FILES and member.path.endswith("/")):
            return self._skip(member)
        if path is None:
            return self._skip(member)
        if member.kind == LINK:
            if len(member.target) <= PATH_LIMIT:
                self.links[path] = member.target
                self.files.pop(path, None)
            return self._skip(member)
        if member.kind == HARD_LINK:
            target = self._clean(member.target)
            if target in self.files:
                self._keep(path, self.files[target])
            elif target is not None:
                self._pass_over(path, "leads to nothing that is in the archive")
            return self._skip(member._replace(size=0))
        if member.kind not in FILES:
            self._pass_over(path, f"is {KINDS.get(member.kind, 'of a kind that no machine is recorded in')}")
            return self._skip(member)
        if member.size > min(FILE_LIMIT, self._left):
            self._pass_over(path, "is too large")
            return self._skip(member)
        content = self._content(member, FILE_LIMIT)
        if content is None:
            return False
        self._left -= len(content)
        self._keep(path, content)
        return True

    def _keep(self, path: str, content: bytes) -> None:
        self.links.pop(path, None)
        self.files[path] = content

    def _content(self, header: Header, limit: int) -> bytes | None:
        if header.size > limit:
            return None
        content = self._stream.read(header.size)
        padding = -header.size % BLOCK
        return content if len(content) == header.size and self._stream.skip(padding) == padding else None

    def _skip(self, member: Header) -> bool:
        size = member.size + -member.size % BLOCK
        return self._stream.skip(size) == size

    def _clean(self, path: str) -> str | None:
        """Give a path below the archive's root; None for one that leads elsewhere, or is none."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            self._pass_over(path, "leads out of the archive")
            return None
        if len(path) > PATH_LIMIT or len(parts) > DEPTH_LIMIT:
            self._pass_over(path[:40], "has too long a name")
            return None
        return "/".join(parts)

    def _pass_over(self, path: str, cause: str) -> None:
        self._first.setdefault(cause, path)
        self._passed_over[cause] += 1


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _number(field: bytes) -> int | None:
    """Read a number in octal, or with the first bit set in binary (GNU)."""
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big") if field[0] == 0x80 else None
    digits = field.split(b"\0", 1)[0].strip()
    try:
        return int(digits, 8) if digits.isdigit() else 0 if not digits else None
    except ValueError:
        return None


def _records(content: bytes) -> dict[str, str]:
    """Read `LENGTH KEY=VALUE` lines; a record whose length is wrong ends them."""
    found: dict[str, str] = {}
    at = 0
    while at < len(content):
        digits, blank, _ = content[at : at + 20].partition(b" ")
        length = int(digits) if blank and digits.isdigit() else 0
        record = content[at + len(digits) + 1 : at + length]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not equals:
            break
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at += length
    return found


def _decimal(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 20 else None
