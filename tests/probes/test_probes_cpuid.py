"""CPUID decoders, on registers written by the manuals' definitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probes_registers import cpu, leaf_0

from probes.cpuid import features, identity
from probes.cpuid.dump import WHOLE_LEAF, parse_pu, record
from probes.cpuid.registers import Registers, bits, bits_needed


def test_bits_are_cut_as_the_manuals_write_them() -> None:
    assert bits(0xABCD1234, 31, 26) == 0x2A
    assert bits(0xABCD1234, 7, 0) == 0x34


@given(st.integers(1, 1 << 20))
def test_bits_needed_number_all_things_and_no_smaller_field_does(count: int) -> None:
    assert 1 << bits_needed(count) >= count
    assert count == 1 or 1 << bits_needed(count) - 1 < count


def test_vendor_is_spelled_as_leaf_0_spells_it() -> None:
    assert identity.vendor(cpu(leaf_0("GenuineIntel"))) == "GenuineIntel"
    assert identity.vendor(cpu(leaf_0("  Shanghai  "))) == "  Shanghai  "
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
