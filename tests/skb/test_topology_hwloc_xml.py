"""Facts written as hwloc XML: what stands in the file, what is left out and said, and that lstopo takes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from skb.topology.hwloc_tables import set_of
from skb.topology.hwloc_xml import NothingToWriteError, write

LSTOPO = shutil.which("lstopo-no-graphics") or shutil.which("lstopo")


def fact(name: str, *args: Any) -> dict[str, Any]:
    return {"name": name, "args": [*args]}


def at(bus: int, device: int, function: int = 0) -> dict[str, Any]:
    return {"f": "addr", "args": [0, bus, device, function]}


CORES = [fact("core", core, core, 1) for core in range(4)]
PLACES = [fact("cpu_thread", core, core // 2, core % 2, 0) for core in range(4)]
NODES = [fact("numa_core", core // 2, core) for core in range(4)] + [
    fact("numa_node", node, 1 << 30) for node in (0, 1)
]
BASE = [*CORES, *PLACES, *NODES]


def cache(number: int, level: int, kind: str, *cores: int, size: Any = 4096, ways: Any = 8) -> list[dict[str, Any]]:
    return [
        fact("cache", number, level, kind, size, ways, 64, 1),
        *(fact("cache_shared", number, core) for core in cores),
    ]


def objects(facts: list[dict[str, Any]], kind: str) -> list[ET.Element]:
    return [each for each in ET.fromstring(write(facts).text).iter("object") if each.get("type") == kind]


def infos(element: ET.Element) -> dict[str | None, str | None]:
    return {info.get("name"): info.get("value") for info in element.findall("info")}


def lstopo(facts: list[dict[str, Any]], folder: Path, parser: str = "1") -> str:
    """What lstopo says of the file; a warning is an error."""
    if LSTOPO is None:
        pytest.skip("lstopo is not installed (Debian: hwloc-nox)")
    path = folder / "machine.xml"
    path.write_text(write(facts).text)
    done = subprocess.run(
        [LSTOPO, "-i", path, "--whole-io", "--of", "console"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "HWLOC_LIBXML": parser, "HWLOC_DEBUG_CHECK": "1", "HWLOC_XML_VERBOSE": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_machine_without_cores_cannot_be_written() -> None:
    for facts in ([], [fact("core", 0, 0, 0)], [fact("numa_node", 0, 1)]):
        with pytest.raises(NothingToWriteError, match="no core"):
            write(facts)


def test_sets_are_words_of_32_bits() -> None:
    assert set_of(0) == "0x00000000"
    assert set_of(1 << 32 | 5) == "0x00000001,0x00000005"


def test_every_object_has_a_number_of_its_own_and_sets_that_agree() -> None:
    root = ET.fromstring(write(BASE).text)
    numbers = [each.get("gp_index") for each in root.iter("object")]
    assert len(set(numbers)) == len(numbers)
    machine = root.find("object")
    assert machine is not None
    assert (machine.get("cpuset"), machine.get("nodeset")) == ("0x0000000f", "0x00000003")
    for package in objects(BASE, "Package"):
        inside = [each for each in package.iter("object") if each.get("type") == "PU"]
        assert int(package.get("cpuset", ""), 16) == sum(1 << int(each.get("os_index", "")) for each in inside)
        assert package.get("nodeset") == f"0x{1 << int(package.get('os_index', '')):08x}"


def test_offline_cores_are_in_the_complete_set_only(tmp_path: Path) -> None:
    facts = [*BASE, fact("core", 9, "unknown", 0), fact("cpu_thread", 9, 1, 7, 0)]
    (machine,) = objects(facts, "Machine")
    assert (machine.get("cpuset"), machine.get("complete_cpuset")) == ("0x0000000f", "0x0000020f")
    assert len(objects(facts, "PU")) == 4
    assert lstopo(facts, tmp_path).count("PU L#") == 4


def test_caches_have_their_attributes_and_instruction_caches_their_own_type(tmp_path: Path) -> None:
    facts = [
        *BASE,
        *cache(1, 1, "instruction", 0),
        *cache(2, 1, "data", 0, ways=0),
        *cache(3, 3, "unified", 0, 1, size="unknown"),
    ]
    (instruction,) = objects(facts, "L1iCache")
    assert instruction.get("cache_type") == "2"
    (data,) = objects(facts, "L1Cache")
    assert (data.get("cache_associativity"), data.get("depth"), infos(data)) == ("-1", "1", {"Inclusive": "1"})
    assert [child.get("type") for child in data.findall("object")] == ["L1iCache"]
    assert objects(facts, "L3Cache")[0].get("cache_size") == "0"
    assert "L1i L#0 (4096B)" in lstopo(facts, tmp_path).replace("4KB", "4096B")


def test_parts_that_overlap_and_caches_without_a_type_are_left_out_and_said(tmp_path: Path) -> None:
    facts = [*BASE, *cache(7, 3, "unified", 1, 2), *cache(8, 7, "unified", 0), *cache(9, 4, "instruction", 0)]
    left_out = write(facts).left_out
    assert len(left_out) == 3
    assert any("L3Cache from core 1: it overlaps" in words for words in left_out)
    assert sum("no such level" in words for words in left_out) == 2
    assert "L3" not in lstopo(facts, tmp_path)


def test_a_node_inside_a_package_hangs_on_a_group(tmp_path: Path) -> None:
    facts = [*CORES, *(fact("cpu_thread", core, 0, core, 0) for core in range(4)), *NODES]
    groups = objects(facts, "Group")
    assert [(group.get("cpuset"), group.get("kind")) for group in groups] == [
        ("0x00000003", "1001"),
        ("0x0000000c", "1001"),
    ]
    assert [group[0].get("type") for group in groups] == ["NUMANode", "NUMANode"]
    assert lstopo(facts, tmp_path).count("NUMANode L#") == 2


def test_nodes_near_to_other_cores_and_to_none_are_written(tmp_path: Path) -> None:
    facts = [*BASE, fact("numa_node", 4, 1 << 20), fact("numa_kind", 4, "HBM"), fact("numa_node", 8, 1 << 20)]
    facts += [fact("numa_local", 4, core) for core in (0, 1)]
    nodes = {node.get("os_index"): node for node in objects(facts, "NUMANode")}
    assert nodes["4"].get("cpuset") == "0x00000003"
    assert nodes["4"].get("subtype") == "HBM"
    assert int(nodes["8"].get("cpuset", ""), 16) == 0
    assert lstopo(facts, tmp_path).count("NUMANode") == 4


def test_a_machine_whose_memory_nobody_described_has_the_one_node_that_hwloc_wants(tmp_path: Path) -> None:
    assert [node.get("local_memory") for node in objects(CORES, "NUMANode")] == [None]
    assert "NUMANode L#0 (P#0" in lstopo(CORES, tmp_path)


def test_memory_side_caches_and_pages(tmp_path: Path) -> None:
    facts = [*BASE, fact("numa_cache", 0, 1, 1 << 28, 1, 64), fact("hugepages", 0, 2 << 20, 5)]
    facts.append(fact("machine", "box", "x86_64", "Linux"))
    (memory_cache,) = objects(facts, "MemCache")
    (node,) = memory_cache.findall("object")
    pages = [(page.get("size"), page.get("count")) for page in node.findall("page_type")]
    assert pages == [("4096", str(((1 << 30) - 5 * (2 << 20)) // 4096)), ("2097152", "5")]
    assert "MemCache" in lstopo(facts, tmp_path) or "MemorySideCache" in lstopo(facts, tmp_path)


def test_distances_are_written_if_all_are_known(tmp_path: Path) -> None:
    distances = [fact("node_distance", a, b, 10 if a == b else 21) for a in (0, 1) for b in (0, 1)]
    root = ET.fromstring(write([*BASE, *distances]).text)
    (matrix,) = root.iter("distances2")
    assert "".join(matrix.itertext()).split() == ["0", "1", "10", "21", "21", "10"]
    assert all(int(row.get("length", "")) == len(row.text or "") for row in matrix)
    assert any("distances" in words for words in write([*BASE, *distances[:3]]).left_out)
    lstopo([*BASE, *distances], tmp_path, "0")


def test_latencies_and_bandwidths_name_their_node_by_its_number(tmp_path: Path) -> None:
    facts = [*BASE, fact("node_latency", 0, 1, "access", 130_000), fact("node_bandwidth", 1, 0, "read", 9000)]
    root = ET.fromstring(write(facts).text)
    nodes = {
        node.get("gp_index"): node.get("os_index") for node in root.iter("object") if node.get("type") == "NUMANode"
    }
    found = {
        (attribute.get("name"), nodes[row.get("target_obj_gp_index")]): (row.get("initiator_cpuset"), row.get("value"))
        for attribute in root.iter("memattr")
        for row in attribute
    }
    assert found == {("Latency", "1"): ("0x00000003", "130"), ("ReadBandwidth", "0"): ("0x0000000c", "9000")}
    lstopo(facts, tmp_path)


def kinds(facts: list[dict[str, Any]]) -> list[tuple[str | None, str | None, dict[str | None, str | None]]]:
    root = ET.fromstring(write(facts).text)
    return [(kind.get("cpuset"), kind.get("forced_efficiency"), infos(kind)) for kind in root.iter("cpukind")]


def test_kinds_of_cores_are_ranked_and_named(tmp_path: Path) -> None:
    said = [fact("cpu_kind", core, "performance" if core < 2 else "efficiency") for core in range(4)]
    vendor = [fact("cpu_vendor", core, "GenuineIntel") for core in range(4)]
    assert kinds([*BASE, *said]) == [("0x0000000c", "0", {}), ("0x00000003", "1", {})]
    assert kinds([*BASE, *said, *vendor])[1] == ("0x00000003", "1", {"CoreType": "IntelCore"})
    assert kinds([*BASE, *(fact("cpu_kind", core, "uniform") for core in range(4))]) == []
    clocks = [fact("cpu_frequency", core, "maximum", 3_100_000_000) for core in range(4)]
    assert kinds([*BASE, *clocks]) == [("0x0000000f", None, {"FrequencyMaxMHz": "3100"})]
    lstopo([*BASE, *said, *vendor, *clocks], tmp_path)


def test_groups_that_only_the_processor_tells_of_are_written_where_they_say_something(tmp_path: Path) -> None:
    facts = [*CORES, *(fact("cpu_thread", core, 0, core, 0) for core in range(4))]
    facts += [fact("cpu_module", core, core // 2) for core in range(4)] + [
        fact("cpu_tile", core, 0) for core in range(4)
    ]
    assert [(group.get("subtype"), group.get("cpuset")) for group in objects(facts, "Group")] == [
        ("Module", "0x00000003"),
        ("Module", "0x0000000c"),
    ]
    assert "Group" in lstopo(facts, tmp_path)


DEVICES = [
    fact("device", at(0, 1), 0x8086, 0x3C02, 6, 4, 0, 7),
    fact("bridge", at(0, 1), 0, 1, 2),
    fact("device", at(1, 0), 0x15B3, 0x1003, 2, 7, "unknown", 0),
    fact("device_subsystem", at(1, 0), 0x15B3, 0x59),
    fact("pcie_link", at(1, 0), 8000, 8, 8000, 16),
    fact("device_node", at(0, 1), 1),
    fact("net_interface", "ib0", at(1, 0)),
    fact("block_device", "sda", at(1, 0)),
]


def test_devices_hang_on_a_host_bridge_where_their_node_is(tmp_path: Path) -> None:
    facts = [*BASE, *DEVICES]
    (package,) = [each for each in objects(facts, "Package") if each.get("os_index") == "1"]
    (host,) = [each for each in package.findall("object") if each.get("type") == "Bridge"]
    assert (host.get("bridge_type"), host.get("bridge_pci")) == ("0-1", "0000:[00-02]")
    (bridge,) = host.findall("object")
    assert (bridge.get("pci_busid"), bridge.get("bridge_pci"), bridge.get("depth")) == (
        "0000:00:01.0",
        "0000:[01-02]",
        "1",
    )
    (device,) = bridge.findall("object")
    assert device.get("pci_type") == "0207 [15b3:1003] [15b3:0059] 00"
    assert device.get("pci_link_speed") == "7.876923"  # 8 GT/s, 128b/130b, 8 lanes
    assert [(each.get("name"), each.get("osdev_type")) for each in device.findall("object")] == [
        ("ib0", "2"),
        ("sda", "0"),
    ]
    assert 'Net "ib0"' in lstopo(facts, tmp_path)


def test_kinds_that_version_2_has_no_number_for_are_annotated(tmp_path: Path) -> None:
    facts = [*BASE, *DEVICES[:3]]
    facts += [
        fact("os_device", "mlx4_0", ["network", "openfabrics"], "", at(1, 0)),
        fact("os_device", "dax0", ["memory"], "", "none"),
    ]
    facts += [
        fact("os_device", "pmem0", ["storage", "memory"], "NVM", "none"),
        fact("os_device", "x", [], "", at(1, 0)),
    ]
    facts.append(fact("os_device_node", "pmem0", 1))
    found = {each.get("name"): (each.get("osdev_type"), infos(each)) for each in objects(facts, "OSDev")}
    assert found == {
        "mlx4_0": ("3", {"OSDevKinds": "network,openfabrics"}),
        "dax0": ("0", {}),
        "pmem0": ("0", {"OSDevKinds": "storage,memory"}),
        "x": (None, {}),
    }
    lstopo(facts, tmp_path)


def test_text_that_xml_cannot_hold_is_written_all_the_same(tmp_path: Path) -> None:
    facts = [*BASE, fact("machine", 'a"<&>\n\x00\x1bé', "x86_64", "Linux 6.1 #1"), fact("machine_info", "DMI", "'\t'")]
    (machine,) = objects(facts, "Machine")
    assert infos(machine) == {
        "OSName": "Linux",
        "OSRelease": "6.1 #1",
        "HostName": 'a"<&>\né',
        "Architecture": "x86_64",
        "DMI": "'\t'",
    }
    for parser in ("0", "1"):
        lstopo(facts, tmp_path, parser)
