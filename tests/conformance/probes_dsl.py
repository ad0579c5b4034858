"""What ACPICA's disassembler says of a table, read back as the facts it should become.

`iasl -d` prints a data table as `[offset decimal length] Name : value`, structures inside it beginning with a line
`Subtable Type`. That reading is independent of the decoders under test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LINE = re.compile(r"^(?:\[[0-9A-F]+h ([0-9]+) +[0-9]+\])? +([^:\[]+?) : (.*)$")

POLARITY = {0: "bus", 1: "high", 3: "low"}
TRIGGER = {0: "bus", 1: "edge", 3: "level"}


def structures(text: str, first_field: str = "Subtable Type") -> Iterator[dict[str, str]]:
    """The structures of a table, each as its fields; the first holds those before any structure."""
    found: dict[str, str] = {}
    for line in text.split("Raw Table Data")[0].splitlines():
        field = LINE.match(line.rstrip())
        if field is None:
            continue
        if field[2].strip() == first_field:
            yield found
            found = {}
        found.setdefault(field[2].strip(), field[3].strip())
    yield found


def names(text: str) -> list[str]:
    """The names of the structures of a table, in order."""
    return [
        found[1]
        for fields in list(structures(text))[1:]
        if (found := re.search(r"\[(.*)\]", fields["Subtable Type"])) is not None
    ]


def header(text: str) -> tuple[str, int, int, str]:
    """What acpi_table should say."""
    fields = next(structures(text))
    signature, oem_id = (re.search(r'"(.*?)"', fields[name]) for name in ("Signature", "Oem ID"))
    assert signature is not None
    assert oem_id is not None
    return signature[1], number(fields, "Revision"), number(fields, "Table Length"), oem_id[1].rstrip()


def number(fields: dict[str, str], name: str) -> int:
    return int(fields[name].split()[0], 16)


def madt(text: str) -> set[tuple[str, tuple[Any, ...]]]:
    """The facts of a MADT."""
    facts: set[tuple[str, tuple[Any, ...]]] = set()
    for fields in list(structures(text))[1:]:
        kind = number(fields, "Subtable Type")
        if kind == 0:
            facts.add(
                ("apic", tuple(number(fields, n) for n in ("Processor ID", "Local Apic ID", "Processor Enabled")))
            )
        elif kind == 9:
            names_ = ("Processor UID", "Processor x2Apic ID", "Processor Enabled")
            facts.add(("apic", tuple(number(fields, name) for name in names_)))
        elif kind == 1:
            facts.add(("ioapic", tuple(number(fields, name) for name in ("I/O Apic ID", "Address", "Interrupt"))))
        elif kind == 2:
            wires = tuple(number(fields, name) for name in ("Bus", "Source", "Interrupt"))
            facts.add(("interrupt_override", (*wires, *_inti(fields))))
        elif kind in (4, 10):
            uid = number(fields, "Processor ID" if kind == 4 else "Processor UID")
            who = "all" if uid == (0xFF if kind == 4 else 0xFFFFFFFF) else uid
            facts.add(("nmi", (who, number(fields, "Interrupt Input LINT"), *_inti(fields))))
    return facts


def srat(text: str) -> set[tuple[str, tuple[Any, ...]]]:
    """The facts of an SRAT."""
    facts: set[tuple[str, tuple[Any, ...]]] = set()
    for fields in list(structures(text))[1:]:
        kind = number(fields, "Subtable Type")
        if not number(fields, "Enabled") if "Enabled" in fields else True:
            continue
        if kind == 0:
            domain = number(fields, "Proximity Domain Low(8)") | number(fields, "Proximity Domain High(24)") << 8
            facts.add(("cpu_affinity", (number(fields, "Apic ID"), domain)))
        elif kind == 2:
            facts.add(("cpu_affinity", (number(fields, "Apic ID"), number(fields, "Proximity Domain"))))
        elif kind == 3:
            uid = number(fields, "Acpi Processor UID")
            facts.add(("processor_affinity", (uid, number(fields, "Proximity Domain"))))
        elif kind == 1 and number(fields, "Address Length"):
            flags = [
                name
                for field, name in (("Hot Pluggable", "hot_pluggable"), ("Non-Volatile", "non_volatile"))
                if number(fields, field)
            ]
            where = tuple(number(fields, n) for n in ("Base Address", "Address Length", "Proximity Domain"))
            facts.add(("memory_affinity", (*where, tuple(flags))))
    return facts


def slit(text: str) -> set[tuple[str, tuple[Any, ...]]]:
    """The facts of a SLIT."""
    facts: set[tuple[str, tuple[Any, ...]]] = set()
    for line in text.splitlines():
        row = re.match(r"^\[.*\] +Locality +([0-9]+) : ([0-9A-F ]+)$", line.rstrip())
        if row:
            for target, distance in enumerate(row[2].split()):
                facts.add(("node_distance", (int(row[1]), target, int(distance, 16))))
    return facts


def mcfg(text: str) -> set[tuple[str, tuple[Any, ...]]]:
    """The facts of an MCFG."""
    names_ = ("Segment Group Number", "Start Bus Number", "End Bus Number", "Base Address")
    allocations = list(structures(text, first_field="Base Address"))[1:]
    return {("pcie_confspace", tuple(number(fields, name) for name in names_)) for fields in allocations}


def _inti(fields: dict[str, str]) -> tuple[str, str]:
    return POLARITY[number(fields, "Polarity")], TRIGGER[number(fields, "Trigger Mode")]
