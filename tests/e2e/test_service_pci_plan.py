"""PCI plans over HTTP and on the command line: of a machine's functions and of devices that are given, judged, and refused with reasons."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_process import Service

from skb.client import AsyncClient, Client, InvalidRequest

MIB = 1 << 20


def addr(bus: int, device: int, function: int = 0) -> dict[str, Any]:
    return {"f": "addr", "args": [0, bus, device, function]}


def fact(name: str, *args: Any) -> dict[str, Any]:
    return {"name": name, "args": list(args)}


MACHINE = [
    fact("rootbridge", addr(0, 0), 0, 255),
    fact("rootbridge_address_window", addr(0, 0), "memory", 0x8000_0000, 0x8FFF_FFFF),
    fact("rootbridge_address_window", addr(0, 0), "memory", 1 << 32, (1 << 34) - 1),
    fact("rootbridge_address_window", addr(0, 0), "io", 0x1000, 0xFFFF),
    fact("ioapic", 2, 0x8000_0000, 0),
    fact("device", addr(0, 1), 1, 1, 6, 4, 0, 0),
    fact("bridge", addr(0, 1), 0, 1, 1),
    fact("pcie_port", addr(0, 1), "root_port", 0),
    fact("pcie_slot", addr(0, 1), 3, 1, 1),
    fact("device", addr(1, 0), 1, 2, 3, 0, 0, 0),
    fact("bar", addr(1, 0), 0, 0x8100_0000, MIB, "memory", 32, 0),
    fact("bar", addr(1, 0), 1, 0x1_0000_0000, 256 * MIB, "memory", 64, 1),
    fact("bar", addr(1, 0), 5, 0x2000, 128, "io", 32, 0),
    fact("device", addr(0, 2), 1, 3, 2, 0, 0, 0),
    fact("bar", addr(0, 2), 0, 0x8200_0000, 4096, "memory", 32, 0),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("pci-plan")) as running:
        with running.client() as client:
            client.load("box", b"\n".join(json.dumps(one).encode() for one in MACHINE))
            unsized = [*MACHINE, fact("bar", addr(0, 2), 2, 0x8200_0000, "unknown", "memory", 32, 0)]
            client.load("unsized", b"\n".join(json.dumps(one).encode() for one in unsized))
        yield running


@pytest.fixture
def box(service: Service) -> Iterator[Client]:
    with Client(service.url, machine="box") as client:
        yield client


def bases(found: Any) -> dict[tuple[str, str], int]:
    return {(bar.function, bar.index): bar.base for bar in found.bars}


def test_a_machines_functions_are_given_addresses_where_firmware_has_windows(box: Client) -> None:
    found = box.pci_plan()
    assert (found.status, found.windows_from) == ("optimal", "firmware")
    placed = bases(found)
    assert placed["0000:01:00.0", "1"] >= 1 << 32
    assert 0x8000_1000 <= placed["0000:01:00.0", "0"] <= 0x8FFF_FFFF
    assert [(one.kind, one.secondary) for one in found.windows] == [("io", 1), ("memory", 1), ("prefetchable", 1)]
    assert {use.space: use.wanted for use in found.uses} == {"memory": 257 * MIB + 4096, "io": 128}
    assert all(use.wanted <= use.bound <= use.used for use in found.uses)
    assert all(use.greedy is None or use.used <= use.greedy for use in found.uses)


def test_functions_stay_that_are_to_stay(box: Client) -> None:
    assert bases(box.pci_plan(keep=["00:02.0"]))["0000:00:02.0", "0"] == 0x8200_0000


def test_bridges_with_hot_plug_keep_what_is_asked(box: Client) -> None:
    found = box.pci_plan(headroom={"memory": 8 * MIB})
    assert [(one.bridge, one.kind, one.size) for one in found.headroom] == [("0000:00:01.0", "memory", 8 * MIB)]
    found = box.pci_plan(headroom={"memory": 8 * MIB}, headroom_of={"0000:00:01.0": {"io": 4096}})
    assert [(one.kind, one.size) for one in found.headroom] == [("io", 4096)]


def test_windows_and_reserved_ranges_can_be_asked_for(box: Client) -> None:
    found = box.pci_plan(
        windows=[{"bus": 0, "low": 0x9000_0000, "high": 0xCFFF_FFFF}],
        reserved=[{"low": 0x9000_0000, "high": 0x900F_FFFF}],
        spaces=["memory"],
    )
    assert found.windows_from == "asked"
    assert min(bases(found).values()) >= 0x9010_0000


def test_devices_that_are_given_need_no_machine(service: Service) -> None:
    bars = [{"function": "01:00.0", "index": str(index), "size": MIB << index} for index in range(4)]
    with service.client() as client:
        found = client.pci_plan(
            {
                "windows": [{"low": 0x8000_0000, "high": 0x8FFF_FFFF}],
                "bridges": [{"function": "00:01.0", "secondary": 1}],
                "bars": bars,
            }
        )
    assert (found.status, found.wasted, found.used) == ("optimal", 0, 15 * MIB)


def test_the_asynchronous_client_is_told_the_same(service: Service, box: Client) -> None:
    async def asked() -> Any:
        async with AsyncClient(service.url, machine="box") as client:
            return await client.pci_plan(spaces=["memory"], leave_out=["rom"])

    found, same = asyncio.run(asked()), box.pci_plan(spaces=["memory"], leave_out=["rom"])
    assert (found.bars, found.windows, found.uses) == (same.bars, same.windows, same.uses)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"keep": ["00:1f.0"]}, "which is no function with base address registers"),
        ({"headroom_of": {"00:1f.0": {"memory": 1}}}, "which is no bridge"),
        (
            {"windows": [{"bus": 0, "low": 0x8000_0000, "high": 0x801F_FFFF}]},
            "no plan is possible",
        ),
        ({"windows": [{"bus": 9, "low": 0x8000_0000, "high": 0x8FFF_FFFF}]}, "no window of a root bridge"),
        ({"windows": [{"bus": 0, "low": 5, "high": 4}]}, "no range"),
        ({"headroom": {"memory": 1 << 30}}, "head-room of bridge 0000:00:01"),
        ({"devices": {"windows": []}, "keep": ["00:02.0"]}, "keep is for the functions of a machine"),
        (
            {"devices": {"windows": [], "bars": [{"function": "00:01.0", "size": 4096}]}},
            "no window of a root bridge is known",
        ),
        (
            {"devices": {"windows": [{"low": 0, "high": 65535}], "bars": [{"function": "00:01.0", "size": 4095}]}},
            "power of two",
        ),
        (
            {"devices": {"windows": [{"low": 0, "high": 65535}], "bars": [{"function": "02:01.0", "size": 4096}]}},
            "bus 0000:02, which no window of a root bridge and no bridge leads to",
        ),
    ],
)
def test_what_has_no_plan_or_makes_no_sense_is_refused_by_name(box: Client, asked: dict[str, Any], words: str) -> None:
    devices = asked.pop("devices", None)
    with pytest.raises(InvalidRequest, match=words):
        box.pci_plan(devices, **asked)


def test_sizes_that_are_not_known_are_named(service: Service) -> None:
    with Client(service.url, machine="unsized") as client, pytest.raises(InvalidRequest, match="BAR 2 of 0000:00:02"):
        client.pci_plan()


def test_a_machine_without_pci_is_told_so(service: Service) -> None:
    with service.client() as client, pytest.raises(InvalidRequest, match="no PCI function is known"):
        client.pci_plan()


# On the command line

SKB = str(Path(sys.executable).with_name("skb"))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "140", "NO_COLOR": "1", **environment}
    return subprocess.run(
        [SKB, "pci-plan", *arguments], capture_output=True, text=True, check=False, timeout=120, env=env
    )


def test_the_command_shows_a_table_or_json(service: Service) -> None:
    done = run("--machine", "box", "--headroom", "2M", SKB_URL=service.url)
    assert done.returncode == 0, done.stderr
    for words in (
        "0000:01:00.0",
        "256 MiB",
        "prefetchable",
        "free behind 0000:00:01.0",
        "optimal: gap 0.0%",
        "as firmware has them",
    ):
        assert words in done.stdout
    done = run("--machine", "box", "--space", "io", "--json", SKB_URL=service.url)
    assert json.loads(done.stdout)["used"] == 4096


def test_the_command_plans_a_file_of_facts_without_a_service(tmp_path: Path) -> None:
    (tmp_path / "box.jsonl").write_text("\n".join(json.dumps(one) for one in MACHINE))
    done = run("--from", str(tmp_path / "box.jsonl"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "optimal"
    done = run("--from", str(tmp_path / "box.jsonl"), "--window", "00:0x80000000-0x800fffff", "--space", "memory")
    assert done.returncode == 1
    assert "memory window 0x80001000-0x800fffff of root bridge 0000:00" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--window", "80000000", "write a window like"),
        ("--window", "00:5", "write a range like"),
        ("--reserve", "x-y", "write a range like"),
        ("--headroom", "2Q", "write a size"),
    ],
)
def test_options_that_cannot_be_read_are_explained(option: str, text: str, words: str) -> None:
    done = run(option, text, "--from", __file__)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "devices.json").write_text("[")
    done = run("--devices", str(tmp_path / "devices.json"))
    assert done.returncode == 2
    assert "devices.json" in done.stderr
