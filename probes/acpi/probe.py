"""The tables under /sys/firmware/acpi/tables, read and decoded.

Linux numbers the files where several tables have one signature (SSDT1, SSDT2, ...). Of tables that may stand only once
it uses the first, and so does this probe: a second MADT or SRAT is reported, and listed as acpi_table, but not decoded.
A table is what its signature says, whatever its file is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from probes.acpi import madt, mcfg, slit, srat
from probes.acpi.table import Table, open_table
from probes.fact import Fact, Problem, Survey, merge
from probes.reading import Reading
from probes.source import Source

TABLES = "/sys/firmware/acpi/tables"
DIRECTORIES = (TABLES, f"{TABLES}/dynamic")
"""Tables that firmware provided, and those that AML code has loaded since."""

NOT_TABLES = frozenset({"data", "dynamic"})

DECODERS: Mapping[str, Callable[[Table], Survey]] = {
    "APIC": madt.survey,
    "MCFG": mcfg.survey,
    "SLIT": slit.survey,
    "SRAT": srat.survey,
}


def probe(source: Source) -> Survey:
    """Read every ACPI table that is provided."""
    reading = Reading(source)
    tables: list[Table] = []
    problems: list[Problem] = []
    for directory in DIRECTORIES:
        for name in sorted(set(reading.list(directory)) - NOT_TABLES, key=_instance):
            data = reading.bytes(f"{directory}/{name}")
            if data is not None:
                table, found = open_table(f"{directory}/{name}", data)
                tables += [table] if table else []
                problems += found
    surveys = [Survey(problems=reading.problems()), Survey(problems=tuple(problems)), Survey(_table_facts(tables))]
    used: dict[str, Table] = {}
    for table in tables:
        decoder = DECODERS.get(table.signature)
        if decoder is None:
            continue
        first = used.setdefault(table.signature, table)
        if first is table:
            surveys.append(decoder(table))
        else:
            cause = f"a second table {table.signature}; {first.place} is used, as the kernel does"
            surveys.append(Survey(problems=(Problem(table.place, cause, "compare the two if facts look wrong"),)))
    return merge(surveys)


def _instance(name: str) -> tuple[str, int]:
    number = re.search(r"[0-9]+$", name[4:])
    return name[:4], int(number[0]) if number else 0


def _table_facts(tables: list[Table]) -> tuple[Fact, ...]:
    rows = (Fact("acpi_table", (table.signature, table.revision, table.length, table.oem_id)) for table in tables)
    return tuple(dict.fromkeys(rows))
