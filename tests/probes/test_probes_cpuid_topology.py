"""Where a hardware thread sits by CPUID, on registers written by the manuals' definitions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes_registers import (
    APIC,
    TOPOLOGY_EXTENSIONS,
    cpu,
    facts,
    geometry,
    leaf_0,
    leaf_1,
    levels,
    listed,
    members,
    survey_of,
)

from probes.cpuid.topology import LEVELS_AT_MOST, UNIPROCESSOR, Position, position
from probes.fact import Survey

INTEL, AMD, HYGON, ZHAOXIN = "GenuineIntel", "AuthenticAMD", "HygonGenuine", "  Shanghai  "

THREAD, CORE, MODULE, TILE, DIE, DIE_GROUP = range(1, 7)

FAMILY_10H, FAMILY_15H, FAMILY_16H, FAMILY_17H = 0x100F91, 0x600F12, 0x730F01, 0x800F12


def sizes(cores: int, size: int = 0) -> dict[tuple[int, int], tuple[int, ...]]:
    """Leaf 0x80000008: cores of the package, and the width of their ids."""
    return {(0x80000008, 0): (0x3030, 0, size << 12 | cores - 1, 0)}


def extension(apic_id: int, unit: int, of: int, node: int, nodes: int = 1) -> dict[tuple[int, int], tuple[int, ...]]:
    """Leaf 0x8000001E: unit (a core from family 17h on), threads or cores of it, node."""
    return TOPOLOGY_EXTENSIONS | {(0x8000001E, 0): (apic_id, of - 1 << 8 | unit, nodes - 1 << 8 | node, 0)}


def test_intel_leaf_1f_counts_before_leaf_b() -> None:
    leaves = levels(0x1F, 0b1011011, (THREAD, 1), (MODULE, 3), (DIE, 5)) | levels(0xB, 7, (THREAD, 1), (CORE, 4))
    assert position(cpu(leaves), INTEL) == Position(
        0b1011011, package=0b10, core=0b1101, thread=1, module=0b1101, die=0b11
    )


def test_all_levels_between_thread_and_package_are_told() -> None:
    apic_id = 0b1_01_1_10_1_01_1
    shifts = ((THREAD, 1), (CORE, 3), (MODULE, 4), (TILE, 6), (DIE, 7), (DIE_GROUP, 9))
    assert position(cpu(levels(0x1F, apic_id, *shifts)), INTEL) == Position(
        apic_id, 1, 0b01110101, 1, module=0b011101, tile=0b01110, die=0b011, die_group=0b01
    )


def test_intel_leaf_b_counts_where_leaf_1f_is_empty() -> None:
    leaves = {(0x1F, 0): (0, 0, 0, 7)} | levels(0xB, 0b110111, (THREAD, 1), (CORE, 4))
    assert position(cpu(leaves), INTEL) == Position(0b110111, 0b11, 0b011, 1)


def test_empty_level_leaves_do_not_count() -> None:
    empty = {(0x1F, 0): (0, 0, 0, 7), (0xB, 0): (0, 0, 0, 7)}
    assert position(cpu(empty | leaf_1(apic_id=3, logical=4)), INTEL) == Position(3, 0, 0, 3)
    counts = leaf_1(apic_id=0b110, logical=4) | {(4, 0): geometry(1, "data", 32 << 10, 8, cores=2)}
    assert position(cpu(empty | counts), INTEL) == Position(0b110, 1, 1, 0)


def test_a_level_of_a_type_that_is_not_known_belongs_to_the_level_below() -> None:
    leaves = levels(0x1F, 0b10_1_01_1, (THREAD, 1), (CORE, 3), (77, 4))
    assert position(cpu(leaves), INTEL) == Position(0b101011, 0b10, 0b101, 1)


def test_a_list_of_levels_that_does_not_end_is_cut() -> None:
    leaves = {(0x1F, number): (number, 2, number + 1 << 8, 1 << 9) for number in range(256)}
    found = position(cpu(leaves), INTEL)
    assert found is not None
    assert found.package == 1 << 9 >> LEVELS_AT_MOST - 1


def test_a_processor_wider_than_the_id_of_leaf_1_is_read_from_leaf_b() -> None:
    leaves = leaf_1(apic_id=0x2C, logical=255) | levels(0xB, 0x12C, (THREAD, 1), (CORE, 8))
    assert position(cpu(leaves), INTEL) == Position(0x12C, 1, 0x16, 0)


@pytest.mark.parametrize("vendor", [INTEL, ZHAOXIN, "CentaurHauls"])
def test_without_level_leaves_leaf_1_and_4_count(vendor: str) -> None:
    leaves = leaf_1(apic_id=0b110101, logical=16) | {(4, 0): geometry(1, "data", 32 << 10, 8, cores=8)}
    assert position(cpu(leaves), vendor) == Position(0b110101, 0b11, 0b010, 1)


def test_counts_that_are_no_powers_of_two_are_rounded_up() -> None:
    leaves = leaf_1(apic_id=0b1_0101, logical=12) | {(4, 0): geometry(1, "data", 32 << 10, 8, cores=6)}
    assert position(cpu(leaves), INTEL) == Position(0b1_0101, 1, 0b010, 1)


def test_a_core_with_threads_before_leaf_4_is_one_core() -> None:
    assert position(cpu(leaf_1(apic_id=7, logical=2)), INTEL) == Position(7, 3, 0, 1)


def test_more_cores_than_ids_do_not_make_a_negative_shift() -> None:
    leaves = leaf_1(apic_id=5, logical=2) | {(4, 0): geometry(1, "data", 32 << 10, 8, cores=64)}
    assert position(cpu(leaves), INTEL) == Position(5, 2, 1, 0)


def test_a_processor_without_threads_or_cores_is_a_package() -> None:
    assert position(cpu(leaf_1(apic_id=6, edx=APIC)), INTEL) == Position(6, 6, 0, 0)


def test_a_processor_without_a_local_apic_tells_no_place() -> None:
    assert position(cpu(leaf_1(version=0x480, edx=1)), INTEL) is None


def test_the_only_processor_without_a_local_apic_is_the_first() -> None:
    found = survey_of([leaf_0(INTEL) | leaf_1(version=0x480, edx=1)])
    assert facts(found, "cpu_thread") == [(0, *UNIPROCESSOR[1:4])]
    assert facts(found, "core") == [(0, "unknown", 1)]


def test_amd_leaf_80000026_counts_before_leaf_b() -> None:
    ours = {
        (0x80000026, 0): (1, 2, 0x100, 0x108),
        (0x80000026, 1): (4, 16, 0x201, 0x108),
        (0x80000026, 2): (5, 16, 0x302, 0x108),
        (0x80000026, 3): (8, 192, 0x403, 0x108),
        (0x80000026, 4): (0, 0, 4, 0x108),
    }
    leaves = ours | levels(0xB, 7, (THREAD, 1), (CORE, 4))
    assert position(cpu(leaves), AMD) == Position(0x108, 1, 4, 0, complex=0, die=0)
    told = position(cpu({key: (*row[:3], 0x1B7) for key, row in ours.items()}), AMD)
    assert told == Position(0x1B7, 1, 0x5B, 1, complex=0xB, die=0x5)


def test_amd_leaf_b_counts_where_80000026_is_empty() -> None:
    leaves = {(0x80000026, 0): (0, 0, 0, 0)} | levels(0xB, 0b1_011_1, (THREAD, 1), (CORE, 4))
    assert position(cpu(leaves), AMD) == Position(0b10111, 1, 0b011, 1)


def test_amd_does_not_ask_leaf_1f() -> None:
    leaves = levels(0x1F, 9, (THREAD, 1), (CORE, 2)) | levels(0xB, 9, (THREAD, 1), (CORE, 4))
    assert position(cpu(leaves), HYGON) == Position(9, 0, 4, 1)


def test_k8_without_threads_has_its_cores_from_80000008() -> None:
    single = leaf_1(apic_id=1, version=0xF5A, edx=APIC) | sizes(1)
    assert position(cpu(single), AMD) == Position(1, 1, 0, 0)
    dual = leaf_1(apic_id=3, logical=2, version=0x40F12) | sizes(2)
    assert position(cpu(dual), AMD) == Position(3, 1, 1, 0)


def test_amd_without_80000008_has_its_cores_from_leaf_1() -> None:
    assert position(cpu(leaf_1(apic_id=5, logical=4, version=FAMILY_10H)), AMD) == Position(5, 1, 1, 0)
    single = leaf_1(apic_id=5, logical=4, version=FAMILY_10H, edx=APIC)
    assert position(cpu(single), AMD) == Position(5, 5, 0, 0)


def test_the_width_of_ids_counts_before_the_number_of_cores() -> None:
    six_cores = leaf_1(apic_id=0b1_101, logical=6, version=FAMILY_10H - 0x11) | sizes(6, size=4)
    assert position(cpu(six_cores), AMD) == Position(0b1101, 0, 0b1101, 0)
    assert position(cpu(six_cores | sizes(6)), AMD) == Position(0b1101, 1, 0b101, 0)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (FAMILY_15H, Position(0x35, 1, 5, 0, module=2, node=3, inner_node=3)),
        (FAMILY_16H, Position(0x35, 1, 5, 0, module=2, node=0)),
        (FAMILY_17H, Position(0x35, 1, 2, 1, node=3)),
    ],
    ids=["15h", "16h", "17h"],
)
def test_amd_topology_extension_counts_threads_from_family_17h_on(version: int, expected: Position) -> None:
    """The present APIC id, which firmware has moved up, is there too; packages are numbered by the one of leaf 1."""
    leaves = leaf_1(apic_id=0x15, logical=16, version=version) | sizes(16, size=4) | extension(0x35, 2, 2, 3, nodes=2)
    assert position(cpu(leaves), AMD) == expected


def test_an_apic_id_that_leaf_1_has_no_room_for_is_that_of_the_topology_extension() -> None:
    leaves = leaf_1(apic_id=0x15, logical=255, version=FAMILY_17H) | sizes(128, size=7) | extension(0x115, 2, 2, 3)
    assert position(cpu(leaves), AMD) == Position(0x115, 2, 10, 1, node=3)


def test_topology_extension_does_not_count_where_it_is_not_announced() -> None:
    leaves = leaf_1(apic_id=5, logical=16, version=FAMILY_17H) | sizes(16, size=4) | extension(0x15, 2, 2, 3)
    hidden = leaves | {(0x80000001, 0): (0, 0, 0, 0)}
    assert position(cpu(hidden), AMD) == Position(5, 0, 5, 0)


@pytest.mark.parametrize("vendor", [AMD, HYGON])
def test_a_core_complex_is_what_shares_an_l3_where_no_leaf_names_it(vendor: str) -> None:
    third = listed(
        0x8000001D, [geometry(1, "data", 32 << 10, 8, sharers=2), geometry(3, "unified", 8 << 20, 16, sharers=6)]
    )
    leaves = (
        leaf_0(vendor)
        | leaf_1(apic_id=0b1_10_01_1, logical=64, version=FAMILY_17H)
        | sizes(64, size=6)
        | extension(0b1_10_01_1, 13, 2, 1)
        | third
    )
    assert position(cpu(leaves), vendor) == Position(0b110011, 0, 0b11001, 1, complex=0b110, node=1)


def magny_cours(cores: int, packages: int = 2) -> Survey:
    """Family 10h model 9: a package of two nodes, whose ids fill it from below."""
    return survey_of(
        leaf_0(AMD)
        | leaf_1(apic_id=package * 16 + core, logical=cores, version=FAMILY_10H)
        | sizes(cores, size=4)
        | {(0x80000006, 0): (0, 0, 512 << 16 | 8 << 12 | 0x140, 24 << 18 | 0xC << 12 | 0x140)}
        for package in range(packages)
        for core in range(cores)
    )


@pytest.mark.parametrize("cores", [8, 12])
def test_two_nodes_of_a_package_of_family_10h_have_half_an_l3_each(cores: int) -> None:
    found = magny_cours(cores)
    third = [row for row in facts(found, "cache") if row[1] == 3]
    assert [row[2:6] for row in third] == [("unified", 6 << 20, 32, 64)] * 4
    shared = facts(found, "cache_shared")
    assert [[core for number, core in shared if number == row[0]] for row in third] == [
        list(range(first, first + cores // 2)) for first in range(0, 2 * cores, cores // 2)
    ]


def test_a_guest_with_few_cores_of_family_10h_has_the_l3_that_is_stated() -> None:
    assert [row[3:5] for row in facts(magny_cours(4, packages=1), "cache") if row[1] == 3] == [(12 << 20, 64)]


@pytest.mark.parametrize(("cores", "stride"), [(16, 16), (12, 16), (8, 8)])
def test_an_l3_of_family_15h_is_that_of_a_node(cores: int, stride: int) -> None:
    half = cores // 2
    caches = listed(0x8000001D, [geometry(3, "unified", 6 << 20, 48, sharers=half)])
    found = survey_of(
        leaf_0(AMD)
        | leaf_1(apic_id=(package * stride + core) & 0xFF, logical=cores, version=FAMILY_15H)
        | sizes(cores, size=stride.bit_length() - 1)
        | extension(package * stride + core, core // 2, 2, 2 * package + core // half, nodes=2)
        | caches
        for package in range(2)
        for core in range(cores)
    )
    shared = facts(found, "cache_shared")
    assert [[core for number, core in shared if number == row[0]] for row in facts(found, "cache")] == [
        list(range(first, first + half)) for first in range(0, 2 * cores, half)
    ]
    assert members(found, "cpu_node") == [list(range(first, first + half)) for first in range(0, 2 * cores, half)]


def test_a_place_that_two_processors_claim_is_a_problem_and_no_fact() -> None:
    found = survey_of([leaf_0(INTEL) | leaf_1(apic_id=1, logical=2)] * 2)
    assert facts(found, "cpu_thread") == []
    assert any("same APIC id" in problem.cause for problem in found.problems)


@st.composite
def widths(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Levels of leaf 0x1F from the thread up, each at least as wide as the one below."""
    kinds = [THREAD, *sorted(draw(st.sets(st.sampled_from([CORE, MODULE, TILE, DIE, DIE_GROUP]))))]
    shifts = sorted(draw(st.lists(st.integers(0, 15), min_size=len(kinds), max_size=len(kinds))))
    return list(zip(kinds, shifts, strict=True))


@settings(deadline=None)
@given(widths(), st.integers(0, 0xFFFFF))
def test_an_apic_id_is_told_whole(shifts: list[tuple[int, int]], apic_id: int) -> None:
    found = position(cpu(levels(0x1F, apic_id, *shifts)), INTEL)
    assert found is not None
    thread, package = shifts[0][1], shifts[-1][1]
    assert found.package << package | found.core << thread | found.thread == apic_id


@settings(deadline=None)
@given(widths(), st.lists(st.integers(0, 0xFFFFF), min_size=2, max_size=8))
def test_whoever_shares_a_group_shares_what_the_group_is_in(shifts: list[tuple[int, int]], apic_ids: list[int]) -> None:
    found = [position(cpu(levels(0x1F, apic_id, *shifts)), INTEL) for apic_id in apic_ids]
    keys = [
        tuple(
            (it.package, number) for number in (it.core, it.module, it.tile, it.die, it.die_group) if number is not None
        )
        for it in found
        if it is not None
    ]
    for one in keys:
        for other in keys:
            alike = [a == b for a, b in zip(one, other, strict=True)]
            assert alike == sorted(alike)
