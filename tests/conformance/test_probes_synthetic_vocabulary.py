"""Synthetic machines keep to the declared vocabulary, and say what a probe of a real machine says."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Compare
from probes_recorded import DATA, caches_told, groups, rows, unpack
from probes_vocabulary import violations

from probes.fact import Survey
from probes.machine import survey as probe
from probes.source import Tree
from probes.synthetic.known import MACHINES
from probes.synthetic.survey import survey

DESCRIPTIONS = [
    *MACHINES,
    "4",
    "pack:2 numa:2 l3:2 core:4 pu:2",
    "[numa(memory=1TB)] pack:2 [numa(memory=2GB memorysidecachesize=1GB)] die:2 l3:1 core:2 l2:1 l1d:1 l1i:1 pu:2(indexes=core:pack)",
]


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_facts_of_synthetic_machines_are_declared(text: str) -> None:
    assert not violations(survey(text).facts)
    assert not violations(survey(text, "core:10ns").facts)


RECORDED = {
    "16em64t-4s2c2t": "pack:4 l3:1(size=4MiB) l2:2(size=1MiB) l1d:1(size=16KiB) core:1 pu:2(indexes=pack:l2)",
    "64amd64-4s2n4ca2co": "pack:4 l3:2(size=6MiB) [numa] l2:4(size=2MiB) l1i:1(size=64KiB) l1d:2(size=16KiB) core:1 pu:1",
}
"""Machines that a description can say all of, but the bytes of their nodes."""


@pytest.mark.parametrize("machine", RECORDED)
def test_a_description_of_a_real_machine_gives_what_probing_it_gives(
    machine: str, compare: Compare, tmp_path: Path
) -> None:
    archive = DATA / "sysfs" / f"{machine}.tar.bz2"
    if not archive.is_file():
        pytest.skip(f"no recorded machine {archive}")
    expected = parts(probe(Tree(unpack(archive, tmp_path))))
    compare("synthetic machines, real ones", machine, parts(survey(RECORDED[machine], "none")), expected)


def parts(found: Survey) -> dict[object, object]:
    """Packages, cores and nodes by the threads in them, caches by what they are and who shares them."""
    by_name = rows(found)
    told: dict[object, object] = {
        ("cache", level, kind, size, line, cores): True for level, kind, size, line, cores in caches_told(found)
    }
    places = by_name["cpu_thread"]
    told |= {("package", group): True for group in groups((package, core) for core, package, *_ in places)}
    told |= {
        ("core", group): True for group in groups(((package, inside), core) for core, package, inside, _ in places)
    }
    told |= {("node", group): True for group in groups(by_name["numa_core"])}
    told["online"] = {core: online for core, _, online in by_name["core"]}
    return told
