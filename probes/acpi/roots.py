"""RSDP, RSDT and XSDT: where the tables are (ACPI 6.5, 5.2.5, 5.2.7 and 5.2.8). Raw dumps hold them; Linux does not show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from struct import unpack_from

from probes.acpi.table import BY_FIRMWARE, Entries, Entry, Table, text, versions
from probes.fact import Fact, Problem, Survey, Term

RSDP_SIGNATURE = b"RSD PTR "

RSDP = versions(
    "Root System Description Pointer",
    "5.2.5.3",
    "- 8x, checksum B, - 6x, revision B, rsdt I",
    "length I, xsdt Q, extended_checksum B, - 3x",
)
SMALL, LARGE = RSDP[0].size, RSDP[1].size

ITEM_SIZES = {"RSDT": 4, "XSDT": 8}

START = 36

NOT_LISTED = frozenset({"RSDT", "XSDT", "DSDT", "FACS"})
"""Tables that the RSDP and the FADT lead to."""


def is_rsdp(data: bytes) -> bool:
    """Say whether bytes are a root pointer: it has a signature of eight bytes and no common header."""
    return data.startswith(RSDP_SIGNATURE)


def decode_rsdp(data: bytes) -> Entries:
    """Read a root pointer, in the longest version that is there."""
    shape = RSDP[1] if len(data) >= LARGE else RSDP[0]
    fields = shape.read(data, 0)
    return Entries((Entry(0, 0, len(data), shape, fields),) if fields else (), ())


def rsdp(place: str, data: bytes) -> Survey:
    """Return rsdp/4. Revision 0 (ACPI 1.0) ends after 20 bytes, which have a checksum of their own."""
    entries = decode_rsdp(data).entries
    if not entries:
        return Survey(
            problems=(Problem(place, f"only {len(data)} bytes, where a root pointer has {SMALL}", BY_FIRMWARE),)
        )
    fields = entries[0].fields
    problems = []
    if sum(data[:SMALL]) & 0xFF:
        problems.append(Problem(f"{place} (RSD PTR) at offset 0x8", "wrong checksum", BY_FIRMWARE))
    xsdt: Term = "none"
    if fields["revision"] >= 2:
        if "xsdt" not in fields:
            cause = f"ends after {len(data)} bytes, where revision {fields['revision']} has {LARGE}"
            problems.append(Problem(f"{place} (RSD PTR) at offset {len(data):#x}", cause, BY_FIRMWARE))
        else:
            xsdt = fields["xsdt"] or "none"
            if sum(data[: fields["length"]]) & 0xFF or fields["length"] < LARGE:
                problems.append(Problem(f"{place} (RSD PTR) at offset 0x20", "wrong extended checksum", BY_FIRMWARE))
    args = (fields["revision"], fields["rsdt"] or "none", xsdt, text(data[9:15]))
    return Survey((Fact("rsdp", args),), tuple(problems))


def listed(table: Table) -> tuple[int, ...]:
    """Return the addresses in an RSDT or XSDT; those of 0 lead nowhere."""
    size = ITEM_SIZES[table.signature]
    count = max(len(table.data) - START, 0) // size
    code = "I" if size == 4 else "Q"
    return tuple(address for address in unpack_from(f"<{count}{code}", table.data, START) if address)


def compare(tables: Iterable[Table], dynamic: Collection[Table]) -> tuple[Problem, ...]:
    """Return a problem if a root table lists more tables than there are.

    Only how many they are can be compared: a dump does not say at which address a table was. Tables that AML code has
    loaded are not listed, and neither are those that the FADT leads to.
    """
    found = tuple(tables)
    kinds = Counter(table.signature for table in found if table not in dynamic)
    there = sum(count for name, count in kinds.items() if name not in NOT_LISTED)
    problems = []
    for table in found:
        if table.signature in ITEM_SIZES:
            if (len(table.data) - START) % ITEM_SIZES[table.signature]:
                problems.append(table.problem(START, "the list of addresses ends inside an address"))
            missing = len(set(listed(table))) - there
            if missing > 0:
                cause = f"lists {missing + there} tables, and {there} are there"
                problems.append(table.problem(START, cause, "facts that the others would tell are missing"))
    return tuple(problems)
