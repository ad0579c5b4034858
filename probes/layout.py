"""Binary structures, declared once and read with bounds checked.

ACPI tables and PCI configuration space are little-endian and packed, so a structure is a list of field names with their
`struct` codes, written as the specification's table reads:

    IO_APIC = layout("I/O APIC", "5.2.12.3", "type B, length B, id B, - x, base I, gsi_base I")

`read` answers None where the bytes end before the structure does; what that means is for the caller to say, since only
the caller knows whether a shorter structure is a lie or an older revision. Not ctypes: its structures carry the host's
alignment and byte order unless told otherwise, and a field that is missing cannot be told from one that is zero.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Layout:
    """A structure: its name, where the specification defines it, its fields with their `struct` codes."""

    name: str
    section: str
    fields: tuple[tuple[str, str], ...]
    packer: struct.Struct = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes that the declared fields take."""
        return self.packer.size

    def read(self, data: bytes, offset: int) -> Mapping[str, int] | None:
        """Return the fields of the structure at `offset`, or None if the data end before it does."""
        if offset < 0 or offset + self.packer.size > len(data):
            return None
        names = (name for name, _ in self.fields if name != "-")
        return dict(zip(names, self.packer.unpack_from(data, offset), strict=True))


def layout(name: str, section: str, fields: str) -> Layout:
    """Declare a structure. `fields` is `name code, name code, ...`; a field named `-` is reserved (code `x`)."""
    pairs = tuple((field_name, code) for field_name, code in (part.split() for part in fields.split(",")))
    return Layout(name, section, pairs, struct.Struct("<" + "".join(code for _, code in pairs)))
