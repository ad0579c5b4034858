"""Caches and translation lookaside buffers by CPUID, on registers written by the manuals' definitions."""

from __future__ import annotations

import pytest
from probes_registers import (
    APIC,
    TOPOLOGY_EXTENSIONS,
    Leaves,
    cpu,
    facts,
    geometry,
    leaf_0,
    leaf_1,
    levels,
    listed,
    sharing,
    survey_of,
)

from probes.cpuid import caches, descriptors, deterministic, legacy
from probes.cpuid.deterministic import SharedCache, Tlb
from probes.cpuid.registers import Lookup, Registers

K, M, G = 1 << 10, 1 << 20, 1 << 30

INTEL, AMD, CENTAUR = "GenuineIntel", "AuthenticAMD", "CentaurHauls"


def words(*values: int) -> dict[tuple[int, int], tuple[int, ...]]:
    """Leaf 2 with these bytes in EBX, ECX and EDX; EAX holds the count alone."""
    padded = bytes(values).ljust(12, b"\0")
    return {(2, 0): (1, *(int.from_bytes(padded[at : at + 4], "little") for at in (0, 4, 8)))}


def test_caches_of_leaf_4_are_computed_from_their_geometry() -> None:
    rows = [(0xFC004121, 0x02C0003F, 0x3F, 0), (0xFC0FC163, 0x02C0003F, 0x3FFF, 6)]
    assert caches.caches(cpu(leaf_0(INTEL) | listed(4, rows))) == (
        SharedCache(1, "data", 48 * K, 12, 64, 0, 1),
        SharedCache(3, "unified", 12 * M, 12, 64, 1, 6),
    )


def test_partitions_of_a_line_count() -> None:
    partitioned = (0x121, 0x1C0003F | 3 << 12, 63, 0)
    assert caches.caches(cpu(leaf_0(INTEL) | listed(4, [partitioned])))[0].size == 4 * 32 * K


def test_a_fully_associative_cache_has_no_ways() -> None:
    cache = caches.caches(cpu(leaf_0(INTEL) | listed(4, [(0x321, 0xFFC0003F, 0, 0)])))[0]
    assert (cache.ways, cache.size) == (0, 64 * K)


def test_caches_of_amd_are_those_of_8000001d_where_the_extension_is_announced() -> None:
    stated = listed(0x8000001D, [geometry(1, "data", 32 * K, 8, sharers=2)])
    filled = listed(4, [geometry(1, "data", 64 * K, 2)])
    hidden = leaf_0(AMD) | leaf_1(version=0x800F12) | stated | filled
    assert caches.caches(cpu(hidden)) == ()
    assert caches.caches(cpu(hidden | TOPOLOGY_EXTENSIONS)) == (SharedCache(1, "data", 32 * K, 8, 64, 0, 1),)


def test_a_geometry_of_zeros_is_no_cache() -> None:
    assert caches.caches(cpu(leaf_0(INTEL) | listed(4, [(0x121, 0, 0, 0), (0x143, 0x1C0003F, 63, 0)]))) == (
        SharedCache(2, "unified", 32 * K, 8, 64, 0, 0),
    )


@pytest.mark.parametrize("version", [0x50671, 0x80650], ids=["landing", "mill"])
def test_memory_in_the_package_of_knights_is_no_cache(version: int) -> None:
    rows = [geometry(2, "unified", 1 * M, 16, sharers=8), geometry(3, "unified", 64, 1, sharers=256)]
    assert [it.level for it in caches.caches(cpu(leaf_0(INTEL) | leaf_1(version=version) | listed(4, rows)))] == [2]


def test_a_list_of_caches_that_does_not_end_is_cut() -> None:
    endless: Lookup = lambda leaf, _: Registers(0x121, 0x1C0003F, 63, 0) if leaf == 4 else None  # noqa: E731 - a lookup
    assert len(caches.caches(endless)) == deterministic.CACHES_AT_MOST


@pytest.mark.parametrize(
    ("ways", "entries", "flags", "expected"), [(4, 16, 0, (64, 4)), (32, 1, 1 << 8, (32, 0))], ids=["ways", "fully"]
)
def test_buffers_of_leaf_18_have_a_row_for_each_page_size(
    ways: int, entries: int, flags: int, expected: tuple[int, int]
) -> None:
    found = caches.tlbs(
        cpu({(0x18, 0): (2, 0, 0, 0), (0x18, 2): (0, ways << 16 | 0b1011, entries, flags | 2 << 5 | 3)})
    )
    assert found == tuple(Tlb(2, "unified", page_size, *expected) for page_size in (4 * K, 2 * M, 1 * G))


