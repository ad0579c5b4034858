"""No probe emits a fact that is undeclared or ill-typed, or two facts of one key."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from probes_vocabulary import Declaration, violations

from probes.fact import Compound, Fact
from probes.machine import live, survey
from probes.source import Files, Tree

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def archives(folder: str) -> list[object]:
    found = sorted((DATA / folder).glob("*.tar.bz2"))
    skipped = pytest.param(Path(), marks=pytest.mark.skip(reason=f"no recorded machines in {DATA / folder}"))
    return [pytest.param(path, id=path.name.removesuffix(".tar.bz2")) for path in found] or [skipped]


def test_facts_of_this_machine_are_declared_and_well_typed(vocabulary: dict[str, Declaration]) -> None:
    assert violations(survey(live()).facts, vocabulary) == []


@pytest.mark.parametrize("archive", archives("sysfs"))
def test_facts_of_recorded_trees_are_declared_and_well_typed(
    archive: Path, vocabulary: dict[str, Declaration], tmp_path: Path
) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="tar")
    (root,) = tmp_path.iterdir()
    for tree in (root, root / "fsroot"):
        if tree.is_dir():
            assert violations(survey(Tree(tree)).facts, vocabulary) == []


@pytest.mark.parametrize("directory", sorted((DATA / "acpi").glob("*/tables")) or [None], ids=str)
def test_facts_of_recorded_tables_are_declared_and_well_typed(
    directory: Path | None, vocabulary: dict[str, Declaration]
) -> None:
    if directory is None:
        pytest.skip(f"no recorded tables in {DATA / 'acpi'}")
    files = {f"/sys/firmware/acpi/tables/{path.stem.upper()}": path.read_bytes() for path in directory.iterdir()}
    found = survey(Files(files))
    assert found.facts
    assert violations(found.facts, vocabulary) == []


@pytest.mark.parametrize(
    ("fact", "wrong"),
    [
        (Fact("core", (0, 0, 1)), ""),
        (Fact("core", (0, "unknown", 1)), ""),
        (Fact("core", (0, 0, 2)), "does not fit"),
        (Fact("core", (-1, 0, 1)), "does not fit"),
        (Fact("core", (0, 0)), "arguments"),
        (Fact("cpu_thingy", (0,)), "not declared"),
        (Fact("device_node", (Compound("addr", (0, 0, 0)), 0)), "does not fit"),
        (Fact("memory_affinity", (0, 1, 0, ("hot_pluggable", "warm"))), "does not fit"),
    ],
)
def test_the_check_itself_tells_right_from_wrong(fact: Fact, wrong: str, vocabulary: dict[str, Declaration]) -> None:
    found = violations([fact], vocabulary)
    assert (wrong in found[0]) if wrong else not found


def test_the_check_itself_finds_a_key_used_twice(vocabulary: dict[str, Declaration]) -> None:
    assert violations([Fact("core", (0, 0, 1)), Fact("core", (0, 1, 1))], vocabulary)
