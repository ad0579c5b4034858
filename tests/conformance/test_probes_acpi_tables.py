"""Raw ACPI tables of real machines against what ACPICA's disassembler prints of them: every field, every structure, every fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import probes_dsl
import probes_dsl_fields
import pytest
from probes_recorded import DATA, load, rows
from probes_vocabulary import violations

from probes.acpi.probe import DECODERS, probe
from probes.acpi.table import Table, flatten, open_table
from probes.fact import Survey
from probes.recorded import Recording
from probes.recorded.formats import open_recording

Compare = Callable[..., None]

REPEATED = "contradicts an earlier entry"

NOT_COMPARED = {"facp": {"acpi_register", "reset_value", "pm_timer_width", "sci_interrupt", "processor_idle_latency"}}
"""Facts that several fields make; the fields themselves are compared."""

ZERO_LENGTH = "the disassembler prints type and length of a structure of no length, with which the list ends"
KNOWN: Mapping[tuple[str, str], Mapping[probes_dsl_fields.Place, str]] = {
    ("dell-t5810", "srat1"): {(4424, 1, "Subtable Type"): ZERO_LENGTH, (4425, 1, "Length"): ZERO_LENGTH},
}


def kind_of(name: str) -> str:
    return name.rstrip("0123456789")


def tables(kinds: Collection[str] = probes_dsl.READERS) -> list[Any]:
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


def disassembly(path: Path) -> str:
    return (path.parents[1] / "expected" / f"{path.stem}.dsl").read_text()


@pytest.mark.parametrize("path", tables())
def test_every_field_has_the_place_size_name_and_value_that_the_disassembler_prints(
    path: Path, compare: Compare
) -> None:
    machine, kind = path.parts[-3], kind_of(path.stem)
    told = probes_dsl_fields.told(kind, opened(path))
    expected = probes_dsl_fields.expected(disassembly(path))
    compare(f"ACPI {kind.upper()}: fields", machine, told, expected, KNOWN.get((machine, path.stem)))


@pytest.mark.parametrize("path", tables())
def test_facts_are_those_that_the_disassembler_prints(path: Path, compare: Compare) -> None:
    kind = kind_of(path.stem)
    found = DECODERS[opened(path).signature](opened(path))
    told = {(fact.name, fact.args) for fact in found.facts if fact.name not in NOT_COMPARED.get(kind, ())}
    expected = probes_dsl.READERS[kind](disassembly(path))
    # Where firmware gives one key twice with different values only the first is told, and the second is a problem.
    contradictions = [problem for problem in found.problems if REPEATED in problem.cause]
    missing = expected - told
    assert len(missing) == len(contradictions)
    compare(
        f"ACPI {kind.upper()}: facts",
        path.parts[-3],
        dict.fromkeys(told, True),
        dict.fromkeys(expected, True),
        dict.fromkeys(missing, "the entry contradicts an earlier one"),
    )


@pytest.mark.parametrize("path", tables({"apic", "srat", "pptt", "hmat", "dmar", "gtdt", "mcfg"}))
def test_structures_are_counted_as_the_disassembler_counts_them(path: Path) -> None:
    counts = load(path.parents[1] / "expected" / "summary.json")[path.stem]
    text = disassembly(path)
    if "Invalid zero length subtable" in text:  # the disassembler counts the one that it stops at
        counts[probes_dsl.names(text)[-1]] -= 1
    kind = kind_of(path.stem)
    entries = probes_dsl_fields.DECODERS[kind](opened(path)).entries
    found = Counter(entry.name for entry in entries)
    if kind == "mcfg":
        assert found.total() == counts["segments"]
        return
    unknown = sum(counts.pop(name, 0) for name in list(counts) if name.startswith("Unknown"))
    heads = [entry.name for entry in flatten(entries) if entry.offset == 36 and entry.layout and "Table" in entry.name]
    for name in (*heads, "DMA Remapping Reporting Structure"):
        found.pop(name, None)
    assert found.pop("", 0) == unknown
    assert dict(found) == {name: count for name, count in counts.items() if count}


def machines() -> list[Any]:
    found = [pytest.param(path, id=path.parent.name) for path in sorted((DATA / "acpi").glob("*/tables"))]
    reason = f"no recorded tables in {DATA / 'acpi'}"
    return found or [pytest.param(Path(), marks=pytest.mark.skip(reason=reason))]


def opened_folder(directory: Path) -> Survey:
    recording = open_recording(directory)
    assert isinstance(recording, Recording)
    assert not recording.problems
    return probe(recording.source)


@pytest.mark.parametrize("directory", machines())
def test_every_table_is_listed_as_the_disassembler_lists_it_and_all_facts_are_declared(directory: Path) -> None:
    told = opened_folder(directory)
    assert violations(told.facts) == []
    found = set(rows(told)["acpi_table"])
    listed = {probes_dsl.header(path.read_text()) for path in (directory.parent / "expected").glob("*.dsl")}
    assert listed <= found
    assert {row[0] for row in found - listed} <= {"DSDT", "SSDT"}


@pytest.mark.parametrize("directory", machines())
def test_a_folder_of_tables_tells_what_the_disassembler_prints_of_each_signatures_first(
    directory: Path, compare: Compare
) -> None:
    expected: set[tuple[str, tuple[Any, ...]]] = set()
    first: dict[str, Path] = {}
    for path in sorted(directory.glob("*.dat")):
        if (kind := kind_of(path.stem)) in probes_dsl.READERS:
            first.setdefault(kind, path)
    for kind, path in first.items():
        expected |= probes_dsl.READERS[kind](disassembly(path))
    survey = opened_folder(directory)
    left_out = {"acpi_table", *(name for names in NOT_COMPARED.values() for name in names)}
    told = {(fact.name, fact.args) for fact in survey.facts if fact.name not in left_out}
    missing = expected - told
    assert len(missing) == len([problem for problem in survey.problems if REPEATED in problem.cause])
    compare(
        "ACPI folder: facts",
        directory.parent.name,
        dict.fromkeys(told, True),
        dict.fromkeys(expected, True),
        dict.fromkeys(missing, "the entry contradicts an earlier one"),
    )
