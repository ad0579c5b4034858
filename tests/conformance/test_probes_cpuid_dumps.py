"""CPUID of real machines against the topology and caches that hwloc's reference files give for them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import Compare
from probes_recorded import DATA, cores_of, groups, load, machines, rows, survey_once, unpack
from probes_vocabulary import violations

from probes.cpulist import format_list
from probes.fact import Survey

KINDS = {"IntelCore": "performance", "IntelAtom": "efficiency", "IntelLowPower": "efficiency"}

CACHE_TYPES = {"0": "unified", "1": "data", "2": "instruction"}

NUMBERED_IN_NODES = "Hygon-Dhyana-32cores"
"""The machine whose cores the reference numbers from 0 in every node, so that its numbers do not tell them apart."""


class Object(NamedTuple):
    """An object of a reference file: its type, attributes, cores, and the package it is in."""

    type: str
    attributes: dict[str, str]
    cores: frozenset[int]
    package: str


class Reference(NamedTuple):
    """A reference file."""

    objects: tuple[Object, ...]
    packages: dict[str, dict[str, str]]
    kinds: dict[int, str]

    def of(self, kind: str) -> tuple[Object, ...]:
        """The objects of a type."""
        return tuple(it for it in self.objects if it.type == kind)


def cores_of_mask(mask: str) -> frozenset[int]:
    """Cores of a mask in words of 32 bits, highest first; a word that is left out is zero."""
    value = 0
    for word in mask.split(","):
        value = value << 32 | int(word or "0", 16)
    return frozenset(bit for bit in range(value.bit_length()) if value >> bit & 1)


def infos(element: ET.Element) -> dict[str, str]:
    return {info.attrib["name"]: info.attrib["value"] for info in element.findall("info")}


def read_reference(path: Path) -> Reference:
    root = ET.parse(path).getroot()
    objects: list[Object] = []
    packages: dict[str, dict[str, str]] = {}

    def walk(element: ET.Element, package: str) -> None:
        attributes = element.attrib
        if attributes["type"] == "Package":
            package = attributes["os_index"]
            packages[package] = infos(element)
        objects.append(Object(attributes["type"], attributes, cores_of_mask(attributes["cpuset"]), package))
        for child in element.findall("object"):
            walk(child, package)

    for element in root.findall("object"):
        walk(element, "")
    kinds = {
        core: infos(element).get("CoreType", "")
        for element in root.findall("cpukind")
        for core in cores_of_mask(element.attrib["cpuset"])
    }
    return Reference(tuple(objects), packages, kinds)


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
def reference(machine: str) -> Reference:
    return read_reference(DATA / "cpuid" / f"{machine}.xml")


def told_groups(found: Survey, name: str) -> set[frozenset[int]]:
    """Cores that belong together by a fact that numbers groups inside the package."""
    packages = {thread: package for thread, package, *_ in rows(found)["cpu_thread"]}
    return groups(((packages[core], number), core) for core, number in rows(found)[name])


def shown(cores: frozenset[int]) -> str:
    return format_list(cores)


def test_nothing_is_wrong_with_the_dump(found: Survey) -> None:
    assert found.problems == ()


def test_facts_are_declared_and_well_typed(found: Survey) -> None:
    assert violations(found.facts) == []


def test_packages_are_those_of_the_reference(
    machine: str, found: Survey, reference: Reference, compare: Compare
) -> None:
    told: dict[str, set[int]] = defaultdict(set)
    for thread, package, *_ in rows(found)["cpu_thread"]:
        told[str(package)].add(thread)
    expected = {it.attributes["os_index"]: it.cores for it in reference.of("Package")}
    compare("CPUID: packages", machine, told, expected)


def test_dies_are_those_of_the_reference(machine: str, found: Survey, reference: Reference, compare: Compare) -> None:
    told = {shown(cores): "die" for cores in told_groups(found, "cpu_die")}
    expected = {shown(it.cores): "die" for it in reference.of("Die")}
    compare("CPUID: dies", machine, told, expected)


def test_physical_cores_are_those_of_the_reference(
    machine: str, found: Survey, reference: Reference, compare: Compare
) -> None:
    threads = rows(found)["cpu_thread"]
    packages = {thread: package for thread, package, *_ in threads}
    partition = groups(((package, core), thread) for thread, package, core, _ in threads)
    told = {shown(cores): str(packages[min(cores)]) for cores in partition}
    expected = {shown(it.cores): it.package for it in reference.of("Core")}
    compare("CPUID: cores and their packages", machine, told, expected)


def test_core_numbers_are_those_of_the_reference(
    machine: str, found: Survey, reference: Reference, compare: Compare
) -> None:
    told = {thread: core for thread, _, core, _ in rows(found)["cpu_thread"]}
    expected = {thread: int(it.attributes["os_index"]) for it in reference.of("Core") for thread in it.cores}
    known = {}
    if machine == NUMBERED_IN_NODES:
        reason = "the reference numbers cores inside a node, so that two of a package have the same number"
        known = {thread: reason for thread, core in told.items() if core != core % 8}
        assert all(expected[thread] == told[thread] % 8 for thread in known)
    compare("CPUID: numbers of cores in the package", machine, told, expected, known)


def test_hardware_threads_are_those_of_the_reference(
    machine: str, found: Survey, reference: Reference, compare: Compare
) -> None:
    told = {thread: str(package) for thread, package, *_ in rows(found)["cpu_thread"]}
    expected = {int(it.attributes["os_index"]): it.package for it in reference.of("PU")}
    compare("CPUID: hardware threads", machine, told, expected)
    places = [tuple(place) for _, *place in rows(found)["cpu_thread"]]
    assert len(set(places)) == len(places)


def test_caches_and_their_sharers_are_those_of_the_reference(
    machine: str, found: Survey, reference: Reference, compare: Compare
) -> None:
    sharers: dict[int, set[int]] = defaultdict(set)
    for cache, core in rows(found)["cache_shared"]:
        sharers[cache].add(core)
    told = {
        (level, kind, shown(frozenset(sharers[cache])), what): value
        for cache, level, kind, size, ways, line, inclusive in rows(found)["cache"]
        for what, value in (("size", size), ("line", line), ("ways", ways), ("inclusive", inclusive))
    }
    expected: dict[tuple[Any, ...], Any] = {}
    for it in reference.objects:
        if "cache_size" not in it.attributes:
            continue
        key = int(it.attributes["depth"]), CACHE_TYPES[it.attributes["cache_type"]], shown(it.cores)
        ways = int(it.attributes["cache_associativity"])
        expected[*key, "size"] = int(it.attributes["cache_size"])
        expected[*key, "line"] = int(it.attributes["cache_linesize"])
        expected[*key, "ways"] = 0 if ways == -1 else ways
        # The reference writes the attribute where it is set; that a cache is not inclusive it does not tell from silence.
        expected[*key, "inclusive"] = int(it.attributes.get("cache_inclusive", "0"))
    known: dict[tuple[Any, ...], str] = {}
    for field, value in told.items():
        if field[3] == "inclusive" and value == "unknown":
            known[field] = "leaves 0x80000005 and 0x80000006 do not say; the reference has no word for that"
    compare("CPUID: caches", machine, told, expected, known)


def test_vendor_family_model_and_brand_are_those_of_the_reference(
    machine: str, found: Survey, reference: Reference, compare: Compare
) -> None:
    told, expected = {}, {}
    facts = rows(found)
    vendors, brands = dict(facts["cpu_vendor"]), dict(facts["cpu_name"])
    versions = {core: version for core, *version in facts["cpu_family"]}
    for it in reference.of("Package"):
        info = reference.packages[it.package]
        for core in it.cores:
            told[core] = (vendors[core], brands.get(core, ""), *versions[core])
            numbers = (int(info[f"CPU{key}"]) for key in ("FamilyNumber", "ModelNumber", "Stepping"))
            expected[core] = (info["CPUVendor"], " ".join(info.get("CPUModel", "").split()), *numbers)
    compare("CPUID: vendor, family, model, stepping, brand", machine, told, expected)


def test_kinds_of_cores_are_those_of_the_reference(
    machine: str, found: Survey, reference: Reference, compare: Compare
) -> None:
    kinds = {core: KINDS[kind] for core, kind in reference.kinds.items() if kind in KINDS}
    alike = len(set(kinds.values())) <= 1
    expected = {
        int(it.attributes["os_index"]): "uniform" if alike else kinds[int(it.attributes["os_index"])]
        for it in reference.of("PU")
    }
    compare("CPUID: kinds of cores", machine, dict(rows(found)["cpu_kind"]), expected)


def test_nodes_that_the_processor_tells_are_those_of_the_reference(
    machine: str, found: Survey, compare: Compare
) -> None:
    told = dict(rows(found)["cpu_node"])
    path = DATA / "cpuid" / f"{machine}.numa29.json"
    expected = (
        {core: node["os_index"] for node in load(path)["numa"] for core in cores_of(node)} if path.exists() else {}
    )
    compare("CPUID: nodes of AMD's leaf 0x8000001E", machine, told, expected)