def test_a_null_buffer_does_not_end_the_list_and_a_claimed_length_does_not_stretch_it() -> None:
    last = deterministic.TLBS_AT_MOST - 1
    rows = {(0x18, 0): (0xFFFFFFFF, 0, 0, 0)} | {
        (0x18, number): (0, 4 << 16 | 1, 16, 1 << 5 | 2) for number in (last, last + 1)
    }
    assert caches.tlbs(cpu(rows)) == (Tlb(1, "instruction", 4 * K, 64, 4),)


def test_loads_and_stores_may_have_buffers_of_their_own() -> None:
    rows = {
        (0x18, 0): (2, 0, 0, 0),
        (0x18, 1): (0, 4 << 16 | 1, 16, 1 << 5 | 4),
        (0x18, 2): (0, 16 << 16 | 1, 1, 1 << 8 | 1 << 5 | 5),
    }
    assert [(it.type, it.ways) for it in caches.tlbs(cpu(rows))] == [("load", 4), ("store", 0)]


def test_descriptors_of_leaf_2_count_where_leaf_4_is_missing() -> None:
    leaves = leaf_0(INTEL, 2) | leaf_1(version=0x673) | words(0x41, 0x01, 0x0C, 0x08)
    assert caches.caches(cpu(leaves)) == (
        SharedCache(2, "unified", 128 * K, 4, 32, None, "core"),
        SharedCache(1, "data", 16 * K, 4, 32, None, "core"),
        SharedCache(1, "instruction", 16 * K, 4, 32, None, "core"),
    )
    assert caches.tlbs(cpu(leaves)) == (Tlb(1, "instruction", 4 * K, 32, 4),)
    assert caches.caches(cpu(leaves | listed(4, [geometry(1, "data", 32 * K, 8)]))) == (
        SharedCache(1, "data", 32 * K, 8, 64, 0, 0),
    )


def test_a_register_with_its_highest_bit_set_holds_no_descriptors() -> None:
    leaves = leaf_0(INTEL, 2) | {(2, 0): (0x01, 0x80000041, 0x00000043, 0)}
    assert [it.size for it in descriptors.caches(cpu(leaves))] == [512 * K]


def test_the_count_of_leaf_2_is_no_descriptor() -> None:
    assert descriptors.tlbs(cpu(leaf_0(INTEL, 2) | {(2, 0): (0x00000001, 0, 0, 0)})) == ()
    assert descriptors.tlbs(cpu(leaf_0(INTEL, 2) | {(2, 0): (0x00000101, 0, 0, 0)})) != ()


def test_descriptor_49_is_a_third_level_on_the_xeon_mp_alone() -> None:
    for version, level in ((0xF64, 3), (0x6F7, 2)):
        (cache,) = descriptors.caches(cpu(leaf_0(INTEL, 2) | leaf_1(version=version) | words(0x49)))
        assert (cache.level, cache.size) == (level, 4 * M)


def test_descriptors_that_say_that_there_is_none_say_nothing() -> None:
    leaves = leaf_0(INTEL, 2) | words(0x40, 0xFF, 0xFE, 0xF0, 0x70, 0x99)
    assert caches.caches(cpu(leaves)) == caches.tlbs(cpu(leaves)) == ()


def test_leaf_2_is_believed_of_those_who_defined_it() -> None:
    assert caches.caches(cpu(leaf_0(AMD, 2) | words(0x43))) == ()
    assert caches.caches(cpu(leaf_0("CyrixInstead", 2) | words(0x80))) == (
        SharedCache(1, "unified", 16 * K, 4, 16, None, "core"),
    )
    in_extended = leaf_0("CyrixInstead", 1) | {(0x80000005, 0): (0x7001, 0, 0x80, 0)}
    assert caches.caches(cpu(in_extended)) == (SharedCache(1, "unified", 16 * K, 4, 16, None, "core"),)
    assert caches.tlbs(cpu(in_extended)) == (Tlb(1, "unified", 4 * K, 32, 4),)


