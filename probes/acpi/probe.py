"""The tables under /sys/firmware/acpi/tables, read and decoded.

Linux numbers the files where several tables have one signature (SSDT1, SSDT2, ...). Of tables that may stand only once
it uses the first, and so does this probe: a second MADT or SRAT is reported, and listed as acpi_table, but not decoded.
A table is what its signature says, whatever its file is called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from probes.acpi import (
    cedt,
    dmar,
    fadt,
    gtdt,
    hmat,
    hpet,
    ivrs,
    madt,
    mcfg,
    msct,
    pptt,
    roots,
    slit,
    spcr,
    srat,
)
from probes.acpi.table import Table, open_table, shorten
from probes.fact import Fact, Problem, Survey, merge
from probes.reading import Reading
from probes.source import Source

TABLES = "/sys/firmware/acpi/tables"
DIRECTORIES = (TABLES, f"{TABLES}/dynamic")
"""Tables that firmware provided, and those that AML code has loaded since."""

NOT_TABLES = frozenset({"data", "dynamic"})

DECODERS: Mapping[str, Callable[[Table], Survey]] = {
    "APIC": madt.survey,
    "CEDT": cedt.survey,
    "DMAR": dmar.survey,
    "FACP": fadt.survey,
    "GTDT": gtdt.survey,
    "HMAT": hmat.survey,
    "HPET": hpet.survey,
    "IVRS": ivrs.survey,
    "MCFG": mcfg.survey,
    "MSCT": msct.survey,
    "PPTT": pptt.survey,
    "SLIT": slit.survey,
    "SPCR": spcr.survey,
    "SRAT": srat.survey,
}


REPEATED: Mapping[str, int] = {"HPET": 3}
"""Tables that may stand several times: one for each block of timers (HPET 1.0a, 3.2.4). Arguments that name the block."""


def probe(source: Source) -> Survey:
    """Read every ACPI table that is provided."""
    reading = Reading(source)
    tables: list[Table] = []
    dynamic: list[Table] = []
    surveys: list[Survey] = []
    for directory in DIRECTORIES:
        for name in sorted(set(reading.list(directory)) - NOT_TABLES, key=_order):
            data = reading.bytes(f"{directory}/{name}")
            if data is None:
                continue
            if roots.is_rsdp(data):
                surveys.append(roots.rsdp(f"{directory}/{name}", data))
                continue
            table, found = open_table(f"{directory}/{name}", data)
            surveys.append(Survey(problems=found))
            if table is not None:
                tables.append(table)
                dynamic += [table] if directory != TABLES else []
    surveys = [Survey(problems=reading.problems()), *surveys, Survey(problems=roots.compare(tables, dynamic))]
    surveys.append(Survey(_table_facts(tables)))
    surveys += _static(tables)
    return merge(surveys)


def _static(tables: list[Table]) -> Iterator[Survey]:
    """Yield what the tables say, each signature's first; of those that may stand several times, all that differ in name."""
    used: dict[tuple[object, ...], Table] = {}
    for table in tables:
        decoder = DECODERS.get(table.signature)
        if decoder is None:
            continue
        told = decoder(table) if table.signature in REPEATED or (table.signature,) not in used else Survey()
        names = {fact.args[: REPEATED[table.signature]] for fact in told.facts} if table.signature in REPEATED else {()}
        first = next((used[table.signature, *name] for name in names if (table.signature, *name) in used), None)
        if first is None:
            used.update({(table.signature, *name): table for name in names})
            yield Survey(told.facts, shorten(told.problems))
        elif first.data != table.data:
            cause = f"a second table {table.signature}; {first.place} is used, as the kernel does"
            yield Survey(problems=(Problem(table.place, cause, "compare the two if facts look wrong"),))


def _order(name: str) -> tuple[object, ...]:
    """Sort SSDT10 behind SSDT9, and ssdt.dat before ssdt1.dat: which table is the first must not hang on luck."""
    stem, _, rest = name.lower().partition(".")
    return (_natural(stem), _natural(rest), name)


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    parts = (part for part in re.split(r"([0-9]+)", text) if part)
    return tuple((len(part), part) if part[0] in "0123456789" else (0, part) for part in parts)


def _table_facts(tables: list[Table]) -> tuple[Fact, ...]:
    rows = (Fact("acpi_table", (table.signature, table.revision, table.length, table.oem_id)) for table in tables)
    return tuple(dict.fromkeys(rows))
