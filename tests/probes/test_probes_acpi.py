"""ACPI decoders: what well-formed tables say, and that no bytes whatever make them fail or invent."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes_tables import local_apic, madt_of, slit_of, srat_of, table

from probes.acpi import madt, mcfg, slit, srat
from probes.acpi.probe import TABLES, probe
from probes.acpi.table import Table, open_table
from probes.fact import Fact, Survey
from probes.source import Files

DECODERS: dict[bytes, Callable[[Table], Survey]] = {
    b"APIC": madt.survey,
    b"SRAT": srat.survey,
    b"SLIT": slit.survey,
    b"MCFG": mcfg.survey,
}

bounded = settings(deadline=None, max_examples=150)


MADT = madt_of(
    local_apic(0, 0),
    local_apic(1, 2, 0),
    struct.pack("<BBBBII", 1, 12, 5, 0, 0xFEC00000, 24),
    struct.pack("<BBBBIH", 2, 10, 0, 9, 20, 0xD),
    struct.pack("<BBBHB", 4, 6, 0xFF, 5, 1),
    struct.pack("<BBHIII", 9, 16, 0, 0x1234, 1, 300),
    struct.pack("<BBHIB3x", 10, 12, 0xF, 0xFFFFFFFF, 1),
)
SRAT = srat_of(
    struct.pack("<BBBBIBBHI", 0, 16, 2, 7, 1, 0, 1, 0, 0),
    struct.pack("<BBHIIIII", 2, 24, 0, 3, 0x100, 1, 0, 0),
    struct.pack("<BBIIII", 3, 18, 4, 9, 1, 0),
    struct.pack("<BBIHQQIIQ", 1, 40, 3, 0, 1 << 32, 1 << 30, 0, 7, 0),
    struct.pack("<BBIHQQIIQ", 1, 40, 3, 0, 0, 1 << 30, 0, 0, 0),
)
SLIT = slit_of([[10, 21], [21, 10]])
MCFG = table(b"MCFG", bytes(8) + struct.pack("<QHBB4x", 0xE0000000, 0, 0, 255))

MADT_HEAD = (Fact("local_apic_address", (0xFEE00000,)), Fact("pcat_compatible", (1,)))
"""What the head of every MADT here says."""

WELL_FORMED = {"APIC": MADT, "SRAT": SRAT, "SLIT": SLIT, "MCFG": MCFG}


def square(count: int) -> st.SearchStrategy[list[list[int]]]:
    row = st.lists(st.integers(11, 254), min_size=count, max_size=count)
    return st.lists(row, min_size=count, max_size=count)


def decode(data: bytes) -> Survey:
    found, problems = open_table("here", data)
    if found is None:
        return Survey(problems=problems)
    told = DECODERS[data[:4]](found) if data[:4] in DECODERS else Survey()
    return Survey(told.facts, (*problems, *told.problems))


def test_madt_tells_controllers_overrides_and_nmi_wiring() -> None:
    assert decode(MADT) == Survey(
        (
            *MADT_HEAD,
            Fact("apic", (0, 0, 1)),
            Fact("apic", (1, 2, 0)),
            Fact("ioapic", (5, 0xFEC00000, 24)),
            Fact("interrupt_override", (0, 9, 20, "high", "level")),
            Fact("nmi", ("all", 1, "high", "edge")),
            Fact("apic", (300, 0x1234, 1)),
            Fact("nmi", ("all", 1, "low", "level")),
        )
    )


def test_srat_tells_enabled_affinities_only() -> None:
    assert decode(SRAT) == Survey(
        (
            Fact("cpu_affinity", (7, 0x102)),
            Fact("cpu_affinity", (0x100, 3)),
            Fact("processor_affinity", (9, 4)),
            Fact("memory_affinity", (1 << 32, 1 << 30, 3, ("hot_pluggable", "non_volatile"))),
        )
    )


def test_srat_of_revision_1_has_domains_of_8_bits() -> None:
    entry = struct.pack("<BBBBIBBHI", 0, 16, 2, 7, 1, 0, 0xFF, 0xFFFF, 0)
    assert decode(srat_of(entry, revision=1)).facts == (Fact("cpu_affinity", (7, 2)),)


def test_slit_tells_every_pair() -> None:
    assert decode(SLIT) == Survey(
        tuple(Fact("node_distance", row) for row in ((0, 0, 10), (0, 1, 21), (1, 0, 21), (1, 1, 10)))
    )


def test_slit_tells_unreachable_domains_apart_and_leaves_out_reserved_distances() -> None:
    found = decode(slit_of([[10, 255], [3, 10]]))
    assert found.facts == (
        Fact("node_distance", (0, 0, 10)),
        Fact("node_unreachable", (0, 1)),
        Fact("node_distance", (1, 1, 10)),
    )
    assert [problem.cause for problem in found.problems] == [
        "1 distances that cannot be, the first from 1 to 0: 3; they are left out"
    ]


def test_slit_that_claims_more_localities_than_it_holds_tells_what_it_holds() -> None:
    found = decode(slit_of([[10, 20]], count=1 << 63))
    assert found.facts == (Fact("node_distance", (0, 0, 10)), Fact("node_distance", (0, 1, 20)))
    assert "holds 2 distances" in found.problems[0].cause


def test_mcfg_tells_segments_and_buses() -> None:
    assert decode(MCFG) == Survey((Fact("pcie_confspace", (0, 0, 255, 0xE0000000)),))


def test_mcfg_with_buses_in_reverse_is_a_problem() -> None:
    found = decode(table(b"MCFG", bytes(8) + struct.pack("<QHBB4x", 0xE0000000, 0, 9, 3)))
    assert found.facts == ()
    assert found.problems[0].place == "here (MCFG) at offset 0x2c"


def test_a_reserved_polarity_is_a_problem_and_unknown() -> None:
    found = decode(madt_of(struct.pack("<BBBBIH", 2, 10, 0, 9, 20, 0xE)))
    assert found.facts == (*MADT_HEAD, Fact("interrupt_override", (0, 9, 20, "unknown", "level")))
    assert "reserved polarity" in found.problems[0].cause


def test_a_placeholder_that_is_repeated_is_told_once_and_no_problem() -> None:
    told = decode(madt_of(local_apic(0, 0xFF, 0), local_apic(0, 0xFF, 0)))
    assert told == Survey((*MADT_HEAD, Fact("apic", (0, 0xFF, 0))))


def test_of_entries_that_contradict_each_other_the_first_counts() -> None:
    found = decode(madt_of(local_apic(0, 1, 1), local_apic(0, 1, 0)))
    assert found.facts == (*MADT_HEAD, Fact("apic", (0, 1, 1)))
    assert "contradicts an earlier entry" in found.problems[0].cause


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (struct.pack("<BB", 0, 0), "states a length of 0 bytes"),
        (struct.pack("<BB", 0, 1), "states a length of 1 bytes"),
        (struct.pack("<BBBBI", 0, 200, 0, 0, 1), "runs beyond the end"),
        (struct.pack("<BBBB", 0, 4, 0, 0), "has 4 bytes, where it needs 8"),
        (b"\0", "is cut off before its length"),
    ],
)
def test_a_structure_with_a_length_that_cannot_be_is_a_problem_after_the_facts_before_it(
    broken: bytes, cause: str
) -> None:
    found = decode(madt_of(local_apic(3, 4), broken))
    assert found.facts == (*MADT_HEAD, Fact("apic", (3, 4, 1)))
    assert [cause in problem.cause for problem in found.problems] == [True]
    assert found.problems[0].place == "here (APIC) at offset 0x34"


def test_structures_of_types_that_are_not_defined_are_passed_over() -> None:
    oem = struct.pack("<BB6x", 0x80, 8)
    assert decode(madt_of(oem, local_apic(3, 4))) == Survey((*MADT_HEAD, Fact("apic", (3, 4, 1))))


def test_a_wrong_checksum_is_a_problem_and_costs_no_fact() -> None:
    damaged = bytearray(MCFG)
    damaged[9] ^= 1
    found = decode(bytes(damaged))
    assert found.facts == decode(MCFG).facts
    assert "wrong checksum" in found.problems[0].cause


def test_bytes_after_the_stated_end_are_not_read() -> None:
    found = decode(madt_of(local_apic(0, 0)) + local_apic(1, 1))
    assert found.facts == (*MADT_HEAD, Fact("apic", (0, 0, 1)))
    assert "follow the end" in found.problems[0].cause


@pytest.mark.parametrize("name", WELL_FORMED)
def test_every_single_bit_flip_is_noticed_by_the_checksum_or_the_header(name: str) -> None:
    whole = WELL_FORMED[name]
    for position in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[position // 8] ^= 1 << position % 8
        assert decode(bytes(flipped)).problems


@bounded
@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_a_problem_or_a_table(data: bytes) -> None:
    found, problems = open_table("here", data)
    assert found is not None or problems


@bounded
@given(st.lists(st.tuples(st.integers(0, 254), st.integers(0, 254), st.integers(0, 1)), max_size=20))
def test_every_local_apic_that_is_written_is_told(written: list[tuple[int, int, int]]) -> None:
    first: dict[tuple[int, int], int] = {}
    for uid, apic_id, enabled in written:
        first.setdefault((uid, apic_id), enabled)
    found = decode(madt_of(*(local_apic(*entry) for entry in written)))
    assert set(found.facts) == {*MADT_HEAD, *(Fact("apic", (*key, enabled)) for key, enabled in first.items())}


@bounded
@given(st.integers(1, 12).flatmap(square))
def test_every_distance_that_is_written_is_told(rows: list[list[int]]) -> None:
    for number, row in enumerate(rows):
        row[number] = 10
    expected = {
        Fact("node_distance", (origin, target, distance))
        for origin, row in enumerate(rows)
        for target, distance in enumerate(row)
    }
    assert decode(slit_of(rows)) == Survey(tuple(sorted(expected)))


def test_probe_lists_every_table_and_decodes_the_first_of_a_signature() -> None:
    files = {
        f"{TABLES}/APIC1": madt_of(local_apic(0, 0)),
        f"{TABLES}/APIC2": madt_of(local_apic(7, 7)),
        f"{TABLES}/SSDT1": table(b"SSDT", b"a"),
        f"{TABLES}/SSDT10": table(b"SSDT", b"bb"),
        f"{TABLES}/dynamic/SSDT11": table(b"SSDT", b"ccc"),
        f"{TABLES}/data/BERT": b"not a table",
    }
    found = probe(Files(files))
    # the two MADTs differ in their entries only, so one row says all that the vocabulary says of them
    listed = [fact.args[:3] for fact in found.facts if fact.name == "acpi_table"]
    assert listed == [("APIC", 3, 52), ("SSDT", 3, 37), ("SSDT", 3, 38), ("SSDT", 3, 39)]
    assert [fact for fact in found.facts if fact.name == "apic"] == [Fact("apic", (0, 0, 1))]
    assert [problem.cause for problem in found.problems] == [
        f"a second table APIC; {TABLES}/APIC1 is used, as the kernel does"
    ]


def test_probe_goes_by_the_signature_and_not_by_the_file_name() -> None:
    renamed = b"_RAT" + SRAT[4:]
    found = probe(Files({f"{TABLES}/SRAT": renamed}))
    assert not [fact for fact in found.facts if fact.name.endswith("affinity")]


def test_probe_of_a_machine_without_acpi_is_empty() -> None:
    assert probe(Files({})) == Survey()


def test_facs_which_has_no_common_header_is_listed() -> None:
    facs = struct.pack("<4sI24xB31x", b"FACS", 64, 2)
    assert probe(Files({f"{TABLES}/FACS": facs})) == Survey((Fact("acpi_table", ("FACS", 2, 64, "")),))
