"""Snapshots of /sys and /proc of real machines against what hwloc makes of the same files."""

from __future__ import annotations

from typing import Any

import pytest
from probes_recorded import (
    DATA,
    address,
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

EDITED = {
    "40intel64-4n10c+pci-conflicts": "the tree contradicts itself on purpose, and hwloc drops a package over it",
}

MEMORY_OF_ONE_NODE = {
    "8em64t-2s2ca2c-buggynuma": "nodes contradict each other, and hwloc shows the memory of the first as the machine's",
}

NO_PACKAGES = {
    "2ps3-2t": "its kernel tells of no packages; hwloc shows none, the probe one",
}


@pytest.fixture(scope="module", params=machines("sysfs", "*.tar.bz2"))
def machine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def summary(machine: str) -> Any:
    for suffix in ("summary.json", "summary29.json"):
        path = DATA / "sysfs" / f"{machine}.{suffix}"
        if path.exists():
            return load(path)
    pytest.skip(f"not covered yet: {machine} has lstopo's console output as reference, no summary")


@pytest.fixture(scope="module")
def found(machine: str, tmp_path_factory: pytest.TempPathFactory) -> Survey:
    archive = DATA / "sysfs" / f"{machine}.tar.bz2"
    return survey_once(machine, tmp_path_factory, lambda directory: unpack(archive, directory))


@pytest.fixture(scope="module")
def shown(summary: Any) -> frozenset[int]:
    """The cores that the reference shows: hwloc leaves out those that its own cpuset forbids, facts do not."""
    return frozenset(int(unit["os_index"]) for unit in summary["pus"])


def test_facts_are_declared_and_well_typed(found: Survey) -> None:
    assert violations(found.facts) == []


def test_cores_of_the_reference_are_online(found: Survey, shown: frozenset[int]) -> None:
    assert shown <= {core for core, _, online in rows(found)["core"] if online}


def test_cores_that_are_offline_have_no_place(found: Survey) -> None:
    offline = {core for core, _, online in rows(found)["core"] if not online}
    assert not offline & {thread for thread, *_ in rows(found)["cpu_thread"]}


def test_physical_cores_are_those_of_the_reference(found: Survey, summary: Any, shown: frozenset[int]) -> None:
    threads = rows(found)["cpu_thread"]
    told = groups(((package, core), thread) for thread, package, core, _ in threads if thread in shown)
    assert told == {cores_of(core) for core in summary["cores"]}


def test_packages_are_those_of_the_reference(machine: str, found: Survey, summary: Any, shown: frozenset[int]) -> None:
    reason = EDITED.get(machine) or NO_PACKAGES.get(machine)
    if reason:
        pytest.skip(reason)
    packages = {thread: package for thread, package, *_ in rows(found)["cpu_thread"] if thread in shown}
    told = groups((package, thread) for thread, package in packages.items())
    assert told == {cores_of(package) for package in summary["packages"]}
    numbers = [package["os_index"] for package in summary["packages"]]
    if None not in numbers and len(set(numbers)) == len(numbers):
        assert packages == {
            thread: package["os_index"] for package in summary["packages"] for thread in cores_of(package)
        }


def test_dies_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    packages = {thread: package for thread, package, *_ in rows(found)["cpu_thread"]}
    told = groups(((packages[core], die), core) for core, die in rows(found)["cpu_die"])
    # hwloc does not show a die that is all of its package
    whole = groups((package, thread) for thread, package in packages.items())
    assert told - whole == {cores_of(die) for die in summary.get("dies", [])}


def test_caches_and_their_sharers_are_those_of_the_reference(
    machine: str, found: Survey, summary: Any, shown: frozenset[int]
) -> None:
    if machine in EDITED:
        pytest.skip(EDITED[machine])
    told, expected = caches_told(found, shown), caches_expected(summary)
    if not any(kind == "instruction" for _, kind, *_ in expected):  # references made without them
        told = {key: ways for key, ways in told.items() if key[1] != "instruction"}
    assert told.keys() == expected.keys()
    assert {key: ways for key, ways in told.items() if ways not in (None, expected[key])} == {}


def test_nodes_and_their_memory_are_those_of_the_reference(machine: str, found: Survey, summary: Any) -> None:
    if machine in MEMORY_OF_ONE_NODE:
        pytest.skip(MEMORY_OF_ONE_NODE[machine])
    reference = {node["os_index"]: node["bytes"] for node in summary["numa"] if node["bytes"] is not None}
    assert dict(rows(found)["numa_node"]) == reference


def test_cores_of_nodes_are_those_of_the_reference(found: Survey, summary: Any, shown: frozenset[int]) -> None:
    reference = {node["os_index"]: cores_of(node) for node in summary["numa"]}
    told = rows(found)
    for number in dict(told["numa_node"]):
        cores = {core for node, core in told["numa_core"] if node == number and core in shown}
        # hwloc attaches a node without cores to the cores that it is near to; the kernel says that it has none
        assert not cores or cores == reference[number]


def test_distances_are_those_of_the_reference(found: Survey, summary: Any) -> None:
    told = {(origin, target): distance for origin, target, distance in rows(found)["node_distance"]}
    for matrix in summary.get("distances") or []:
        numbers = [int(number) for number in matrix["indexes"]]
        pairs = [(origin, target) for origin in numbers for target in numbers]
        assert told == dict(zip(pairs, matrix["values"], strict=True))


WITH_PCI = [
    name for name in machines("sysfs", "*.tar.bz2") if (DATA / "pci" / f"hwloc-{name}" / "devices.json").exists()
]


@pytest.fixture(scope="module", params=WITH_PCI or machines("pci", "hwloc-*"))
def with_pci(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, Any]:
    """A tree with PCI functions, and what its kernel says of them by their addresses."""
    archive = DATA / "sysfs" / f"{request.param}.tar.bz2"
    told = survey_once(request.param, tmp_path_factory, lambda directory: unpack(archive, directory))
    return told, {entry["busid"]: entry for entry in load(DATA / "pci" / f"hwloc-{request.param}" / "devices.json")}


def test_pci_functions_are_those_of_the_kernel(with_pci: tuple[Survey, Any]) -> None:
    found, functions = with_pci
    assert {
        address(function): (vendor, device, kind << 16 | sub << 8 | prog)
        for function, vendor, device, kind, sub, prog, _ in rows(found)["device"]
    } == {bus: tuple(int(entry[key], 16) for key in ("vendor", "device", "class")) for bus, entry in functions.items()}


def test_nodes_of_pci_functions_are_those_of_the_kernel(with_pci: tuple[Survey, Any]) -> None:
    found, functions = with_pci
    assert {address(function): node for function, node in rows(found)["device_node"]} == {
        bus: int(entry["numa_node"]) for bus, entry in functions.items() if int(entry.get("numa_node") or -1) >= 0
    }


def test_base_address_registers_are_those_of_the_kernel(with_pci: tuple[Survey, Any]) -> None:
    found, functions = with_pci
    bridges = {address(function) for function, *_ in rows(found)["bridge"]}
    expected = {}
    for bus, entry in functions.items():
        for index, (start, end, flags) in enumerate(entry["resource"][: 2 if bus in bridges else 6]):
            if int(flags, 16) & 0x300:
                expected[bus, index] = (int(start, 16), int(end, 16) - int(start, 16) + 1)
    assert {
        (address(function), index): (base, size) for function, index, base, size, *_ in rows(found)["bar"]
    } == expected
