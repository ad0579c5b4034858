"""hwloc XML read into facts: three versions of the format, and everything that a file can do wrong."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.fact import Fact, Survey, addr
from probes.foreign import hwloc_document
from probes.foreign.hwloc_document import bits, numbers
from probes.foreign.hwloc_xml import read, recognises

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'


def rows(survey: Survey) -> dict[str, list[tuple[Any, ...]]]:
    found = defaultdict(list)
    for fact in survey.facts:
        found[fact.name].append(fact.args)
    return found


def element(type_: str, /, *inside: str, **attributes: object) -> str:
    said = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<object type="{type_}"{said}>{"".join(inside)}</object>'


def info(name: str, value: str) -> str:
    return f'<info name="{name}" value="{value}"/>'


def pu(number: int) -> str:
    return element("PU", os_index=number)


def core(number: int | None, *threads: int) -> str:
    said = {} if number is None else {"os_index": number}
    return element("Core", *map(pu, threads), **said)


def cache(level: int, kind: int, *inside: str, size: int = 32768, ways: int = 8, **more: object) -> str:
    name = f"L{level}{'i' if kind == 2 else ''}Cache"
    return element(
        name,
        *inside,
        depth=level,
        cache_type=kind,
        cache_size=size,
        cache_linesize=64,
        cache_associativity=ways,
        **more,
    )


def topology(*inside: str, after: str = "", version: str = "2.0", **machine: object) -> str:
    return f'{HEAD}<topology version="{version}">{element("Machine", *inside, **machine)}{after}</topology>'


def one(text: str) -> dict[str, list[tuple[Any, ...]]]:
    survey = read(text, "box")
    assert survey.problems == ()
    return rows(survey)


def told(text: str) -> list[str]:
    """What is said to be wrong."""
    return [problem.cause for problem in read(text, "box").problems]


TWO_PACKAGES = topology(
    info("HostName", "red"),
    info("OSName", "Linux"),
    info("OSRelease", "6.1"),
    info("Architecture", "x86_64"),
    info("DMIBoardName", "X11"),
    element(
        "Package",
        info("CPUVendor", "GenuineIntel"),
        info("CPUFamilyNumber", "6"),
        info("CPUModelNumber", "85"),
        info("CPUStepping", "4"),
        info("CPUModel", "Xeon   Gold"),
        element(
            "NUMANode",
            '<page_type size="4096" count="7"/><page_type size="2097152" count="3"/>',
            os_index=0,
            local_memory=1 << 30,
            cpuset="0x00000033",
        ),
        cache(
            3,
            0,
            cache(2, 0, core(4, 0, 4), size=1 << 20),
            cache(2, 0, core(9, 1, 5), size=1 << 20),
            size=1 << 24,
            ways=-1,
        ),
        os_index=0,
    ),
    element(
        "Package",
        element("NUMANode", os_index=1, cpuset="0x000000cc"),
        cache(1, 1, cache(1, 2, core(0, 2, 6), info("Inclusive", "0")), info("Inclusive", "1")),
        core(1, 3, 7),
        os_index=3,
    ),
    cpuset="0x000000ff",
    complete_cpuset="0x000003ff",
)


def test_packages_cores_and_threads_go_by_the_numbers_of_the_file() -> None:
    found = one(TWO_PACKAGES)
    assert found["cpu_thread"] == [
        (0, 0, 4, 0),
        (4, 0, 4, 1),
        (1, 0, 9, 0),
        (5, 0, 9, 1),
        (2, 3, 0, 0),
        (6, 3, 0, 1),
        (3, 3, 1, 0),
        (7, 3, 1, 1),
    ]
    assert [row[0] for row in found["core"] if row[2]] == [*range(8)]


def test_cores_that_are_there_but_not_placed_are_offline() -> None:
    assert [row for row in one(TWO_PACKAGES)["core"] if not row[2]] == [(8, "unknown", 0), (9, "unknown", 0)]


def test_the_machine_is_named_by_its_annotations() -> None:
    found = one(TWO_PACKAGES)
    assert found["machine"] == [("red", "x86_64", "Linux 6.1")]
    assert found["machine_info"] == [("DMIBoardName", "X11")]
    third = topology(pu_package(), after=info("OSName", "Linux") + info("HostName", "blue"), version="3.0")
    assert one(third)["machine"] == [("blue", "unknown", "Linux")]


def pu_package() -> str:
    return element("Package", core(0, 0), os_index=0)


def test_a_machine_without_a_name_has_that_of_the_file() -> None:
    assert one(topology(pu_package()))["machine"] == [("box", "unknown", "unknown")]


def test_processors_are_described_by_their_package() -> None:
    found = one(TWO_PACKAGES)
    assert found["cpu_vendor"] == [(core, "GenuineIntel") for core in (0, 1, 4, 5)]
    assert found["cpu_family"][0] == (0, 6, 85, 4)
    assert found["cpu_name"][0] == (0, "Xeon Gold")


def test_caches_have_their_sharers_and_unknown_is_unknown() -> None:
    found = one(TWO_PACKAGES)
    caches = {number: rest for number, *rest in found["cache"]}
    sharers = defaultdict(set)
    for number, sharer in found["cache_shared"]:
        sharers[number].add(sharer)
    assert [(*caches[number], sharers[number]) for number in sorted(caches)] == [
        (1, "data", 32768, 8, 64, 1, {2, 6}),
        (1, "instruction", 32768, 8, 64, 0, {2, 6}),
        (2, "unified", 1 << 20, 8, 64, "unknown", {0, 4}),
        (2, "unified", 1 << 20, 8, 64, "unknown", {1, 5}),
        (3, "unified", 1 << 24, 0, 64, "unknown", {0, 1, 4, 5}),  # -1 is fully associative
    ]
    nothing = element("Package", element("L2Cache", core(0, 0), depth=2, cache_type=0, cache_size=0), os_index=0)
    assert one(topology(nothing))["cache"] == [(0, 2, "unified", "unknown", "unknown", "unknown", "unknown")]


def test_inclusive_is_an_attribute_from_version_3_on() -> None:
    text = topology(element("Package", cache(2, 0, core(0, 0), cache_inclusive=1), os_index=0), version="3.0")
    assert one(text)["cache"][0][-1] == 1


def test_nodes_have_memory_cores_and_huge_pages() -> None:
    found = one(TWO_PACKAGES)
    assert found["numa_node"] == [(0, 1 << 30)]  # of node 1 the file does not say
    assert sorted(found["numa_core"]) == [(0, 0), (0, 1), (0, 4), (0, 5), (1, 2), (1, 3), (1, 6), (1, 7)]
    assert (found["hugepages"], found["page_size"]) == ([(0, 2097152, 3)], [(4096,)])


def test_dies_and_cores_with_one_number_are_counted_by_package() -> None:
    def die(number: int, *cores: str) -> str:
        return element("Die", *cores, os_index=number)

    package = element("Package", die(8, core(0, 2), core(1, 3)), die(8, core(0, 0), core(1, 1)), os_index=0)
    found = one(topology(package))
    assert {row[0]: row[1:] for row in found["cpu_thread"]} == {n: (0, n, 0) for n in range(4)}
    assert dict(found["cpu_die"]) == {0: 0, 1: 0, 2: 1, 3: 1}


def test_packages_with_one_number_or_none_are_counted() -> None:
    found = one(topology(element("Package", core(0, 1), os_index=7), element("Package", core(0, 0), os_index=7)))
    assert sorted(found["cpu_thread"]) == [(0, 0, 0, 0), (1, 1, 0, 0)]
    found = one(topology(element("Package", core(0, 0), os_index=4294967295)))
    assert found["cpu_thread"] == [(0, 0, 0, 0)]


def test_what_is_not_told_of_packages_and_cores_is_said_to_be_assumed() -> None:
    text = topology(core(3, 0), core(4, 1))
    assert told(text) == ["packages are not told"]
    assert rows(read(text, "box"))["cpu_thread"] == [(0, 0, 3, 0), (1, 0, 4, 0)]
    text = topology(element("Package", pu(0), core(0, 1), os_index=0))
    assert told(text) == ["1 PUs are in no Core"]
    assert rows(read(text, "box"))["cpu_thread"] == [(0, 0, 0, 0), (1, 0, 1, 0)]
    text = topology(element("Package", core(0, 0), os_index=0), core(1, 1))
    assert told(text) == ["1 PUs are in no package"]
    assert rows(read(text, "box"))["cpu_thread"] == [(0, 0, 0, 0)]


def test_groups_keep_their_reason_and_those_that_only_hold_something_vanish() -> None:
    inside = element("Group", core(0, 0), core(1, 1), kind=102, subkind=5, subtype="Module")
    text = topology(element("Package", element("Group", inside, core(2, 2), kind=1001), os_index=0))
    found = one(text)
    assert found["cpu_group"] == [(0, 102, 5, "Module")]
    assert found["cpu_group_core"] == [(0, 0), (0, 1)]


HYBRID = topology(element("Package", core(0, 0), core(1, 1), core(2, 2), os_index=0), after="{}")


def kind(cores: str, *infos: str, efficiency: int | None = None) -> str:
    rank = "" if efficiency is None else f' forced_efficiency="{efficiency}"'
    return f'<cpukind cpuset="{cores}"{rank}>{"".join(infos)}</cpukind>'


def test_kinds_of_cores_are_named_by_their_type() -> None:
    kinds = kind("0x1", info("CoreType", "IntelCore"), info("FrequencyMaxMHz", "4700"), efficiency=2)
    kinds += kind("0x2", info("CoreType", "IntelAtom"), info("LinuxCapacity", "512"), efficiency=1)
    kinds += kind("0x4", info("CoreType", "IntelLowPower"), efficiency=0)
    found = one(HYBRID.format(kinds))
    assert found["cpu_kind"] == [(0, "performance"), (1, "efficiency"), (2, "efficiency")]
    assert found["cpu_efficiency"] == [(0, 2), (1, 1), (2, 0)]
    assert found["cpu_frequency"] == [(0, "maximum", 4_700_000_000)]
    assert found["cpu_kind_info"] == [(1, "LinuxCapacity", "512")]


def test_kinds_without_a_type_are_ranked() -> None:
    found = one(HYBRID.format(kind("0x6", efficiency=0) + kind("0x1", efficiency=1)))
    assert sorted(found["cpu_kind"]) == [(0, "performance"), (1, "efficiency"), (2, "efficiency")]
    assert one(HYBRID.format(kind("0x7", info("FrequencyMaxMHz", "2000"))))["cpu_kind"] == []


def memory(number: int, cores: str, **more: object) -> str:
    return element("NUMANode", os_index=number, cpuset=cores, local_memory=1 << 20, gp_index=100 + number, **more)


TIERS = topology(
    element(
        "Package",
        element("Group", memory(0, "0x3"), memory(4, "0x3", subtype="HBM"), core(0, 0), core(1, 1), kind=1001),
        element("Group", memory(1, "0xc"), core(2, 2), core(3, 3), kind=1001),
        os_index=0,
    ),
    memory(7, "0xf", subtype="CXL-DRAM"),
    element("Group", memory(9, "0x0"), kind=1001, cpuset="0x0"),
    after="{}",
    cpuset="0xf",
)


def test_a_core_belongs_to_the_nearest_node_and_is_near_to_others() -> None:
    found = one(TIERS.format(""))
    assert found["numa_core"] == [(0, 0), (0, 1), (1, 2), (1, 3)]
    assert found["numa_local"] == [(4, 0), (4, 1), (7, 0), (7, 1), (7, 2), (7, 3)]
    assert found["numa_kind"] == [(4, "HBM"), (7, "CXL-DRAM")]
    assert [row[0] for row in found["numa_node"]] == [0, 1, 4, 7, 9]


def value(target: int, number: int, **initiator: object) -> str:
    said = "".join(f' {name}="{each}"' for name, each in initiator.items())
    return f'<memattr_value target_obj_type="NUMANode" target_obj_gp_index="{100 + target}" value="{number}"{said}/>'


def test_latencies_are_picoseconds_and_bandwidths_as_they_stand() -> None:
    attributes = f'<memattr name="Latency" flags="6">{value(4, 120, initiator_cpuset="0x3")}</memattr>'
    attributes += f'<memattr name="ReadBandwidth" flags="5">{value(1, 9000, initiator_cpuset="0xf")}</memattr>'
    attributes += f'<memattr name="Capacity" flags="1">{value(1, 1)}</memattr>'
    found = one(TIERS.format(attributes))
    assert found["node_latency"] == [(0, 4, "access", 120_000)]
    assert found["node_bandwidth"] == [(0, 1, "read", 9000), (1, 1, "read", 9000)]  # from the cores of both nodes


def test_an_initiator_that_is_not_the_cores_of_nodes_is_left_out_and_said() -> None:
    row = value(1, 5, initiator_cpuset="0x1") + value(55, 5, initiator_cpuset="0x3")
    text = TIERS.format(f'<memattr name="Latency" flags="6">{row}</memattr><memattr name="Mine" flags="1"/>')
    assert told(text) == ["2 values are not from the cores of whole nodes to a node", "is none that a fact holds"]
    assert rows(read(text, "box"))["node_latency"] == []


def matrix(indexes: str, values: str, name: str = "NUMALatency", kind: int = 5, nodes: str = "NUMANode") -> str:
    return (
        f'<distances2 type="{nodes}" nbobjs="2" kind="{kind}" name="{name}" indexing="os">'
        f'<indexes length="1">{indexes}</indexes><u64values length="1">{values}</u64values></distances2>'
    )


def test_distances_are_those_of_nodes_by_number() -> None:
    found = one(TIERS.format(matrix("0 1 ", "10 21 22 11")))
    assert found["node_distance"] == [(0, 0, 10), (0, 1, 21), (1, 0, 22), (1, 1, 11)]


@pytest.mark.parametrize(
    "wrong",
    [
        matrix("0 1", "10 21 22"),
        matrix("0 99", "10 21 22 11"),
        matrix("0 1", "10 -1 22 11"),
        matrix("0 1", "10 21 22 11", name="XGMIBandwidth", kind=9),
        matrix("0 1", "10 21 22 11", nodes="Core"),
        matrix("", ""),
    ],
)
def test_a_matrix_that_is_not_of_nodes_gives_no_distances(wrong: str) -> None:
    survey = read(TIERS.format(wrong), "box")
    assert len(survey.problems) == 1
    assert rows(survey)["node_distance"] == []


def test_memory_side_caches_stand_before_their_node() -> None:
    inner = element("MemCache", memory(0, "0x1"), depth=1, cache_size=1 << 30, cache_linesize=64, cache_associativity=1)
    outer = element("MemCache", inner, depth=2, cache_size=0, cache_linesize=0, cache_associativity=-1)
    found = one(topology(element("Package", outer, core(0, 0), os_index=0)))
    assert found["numa_cache"] == [(0, 1, 1 << 30, 1, 64), (0, 2, "unknown", 0, "unknown")]
    assert (found["cache"], found["numa_core"]) == ([], [(0, 0)])


def function(busid: str, kind_of: str = "PCIDev", *inside: str, **more: object) -> str:
    said = {"pci_type": "0200 [8086:1521] [1028:0001] 01 02", "pci_link_speed": "3.938462"}
    return element(kind_of, *inside, pci_busid=busid, **(said | more))


DEVICES = topology(
    element(
        "Package",
        memory(0, "0x1"),
        core(0, 0),
        element(
            "Bridge",
            element(
                "Bridge",
                function(
                    "0000:01:00.0",
                    "PCIDev",
                    info("PCISlot", "4"),
                    element("OSDev", info("Address", "00:11"), name="eth0", osdev_type="{net}"),
                    element("OSDev", name="mlx5_0", osdev_type="{both}"),
                ),
                pci_busid="0000:00:01.0",
                pci_type="0604 [8086:3c02] [0000:0000] 07",
                bridge_type="1-1",
                bridge_pci="0000:[01-02]",
                pci_link_speed="0.000000",
            ),
            bridge_type="0-1",
            bridge_pci="0000:[00-02]",
        ),
        os_index=0,
    ),
    element(
        "Package",
        memory(1, "0x2"),
        core(0, 1),
        element("OSDev", name="dax1.0", subtype="NVM", osdev_type="{dax}"),
        os_index=1,
    ),
    element("Misc", info("Size", "16"), subtype="MemoryModule", os_index=3),
    cpuset="0x3",
    version="{version}",
)

V2 = DEVICES.replace("{net}", "2").replace("{both}", "3").replace("{dax}", "0").replace("{version}", "2.0")
V3 = DEVICES.replace("{net}", "16").replace("{both}", "48").replace("{dax}", "3").replace("{version}", "3.0")


def test_functions_and_bridges_have_their_place() -> None:
    found = one(V2)
    nic, bridge = addr(0, 1, 0, 0), addr(0, 0, 1, 0)
    assert found["device"] == [(bridge, 0x8086, 0x3C02, 6, 4, "unknown", 7), (nic, 0x8086, 0x1521, 2, 0, 2, 1)]
    assert found["bridge"] == [(bridge, 0, 1, 2)]
    assert found["host_bridge"] == [(0, 0, 2, (0,))]
    assert found["device_node"] == [(bridge, 0), (nic, 0)]
    assert (found["device_subsystem"], found["pci_bandwidth"]) == ([(nic, 0x1028, 1)], [(nic, 3938)])
    assert found["device_info"] == [(nic, "PCISlot", "4")]
    assert found["memory_module"] == [(3, "Size", "16")]


def test_kinds_of_the_systems_devices_are_numbers_in_version_2_and_a_set_in_version_3() -> None:
    nic = addr(0, 1, 0, 0)
    found = one(V2)
    assert found["os_device"] == [
        ("eth0", ("network",), "", nic),
        ("mlx5_0", ("openfabrics",), "", nic),
        ("dax1.0", ("memory",), "NVM", "none"),
    ]
    assert found["net_interface"] == [("eth0", nic)]
    assert found["os_device_node"] == [("dax1.0", 1)]
    third = one(V3)["os_device"]
    assert [row[1] for row in third] == [("network",), ("network", "openfabrics"), ("storage", "memory")]


def test_version_1_has_nodes_around_sockets() -> None:
    def node(number: int, *inside: str) -> str:
        return element("NUMANode", *inside, os_index=number, cpuset="0x0", local_memory=1 << 20)

    latencies = "".join(f'<latency value="{each}"/>' for each in (1.0, 2.1, 2.1, 1.0))
    text = (
        '<?xml version="1.0"?><!DOCTYPE topology SYSTEM "hwloc.dtd"><topology>'
        + element(
            "Machine",
            f'<distances nbobjs="2" relative_depth="1" latency_base="10.000000">{latencies}</distances>',
            node(
                0, element("Socket", element("Cache", core(0, 0), depth=2, cache_size=4096, cache_type=0), os_index=0)
            ),
            node(2, element("Socket", core(0, 1), os_index=1)),
            os_index=0,
        )
        + "</topology>"
    )
    assert recognises(text)
    found = one(text)
    assert found["cpu_thread"] == [(0, 0, 0, 0), (1, 1, 0, 0)]
    assert found["numa_core"] == [(0, 0), (2, 1)]
    assert found["node_distance"] == [(0, 0, 10), (0, 2, 21), (2, 0, 21), (2, 2, 10)]
    assert found["cache"] == [(0, 2, "unified", 4096, "unknown", "unknown", "unknown")]


def test_version_1_without_nodes_has_the_memory_of_the_machine() -> None:
    text = f"<topology>{element('Machine', element('Socket', core(0, 0), os_index=0), local_memory=4096)}</topology>"
    found = one(text)
    assert (found["numa_node"], found["numa_core"]) == ([(0, 4096)], [(0, 0)])


def test_sets_are_words_with_commas() -> None:
    assert bits("0x0000000f") == 0xF
    assert bits("0x00000001,,0x80000000") == 1 << 64 | 1 << 31
    assert bits("0xf...f") == (1 << hwloc_document.LIMIT) - 1
    assert bits("0xf...f,0x00000000") & 0xFFFFFFFFFFFFFFFF == 0xFFFFFFFF00000000
    assert bits("") == bits("0x0") == 0
    for wrong in ("0-3", "0x1ffffffff", "0xg", "0x-1"):
        with pytest.raises(ValueError, match="no set"):
            bits(wrong)


@given(st.sets(st.integers(0, hwloc_document.LIMIT - 1), max_size=40))
def test_members_of_a_set_are_those_that_were_put_in(members: set[int]) -> None:
    value_of = sum(1 << member for member in members)
    words = [f"0x{value_of >> shift & 0xFFFFFFFF:08x}" for shift in range(0, hwloc_document.LIMIT, 32)]
    assert bits(",".join(reversed(words))) == value_of
    assert numbers(value_of) == sorted(members)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "<html><body/></html>", "processor : 0", "<?xml version='1.0'?><svg/>", "hwloc <topology>"],
)
def test_other_texts_are_not_taken_for_hwloc_xml(text: str) -> None:
    assert not recognises(text)


def test_hwloc_xml_is_recognised_with_and_without_declarations() -> None:
    assert recognises(TWO_PACKAGES)
    assert recognises('\ufeff <topology version="2.0">')
    assert recognises('<?xml version="1.0"?>\n<!DOCTYPE root SYSTEM "hwloc.dtd">\n<root>')


def test_a_file_that_breaks_off_gives_what_stood_before() -> None:
    whole, half = read(TWO_PACKAGES, "box"), read(TWO_PACKAGES[: TWO_PACKAGES.index('os_index="3"') - 80], "box")
    (problem,) = half.problems
    assert "cannot be read on" in problem.cause
    assert problem.place.startswith("box, line ")
    assert {fact for fact in half.facts if fact.name == "numa_node"} == {
        fact for fact in whole.facts if fact.name == "numa_node"
    }
    assert (0, 0, 4, 0) in rows(half)["cpu_thread"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("<topology/>", "holds no object"),
        ("<svg/>", "holds no <topology>"),
        ("<topology><object type='Machine'>", "cannot be read on"),
        ("", "cannot be read on"),
        ("\x00\x01", "cannot be read on"),
    ],
)
def test_a_file_without_a_machine_says_so(text: str, cause: str) -> None:
    survey = read(text, "box")
    assert any(cause in problem.cause for problem in survey.problems)
    assert not [fact for fact in survey.facts if fact.name != "machine"]


def test_entities_are_refused_and_nothing_outside_is_opened(tmp_path: Any) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0x1")
    for declaration in (
        f'<!ENTITY x SYSTEM "file://{secret}">',
        '<!ENTITY a "1"><!ENTITY b "&a;&a;">',
        '<!ENTITY % p SYSTEM "x">',
    ):
        text = f"<!DOCTYPE topology [{declaration}]>" + topology(pu_package())[len(HEAD) :]
        (problem,) = read(text, "box").problems
        assert "is declared" in problem.cause


def test_depth_elements_and_matrices_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "<object type='Group'>" * 1000
    assert any("inside each other" in cause for cause in told(f"<topology><object type='Machine'>{deep}"))
    monkeypatch.setattr(hwloc_document, "ELEMENT_LIMIT", 50)
    assert told(topology(*(pu_package() for _ in range(50))))[0].endswith("more than 50 elements")
    monkeypatch.setattr(hwloc_document, "TEXT_LIMIT", 10)
    assert any("matrices" in cause for cause in told(topology(pu_package(), after=matrix("0", "1 " * 20))))


def test_numbers_that_two_have_or_none_can_have_are_left_out_and_said() -> None:
    text = topology(element("Package", core(0, 0), core(1, 0), core(2, 99999), os_index=0))
    assert told(text) == ["2 PUs have no number below 8192 of their own"]
    text = topology(element("Package", core(0, 0), memory(0, "0x1"), memory(0, "0x1"), memory(5000, "0x1"), os_index=0))
    assert told(text) == ["2 NUMA nodes have no number below 1024 of their own"]
    twice = function("0000:01:00.0") * 2 + function("zz") + function("0000:01:20.0")
    assert told(topology(pu_package(), twice)) == ["3 bridges or functions have no address, or one that another has"]
    names = element("OSDev", name="a", osdev_type=0) * 2
    assert told(topology(pu_package(), names)) == ["1 devices of the system have no name of their own"]


def facts_are_plain(survey: Survey) -> None:
    def plain(term: Any) -> bool:
        return all(map(plain, term)) if isinstance(term, tuple) else isinstance(term, int | str)

    assert all(isinstance(fact, Fact) and plain(fact.args) for fact in survey.facts)
    assert all(problem.place and problem.cause and problem.remedy for problem in survey.problems)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    recognises(text)
    facts_are_plain(read(text, "box"))
    facts_are_plain(read(f'<topology version="2.0"><object type="Machine">{text}', "box"))


@settings(max_examples=300)
@given(st.sampled_from([TWO_PACKAGES, V2, V3, TIERS.format(matrix("0 1", "10 21 22 11"))]), st.integers(0, 1 << 32))
def test_mutated_files_are_read_without_an_exception(text: str, seed: int) -> None:
    chance = random.Random(seed)
    letters = [*text]
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(letters))
        match chance.randrange(4):
            case 0:
                letters[place] = chance.choice('0123456789abcdefx,"<>/-.[]: ')
            case 1:
                del letters[place : place + chance.randint(1, 40)]
            case 2:
                letters[place:place] = letters[place : place + chance.randint(1, 200)]
            case _:
                letters[place:place] = chance.choice(
                    ["-1", "99999999999999999999", "0xf...f", "4294967295", "<object>"]
                )
        letters = letters or ["x"]
    facts_are_plain(read("".join(letters), "box"))


@settings(max_examples=200)
@given(st.data())
def test_any_attribute_may_hold_anything(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([TWO_PACKAGES, V2, V3]))
    parts = text.split('"')
    for _ in range(3):
        place = data.draw(st.integers(5, len(parts) // 2 - 1)) * 2 + 1
        if place < len(parts):
            parts[place] = data.draw(
                st.one_of(st.text("0123456789abcdefx,-.: []", max_size=20), st.integers().map(str))
            )
    facts_are_plain(read('"'.join(parts), "box"))


def test_rows_that_multiply_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.foreign.hwloc_memory.ROW_LIMIT", 3)
    attributes = "".join(value(4, 1, initiator_cpuset="0x3") for _ in range(3))
    survey = read(TIERS.format(f'<memattr name="Latency" flags="6">{attributes}</memattr>'), "box")
    assert [problem.cause for problem in survey.problems] == [
        "nodes are near to more than 3 cores of others, together",
        "memory attributes have more than 3 values",
    ]
    assert rows(survey)["numa_local"] == [(4, 0), (4, 1)]
