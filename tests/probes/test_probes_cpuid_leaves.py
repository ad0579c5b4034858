"""Clocks, hypervisors, decoding once, and whatever registers may hold."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes_registers import Leaves, cpu, facts, leaf_0, leaf_1, levels, survey_of

from probes.cpuid.clocks import frequencies
from probes.cpuid.hypervisor import NAMES, Hypervisor, hypervisor
from probes.cpuid.once import KINDS_AT_MOST, Once
from probes.cpuid.registers import Lookup

INTEL = "GenuineIntel"

GUEST = {(1, 0): (0x6F0, 0, 1 << 31, 0)}


def signature(text: str, highest: int = 0x40000010) -> dict[tuple[int, int], tuple[int, ...]]:
    return {(0x40000000, 0): (highest, *struct.unpack("<III", text.encode().ljust(12, b"\0")))}


def test_the_time_stamp_counter_is_a_multiple_of_the_crystal() -> None:
    leaves = {(0x15, 0): (2, 168, 25_000_000, 0), (0x16, 0): (2100, 3700, 100, 0)}
    assert frequencies(cpu(leaves)) == {
        "crystal": 25_000_000,
        "tsc": 2_100_000_000,
        "base": 2_100_000_000,
        "maximum": 3_700_000_000,
        "bus": 100_000_000,
    }


def test_a_crystal_that_is_not_stated_is_that_of_the_model() -> None:
    leaves = leaf_0(INTEL) | leaf_1(version=0x506E3) | {(0x15, 0): (2, 216, 0, 0)}
    assert frequencies(cpu(leaves)) == {"crystal": 24_000_000, "tsc": 2_592_000_000}
    assert frequencies(cpu(leaves | leaf_1(version=0xA06E3))) == {}
    assert frequencies(cpu(leaves | leaf_0("AuthenticAMD"))) == {}


@pytest.mark.parametrize("ratio", [(0, 168), (2, 0)])
def test_a_ratio_without_both_parts_is_none(ratio: tuple[int, int]) -> None:
    assert frequencies(cpu({(0x15, 0): (*ratio, 25_000_000, 0)})) == {}


def test_reserved_bits_of_a_frequency_do_not_count() -> None:
    assert frequencies(cpu({(0x16, 0): (0xFFFF0BB8, 0, 0, 0)})) == {"base": 3_000_000_000}


def test_what_a_hypervisor_states_counts_before_what_the_host_states() -> None:
    host = {(0x15, 0): (2, 168, 25_000_000, 0)}
    stated = {(0x40000010, 0): (2_000_000, 1_000_000, 0, 0)}
    told = frequencies(cpu(GUEST | host | signature("KVMKVMKVM") | stated))
    assert (told["tsc"], told["apic_timer"]) == (2_000_000_000, 1_000_000_000)
    for unbelieved in (signature("Microsoft Hv"), signature("KVMKVMKVM", highest=0x40000001)):
        assert frequencies(cpu(GUEST | host | unbelieved | stated))["tsc"] == 2_100_000_000
    assert "apic_timer" not in frequencies(cpu(host | signature("KVMKVMKVM") | stated))


@pytest.mark.parametrize("spelled", sorted(NAMES))
def test_every_signature_fits_its_registers(spelled: str) -> None:
    padded = spelled.center(12) if spelled.startswith("lrpepyh") or spelled == "prl hyperv" else spelled
    found = hypervisor(cpu(GUEST | signature(padded)))
    assert found is not None
    assert found.name == NAMES[spelled]


def test_a_hypervisor_without_a_known_signature_is_unknown() -> None:
    assert hypervisor(cpu(GUEST | signature("Nobody\x01\u00e9"))) == Hypervisor("unknown", "Nobody\ufffd\ufffd\ufffd")
    assert hypervisor(cpu(GUEST)) == Hypervisor("unknown", "")


def test_the_leaf_of_hypervisors_means_nothing_where_there_is_none() -> None:
    assert hypervisor(cpu(signature("KVMKVMKVM"))) is None
    assert hypervisor(cpu({(1, 0): (0x6F0, 0, 0, 0)} | signature("KVMKVMKVM"))) is None


def test_a_machine_has_one_hypervisor_whatever_its_cores() -> None:
    guest = leaf_0(INTEL) | GUEST | signature("KVMKVMKVM")
    found = survey_of(guest | levels(0xB, apic_id, (1, 1), (2, 3)) for apic_id in range(4))
    assert facts(found, "hypervisor") == [("kvm", "KVMKVMKVM")]


def test_cores_that_answer_alike_are_decoded_once() -> None:
    decoded = []

    def decode(cpuid: Lookup) -> object:
        decoded.append(cpuid)
        return cpuid(1, 0), cpuid(0x16, 0)

    once = Once(decode)
    cores: list[Leaves] = [leaf_1(apic_id=n, logical=n % 2) | {(0x16, 0): (n // 8, 0, 0, 0)} for n in range(16)]
    results = [once(cpu(core)) for core in cores]
    assert len(decoded) == 4
    assert [result[1] for result in results if isinstance(result, tuple)] == [(n // 8, 0, 0, 0) for n in range(16)]


def test_results_that_are_kept_are_few() -> None:
    once = Once(lambda cpuid: cpuid(0x16, 0))
    for _ in range(2):
        for n in range(2 * KINDS_AT_MOST):
            assert once(cpu({(0x16, 0): (n, 0, 0, 0)})) == (n, 0, 0, 0)


LEAVES = [0, 1, 2, 4, 6, 7, 0xB, 0xD, 0x15, 0x16, 0x18, 0x1A, 0x1F, 0x40000000, 0x40000010, 0x80000000, 0x80000001]
LEAVES += [0x80000002, 0x80000005, 0x80000006, 0x80000007, 0x80000008, 0x80000019, 0x8000001D, 0x8000001E, 0x80000026]

registers = st.tuples(*[st.integers(0, 0xFFFFFFFF) | st.integers(0, 0xFFF)] * 4)

vendors = st.sampled_from([INTEL, "AuthenticAMD", "HygonGenuine", "CentaurHauls", "CyrixInstead", "  Shanghai  "])

versions = st.sampled_from([0x673, 0xF29, 0x50671, 0xF5A, 0x100F91, 0x600F12, 0x730F01, 0x800F12, 0xA10F11, 0x691])


@settings(deadline=None, max_examples=300)
@given(
    vendors,
    versions,
    st.lists(st.dictionaries(st.tuples(st.sampled_from(LEAVES), st.integers(0, 9)), registers), min_size=1, max_size=4),
)
def test_whatever_registers_hold_nothing_fails(
    vendor: str, version: int, cores: list[dict[tuple[int, int], tuple[int, ...]]]
) -> None:
    """With a vendor and a version that lead into every decoder, and with none."""
    known = [
        leaf_0(vendor) | leaf_1(apic_id=n, logical=len(cores), version=version, ecx=1 << 31) | core
        for n, core in enumerate(cores)
    ]
    for machine in (cores, known):
        found = survey_of(machine)
        numbers = [arg for fact in found.facts for arg in fact.args if isinstance(arg, int)]
        assert all(number >= 0 for number in numbers)
        places = [place for _, *place in facts(found, "cpu_thread")]
        assert len({tuple(place) for place in places}) == len(places)
        shared = facts(found, "cache_shared")
        assert {cache for cache, _ in shared} == {row[0] for row in facts(found, "cache")}
        kinds = {row[0]: row[1:3] for row in facts(found, "cache")}
        uses = [(core, *kinds[cache]) for cache, core in shared]
        assert len(set(uses)) == len(uses)
