"""Content as a stream of bounded reads, decompressed on the way where it is compressed.

A kilobyte may hold a gigabyte of zeros. So decompressed bytes come in pieces of some megabytes at most, are counted, and are given up on
beyond `TOTAL_LIMIT`; whoever reads says how much it will take. Content that ends before its own end mark is damaged, however much of it
could be read: the Zstandard library by itself passes that over in silence.

Libraries are loaded where their form is met: most recordings are compressed by one of them, or by none.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TypeAlias

from probes.recorded import RecordingError

TOTAL_LIMIT = 512 << 20
"""Bytes of an archive when decompressed. Snapshots of the largest machines have some hundred megabytes, most of it padding."""

PIECE = 1 << 20
"""Bytes that a decompressor gives at a time."""

FEED = 1 << 14
"""Bytes that a decompressor is given at a time."""

ZSTANDARD_FEED = 1 << 10
"""The same where the library takes no bound for what it gives: each block of 4 bytes may become 128 KiB (RFC 8878, 3.1.1.2)."""

MOST_PARTS = 1 << 16
"""Streams one after the other, as programs that compress on several cores write them."""

MEMORY_LIMIT = 128 << 20
"""For the window or dictionary that a stream asks its reader to have."""


class Damaged(Exception):
    """Compressed content that cannot be decompressed further."""


class Stream:
    """Bytes, read from the front."""

    def __init__(self, content: bytes, place: str) -> None:
        self._pieces = _pieces(content, place)
        self._piece = b""
        self._at = 0
        self.offset = 0
        """Of the next byte in what is decompressed."""

    def read(self, size: int) -> bytes:
        """Give the next bytes, fewer at the end. Raises Damaged, and RecordingError for too much of it."""
        found = self._piece[self._at : self._at + size]
        if len(found) < size:
            return b"".join(self._parts(size))
        self._at += size
        self.offset += size
        return found

    def skip(self, size: int) -> int:
        """Pass over bytes; gives how many there were."""
        return sum(map(len, self._parts(size)))

    def _parts(self, size: int) -> Iterator[bytes]:
        while size > 0:
            part = self._piece[self._at : self._at + size]
            if not part:
                self._at = 0
                self._piece = next(self._pieces, b"")
                if not self._piece:
                    return
            self._at += len(part)
            self.offset += len(part)
            size -= len(part)
            yield part


def beginning(content: bytes, place: str, size: int) -> bytes:
    """Give the first bytes of content, decompressed. Raises RecordingError if it is damaged there."""
    try:
        return Stream(content, place).read(size)
    except Damaged as error:
        raise RecordingError(place, str(error), "copy or record it anew") from None


def read_all(content: bytes, place: str, limit: int) -> bytes:
    """Give content decompressed. Raises RecordingError if it is damaged, or has more bytes than the limit."""
    found = beginning(content, place, limit + 1)
    if len(found) > limit:
        raise _too_large(place, limit)
    return found


Part: TypeAlias = Generator[bytes, None, int]
"""The pieces of one compressed stream; in the end, the offset of what follows it."""


def _pieces(content: bytes, place: str) -> Iterator[bytes]:
    """Yield the content in pieces, none of them empty."""
    if _form(content, 0) is None:
        if content:
            yield content
        return
    counted = _Counted()
    for _ in range(MOST_PARTS + 1):
        form = _form(content, counted.end)
        if form is None:  # behind the last part is padding, or nothing that counts
            return
        for piece in counted.of(form(content, counted.end)):
            if counted.total > TOTAL_LIMIT:
                raise _too_large(place, TOTAL_LIMIT)
            yield piece
    raise Damaged(f"has more than {MOST_PARTS} compressed parts")


class _Counted:
    """How far decompression has come: bytes given, and the offset where the last part ended."""

    def __init__(self) -> None:
        self.total = 0
        self.end = 0

    def of(self, part: Part) -> Iterator[bytes]:
        """Yield the pieces of a part that hold anything."""

        def ending() -> Part:
            self.end = yield from part
            return self.end

        for piece in ending():
            self.total += len(piece)
            if piece:
                yield piece


def _gzip(content: bytes, at: int) -> Part:
    import zlib

    stream = zlib.decompressobj(wbits=31)
    try:
        while not stream.eof:
            given = stream.unconsumed_tail
            if not given:
                given = _given(content, at, FEED)
                at += len(given)
            yield stream.decompress(given, PIECE)
    except zlib.error as error:
        raise _damaged(error) from None
    return at - len(stream.unused_data)


def _bzip2(content: bytes, at: int) -> Part:
    import bz2

    stream = bz2.BZ2Decompressor()
    try:
        while not stream.eof:
            given = _given(content, at, FEED) if stream.needs_input else b""
            at += len(given)
            yield stream.decompress(given, PIECE)
    except (OSError, ValueError) as error:
        raise _damaged(error) from None
    return at - len(stream.unused_data)


def _xz(content: bytes, at: int) -> Part:
    import lzma

    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_LIMIT)
    try:
        while not stream.eof:
            given = _given(content, at, FEED) if stream.needs_input else b""
            at += len(given)
            yield stream.decompress(given, PIECE)
    except lzma.LZMAError as error:
        raise _damaged(error) from None
    return at - len(stream.unused_data)


def _zstandard(content: bytes, at: int) -> Part:
    import zstandard

    stream = zstandard.ZstdDecompressor(max_window_size=MEMORY_LIMIT).decompressobj()
    try:
        while not stream.eof:
            given = _given(content, at, ZSTANDARD_FEED)
            at += len(given)
            yield stream.decompress(given)
    except zstandard.ZstdError as error:
        raise _damaged(error) from None
    return at - len(stream.unused_data)


_FORMS: Mapping[bytes, Callable[[bytes, int], Part]] = {
    b"\x1f\x8b\x08": _gzip,
    b"BZh": _bzip2,
    b"\xfd7zXZ\x00": _xz,
    b"\x28\xb5\x2f\xfd": _zstandard,
}
"""By the bytes that the form begins with (RFC 1952, 2.3.1; RFC 8878, 3.1.1; the formats' descriptions)."""


def _form(content: bytes, at: int) -> Callable[[bytes, int], Part] | None:
    return next((part for magic, part in _FORMS.items() if content.startswith(magic, at)), None)


def _given(content: bytes, at: int, size: int) -> bytes:
    given = content[at : at + size]
    if not given:
        raise Damaged("ends too early: it is compressed, and the end of that is missing")
    return given


def _damaged(error: Exception) -> Damaged:
    return Damaged(f"cannot be decompressed: {str(error).strip() or type(error).__name__}")


def _too_large(place: str, limit: int) -> RecordingError:
    return RecordingError(place, f"has more than {limit >> 20} MiB when decompressed", "give a smaller part of it")
