"""ACPI tables, written by hand for the tests."""

from __future__ import annotations

import struct


def table(signature: bytes, body: bytes, *, revision: int = 3, length: int | None = None) -> bytes:
    """A table with a right checksum."""
    stated = 36 + len(body) if length is None else length
    data = bytearray(struct.pack("<4sIBB6s8sI4sI", signature, stated, revision, 0, b"HOUSE ", b"TABLE", 1, b"ASL ", 1))
    data += body
    data[9] = -sum(data[:stated]) & 0xFF
    return bytes(data)


def local_apic(uid: int, apic_id: int, flags: int = 1) -> bytes:
    return struct.pack("<BBBBI", 0, 8, uid, apic_id, flags)


def madt_of(*structures: bytes) -> bytes:
    return table(b"APIC", struct.pack("<II", 0xFEE00000, 1) + b"".join(structures))


def srat_of(*structures: bytes, revision: int = 3) -> bytes:
    return table(b"SRAT", struct.pack("<IQ", 1, 0) + b"".join(structures), revision=revision)


def slit_of(rows: list[list[int]], count: int | None = None) -> bytes:
    body = struct.pack("<Q", len(rows) if count is None else count)
    return table(b"SLIT", body + b"".join(bytes(row) for row in rows))
