"""What the probes say of this machine against what lscpu, lspci and ACPICA's tools say of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import probes_dsl
import pytest
from probes_recorded import address, groups, rows

from probes.fact import Survey
from probes.machine import live, survey


@pytest.fixture(scope="module")
def found() -> Survey:
    return survey(live())


@pytest.fixture(scope="module")
def told(found: Survey) -> dict[str, list[tuple[Any, ...]]]:
    return rows(found)


def output(*command: str, cwd: Path | None = None) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=cwd).stdout


def test_places_of_cores_are_those_of_lscpu(told: dict[str, list[tuple[Any, ...]]]) -> None:
    lines = [line for line in output("lscpu", "-p=CPU,CORE,SOCKET").splitlines() if not line.startswith("#")]
    table = [tuple(map(int, line.split(","))) for line in lines]
    threads = told["cpu_thread"]
    assert {thread for thread, *_ in threads} == {cpu for cpu, _, _ in table}
    assert groups((package, thread) for thread, package, *_ in threads) == groups(
        (socket, cpu) for cpu, _, socket in table
    )
    assert groups(((package, core), thread) for thread, package, core, _ in threads) == groups(
        ((socket, core), cpu) for cpu, core, socket in table
    )


def test_nodes_of_cores_are_those_of_lscpu(told: dict[str, list[tuple[Any, ...]]]) -> None:
    lines = [line for line in output("lscpu", "-p=CPU,NODE").splitlines() if not line.startswith("#")]
    shown = {(int(node), int(cpu)) for cpu, node in (line.split(",") for line in lines) if node}
    if not shown:
        pytest.skip("lscpu shows no nodes: the kernel has no NUMA")
    assert set(told["numa_core"]) == shown


def test_caches_are_those_of_lscpu(told: dict[str, list[tuple[Any, ...]]]) -> None:
    letters = {"data": "d", "instruction": "i", "unified": ""}
    shown = {row["name"]: row for row in json.loads(output("lscpu", "-C", "-B", "-J"))["caches"]}
    if not shown:
        pytest.skip("lscpu shows no caches")
    caches = {(f"L{level}{letters[kind]}", size, ways, line) for _, level, kind, size, ways, line, _ in told["cache"]}
    assert caches == {
        (name, int(row["one-size"]), int(row["ways"]), int(row["coherency-size"])) for name, row in shown.items()
    }
    sizes = Counter(dict.fromkeys(shown, 0))
    for _, level, kind, size, *_ in told["cache"]:
        sizes[f"L{level}{letters[kind]}"] += size
    assert sizes == {name: int(row["all-size"]) for name, row in shown.items()}


def test_the_processor_is_that_of_lscpu(told: dict[str, list[tuple[Any, ...]]]) -> None:
    shown: dict[str, str] = {}

    def collect(rows_: list[dict[str, Any]]) -> None:
        for row in rows_:
            shown[row["field"].rstrip(":")] = row["data"]
            collect(row.get("children", []))

    collect(json.loads(output("lscpu", "-J"))["lscpu"])
    if "CPU family" not in shown:
        pytest.skip("lscpu shows no family: not an x86 processor")
    assert {vendor for _, vendor in told["cpu_vendor"]} == {shown["Vendor ID"]}
    assert {brand for _, brand in told["cpu_name"]} == {shown["Model name"]}
    version = tuple(int(shown[key]) for key in ("CPU family", "Model", "Stepping"))
    assert {row[1:] for row in told["cpu_family"]} == {version}
    widths = re.findall(r"[0-9]+", shown["Address sizes"])
    assert {(str(physical), str(virtual)) for _, physical, virtual in told["addrspace"]} == {tuple(widths)}


# fmt: off - one name a line would take a page
SYNTHETIC = {
    "amd_dcm",
    "arch_perfmon",
    "art",
    "bts",
    "cpuid",
    "cpuid_fault",
    "ept",
    "ept_ad",
    "extd_apicid",
    "flexpriority",
    "ibrs_enhanced",
    "intel_ppin",
    "nonstop_tsc_s3",
    "nopl",
    "pebs",
    "pti",
    "rep_good",
    "retpoline",
    "ring3mwait",
    "split_lock_detect",
    "tdx_guest",
    "tpr_shadow",
    "tsc_known_freq",
    "tsc_reliable",
    "up",
    "user_shstk",
    "vmmcall",
    "vnmi",
    "vpid",
    "xtopology",
}
# fmt: on
"""Flags that Linux sets for reasons of its own, from registers that are not CPUID's, or renames."""


