"""The whole survey: how CPUID and the kernel are joined, and what only several probes together can say."""

from __future__ import annotations

import struct

from probes_tables import slit_of, srat_of

from probes.cpuid.dump import CpuidDump
from probes.cpuid.registers import Registers
from probes.fact import Fact, Survey
from probes.machine import survey
from probes.source import Files, Uname

CPU = "/sys/devices/system/cpu"
NODE = "/sys/devices/system/node"
TABLES = "/sys/firmware/acpi/tables"


def dump(apic_id: int, *, l2_sharers: int = 1, smt_bits: int = 0) -> CpuidDump:
    """An Intel processor with four APIC ids to a package."""
    return CpuidDump(
        {
            (0, 0): Registers(0xB, 0x756E6547, 0x6C65746E, 0x49656E69),
            (1, 0): Registers(0x806E9, apic_id << 24, 0, 1 << 9),
            (4, 0): Registers(0x143 | l2_sharers - 1 << 14, 0x1C0003F, 0x3FF, 2),
            (0xB, 0): Registers(smt_bits, 1 << smt_bits, 0x100, apic_id),
            (0xB, 1): Registers(2, 4, 0x201, apic_id),
        }
    )


def kernel(core: int, threads: str, l2: str, siblings: str = "3") -> dict[str, bytes]:
    path = f"{CPU}/cpu{core}"
    return {
        f"{path}/topology/physical_package_id": b"0",
        f"{path}/topology/core_id": b"%d" % core,
        f"{path}/topology/thread_siblings": threads.encode(),
        f"{path}/topology/core_siblings": siblings.encode(),
        f"{path}/cache/index2/level": b"2",
        f"{path}/cache/index2/type": b"Unified",
        f"{path}/cache/index2/size": b"512K",
        f"{path}/cache/index2/shared_cpu_map": l2.encode(),
    }


TWO = {f"{CPU}/present": b"0-1", f"{CPU}/online": b"0-1"}


def rows(found: Survey, name: str) -> list[tuple[object, ...]]:
    return [fact.args for fact in found.facts if fact.name == name]


def test_cpuid_alone_is_a_machine() -> None:
    found = survey(Files({}, cpuid={0: dump(0), 1: dump(1)}))
    assert rows(found, "core") == [(0, 0, 1), (1, 1, 1)]
    assert rows(found, "cpu_thread") == [(0, 0, 0, 0), (1, 0, 1, 0)]
    assert rows(found, "cache") == [(0, 2, "unified", 512 << 10, 8, 64, 1), (1, 2, "unified", 512 << 10, 8, 64, 1)]
    assert rows(found, "machine") == [("dump", "i686", "unknown")]


def test_the_kernel_alone_is_a_machine() -> None:
    found = survey(Files(TWO | kernel(0, "1", "1") | kernel(1, "2", "2"), uname=Uname("box", "riscv64", "Linux 6.6")))
    assert rows(found, "core") == [(0, 0, 1), (1, 1, 1)]
    assert rows(found, "cpu_thread") == [(0, 0, 0, 0), (1, 0, 1, 0)]
    assert rows(found, "cache")[0] == (0, 2, "unified", 512 << 10, "unknown", "unknown", "unknown")


def test_where_both_agree_nothing_is_reported() -> None:
    files = TWO | kernel(0, "1", "1") | kernel(1, "2", "2")
    assert survey(Files(files, cpuid={0: dump(0), 1: dump(1)})).problems == ()


def test_the_kernel_knows_better_who_shares_a_cache() -> None:
    files = TWO | kernel(0, "1", "1") | kernel(1, "2", "2")
    found = survey(Files(files, cpuid={0: dump(0, l2_sharers=4), 1: dump(1, l2_sharers=4)}))
    assert rows(found, "cache_shared") == [(0, 0), (1, 1)]
    assert rows(found, "cache")[0] == (0, 2, "unified", 512 << 10, 8, 64, 1)
    assert ["level 2 unified" in problem.cause for problem in found.problems] == [True]


def test_the_kernel_knows_better_who_shares_a_core() -> None:
    files = TWO | kernel(0, "1", "1") | kernel(1, "2", "2")
    found = survey(Files(files, cpuid={0: dump(0, smt_bits=1), 1: dump(1, smt_bits=1)}))
    assert rows(found, "cpu_thread") == [(0, 0, 0, 0), (1, 0, 1, 0)]
    assert ["otherwise than the kernel" in problem.cause for problem in found.problems] == [True]


