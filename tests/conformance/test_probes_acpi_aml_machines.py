"""What AML tells of recorded machines against ACPICA's own reading: routing tables, windows, buses, proximity."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from probes_recorded import DATA
from probes_vocabulary import violations

from probes.acpi.aml import HOST_BRIDGES, probe
from probes.acpi.namespace import normal
from probes.fact import Survey
from probes.machine import open_source
from probes.source import Source

MACHINES = sorted(path.parents[1].name for path in (DATA / "acpi").glob("*/tables/dsdt.dat"))

pytestmark = [
    pytest.mark.skipif(not MACHINES, reason=f"no recorded ACPI tables under {DATA}"),
    pytest.mark.skipif(shutil.which("acpiexec") is None, reason="acpiexec (package acpica-tools) is not installed"),
]

BREAKPOINTS = {"fujitsu-primergy": "its AML stops at breakpoints in _CRS of the host bridge"}


@pytest.fixture(scope="module", params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def source(machine: str) -> Source:
    return open_source(DATA / "acpi" / machine / "tables")


@pytest.fixture(scope="module")
def found(source: Source) -> Survey:
    return probe(source)


def expected(machine: str, name: str) -> Any:
    return json.loads((DATA / "acpi" / machine / "expected" / name).read_text())


def test_facts_are_declared_and_well_typed(found: Survey) -> None:
    assert violations(found.facts) == []


def test_interrupts_are_wired_as_acpica_reads_it(machine: str, found: Survey, compare: Any) -> None:
    told = {
        (str(path), device, pin): link or gsi
        for path, device, pin, link, gsi in (fact.args for fact in found.facts if fact.name == "interrupt_route")
    }
    wanted: dict[tuple[str, int, str], object] = {}
    for path, entries in expected(machine, "acpiexec-prt-apic-mode.json").items():
        for entry in entries:
            wired = not entry["source"].startswith("\\")
            key = (normal(path), entry["address"] >> 16 & 0xFFFF, "abcd"[entry["pin"]])
            wanted.setdefault(key, entry["index"] if wired else normal(entry["source"]))
    compare("AML: interrupt pins", machine, told, wanted, {})


def test_buses_and_proximity_are_those_of_acpica(machine: str, found: Survey, compare: Any) -> None:
    if not (DATA / "acpi" / machine / "expected" / "acpiexec-bbn-seg-pxm.json").exists():
        pytest.skip(f"ACPICA found none of these names in the AML of {machine}")
    listed = expected(machine, "acpiexec-bbn-seg-pxm.json")
    values = {f"{normal(path.rpartition('.')[0])}.{path.rpartition('.')[2]}": value for path, value in listed.items()}
    paths = {fact.args[0]: fact.args[1] for fact in found.facts if fact.name == "rootbridge_path"}
    told: dict[str, object] = {}
    for address, path in paths.items():
        assert not isinstance(address, int | str)
        told[f"{path}._BBN"] = address.args[1]  # type: ignore[union-attr]  # it is an address
        told[f"{path}._SEG"] = address.args[0]  # type: ignore[union-attr]
    told |= {
        f"{path}._PXM": domain
        for path, domain in (fact.args for fact in found.facts if fact.name == "device_proximity")
    }
    wanted = {key: value for key, value in values.items() if key in told or key.endswith("_PXM")}
    compare(
        "AML: buses, segments, proximity", machine, {key: told[key] for key in told.keys() & wanted.keys()}, wanted, {}
    )


def test_windows_are_those_of_acpica(machine: str, found: Survey, compare: Any) -> None:
    paths = {fact.args[0]: fact.args[1] for fact in found.facts if fact.name == "rootbridge_path"}
    told = {
        (paths[address], space, low, high): 1
        for address, space, low, high in (fact.args for fact in found.facts if fact.name == "rootbridge_address_window")
    }
    wanted: dict[tuple[object, ...], object] = {}
    for device in expected(machine, "acpiexec-resources.json"):
        path = normal(device["path"])
        if path not in paths.values():
            continue
        for item in device.get("_CRS", ()):
            space = {"Memory Range": "memory", "I/O Range": "io"}.get(item.get("Resource Type", ""))
            length = int(item.get("Address Length", "0"), 16)
            if space and length and item["Consumer/Producer"] == "ResourceProducer":
                low, high, offset = (
                    int(item[name], 16) for name in ("Address Minimum", "Address Maximum", "Translation Offset")
                )
                if low <= high:
                    wanted[path, space, low + offset, high + offset] = 1
    known = dict.fromkeys(wanted, BREAKPOINTS[machine]) if machine in BREAKPOINTS else {}
    compare("AML: windows of host bridges", machine, told, wanted, known)


def test_every_device_with_the_id_of_a_host_bridge_is_one(machine: str, found: Survey) -> None:
    dsl = (DATA / "acpi" / machine / "tables" / "dsdt.dat").read_bytes()
    ids = [b"\x0c\x41\xd0\x0a" + bytes((int(name[5:7], 16),)) for name in HOST_BRIDGES]
    names = [fact for fact in found.facts if fact.name == "rootbridge"]
    assert bool(names) == any(each in dsl for each in (*ids, *(name.encode() for name in HOST_BRIDGES)))
