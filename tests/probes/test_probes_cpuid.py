"""CPUID decoders, on registers written by the manuals' definitions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.cpuid import caches, features, identity, topology
from probes.cpuid.dump import WHOLE_LEAF, CpuidDump, parse_pu, record
from probes.cpuid.registers import Lookup, Registers, bits, bits_needed

bounded = settings(deadline=None, max_examples=200)

INTEL = (0x756E6547, 0x6C65746E, 0x49656E69)

HTT_AND_APIC = 1 << 28 | 1 << 9


def cpu(leaves: dict[tuple[int, int], tuple[int, int, int, int]]) -> Lookup:
    """A processor that answers these leaves and no others."""
    return lambda leaf, subleaf: Registers(*leaves[leaf, subleaf]) if (leaf, subleaf) in leaves else None


def leaf_1(*, apic_id: int = 0, logical: int = 1, family: int = 0x6F0, edx: int = HTT_AND_APIC) -> tuple[int, ...]:
    return family, apic_id << 24 | logical << 16, 0, edx


def vendor_leaf(words: tuple[int, int, int], highest: int = 0x1F) -> tuple[int, int, int, int]:
    return (highest, *words)


def test_bits_are_cut_as_the_manuals_write_them() -> None:
    assert bits(0xABCD1234, 31, 26) == 0x2A
    assert bits(0xABCD1234, 7, 0) == 0x34


@given(st.integers(1, 1 << 20))
def test_bits_needed_number_all_things_and_no_smaller_field_does(count: int) -> None:
    assert 1 << bits_needed(count) >= count
    assert count == 1 or 1 << bits_needed(count) - 1 < count


def test_vendor_is_spelled_as_leaf_0_spells_it() -> None:
    assert identity.vendor(cpu({(0, 0): vendor_leaf(INTEL)})) == "GenuineIntel"
    assert identity.vendor(cpu({(0, 0): vendor_leaf((0x68532020, 0x20206961, 0x68676E61))})) == "  Shanghai  "
    assert identity.vendor(cpu({})) is None


@pytest.mark.parametrize(
    ("eax", "expected"),
    [
        (0x000806E9, (6, 0x8E, 9)),
        (0x00A10F11, (0x19, 0x11, 1)),
        (0x00000F29, (15, 2, 9)),
        (0x00000543, (5, 4, 3)),
        (0x00000B13, (11, 1, 3)),
    ],
)
def test_extended_family_and_model_are_folded_in(eax: int, expected: tuple[int, int, int]) -> None:
    assert identity.version(cpu({(1, 0): (eax, 0, 0, 0)})) == expected


def test_brand_is_joined_and_its_spaces_made_one() -> None:
    parts = {
        (0x80000002, 0): (0x20202020, 0x20444D41, 0x43595045, 0x35343720),
        (0x80000003, 0): (0x20202031, 0, 0, 0),
        (0x80000004, 0): (0, 0, 0, 0),
    }
    assert identity.brand(cpu(parts)) == "AMD EPYC 7451"
    assert identity.brand(cpu({})) is None


def test_address_widths_are_not_made_up() -> None:
    assert identity.address_bits(cpu({(0x80000008, 0): (0x3030, 0, 0, 0)})) == (48, 48)
    assert identity.address_bits(cpu({(0x80000008, 0): (0, 0, 0, 0)})) is None
    assert identity.address_bits(cpu({})) is None


@pytest.mark.parametrize(
    ("leaves", "kind"),
    [
        ({(0x1A, 0): (0x40000001, 0, 0, 0)}, "performance"),
        ({(0x1A, 0): (0x20000002, 0, 0, 0)}, "efficiency"),
        ({(0x1A, 0): (0, 0, 0, 0)}, None),
        ({(0x80000026, 0): (1 << 30 | 1, 2, 0x100, 0)}, "performance"),
        ({(0x80000026, 0): (1 << 30 | 1, 1 << 28 | 2, 0x100, 0)}, "efficiency"),
        ({(0x80000026, 0): (1, 1 << 28 | 2, 0x100, 0)}, None),
        ({}, None),
    ],
)
def test_kind_of_core_is_told_where_the_processor_tells_it(
    leaves: dict[tuple[int, int], tuple[int, int, int, int]], kind: str | None
) -> None:
    assert identity.core_type(cpu(leaves)) == kind


def test_features_have_the_names_of_linux() -> None:
    told = features.features(
        cpu({(1, 0): (0, 0, 1 << 0 | 1 << 27 | 1 << 31, 1 << 25), (7, 0): (0, 1 << 5, 0, 1 << 26)})
    )
    assert told == {"pni", "hypervisor", "sse", "avx2", "ibrs", "ibpb"}


def test_subleaf_of_leaf_7_counts_only_where_leaf_7_has_it() -> None:
    subleaf = {(7, 1): (1 << 4, 0, 0, 0)}
    assert features.features(cpu({(7, 0): (1, 0, 0, 0)} | subleaf)) == {"avx_vnni"}
    assert features.features(cpu({(7, 0): (0, 0, 0, 0)} | subleaf)) == frozenset()


@pytest.mark.parametrize("row", features.FEATURES.items(), ids=lambda row: f"{row[0][0]:#x}.{row[0][1]}.{row[0][2]}")
def test_a_row_of_features_is_at_most_a_register(row: tuple[tuple[int, int, str], str]) -> None:
    names = row[1].split()
    named = [name for name in names if name != "-"]
    assert len(names) <= 32
    assert len(set(named)) == len(named)


LEVELS_1F = {
    (0x1F, 0): (1, 2, 0x100, 0b1011011),
    (0x1F, 1): (3, 6, 0x201, 0b1011011),
    (0x1F, 2): (5, 12, 0x502, 0b1011011),
    (0x1F, 3): (0, 0, 3, 0b1011011),
}

LEVELS_B = {(0xB, 0): (1, 2, 0x100, 0b110111), (0xB, 1): (4, 12, 0x201, 0b110111), (0xB, 2): (0, 0, 2, 0b110111)}

LEVELS_26 = {
    (0x80000026, 0): (1, 2, 0x100, 0x108),
    (0x80000026, 1): (4, 16, 0x201, 0x108),
    (0x80000026, 2): (4, 16, 0x302, 0x108),
    (0x80000026, 3): (8, 192, 0x403, 0x108),
    (0x80000026, 4): (0, 0, 4, 0x108),
}


def test_intel_leaf_1f_counts_before_leaf_b() -> None:
    assert topology.position(cpu(LEVELS_1F | LEVELS_B), "GenuineIntel") == (0b1011011, 0b10, 0b11, 0b1101, 1)


def test_intel_leaf_b_counts_where_leaf_1f_is_empty() -> None:
    empty = {(0x1F, 0): (0, 0, 0, 7)}
    assert topology.position(cpu(empty | LEVELS_B), "GenuineIntel") == (0b110111, 0b11, None, 0b011, 1)


def test_amd_leaf_80000026_counts_before_leaf_b() -> None:
    assert topology.position(cpu(LEVELS_26 | LEVELS_B), "AuthenticAMD") == (0x108, 1, 0, 4, 0)


def test_intel_without_level_leaves_is_read_from_counts() -> None:
    counts = {(1, 0): leaf_1(apic_id=0b110101, logical=16), (4, 0): (7 << 26 | 0x121, 0x1C0003F, 63, 0)}
    assert topology.position(cpu(counts), "GenuineIntel") == (0b110101, 0b11, None, 0b010, 1)  # type: ignore[arg-type]


def test_a_processor_without_threads_or_cores_is_a_package() -> None:
    single = {(1, 0): leaf_1(apic_id=6, edx=1 << 9)}
    assert topology.position(cpu(single), "GenuineIntel") == (6, 6, None, 0, 0)  # type: ignore[arg-type]


def test_a_processor_without_a_local_apic_tells_no_place() -> None:
    assert topology.position(cpu({(1, 0): (0x480, 0, 0, 1)}), "GenuineIntel") is None


@pytest.mark.parametrize(
    ("family", "thread", "core"), [(0x600F12, 0, 5), (0x800F12, 1, 2)], ids=["15h: cores of a unit", "17h: threads"]
)
def test_amd_topology_extension_counts_threads_from_family_17h_on(family: int, thread: int, core: int) -> None:
    leaves = {
        (1, 0): leaf_1(apic_id=5, logical=16, family=family),
        (0x80000001, 0): (0, 0, 1 << 22, 0),
        (0x80000008, 0): (0x3030, 0, 4 << 12 | 15, 0),
        (0x8000001E, 0): (0x15, 1 << 8, 0, 0),
    }
    assert topology.position(cpu(leaves), "AuthenticAMD") == (0x15, 1, None, core, thread)  # type: ignore[arg-type]


def test_caches_of_leaf_4_are_computed_from_their_geometry() -> None:
    told = caches.caches(
        cpu(
            {
                (4, 0): (0xFC004121, 0x02C0003F, 0x3F, 0),
                (4, 1): (0xFC0FC163, 0x02C0003F, 0x3FFF, 6),
                (4, 2): (0, 0, 0, 0),
            }
        )
    )
    assert told == (
        caches.SharedCache(1, "data", 48 << 10, 12, 64, 0, 1),
        caches.SharedCache(3, "unified", 12 << 20, 12, 64, 1, 6),
    )


def test_caches_of_amd_need_topology_extensions() -> None:
    leaf = {(0x8000001D, 0): (0x4121, 0x1C0003F, 0x3F, 0), (4, 0): (0, 0, 0, 0)}
    assert caches.caches(cpu(leaf)) == ()
    assert len(caches.caches(cpu(leaf | {(0x80000001, 0): (0, 0, 1 << 22, 0)}))) == 1


def test_a_fully_associative_cache_has_no_ways() -> None:
    assert caches.caches(cpu({(4, 0): (0x321, 0xFFC0003F, 0, 0)}))[0].ways == 0


def test_a_list_of_caches_that_does_not_end_is_cut() -> None:
    endless: Lookup = lambda leaf, _: Registers(0x121, 0x1C0003F, 63, 0) if leaf == 4 else None  # noqa: E731 - a lookup
    assert len(caches.caches(endless)) == caches.CACHES_AT_MOST


registers = st.builds(Registers, *[st.integers(0, 0xFFFFFFFF)] * 4)


@bounded
@given(st.dictionaries(st.tuples(st.sampled_from([0, 1, 4, 0xB, 0x1F, 0x80000026]), st.integers(0, 9)), registers))
def test_whatever_registers_hold_nothing_fails(entries: dict[tuple[int, int], Registers]) -> None:
    lookup = CpuidDump(entries).lookup
    for vendor in ("GenuineIntel", "AuthenticAMD", None):
        place = topology.position(lookup, vendor)
        assert place is None or min(part for part in place if part is not None) >= 0
    caches.caches(lookup)
    features.features(lookup)
    identity.brand(lookup)


def test_a_recording_holds_the_leaves_that_the_processor_states() -> None:
    def execute(leaf: int, subleaf: int) -> Registers:
        return Registers({0: 4, 4: 4, 0x80000000: 0x80000001}.get(leaf, 0), 0, 0, subleaf)

    dump = record(execute)
    assert {leaf for leaf, _ in dump.entries} == {0, 1, 2, 3, 4, 0x80000000, 0x80000001}
    assert dump.lookup(4, 3) == Registers(4, 0, 0, 3)
    assert dump.lookup(1, 9) == dump.lookup(1, 0)
    assert dump.lookup(5, 0) is None


def test_a_recording_of_a_processor_that_claims_every_leaf_ends() -> None:
    assert len(record(lambda leaf, _: Registers(leaf | 0xFFFF, 0, 0, 0)).entries) < 5000


def test_a_processor_without_the_instruction_records_nothing() -> None:
    assert record(lambda _leaf, _subleaf: None).entries == {}


def test_the_file_form_is_read() -> None:
    dump = parse_pu("# mask e[abcd]x => e[abcd]x\n1 1 0 0 0 => 800f12 300800 7ed8320b 178bfbff\n5 4 0 1 0 => 1 2 3 4\n")
    assert dump.entries == {(1, WHOLE_LEAF): (0x800F12, 0x300800, 0x7ED8320B, 0x178BFBFF), (4, 1): (1, 2, 3, 4)}


@given(st.text(alphabet="0123456789abcdef =>#\n", max_size=200))
def test_any_text_is_read_without_failing(text: str) -> None:
    parse_pu(text)
