"""What AML tells of recorded machines against ACPICA's own reading: routing tables, windows, buses, proximity."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from probes_asl import disassemble
from probes_recorded import DATA
from probes_vocabulary import violations

from probes.acpi.acpiexec import evaluate
from probes.acpi.aml import HOST_BRIDGES, blocks, hardware_id, is_host_bridge, probe
from probes.acpi.aml_resources import decode
from probes.acpi.namespace import normal, read
from probes.fact import Survey
from probes.machine import open_source
from probes.source import Source

MACHINES = sorted(path.parents[1].name for path in (DATA / "acpi").glob("*/tables/dsdt.dat"))

pytestmark = [
    pytest.mark.skipif(not MACHINES, reason=f"no recorded ACPI tables under {DATA}"),
    pytest.mark.skipif(shutil.which("acpiexec") is None, reason="acpiexec (package acpica-tools) is not installed"),
]

BREAKPOINTS = {
    "fujitsu-primergy": "its AML stops at a breakpoint in _CRS of the host bridge, where the reference gave up"
}

COPIED = "_CRS repeats the buses of the first bridge, in a socket that is empty; _BBN says which are its own"
STATED_BUSES = {
    name: {f"\\_SB.PCI{index}": COPIED for index in (1, 2, 3)} for name in ("gigabyte-x99-ud4", "huanan-x99-qd4")
}
"""Sockets that are empty."""

HUB = "\\_SB.PC00.XHCI.RHUB.HS09"
UNDECLARED = {
    "surface-laptop-5": dict.fromkeys(
        [(f"{HUB}.CAM3", "_ADR"), (f"{HUB}.CAMF", "_ADR")],
        f"{HUB} is declared below a condition that registers do not meet",
    )
}

NO_IRQ = "a mask of no interrupts, which ACPICA shows as interrupt 0"
SET = "the reference had set other links before (_SRS), in the registers that this one reads"
RESOURCES = {
    **{
        name: {f"\\_SB.LNK{letter}": SET for letter in "FGH"}
        for name in ("asus-m4a88td", "hp-dl165g7", "supermicro-h8qg6-a")
    },
    "msi-ms7c37": {f"\\_SB.LNK{letter}": NO_IRQ for letter in "ABCDE"},
}


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
    spaces = {"Memory Range": "memory", "I/O Range": "io"}
    wanted = {
        (path, spaces[kind], low + offset, high + offset): 1
        for path, ranges in acpica_ranges(machine).items()
        for kind, low, high, offset in ranges
        if path in paths.values() and kind in spaces
    }
    known = dict.fromkeys(told.keys() - wanted.keys(), BREAKPOINTS[machine]) if machine in BREAKPOINTS else {}
    compare("AML: windows of host bridges", machine, told, wanted, known)


def test_bus_ranges_are_those_of_acpica(machine: str, found: Survey, compare: Any) -> None:
    paths = {fact.args[0]: fact.args[1] for fact in found.facts if fact.name == "rootbridge_path"}
    told = {paths[address]: (low, high) for address, low, high in rows(found, "rootbridge")}
    wanted = {
        path: (low, high)
        for path, ranges in acpica_ranges(machine).items()
        for kind, low, high, _ in ranges
        if kind == "Bus Number Range" and path in told
    }
    known = dict.fromkeys(told.keys() - wanted.keys(), BREAKPOINTS[machine]) if machine in BREAKPOINTS else {}
    compare("AML: buses of host bridges", machine, told, wanted, known | STATED_BUSES.get(machine, {}))


def test_resources_of_every_device_are_decoded_as_acpica_does(machine: str, source: Source, compare: Any) -> None:
    namespace = read(evaluate(*blocks(source)).text)
    told: dict[str, object] = {}
    wanted: dict[str, object] = {}
    kinds = {0: "Memory Range", 1: "I/O Range", 2: "Bus Number Range"}
    interrupts = acpica_interrupts(machine)
    listed = {normal(each["path"]) for each in expected(machine, "acpiexec-resources.json") if each.get("_CRS")}
    for path, ranges in acpica_ranges(machine).items():
        answer = namespace.answer(path, "_CRS")
        if not isinstance(answer.value, bytes) or path not in listed:
            continue
        resources = decode(answer.value)
        assert resources.ends == -1, path
        told[path] = [tuple(each[:4]) for each in resources.ranges], list(resources.interrupts)
        wanted[path] = [tuple(each) for each in ranges], interrupts[path]
        told[path] = [(kinds.get(kind, kind), *rest) for kind, *rest in told[path][0]], told[path][1]  # type: ignore[index]
    compare("AML: resources of devices", machine, told, wanted, RESOURCES.get(machine, {}))


def test_static_names_are_those_of_the_disassembly(
    machine: str, source: Source, found: Survey, tmp_path: Path, compare: Any
) -> None:
    if shutil.which("iasl") is None:
        pytest.skip("iasl (package acpica-tools) is not installed")
    tables = DATA / "acpi" / machine / "tables"
    names = disassemble([tables / "dsdt.dat", *sorted(tables.glob("ssdt*.dat"))], tmp_path)
    namespace = read(evaluate(*blocks(source)).text)
    wanted = {
        (path, name): value
        for path, there in names.items()
        for name, value in there.items()
        if name in {"_HID", "_CID", "_SEG", "_BBN", "_PXM", "_ADR", "_STA"}
    }
    told = {}
    for path, name in wanted:
        value = namespace.answer(path, name).value
        told[path, name] = hardware_id(value) if name in {"_HID", "_CID"} else value
        if isinstance(word := wanted[path, name], str):
            wanted[path, name] = word.upper()  # as the interpreter mends them
    compare("AML: static names", machine, told, wanted, UNDECLARED.get(machine, {}))
    bridges = {path for path, there in names.items() if {there.get("_HID"), there.get("_CID")} & HOST_BRIDGES}
    evaluated = {path for path in namespace.devices if is_host_bridge(namespace, path)}
    assert evaluated >= bridges
    assert evaluated or not found.facts


def acpica_ranges(machine: str) -> dict[str, list[tuple[str, int, int, int]]]:
    """Return the ranges of addresses that have a length, by device: kind, first, last, offset."""
    found: dict[str, list[tuple[str, int, int, int]]] = {}
    for device in expected(machine, "acpiexec-resources.json"):
        ranges = found.setdefault(normal(device["path"]), [])
        for item in device.get("_CRS", ()):
            if "Address Space" in item["type"] and int(item["Address Length"], 16):
                low, high, offset = (
                    int(item[name], 16) for name in ("Address Minimum", "Address Maximum", "Translation Offset")
                )
                ranges += [(item["Resource Type"], low, high, offset)] if low <= high else []
    return found


def acpica_interrupts(machine: str) -> dict[str, list[int]]:
    """Return the interrupts in resources, by device."""
    found: dict[str, list[int]] = {}
    for device in expected(machine, "acpiexec-resources.json"):
        numbers = found.setdefault(normal(device["path"]), [])
        for item in device.get("_CRS", ()):
            if item["type"] == "IRQ Resource":
                numbers += [int(number, 16) for number in item.get("Interrupt List", "").replace(",", " ").split()]
            elif item["type"] == "Extended IRQ Resource":
                numbers += [int(value, 16) for name, value in item.items() if name.startswith("Dword")]
    return found


def rows(found: Survey, name: str) -> list[Any]:
    return [fact.args for fact in found.facts if fact.name == name]