@pytest.mark.parametrize("byte", sorted(descriptors.INTEL))
def test_every_descriptor_makes_sense(byte: int) -> None:
    for entry in descriptors.INTEL[byte]:
        if isinstance(entry, SharedCache):
            sets, rest = divmod(entry.size, entry.line_size * (entry.ways or 1))
            assert rest == 0
            assert entry.level == 3 or sets & sets - 1 == 0  # slices of a third level are chosen by a hash
        else:
            assert entry.entries % (entry.ways or 1) == 0


def k10(level_3: int = 6 << 18 | 0xB << 12 | 0x140) -> dict[tuple[int, int], tuple[int, ...]]:
    return {
        (0x80000005, 0): (0xFF30FF10, 0xFF30FF20, 64 << 24 | 2 << 16 | 0x140, 64 << 24 | 2 << 16 | 0x140),
        (0x80000006, 0): (0x20800000, 0x42004200, 512 << 16 | 8 << 12 | 0x140, level_3),
        (0x80000019, 0): (0xF0300000, 0x60100000, 0, 0),
    }


def test_caches_of_amd_before_the_extension_are_those_of_80000005_and_80000006() -> None:
    assert caches.caches(cpu(leaf_0(AMD) | leaf_1(version=0x100F80) | k10())) == (
        SharedCache(1, "data", 64 * K, 2, 64, None, "core"),
        SharedCache(1, "instruction", 64 * K, 2, 64, None, "core"),
        SharedCache(2, "unified", 512 * K, 16, 64, None, "core"),
        SharedCache(3, "unified", 3 * M, 48, 64, None, "package"),
    )


def test_buffers_of_amd_are_those_of_the_legacy_leaves() -> None:
    assert set(caches.tlbs(cpu(leaf_0(AMD) | k10()))) == {
        Tlb(1, "instruction", 2 * M, 16, 0),
        Tlb(1, "instruction", 4 * M, 8, 0),
        Tlb(1, "data", 2 * M, 48, 0),
        Tlb(1, "data", 4 * M, 24, 0),
        Tlb(1, "instruction", 4 * K, 32, 0),
        Tlb(1, "data", 4 * K, 48, 0),
        Tlb(2, "data", 2 * M, 128, 2),
        Tlb(2, "data", 4 * M, 64, 2),
        Tlb(2, "instruction", 4 * K, 512, 4),
        Tlb(2, "data", 4 * K, 512, 4),
        Tlb(1, "data", 1 * G, 48, 0),
        Tlb(2, "data", 1 * G, 16, 8),
    }


def test_a_second_level_buffer_whose_upper_half_is_zero_is_unified() -> None:
    assert legacy.tlbs(cpu(leaf_0(AMD) | {(0x80000006, 0): (0, 0x00004200, 0, 0)})) == (
        Tlb(2, "unified", 4 * K, 512, 4),
    )
    assert tuple(legacy.tlbs(cpu(leaf_0(AMD) | {(0x80000006, 0): (0, 0x42000000, 0, 0)}))) == (
        Tlb(2, "data", 4 * K, 512, 4),
    )


def test_a_third_level_without_ways_is_none() -> None:
    assert [it.level for it in legacy.caches(cpu(leaf_0(AMD) | leaf_1(version=0x100F80) | k10(6 << 18 | 0x140)))] == [
        1,
        1,
        2,
    ]


def test_the_sum_of_all_complexes_is_no_third_level() -> None:
    told = legacy.caches(cpu(leaf_0(AMD) | leaf_1(version=0x800F12) | k10(64 << 18 | 9 << 12 | 0x140)))
    assert [it.level for it in told] == [1, 1, 2]


def test_of_the_legacy_leaves_intel_has_the_second_level_alone() -> None:
    assert [it.level for it in legacy.caches(cpu(leaf_0(INTEL) | leaf_1() | k10()))] == [2]
    assert legacy.tlbs(cpu(leaf_0(INTEL) | k10())) == ()


