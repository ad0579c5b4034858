"""HPET: the High Precision Event Timer (IA-PC HPET specification 1.0a, 3.2.4)."""

from __future__ import annotations

from probes.acpi.register import place, register
from probes.acpi.table import Entries, Table, read_head, versions
from probes.fact import Fact, Survey, Term

HEAD = versions(
    "High Precision Event Timer",
    "3.2.4",
    f"block_id I, {register('block')}, number B, min_tick H, flags B",
)

PROTECTION: dict[int, Term] = {0: "none", 1: "page_4k", 2: "page_64k"}
"""Low half of the last byte: may pages that the registers lie in be given to others?"""


def decode(table: Table) -> Entries:
    """Read the table."""
    head, problems = read_head(table, HEAD)
    return Entries((head,) if head else (), problems)


def survey(table: Table) -> Survey:
    """Return hpet. The block's id is the low half of its capabilities register (2.3.4), which counts from 0."""
    found = decode(table)
    if not found.entries:
        return Survey(problems=found.problems)
    fields = found.entries[0].fields
    block = fields["block_id"]
    comparators = (block >> 8 & 31) + 1
    wide, legacy, vendor = block >> 13 & 1, block >> 15 & 1, block >> 16
    space, address, _ = place(fields, "block")
    protection = PROTECTION.get(fields["flags"] & 15, "unknown")
    args = (fields["number"], space, address, comparators, wide, legacy, vendor, fields["min_tick"], protection)
    return Survey((Fact("hpet", args),), found.problems)
