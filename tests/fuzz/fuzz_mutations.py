"""Mutations of recorded bytes: the lies that firmware, devices, disks and people tell.

Every mutation is drawn from one `random.Random`, so that a seed is a whole run. They are those that break parsers of
binary and text structures: bits flipped, lengths and offsets replaced by the values at the edges of their types, pieces
cut, doubled, and spliced from another file.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

Case = Mapping[str, bytes]
"""Content by path, as a source holds it."""

EDGES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 36, 44, 63, 64, 127, 128, 254, 255)
WIDE_EDGES = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
TEXT_EDGES = (
    b"-1",
    b"0",
    b"4294967296",
    b"18446744073709551616",
    b"9" * 400,
    b"nan",
    b"1e999",
    b"\xff\xfe",
    b"\0",
    b"\n\n",
    b"[SL 00]",
    b"../..",
)


def mutate(chance: random.Random, case: Case, donors: Sequence[bytes]) -> dict[str, bytes]:
    """Return the case with one to eight mutations in some of its files; a file may vanish or come from a donor whole."""
    mutated = dict(case)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
        path = chance.choice(sorted(mutated))
        data = mutated[path]
        if chance.random() < 0.02 and len(mutated) > 1:
            del mutated[path]
            continue
        mutated[path] = chance.choice(MUTATIONS)(chance, data, donors)
    return mutated


def _flip_bits(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), chance.choice((1, 1, 2, 4, 16)))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _set_edge(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    if changed:
        changed[chance.randrange(len(changed))] = chance.choice(EDGES)
    return bytes(changed)


def _set_wide_edge(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    width = chance.choice((2, 4, 8))
    if len(data) < width:
        return data
    start = chance.randrange(len(data) - width + 1)
    if chance.random() < 0.7:
        start &= ~(width - 1)
    value = chance.choice(WIDE_EDGES) if chance.random() < 0.7 else chance.choice((start, len(data), len(data) - start))
    return data[:start] + (value & (1 << 8 * width) - 1).to_bytes(width, "little") + data[start + width :]


def _cut_end(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _cut_piece(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    start, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    return data[:start] + data[min(end, start + chance.choice((1, 2, 4, 8, 64, len(data) or 1))) :]


def _repeat_piece(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    start, end = sorted((chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)))
    piece = data[start : min(end, start + 256)]
    return data[:start] + piece * chance.choice((2, 3, 64)) + data[start + len(piece) :]


def _insert_noise(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.randbytes(chance.choice((1, 2, 4, 16, 300))) + data[start:]


def _insert_text(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    start = chance.randrange(len(data) + 1)
    return data[:start] + chance.choice(TEXT_EDGES) + data[start:]


def _splice(chance: random.Random, data: bytes, donors: Sequence[bytes]) -> bytes:
    donor = chance.choice(donors) if donors else data
    return data[: chance.randrange(len(data) + 1)] + donor[chance.randrange(len(donor) + 1) :]


def _fill(chance: random.Random, data: bytes, _donors: Sequence[bytes]) -> bytes:
    start = chance.randrange(len(data) + 1)
    count = chance.choice((1, 4, 32, 512))
    return data[:start] + chance.choice((b"\0", b"\xff", b" ", b"9")) * count + data[start + count :]


MUTATIONS: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip_bits,
    _set_edge,
    _set_edge,
    _set_wide_edge,
    _set_wide_edge,
    _cut_end,
    _cut_piece,
    _repeat_piece,
    _insert_noise,
    _insert_text,
    _splice,
    _fill,
)