@pytest.mark.parametrize(
    ("vendor", "version", "second", "size"),
    [
        (AMD, 0x630, 1 << 16 | 0x4120, 64 * K),
        (AMD, 0x631, 64 << 16 | 0x8140, 64 * K),
        (AMD, 0x641, 512 << 16 | 0x8140, 256 * K),
        (CENTAUR, 0x691, 65 << 16 | 0x8140, 64 * K),
        (CENTAUR, 0x698, 64 << 16 | 0x8140, 64 * K),
        (CENTAUR, 0x678, 64 << 24 | 4 << 16 | 0x20, 64 * K),
    ],
)
def test_sizes_that_makers_corrected_are_corrected(vendor: str, version: int, second: int, size: int) -> None:
    found = legacy.caches(cpu(leaf_0(vendor) | leaf_1(version=version) | {(0x80000006, 0): (0, 0, second, 0)}))
    assert [(it.level, it.size) for it in found] == [(2, size)]


def test_hardware_threads_share_what_their_apic_ids_say() -> None:
    rows = [
        geometry(1, "data", 32 * K, 8, sharers=2),
        geometry(1, "instruction", 32 * K, 8, sharers=2),
        geometry(2, "unified", 2 * M, 16, sharers=8),
        geometry(3, "unified", 30 * M, 12, sharers=12),
    ]
    # Two packages of six cores: ids of three cores, a hole, ids of three cores.
    ids = [package << 5 | half << 3 | number for package in range(2) for half in range(2) for number in range(6)]
    found = survey_of(leaf_0(INTEL) | levels(0xB, apic_id, (1, 1), (2, 5)) | listed(4, rows) for apic_id in ids)
    assert sharing(found, 1, "data") == sharing(found, 1, "instruction") == [[n, n + 1] for n in range(0, 24, 2)]
    assert sharing(found, 2) == [list(range(n, n + 6)) for n in range(0, 24, 6)]
    assert sharing(found, 3) == [list(range(n, n + 12)) for n in range(0, 24, 12)]


def test_no_cache_spans_packages() -> None:
    rows = [geometry(3, "unified", 8 * M, 16, sharers=64)]
    found = survey_of(leaf_0(INTEL) | levels(0xB, n, (1, 0), (2, 1)) | listed(4, rows) for n in range(4))
    assert sharing(found, 3) == [[0, 1], [2, 3]]


def test_caches_without_counts_of_sharers_belong_to_core_and_package() -> None:
    def core(apic_id: int) -> Leaves:
        return (
            leaf_0(AMD) | leaf_1(apic_id=apic_id, logical=2, version=0x100F80) | {(0x80000008, 0): (0, 0, 1, 0)} | k10()
        )

    found = survey_of(map(core, range(4)))
    assert sharing(found, 1, "data") == sharing(found, 2) == [[0], [1], [2], [3]]
    assert sharing(found, 3) == [[0, 1], [2, 3]]


def test_threads_of_a_core_share_what_leaf_2_describes() -> None:
    found = survey_of(
        leaf_0(INTEL, 2) | leaf_1(apic_id=apic_id, logical=2, version=0xF29) | words(0x66, 0x7B) for apic_id in range(4)
    )
    assert sharing(found, 1, "data") == sharing(found, 2) == [[0, 1], [2, 3]]


def test_kinds_of_cores_keep_caches_of_their_own() -> None:
    performance = [geometry(2, "unified", 2 * M, 16, sharers=2)]
    efficiency = [geometry(2, "unified", 4 * M, 16, sharers=8)]
    found = survey_of(
        leaf_0(INTEL)
        | levels(0xB, apic_id, (1, 1), (2, 7))
        | listed(4, performance if apic_id < 4 else efficiency)
        | {(0x1A, 0): (0x40 << 24 if apic_id < 4 else 0x20 << 24, 0, 0, 0)}
        for apic_id in (0, 1, 2, 3, 8, 10, 12, 14)
    )
    assert sharing(found, 2) == [[0, 1], [2, 3], [4, 5, 6, 7]]
    assert [row[3] for row in facts(found, "cache")] == [2 * M, 2 * M, 4 * M]
    assert [kind for _, kind in facts(found, "cpu_kind")] == ["performance"] * 4 + ["efficiency"] * 4


def test_a_cache_that_no_leaf_describes_is_no_fact() -> None:
    found = survey_of([leaf_0(INTEL, 1) | leaf_1(version=0x52C, edx=APIC)])
    assert facts(found, "cache") == []
    assert any("no caches" in problem.cause for problem in found.problems)
