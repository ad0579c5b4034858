"""Every recorded machine, recorded once more as a bundle, gives the same facts and problems; without names, the same but for those."""

from __future__ import annotations

from pathlib import Path

import pytest
from probes_recorded import DATA

from probes.fact import Survey
from probes.machine import read
from probes.recorded import Recording, bundle
from probes.recorded.anonymous import anonymised
from probes.recorded.formats import open_recording
from probes.recorded.recorder import Answers

RECORDINGS = [
    *sorted((DATA / "cpuid").glob("*.tar.bz2")),
    *sorted((DATA / "sysfs").glob("*.tar.bz2")),
    *sorted((DATA / "pci").glob("*/config.txt")),
    *sorted((DATA / "acpi").glob("hmat-*/tables")),
]

NAMED = frozenset({"machine", "net_interface"})


@pytest.fixture(
    params=RECORDINGS or [pytest.param(None, marks=pytest.mark.skip(reason=f"no recorded machines in {DATA}"))],
    ids=lambda path: str(path.relative_to(DATA)) if path else "none",
)
def recorded(request: pytest.FixtureRequest) -> tuple[Answers, Survey]:
    opened = open_recording(request.param)
    assert isinstance(opened, Recording)
    assert opened.problems == () or "pci" in request.param.parts
    return bundle.record(opened.source)


def test_a_bundle_of_a_recorded_machine_is_that_machine(recorded: tuple[Answers, Survey], tmp_path: Path) -> None:
    answers, found = recorded
    bundle.write(answers, tmp_path / "whole", program="test")
    assert read(tmp_path / "whole") == found
    bundle.write(anonymised(answers), tmp_path / "nameless", program="test")
    nameless = read(tmp_path / "nameless")
    kept = [fact for fact in found.facts if fact.name not in NAMED]
    assert [fact for fact in nameless.facts if fact.name not in NAMED] == kept
    assert len(nameless.facts) == len(found.facts)
    assert len(nameless.problems) == len(found.problems)