def test_a_core_that_cannot_be_asked_is_a_problem_and_the_kernel_stands_in() -> None:
    files = TWO | kernel(0, "1", "1") | kernel(1, "2", "2")
    files["/proc/cpuinfo"] = b"processor : 1\nvendor_id : GenuineIntel\napicid : 4\nflags : fpu\n\n"
    found = survey(Files(files, cpuid={0: dump(0)}))
    assert rows(found, "core") == [(0, 0, 1), (1, 4, 1)]
    assert rows(found, "cpu_thread") == [(0, 0, 0, 0), (1, 0, 1, 0)]
    assert rows(found, "cpu_vendor") == [(0, "GenuineIntel"), (1, "GenuineIntel")]
    assert (1, "fpu") in rows(found, "cpu_feature")
    assert rows(found, "cache_shared") == [(0, 0), (1, 1)]
    assert [problem.cause.split(":")[0] for problem in found.problems] == ["not executed on cores 1"]


def test_cores_with_one_apic_id_have_no_place_by_cpuid() -> None:
    found = survey(Files({}, cpuid={0: dump(3), 1: dump(3)}))
    assert rows(found, "cpu_thread") == []
    assert "several cores have the same APIC id" in [problem.cause for problem in found.problems]


def test_a_cache_never_spans_packages() -> None:
    found = survey(Files({}, cpuid={0: dump(0, l2_sharers=64), 1: dump(4, l2_sharers=64)}))
    assert rows(found, "cache_shared") == [(0, 0), (1, 1)]


def test_an_offline_core_is_present_and_its_apic_id_unknown() -> None:
    files = {f"{CPU}/present": b"0-1", f"{CPU}/online": b"0"}
    assert rows(survey(Files(files, cpuid={0: dump(0)})), "core") == [(0, 0, 1), (1, "unknown", 0)]


def test_an_architecture_with_apics_has_no_ids_made_up() -> None:
    found = survey(Files(TWO, uname=Uname("box", "x86_64", "Linux 6.6")))
    assert rows(found, "core") == [(0, "unknown", 1), (1, "unknown", 1)]


def numa(distance: bytes = b"10 99") -> dict[str, bytes]:
    files = dict(TWO)
    for node in (0, 1):
        files[f"{NODE}/node{node}/cpulist"] = b"%d" % node
        files[f"{NODE}/node{node}/meminfo"] = b"Node %d MemTotal: 4 kB" % node
        files[f"{NODE}/node{node}/distance"] = distance
    return files


def affinity(apic_id: int, domain: int) -> bytes:
    return struct.pack("<BBBBIBBHI", 0, 16, domain, apic_id, 1, 0, 0, 0, 0)


def test_distances_of_the_firmware_count_before_those_of_the_kernel() -> None:
    slit = {f"{TABLES}/SLIT": slit_of([[10, 21], [21, 10]])}
    assert (0, 1, 21) in rows(survey(Files(numa() | slit)), "node_distance")
    assert (0, 1, 99) not in rows(survey(Files(numa() | slit)), "node_distance")
    assert (0, 1, 99) in rows(survey(Files(numa())), "node_distance")


def test_a_node_is_the_domain_that_its_processors_are_in() -> None:
    srat = {f"{TABLES}/SRAT": srat_of(affinity(0, 3), affinity(4, 7))}
    found = survey(Files(numa() | srat, cpuid={0: dump(0), 1: dump(4)}))
    assert rows(found, "node_domain") == [(0, 3), (1, 7)]


def test_distances_are_by_node_where_the_firmware_numbers_domains_otherwise() -> None:
    srat = {f"{TABLES}/SRAT": srat_of(affinity(0, 1), affinity(4, 0))}
    slit = {f"{TABLES}/SLIT": slit_of([[10, 21], [22, 10]])}
    found = survey(Files(numa() | srat | slit, cpuid={0: dump(0), 1: dump(4)}))
    assert rows(found, "node_distance") == [(0, 0, 10), (0, 1, 99), (1, 0, 10), (1, 1, 99)]
    assert "proximity domains are not numbered as the kernel numbers nodes" in [p.cause for p in found.problems]


def test_distances_are_by_node_where_the_firmware_has_domains_that_are_no_nodes() -> None:
    slit = {f"{TABLES}/SLIT": slit_of([[10, 21, 31], [21, 10, 31], [31, 31, 10]])}
    assert len(rows(survey(Files(numa() | slit)), "node_distance")) == 4
    assert len(rows(survey(Files(slit)), "node_distance")) == 9


def test_nothing_at_all_yields_nothing() -> None:
    assert survey(Files({})) == Survey()


def test_a_machine_that_is_known_by_little_is_named_after_its_source() -> None:
    found = survey(Files({}, uname=Uname("", "aarch64", ""), name="altra"))
    assert found.facts == (Fact("machine", ("altra", "aarch64", "unknown")),)
