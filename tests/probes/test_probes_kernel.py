"""What the kernel's files become: cores, nodes, ranges of memory, devices."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.cores import Cache, Identity, Place
from probes.fact import Fact, addr
from probes.kernel import cpus, devices, iomem, nodes
from probes.reading import Reading
from probes.source import Files

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"


def machine(files: dict[str, str]) -> Files:
    return Files({path: content.encode() for path, content in files.items()})


def topology(core: int, package: int, number: int, threads: str, siblings: str) -> dict[str, str]:
    path = f"{CPU}/cpu{core}/topology"
    return {
        f"{path}/physical_package_id": f"{package}\n",
        f"{path}/core_id": f"{number}\n",
        f"{path}/thread_siblings": f"{threads}\n",
        f"{path}/core_siblings": f"{siblings}\n",
    }


def places(*cores: dict[str, str]) -> dict[int, Place]:
    files = {path: content for core in cores for path, content in core.items()}
    return cpus.places(Reading(machine(files)), range(len(cores)))[0]


def test_cores_that_are_present_need_not_be_online() -> None:
    files = {f"{CPU}/present": "0-3\n", f"{CPU}/online": "0,2-3\n"}
    assert cpus.present_cores(Reading(machine(files))) == ({0, 1, 2, 3}, {0, 2, 3})


def test_old_kernels_tell_of_each_core_whether_it_is_online() -> None:
    files = {f"{CPU}/cpu0/topology/core_id": "0", f"{CPU}/cpu1/online": "0\n", f"{CPU}/cpu2/online": "1\n"}
    assert cpus.present_cores(Reading(machine(files))) == ({0, 1, 2}, {0, 2})


@pytest.mark.parametrize(
    ("isolated", "tickless", "expected"),
    [
        ("1-2\n", "2\n", ({1, 2}, {2})),
        ("\n", "  (null)\n", (set(), set())),
        ("", "", (set(), set())),
        ("0-9\n", "7\n", ({0, 1, 2, 3}, set())),
    ],
)
def test_cores_that_are_set_apart_are_told(isolated: str, tickless: str, expected: tuple[set[int], set[int]]) -> None:
    reading = Reading(machine({f"{CPU}/isolated": isolated, f"{CPU}/nohz_full": tickless}))
    assert cpus.set_apart(reading, frozenset(range(4))) == expected
    assert reading.problems() == ()


def test_places_have_the_numbers_of_the_kernel() -> None:
    assert places(topology(0, 36, 5, "5", "5"), topology(1, 8442, 0, "2", "2"), topology(2, 36, 5, "5", "5")) == {
        0: (36, 5, 0),
        1: (8442, 0, 0),
        2: (36, 5, 1),
    }


def test_packages_of_one_number_are_told_apart_by_their_siblings() -> None:
    found = places(topology(0, 0, 0, "1", "1"), topology(1, 0, 0, "2", "2"))
    assert found == {0: (0, 0, 0), 1: (1, 0, 0)}


def test_packages_that_are_not_known_are_numbered_in_order() -> None:
    found = places(topology(0, -1, 0, "1", "3"), topology(1, -1, 1, "2", "3"), topology(2, -1, 0, "4", "4"))
    assert found == {0: (0, 0, 0), 1: (0, 1, 0), 2: (1, 0, 0)}


def test_cores_of_two_nodes_of_a_package_are_told_apart() -> None:
    found = places(
        topology(0, 0, 0, "1", "f"),
        topology(1, 0, 1, "2", "f"),
        topology(2, 0, 0, "4", "f"),
        topology(3, 0, 1, "8", "f"),
    )
    assert [place.core for place in found.values()] == [0, 1, 2, 3]


def test_cores_of_a_compute_unit_are_cores_and_no_threads() -> None:
    found = places(topology(0, 0, 0, "3", "3"), topology(1, 0, 1, "3", "3"))
    assert found == {0: (0, 0, 0), 1: (0, 1, 0)}


def test_a_kernel_that_tells_of_no_packages_has_one_and_a_problem() -> None:
    source = Reading(machine({f"{CPU}/cpu{core}/topology/thread_siblings": "3" for core in (0, 1)}))
    assert cpus.places(source, (0, 1))[0] == {0: (0, 0, 0), 1: (0, 0, 1)}
    assert "packages are not told" in source.problems()[0].cause


def test_a_mask_counts_before_a_list() -> None:
    files = {"/list": "7", "/mask": "3"}
    assert cpus.read_set(Reading(machine(files)), "/list", "/mask") == {0, 1}
    assert cpus.read_set(Reading(machine({"/list": "7"})), "/list", "/mask") == {7}
    assert cpus.read_set(Reading(machine({})), "/list", "/mask") is None


def cache_files(core: int, **values: str) -> dict[str, str]:
    return {f"{CPU}/cpu{core}/cache/index0/{name}": value for name, value in values.items()}


L2 = {"level": "2", "type": "Unified", "size": "1024K", "ways_of_associativity": "8", "coherency_line_size": "64"}


def test_a_cache_is_told_once_with_all_that_share_it() -> None:
    files = cache_files(0, **L2, shared_cpu_map="3") | cache_files(1, **L2, shared_cpu_map="3")
    assert cpus.caches(Reading(machine(files)), (0, 1)) == [
        Cache(2, "unified", 1 << 20, 8, 64, None, frozenset({0, 1}))
    ]


def test_what_a_cache_does_not_say_is_not_known() -> None:
    files = cache_files(0, level="1", type="Data")
    assert cpus.caches(Reading(machine(files)), (0,)) == [Cache(1, "data", None, None, None, None, frozenset({0}))]


def test_ways_that_do_not_go_with_the_size_are_not_known() -> None:
    source = Reading(machine(cache_files(0, **L2, number_of_sets="77")))
    assert cpus.caches(source, (0,))[0].ways is None
    assert "are not 1048576 bytes" in source.problems()[0].cause


def test_kinds_come_from_event_sources_or_capacities() -> None:
    hybrid = {"/sys/devices/cpu_core/cpus": "0-1", "/sys/devices/cpu_atom/cpus": "2-3"}
    expected = {0: "performance", 1: "performance", 2: "efficiency", 3: "efficiency"}
    assert cpus.kinds(Reading(machine(hybrid)), range(4)) == expected
    arm = {f"{CPU}/cpu{core}/cpu_capacity": str(capacity) for core, capacity in enumerate((1024, 1024, 446, 446))}
    assert cpus.kinds(Reading(machine(arm)), range(4)) == expected
    assert cpus.kinds(Reading(machine({})), range(4)) == {}


def test_cpuinfo_identifies_a_processor() -> None:
    text = "processor : 3\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 63\nmodel name : Xeon  E5\nstepping : 2\n"
    text += "flags : fpu sse\naddress sizes : 46 bits physical, 48 bits virtual\napicid : 9\n\n"
    found = cpus.cpuinfo(Reading(machine({"/proc/cpuinfo": text})))
    assert cpus.identity(found[3]) == Identity(
        "GenuineIntel", (6, 63, 2), "Xeon E5", frozenset({"fpu", "sse"}), (46, 48)
    )
    assert cpus.identity({"processor": "0"}) == Identity()


def node_files(node: int, cores: str, distance: str) -> dict[str, str]:
    return {
        f"{NODE}/node{node}/cpulist": f"{cores}\n",
        f"{NODE}/node{node}/distance": f"{distance}\n",
        f"{NODE}/node{node}/meminfo": f"Node {node} MemTotal:  {node + 1} kB\nNode {node} MemFree: 0 kB\n",
        f"{NODE}/node{node}/hugepages/hugepages-2048kB/nr_hugepages": "4\n",
    }


FOUR = {f"{CPU}/present": "0-3", f"{CPU}/online": "0-3"}


def test_distances_go_by_the_nodes_that_there_are() -> None:
    found = nodes.probe(machine(FOUR | node_files(0, "0-3", "10 40") | node_files(4, "", "40 10")))
    assert found.problems == ()
    assert set(found.facts) == {
        *(Fact("numa_core", (0, core)) for core in range(4)),
        Fact("numa_node", (0, 1024)),
        Fact("numa_node", (4, 5120)),
        Fact("hugepages", (0, 1 << 21, 4)),
        Fact("hugepages", (4, 1 << 21, 4)),
        *(Fact("node_distance", row) for row in ((0, 0, 10), (0, 4, 40), (4, 0, 40), (4, 4, 10))),
    }


def test_nodes_that_claim_one_core_are_a_problem_and_one_node() -> None:
    files = FOUR | node_files(0, "0-3", "10 10") | node_files(1, "0-3", "10 10") | {"/proc/meminfo": "MemTotal: 8 kB"}
    found = nodes.probe(machine(files))
    assert [problem.cause for problem in found.problems] == ["several nodes claim the same core"]
    assert [fact for fact in found.facts if fact.name != "numa_core"] == [Fact("numa_node", (0, 8192))]


def test_a_row_of_distances_of_the_wrong_length_is_a_problem() -> None:
    found = nodes.probe(machine(FOUR | node_files(0, "0-3", "10 40")))
    assert [problem.place for problem in found.problems] == [f"{NODE}/node0/distance"]
    assert not [fact for fact in found.facts if fact.name == "node_distance"]


def test_outermost_ranges_of_memory_are_told() -> None:
    text = "00001000-0009ffff : System RAM\n  00002000-00002fff : Kernel code\nc0000000-cfffffff : PCI Bus 0000:00\n"
    assert iomem.probe(machine({"/proc/iomem": text})).facts == (
        Fact("memory_region", (0x1000, 0x9F000, "system_ram")),
        Fact("memory_region", (0xC0000000, 0x10000000, "pci_bus_0000_00")),
    )


def test_without_root_the_map_of_the_firmware_stands_in() -> None:
    files = {"/proc/iomem": "00000000-00000000 : System RAM\n00000000-00000000 : Reserved\n"}
    files |= {f"/sys/firmware/memmap/0/{name}": text for name, text in (("start", "0x0"), ("end", "0x9ffff"))}
    files["/sys/firmware/memmap/0/type"] = "System RAM\n"
    found = iomem.probe(machine(files))
    assert [problem.cause for problem in found.problems] == ["shows no addresses"]
    assert found.facts == (
        Fact("memory_region", (0, 0xA0000, "system_ram")),
        Fact("firmware_memory", (0, 0xA0000, "system_ram")),
    )


def test_a_device_belongs_to_the_function_that_it_sits_below() -> None:
    disk = "/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda"
    port = "/sys/devices/pci0000:00/0000:00:01.0/0000:03:00.1/net/eth0"
    source = Files(
        {
            f"{disk}/size": b"1",
            f"{disk}/vda1/partition": b"1",
            f"{port}/mtu": b"1",
            "/sys/devices/virtual/net/lo/mtu": b"",
        },
        links={
            "/sys/class/block/vda": disk,
            "/sys/class/block/vda1": f"{disk}/vda1",
            "/sys/class/net/eth0": port,
            "/sys/class/net/lo": "/sys/devices/virtual/net/lo",
        },
    )
    assert devices.probe(source).facts == (
        Fact("net_interface", ("eth0", addr(0, 3, 0, 1))),
        Fact("block_device", ("vda", addr(0, 0, 2, 0))),
    )


def test_old_kernels_link_from_the_interface_to_its_device() -> None:
    device = "/sys/devices/pci0000:00/0000:00:19.0"
    source = Files(
        {"/sys/class/net/eth0/mtu": b"1", f"{device}/config": b""}, links={"/sys/class/net/eth0/device": device}
    )
    assert devices.probe(source).facts == (Fact("net_interface", ("eth0", addr(0, 0, 0x19, 0))),)


FILES = [
    f"{CPU}/present",
    f"{CPU}/online",
    f"{CPU}/cpu1/topology/core_id",
    f"{CPU}/cpu1/topology/thread_siblings",
    f"{CPU}/cpu1/cache/index0/level",
    f"{CPU}/cpu1/cache/index0/size",
    f"{NODE}/node0/distance",
    f"{NODE}/node0/cpumap",
    f"{NODE}/node0/meminfo",
    "/proc/iomem",
    "/proc/cpuinfo",
]


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(FILES), st.binary(max_size=40)))
def test_whatever_files_hold_no_probe_fails(files: dict[str, bytes]) -> None:
    source = Files(files)
    online = cpus.present_cores(Reading(source))[1]
    cpus.places(Reading(source), online)
    cpus.caches(Reading(source), online)
    cpus.cpuinfo(Reading(source))
    nodes.probe(source)
    iomem.probe(source)


@pytest.mark.parametrize("text", ["²", "٣", "1_000", " 7 ", "0x10", "1e3"])
def test_numbers_that_are_none_are_problems_and_no_crash(text: str) -> None:
    files = {
        f"{CPU}/cpu0/topology/core_id": text,
        f"{CPU}/cpu0/cache/index0/size": text,
        "/proc/cpuinfo": f"processor: {text}",
    }
    source = Reading(machine(files))
    cpus.places(source, (0,))
    cpus.caches(source, (0,))
    cpus.cpuinfo(source)
    nodes.probe(machine(files | {f"{NODE}/node0/distance": text}))
