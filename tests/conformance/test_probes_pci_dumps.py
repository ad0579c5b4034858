"""Configuration space of real machines, as `lspci -xxxx` printed it, against what lspci 3.9 reads from it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import Compare
from probes_lspci import expected, size
from probes_lspci_told import told
from probes_recorded import DATA, address, load, machines, rows
from probes_vocabulary import violations

from probes.fact import Survey
from probes.pci.lspci import read, recognises
from probes.pci.probe import probe

NAMES = {
    (False, "Power Management"): "pm",
    (False, "AGP"): "agp",
    (False, "Vital Product Data"): "vpd",
    (False, "MSI:"): "msi",
    (False, "CompactPCI hot-swap"): "chswp",
    (False, "PCI-X"): "pcix",
    (False, "Vendor Specific"): "vndr",
    (False, "Debug port"): "dbg",
    (False, "Hot-plug"): "hotplug",
    (False, "Subsystem"): "ssvid",
    (False, "Express"): "exp",
    (False, "MSI-X"): "msix",
    (False, "SATA"): "sata",
    (False, "PCI Advanced Features"): "af",
    (False, "Enhanced Allocation"): "ea",
    (True, "Advanced Error Reporting"): "aer",
    (True, "Virtual Channel"): "vc",
    (True, "Device Serial Number"): "dsn",
    (True, "Power Budgeting"): "pb",
    (True, "Root Complex Link"): "rclink",
    (True, "Root Complex Event Collector"): "rcec",
    (True, "Vendor Specific"): "vndr",
    (True, "Access Control"): "acs",
    (True, "Alternative Routing"): "ari",
    (True, "Address Translation"): "ats",
    (True, "Single Root"): "sriov",
    (True, "Page Request"): "pri",
    (True, "Dynamic Power Allocation"): "dpa",
    (True, "Transaction Processing"): "tph",
    (True, "Latency Tolerance"): "ltr",
    (True, "Secondary PCI Express"): "sec_pci",
    (True, "Process Address Space"): "pasid",
    (True, "L1 PM"): "l1pm",
    (True, "Precision Time"): "ptm",
    (True, "Designated Vendor"): "dvsec",
    (True, "Lane Margining"): "lmr",
    (True, "Physical Layer 16.0"): "16gt",
    (True, "Data Object Exchange"): "doe",
    (True, "Extended Capability ID 0x2a"): "32gt",
    (True, "Extended Capability ID 0x2f"): "dev3",
    (True, "Extended Capability ID 0x30"): "ide",
    (True, "#16"): "dpa",
    (True, "#19"): "sec_pci",
}
"""Capabilities by how lspci begins to speak of them."""


WITH_LIVE = sorted(path.parent.name for path in (DATA / "pci").glob("*/original.expected.json"))
"""Machines whose dump came with what the live lspci said."""


@pytest.fixture(scope="module", params=machines("pci", "*-*"))
def machine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def text(machine: str) -> str:
    return (DATA / "pci" / machine / "config.txt").read_text(errors="replace")


@pytest.fixture(scope="module")
def found(machine: str, text: str) -> Survey:
    recording = read(text, machine)
    assert recording.problems == ()
    return probe(recording.source)


@pytest.fixture(scope="module")
def by_lspci(machine: str) -> dict[str, dict[tuple[Any, ...], Any]]:
    return expected((DATA / "pci" / machine / "expected.lspci-vvvnD.txt").read_text(errors="replace"))


@pytest.fixture(scope="module")
def functions(machine: str) -> Any:
    return {entry["slot"]: entry for entry in load(DATA / "pci" / machine / "expected.json")}


def test_the_dump_is_recognised_by_its_beginning(text: str) -> None:
    assert recognises(text[: 64 * 1024])


def test_facts_are_declared_and_well_typed(found: Survey) -> None:
    assert violations(found.facts) == []


def test_only_what_is_missing_is_a_problem(found: Survey) -> None:
    assert [problem for problem in found.problems if "are not readable" not in problem.cause] == []


def test_functions_are_all_there(found: Survey, functions: Any) -> None:
    assert [address(function) for function, *_ in rows(found)["device"]] == sorted(functions)


def test_every_field_is_what_lspci_reads(
    machine: str, found: Survey, by_lspci: dict[str, dict[tuple[Any, ...], Any]], compare: Compare
) -> None:
    ours = told(found)
    for subject in sorted(ours.keys() | by_lspci.keys()):
        compare(f"PCI: {subject}", machine, ours.get(subject, {}), by_lspci.get(subject, {}))


@pytest.mark.parametrize("recorded_live", WITH_LIVE or machines("pci", "no-live-lspci"))
def test_sizes_that_the_live_lspci_told_are_known(recorded_live: str, compare: Compare) -> None:
    directory = DATA / "pci" / recorded_live
    found = probe(read((directory / "config.txt").read_text(errors="replace"), recorded_live).source)
    shown = (
        (entry["slot"], *pair)
        for entry in load(directory / "original.expected.json")
        for pair in re.findall(
            r"Region (\d): (?:Memory|I/O ports) at [0-9a-f]+ .*?\[size=(\w+)\]", "\n".join(entry["regions"])
        )
    )
    sizes = {(slot if slot.count(":") == 2 else f"0000:{slot}", int(index)): size(text) for slot, index, text in shown}
    told_sizes = {(address(function), index): length for function, index, _, length, *_ in rows(found)["bar"]}
    assert sizes
    compare("PCI: sizes of registers", recorded_live, {key: told_sizes.get(key) for key in sizes}, sizes)


def test_capabilities_are_those_that_lspci_finds(machine: str, found: Survey, functions: Any) -> None:
    told = {(address(function), offset): name for function, name, offset in rows(found)["pci_capability"]}
    assert told.keys() == {(slot, cap["off"]) for slot, entry in functions.items() for cap in entry["caps"]}
    for slot, entry in functions.items():
        for cap in entry["caps"]:
            known = {
                name
                for (extended, start), name in NAMES.items()
                if extended == cap["ext"] and cap["text"].startswith(start)
            }
            assert known, f"lspci's {cap['text']!r} is not in the table of this test"
            assert told[slot, cap["off"]] in known
