"""CPUID of real machines against the topology and caches that hwloc's reference files give for them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from probes_recorded import (
    DATA,
    caches_expected,
    caches_told,
    cores_of,
    groups,
    load,
    machines,
    rows,
    survey_once,
    unpack,
)
from probes_vocabulary import violations

from probes.fact import Survey

LEGACY_CACHES = {
    "AMD-K10-Istanbul-8xOpteron-8439SE": "family 10h describes its caches in leaves 0x80000005 and 0x80000006 only",
    "AMD-K8-SledgeHammer-2xOpteron-250": "family 0Fh describes its caches in leaves 0x80000005 and 0x80000006 only",
}
"""Machines whose caches are not covered: the legacy leaves are not decoded."""

KINDS = {"IntelCore": "performance", "IntelAtom": "efficiency", "IntelLowPower": "efficiency"}


@pytest.fixture(scope="module", params=machines("cpuid", "*.tar.bz2"))
def machine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def found(machine: str, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    def lay_out(directory: Path) -> Path:
        unpack(DATA / "cpuid" / f"{machine}.tar.bz2", directory / "unpacked").rename(directory / "cpuid")
        return directory

    return survey_once(machine, tmp_path_factory, lay_out)


@pytest.fixture(scope="module")
def summary(machine: str) -> Any:
    return load(DATA / "cpuid" / f"{machine}.summary.json")


def test_facts_are_declared_and_well_typed(found: Survey) -> None:
    assert violations(found.facts) == []


def test_packages_and_their_numbers_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    threads = rows(found)["cpu_thread"]
    assert {(package["os_index"], cores_of(package)) for package in summary["packages"]} == {
        (number, frozenset(thread for thread, package, *_ in threads if package == number))
        for number in {package for _, package, *_ in threads}
    }


def test_physical_cores_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    told = groups(((package, core), thread) for thread, package, core, _ in rows(found)["cpu_thread"])
    assert told == {cores_of(core) for core in summary["cores"]}


def test_core_numbers_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    uses = Counter((core["package"], core["os_index"]) for core in summary["cores"])
    if max(uses.values()) > 1:
        pytest.skip("the reference numbers cores inside a node, so that its numbers do not tell them apart")
    told = {thread: core for thread, _, core, _ in rows(found)["cpu_thread"]}
    assert told == {thread: core["os_index"] for core in summary["cores"] for thread in cores_of(core)}


def test_dies_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    packages = {thread: package for thread, package, *_ in rows(found)["cpu_thread"]}
    told = groups(((packages[core], die), core) for core, die in rows(found)["cpu_die"])
    assert told == {cores_of(die) for die in summary.get("dies", [])}


def test_every_hardware_thread_has_a_place_of_its_own(found: Survey, summary: Any) -> None:
    places = [tuple(place) for _, *place in rows(found)["cpu_thread"]]
    assert len(set(places)) == len(places) == len(summary["pus"])


def test_caches_and_their_sharers_are_those_of_the_reference(machine: str, found: Survey, summary: Any) -> None:
    if machine in LEGACY_CACHES:
        assert not rows(found)["cache"]
        assert any("legacy leaves" in problem.cause for problem in found.problems)
        pytest.skip(f"not covered yet: {LEGACY_CACHES[machine]}")
    assert caches_told(found) == caches_expected(summary)


def test_vendor_family_model_and_brand_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    told = rows(found)
    vendors, brands = dict(told["cpu_vendor"]), dict(told["cpu_name"])
    versions = {core: version for core, *version in told["cpu_family"]}
    for package in summary["packages"]:
        info = package["info"]
        for core in cores_of(package):
            assert vendors[core] == info["CPUVendor"]
            assert brands.get(core, "") == " ".join(info.get("CPUModel", "").split())
            assert versions[core] == [int(info[f"CPU{key}"]) for key in ("FamilyNumber", "ModelNumber", "Stepping")]


def test_kinds_of_cores_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    kinds = {
        core: KINDS[entry["info"]["CoreType"]]
        for entry in summary.get("cpukinds", [])
        if entry["info"].get("CoreType") in KINDS
        for core in cores_of(entry)
    }
    told = dict(rows(found)["cpu_kind"])
    alike = len(set(kinds.values())) <= 1
    assert told == {core: "uniform" if alike else kinds[core] for core in told}
    assert len(told) == len(summary["pus"])