def test_features_that_linux_shows_are_told(told: dict[str, list[tuple[Any, ...]]]) -> None:
    text = Path("/proc/cpuinfo").read_text()
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    if flags is None:
        pytest.skip("/proc/cpuinfo shows no flags: not an x86 processor")
    features = {feature for core, feature in told["cpu_feature"] if core == 0}
    assert set(flags[1].split()) - SYNTHETIC <= features


def test_pci_functions_are_those_of_lspci(told: dict[str, list[tuple[Any, ...]]]) -> None:
    shown = {}
    for line in output("lspci", "-mm", "-n", "-D").splitlines():
        slot, kind, vendor, device, *_ = shlex.split(line)
        numbers = {option: int(number, 16) for option, number in re.findall(r" -([pr])([0-9a-f]{2})\b", line)}
        shown[slot] = (vendor, device, kind, numbers.get("p", 0), numbers.get("r", 0))
    assert {
        address(function): (f"{vendor:04x}", f"{device:04x}", f"{kind:02x}{sub:02x}", prog, revision)
        for function, vendor, device, kind, sub, prog, revision in told["device"]
    } == shown


def test_drivers_nodes_and_registers_are_those_of_lspci(told: dict[str, list[tuple[Any, ...]]]) -> None:
    text = output("lspci", "-vv", "-n", "-D", "-k")
    drivers = {}
    sizes = {}
    slot = ""
    units = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    for line in text.splitlines():
        if line and not line[0].isspace():
            slot = line.split()[0]
        elif driver := re.match(r"\tKernel driver in use: (.*)", line):
            drivers[slot] = driver[1]
        elif region := re.match(r"\tRegion (\d): .* at ([0-9a-f]+).*\[size=(\d+)([KMGT]?)\]", line):
            sizes[slot, int(region[1])] = (int(region[2], 16), int(region[3]) * units[region[4]])
    assert {address(function): driver for function, driver in told["device_driver"]} == drivers
    bars = {(address(function), index): (base, size) for function, index, base, size, *_ in told["bar"]}
    assert bars == sizes


def test_capabilities_are_those_of_lspci(told: dict[str, list[tuple[Any, ...]]]) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may read capabilities")
    shown = set()
    slot = ""
    for line in output("lspci", "-vv", "-n", "-D").splitlines():
        if line and not line[0].isspace():
            slot = line.split()[0]
        elif capability := re.match(r"\tCapabilities: \[([0-9a-f]+)", line):
            shown.add((slot, int(capability[1], 16)))
    assert {(address(function), offset) for function, _, offset in told["pci_capability"]} == shown


READERS: dict[str, Callable[[str], set[tuple[str, tuple[Any, ...]]]]] = {
    "apic": probes_dsl.madt,
    "srat": probes_dsl.srat,
    "slit": probes_dsl.slit,
    "mcfg": probes_dsl.mcfg,
}


@pytest.fixture(scope="module")
def disassembled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if not Path("/sys/firmware/acpi/tables").is_dir():
        pytest.skip("this machine has no ACPI tables")
    if os.geteuid() != 0:
        pytest.skip("only root may read ACPI tables")
    directory = tmp_path_factory.mktemp("tables")
    output("acpidump", "-b", cwd=directory)
    texts = {}
    for name in READERS:
        path = directory / f"{name}.dat"
        if path.exists():
            output("iasl", "-d", path.name, cwd=directory)
            texts[name] = path.with_suffix(".dsl").read_text()
    return texts


def test_tables_are_those_that_the_disassembler_prints(
    told: dict[str, list[tuple[Any, ...]]], disassembled: dict[str, str]
) -> None:
    assert {probes_dsl.header(text) for text in disassembled.values()} <= set(told["acpi_table"])


def test_facts_are_those_that_the_disassembler_prints(
    told: dict[str, list[tuple[Any, ...]]], disassembled: dict[str, str]
) -> None:
    for name, text in disassembled.items():
        expected = READERS[name](text)
        names = {fact for fact, _ in expected}
        assert {(fact, args) for fact in names for args in told[fact]} == expected
