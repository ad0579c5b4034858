"""Raw ACPI tables of real machines against what ACPICA's disassembler prints of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import probes_dsl
import pytest
from probes_recorded import DATA, load, rows
from probes_vocabulary import violations

from probes.acpi import madt, mcfg, slit, srat
from probes.acpi.probe import probe
from probes.acpi.table import Entries, Table, open_table
from probes.fact import Survey
from probes.source import Files

READERS: dict[str, tuple[Callable[[Table], Survey], Callable[[str], set[tuple[str, tuple[Any, ...]]]]]] = {
    "apic": (madt.survey, probes_dsl.madt),
    "srat": (srat.survey, probes_dsl.srat),
    "slit": (slit.survey, probes_dsl.slit),
    "mcfg": (mcfg.survey, probes_dsl.mcfg),
}

DECODERS: dict[str, Callable[[Table], Entries]] = {"apic": madt.decode, "srat": srat.decode, "mcfg": mcfg.decode}

REPEATED = "contradicts an earlier entry"


def kind_of(name: str) -> str:
    return name.rstrip("0123456789")


def tables(kinds: Collection[str] = READERS) -> list[Any]:
    found = [
        pytest.param(path, id=f"{path.parts[-3]}-{path.stem}")
        for path in sorted((DATA / "acpi").glob("*/tables/*.dat"))
        if kind_of(path.stem) in kinds
    ]
    reason = f"no recorded tables in {DATA / 'acpi'}"
    return found or [pytest.param(Path(), marks=pytest.mark.skip(reason=reason))]


def opened(path: Path) -> Table:
    table, problems = open_table(path.stem, path.read_bytes())
    assert table is not None
    assert not problems
    return table


@pytest.mark.parametrize("path", tables())
def test_facts_are_those_that_the_disassembler_prints(path: Path) -> None:
    survey, read = READERS[kind_of(path.stem)]
    expected = read((path.parents[1] / "expected" / f"{path.stem}.dsl").read_text())
    found = survey(opened(path))
    # Where firmware gives one key twice with different values only the first is told, and the second is a problem.
    assert {(fact.name, fact.args) for fact in found.facts} <= expected
    contradictions = [problem for problem in found.problems if REPEATED in problem.cause]
    assert len(expected) - len(set(found.facts)) == len(contradictions)


@pytest.mark.parametrize("path", tables(DECODERS))
def test_structures_are_counted_as_the_disassembler_counts_them(path: Path) -> None:
    counts = load(path.parents[1] / "expected" / "summary.json")[path.stem]
    text = (path.parents[1] / "expected" / f"{path.stem}.dsl").read_text()
    if "Invalid zero length subtable" in text:  # the disassembler counts the one that it stops at
        counts[probes_dsl.names(text)[-1]] -= 1
    found = Counter(entry.name for entry in DECODERS[kind_of(path.stem)](opened(path)).entries)
    if kind_of(path.stem) == "mcfg":
        assert found.total() == counts["segments"]
        return
    unknown = sum(counts.pop(name, 0) for name in list(counts) if name.startswith("Unknown"))
    assert found.pop("", 0) == unknown
    assert dict(found) == counts


@pytest.mark.parametrize(
    "directory",
    sorted((DATA / "acpi").glob("*/tables")) or [None],
    ids=lambda path: path.parent.name if path else "none",
)
def test_every_table_is_listed_as_the_disassembler_lists_it_and_all_facts_are_declared(directory: Path | None) -> None:
    if directory is None:
        pytest.skip(f"no recorded tables in {DATA / 'acpi'}")
    files = {f"/sys/firmware/acpi/tables/{path.stem.upper()}": path.read_bytes() for path in directory.iterdir()}
    told = probe(Files(files))
    assert violations(told.facts) == []
    found = set(rows(told)["acpi_table"])
    listed = {probes_dsl.header(path.read_text()) for path in (directory.parent / "expected").glob("*.dsl")}
    assert listed <= found
    assert {row[0] for row in found - listed} <= {"DSDT", "SSDT"}
