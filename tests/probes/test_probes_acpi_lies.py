"""Firmware that contradicts itself: what each table's probe makes of it."""

from __future__ import annotations

import struct

import pytest
from probes_samples import device
from probes_samples_iommu import dmar_of, drhd, four, ivrs_of, remapping, scope, unit
from probes_samples_machine import BLOCK, TIMERS, cache, fadt_of, frame, gtdt_of, node, pptt_of, register, spcr_of
from probes_samples_memory import attributes, cedt_of, hmat_of, limits, matrix, msct_of, window
from probes_tables import local_apic, madt_of, srat_of, table

from probes.acpi.probe import DECODERS
from probes.acpi.table import FEW, LIMIT, SHOWN, open_table, shorten
from probes.fact import Fact, Survey, addr


def told(data: bytes) -> Survey:
    found, problems = open_table("here", data)
    assert found is not None
    assert problems == ()
    return DECODERS[found.signature](found)


def facts(data: bytes, name: str) -> list[tuple[object, ...]]:
    return [fact.args for fact in told(data).facts if fact.name == name]


def causes(data: bytes) -> list[str]:
    return [problem.cause for problem in told(data).problems]


# MADT


@pytest.mark.parametrize(("revision", "flags", "capable"), [(5, 2, True), (4, 2, False), (5, 3, False), (5, 0, False)])
def test_a_processor_may_be_brought_online_if_it_is_disabled_and_the_revision_knows(
    revision: int, flags: int, capable: bool
) -> None:
    madt = table(b"APIC", bytes(8) + local_apic(1, 2, flags), revision=revision)
    assert facts(madt, "apic_online_capable") == ([(1, 2)] if capable else [])


def test_placeholders_of_absent_processors_are_kept_as_disabled() -> None:
    madt = madt_of(struct.pack("<BBHIII", 9, 16, 0, 0xFFFFFFFF, 0, 0xFFFFFFFF), local_apic(0xFF, 0xFF, 0))
    assert facts(madt, "apic") == [(0xFFFFFFFF, 0xFFFFFFFF, 0), (0xFF, 0xFF, 0)]


def test_a_processor_listed_as_local_apic_and_as_x2apic_is_one() -> None:
    madt = madt_of(local_apic(1, 2), struct.pack("<BBHIII", 9, 16, 0, 2, 1, 1))
    assert facts(madt, "apic") == [(1, 2, 1)]
    assert causes(madt) == []


def test_a_gicc_of_a_length_between_revisions_is_read_as_the_older() -> None:
    gicc = struct.pack("<BB2xIIIIIQQ", 11, 44, 1, 2, 1, 0, 0, 0, 0) + bytes(4)
    assert facts(madt_of(gicc), "gic_cpu_interface") == [(2, 1, "unknown", 1, 0)]


# SRAT


@pytest.mark.parametrize(("revision", "domain"), [(1, 4), (2, 0xABCDEF04), (3, 0xABCDEF04)])
def test_memory_domains_have_8_bits_in_revision_1_and_32_after(revision: int, domain: int) -> None:
    memory = struct.pack("<BBI2xQQ4xI8x", 1, 40, 0xABCDEF04, 0, 4096, 1)
    assert facts(srat_of(memory, revision=revision), "memory_affinity") == [(0, 4096, domain, ())]


def test_x2apic_domains_have_32_bits_in_every_revision() -> None:
    affinity = struct.pack("<BB2xIIII4x", 2, 24, 0xABCDEF04, 9, 1, 0)
    assert facts(srat_of(affinity, revision=1), "cpu_affinity") == [(9, 0xABCDEF04)]


@pytest.mark.parametrize(
    "disabled",
    [
        struct.pack("<BBBBIBBHI", 0, 16, 4, 7, 0, 0, 3, 2, 0),
        struct.pack("<BBI2xQQ4xI8x", 1, 40, 1, 0, 4096, 2),
        struct.pack("<BB2xIIII4x", 2, 24, 3, 0x100, 0, 0),
        struct.pack("<BBIIII", 3, 18, 4, 9, 0, 0),
        device(5, 1, bytes(16))[:24] + bytes(8),
        struct.pack("<BB2xIIII", 7, 20, 4, 9, 2, 0),
    ],
)
def test_affinities_that_are_not_enabled_tell_nothing(disabled: bytes) -> None:
    assert told(srat_of(disabled)) == Survey()


def test_enabled_memory_of_no_size_is_a_problem_and_no_fact() -> None:
    found = told(srat_of(struct.pack("<BBI2xQQ4xI8x", 1, 40, 1, 4096, 0, 1)))
    assert found.facts == ()
    assert "has no size" in found.problems[0].cause


def test_an_initiator_known_by_a_reserved_kind_of_handle_is_a_problem_and_no_fact() -> None:
    found = told(srat_of(device(5, 2, bytes(16))))
    assert found.facts == ()
    assert "reserved type 2" in found.problems[0].cause


# HMAT


def test_latencies_under_a_condition_fill_in_where_there_are_none_without() -> None:
    hmat = hmat_of(
        matrix(0x10, 0, 1000, [0], {0: [90], 1: [95]}),
        matrix(0x00, 0, 1000, [0], {0: [80], 1: [0xFFFF]}),
    )
    assert facts(hmat, "memory_latency") == [(0, 0, "access", 80_000), (0, 1, "access", 95_000)]


def test_entries_that_are_not_provided_or_not_reachable_tell_nothing() -> None:
    assert told(hmat_of(matrix(0, 0, 1000, [0], {0: [0], 1: [0xFFFF]}))) == Survey()


def test_a_latency_beyond_all_memory_is_a_problem_and_no_fact() -> None:
    found = told(hmat_of(matrix(0, 0, 1 << 63, [0], {0: [2], 1: [0]})))
    assert found.facts == ()
    assert "are no latency of any memory" in found.problems[0].cause


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (matrix(0, 6, 1, [0], {0: [1]}), "data type 6 is reserved"),
        (matrix(9, 0, 1, [0], {0: [1]}), "memory hierarchy 9 is reserved"),
        (matrix(0, 0, 1, [0], {0: [1]})[:12] + struct.pack("<I", 1 << 31) + bytes(26), "need"),
    ],
)
def test_a_matrix_that_cannot_be_read_is_left_out(broken: bytes, cause: str) -> None:
    broken = broken[:4] + struct.pack("<I", len(broken)) + broken[8:]
    found = told(hmat_of(broken, attributes(1, 0, 0)))
    assert found.facts == (Fact("memory_initiator", (0, 0)),)
    assert cause in found.problems[0].cause
    assert "left out" in found.problems[0].cause


# MSCT, CEDT


def test_limits_of_domains_in_reverse_are_left_out() -> None:
    assert facts(msct_of(limits(3, 1, 8, 4096)), "domain_limits") == []
    assert causes(msct_of(limits(3, 1, 8, 4096))) == ["domains run from 3 to 1; they are left out"]


def test_a_list_of_domains_that_begins_inside_the_head_begins_behind_it() -> None:
    assert facts(msct_of(limits(0, 1, 8, 4096), offset=1), "domain_limits") == [(0, 1, 8, 4096)]


def test_a_window_with_reserved_ways_has_no_targets() -> None:
    found = told(cedt_of(window(7, 9, [1])))
    assert found.facts == (
        Fact("cxl_window", (1 << 40, 1 << 34, "unknown", "unknown", "modulo", found.facts[0].args[5], 7)),
    )
    assert "ways 0x7 are reserved" in found.problems[0].cause


def test_a_window_that_holds_fewer_targets_than_ways_tells_those() -> None:
    cedt = cedt_of(window(2, 0, [5, 6]))
    assert facts(cedt, "cxl_window_target") == [(1 << 40, 0, 5), (1 << 40, 1, 6)]
    assert "holds 2 items, where it states 4" in causes(cedt)[0]


# PPTT


@pytest.mark.parametrize(
    ("structures", "links"),
    [
        ((node(0, 36, 0),), {36: "unknown"}),
        ((node(0, 56, 0), node(0, 36, 0)), {36: 56, 56: "unknown"}),
        ((node(0, 56, 0), node(0, 76, 0), node(0, 56, 0)), {36: 56, 56: 76, 76: "unknown"}),
        ((node(0, 57, 0), node(0, 0, 0)), {36: "unknown", 56: "none"}),
        ((node(0, 56, 0), cache(0, 0)), {36: "unknown"}),
    ],
)
def test_parents_that_lead_in_a_circle_or_nowhere_are_unknown(
    structures: tuple[bytes, ...], links: dict[int, object]
) -> None:
    found = told(pptt_of(*structures))
    assert {fact.args[0]: fact.args[1] for fact in found.facts if fact.name == "processor_node"} == links
    assert len(found.problems) == 1


def test_a_cache_that_is_its_own_next_level_has_an_unknown_one() -> None:
    assert facts(pptt_of(cache(0, 36)), "processor_cache")[0][-1] == "unknown"


def test_private_resources_beyond_the_structure_or_of_no_kind_are_problems() -> None:
    long = bytearray(node(0, 0, 0, 99))
    long[16] = 7
    assert causes(pptt_of(bytes(long))) == [
        "holds 1 private resources, where it states 7",
        "1 private resources are no cache and no id, the first 0x63",
    ]


# FADT, SPCR, GTDT


def test_latencies_above_the_limits_say_that_the_state_is_not_there() -> None:
    assert facts(fadt_of(244, 4, 0), "processor_idle_latency") == [("c2", 100_000_000)]


def test_a_fadt_that_ends_before_that_of_acpi_1_is_a_problem() -> None:
    assert told(fadt_of(115, 1, 0)).facts == ()
    assert "it needs 116 bytes" in causes(fadt_of(115, 1, 0))[0]


def test_a_console_on_a_pci_device_that_cannot_be_has_no_function() -> None:
    spcr = spcr_of(0, register(1, 8, 0x3F8), pci=(1, 2, 0, 32, 0, 0))
    assert facts(spcr, "serial_console_device") == []
    assert "PCI device 32, function 0" in causes(spcr)[0]


@pytest.mark.parametrize(("length", "offset"), [(9, 80), (0xFFFF, 88), (9, 0xFFFF)])
def test_a_consoles_name_outside_the_table_is_a_problem_and_no_fact(length: int, offset: int) -> None:
    spcr = spcr_of(0, register(1, 8, 0x3F8), struct.pack("<IIHH", 0, 0, length, offset) + b"\\_SB.COM\0")
    assert facts(spcr, "serial_console_name") == []
    assert "the console's name runs from" in causes(spcr)[0]


def test_a_gtdt_with_more_timers_than_it_states_tells_those_that_it_states() -> None:
    second = BLOCK[:4] + struct.pack("<Q", 0x3000) + BLOCK[12:]
    gtdt = gtdt_of(BLOCK, second, count=1)
    assert {args[0] for args in facts(gtdt, "generic_timer_frame")} == {0x2A810000}
    assert causes(gtdt) == ["2 platform timers, where 1 are stated; those beyond are left out"]


def test_a_timer_block_with_one_frame_twice_tells_the_first() -> None:
    other = bytearray(frame(0))
    other[4] = 1
    block = struct.pack("<BHxQII", 0, 100, 0x2A810000, 2, 20) + frame(0) + bytes(other)
    assert len(facts(gtdt_of(block), "generic_timer_frame")) == 1
    assert "contradicts an earlier entry" in causes(gtdt_of(block))[0]


def test_platform_timers_inside_the_tables_head_are_a_problem() -> None:
    gtdt = bytearray(gtdt_of(BLOCK))
    gtdt[92:96] = struct.pack("<I", 40)
    gtdt[9] = (gtdt[9] - sum(gtdt)) & 0xFF
    found = told(bytes(gtdt))
    assert found.facts == TIMERS
    assert "inside the table's head" in found.problems[0].cause


# DMAR, IVRS


@pytest.mark.parametrize("path", [(), (1,), (32, 0), (1, 8)])
def test_a_device_scope_whose_path_names_no_function_is_left_out(path: tuple[int, ...]) -> None:
    dmar = dmar_of(drhd(4096, 1, scope(1, 0, *path)))
    assert facts(dmar, "dmar_device") == []
    assert "is no list of devices and functions" in causes(dmar)[0]


def test_a_scope_of_reserved_type_is_left_out_and_the_next_is_read() -> None:
    dmar = dmar_of(drhd(4096, 1, scope(9, 0, 1, 0) + scope(1, 0, 1, 0)))
    assert [args[1] for args in facts(dmar, "dmar_device")] == ["pci_endpoint"]
    assert causes(dmar) == ["device scope of reserved type 9; it is left out"]


def test_reserved_memory_that_ends_before_it_begins_is_left_out() -> None:
    dmar = dmar_of(remapping(1, "2xHQQ", 0, 0x2000, 0x1FFE))
    assert facts(dmar, "dmar_reserved_memory") == []
    assert "ends at 0x1ffe" in causes(dmar)[0]


def test_a_units_affinity_that_is_stated_twice_is_told_once() -> None:
    dmar = dmar_of(remapping(3, "4xQI", 4096, 2), remapping(3, "4xQI", 4096, 1))
    assert facts(dmar, "dmar_unit_affinity") == [(4096, 2)]
    assert "contradicts an earlier entry" in causes(dmar)[0]


@pytest.mark.parametrize(
    ("devices", "cause"),
    [
        ((four(4, 16),), "ends that has not begun"),
        ((four(3, 16), four(4, 8)), "ends that has not begun"),
        ((four(3, 16),), "begins and does not end"),
        ((four(3, 16), four(2, 8)), "begins and does not end"),
        ((four(5, 16),), "device entry of reserved type 0x5"),
        ((four(65, 16), bytes(4)), "device entry of reserved type 0x41"),
        ((four(0x80, 16),), "whose length nothing tells"),
        ((four(72, 16),), "runs beyond the end of its block"),
        ((four(240, 16),), "runs beyond the end of its block"),
    ],
)
def test_device_entries_that_make_no_sense_are_problems_and_give_no_range(
    devices: tuple[bytes, ...], cause: str
) -> None:
    ivrs = ivrs_of(unit(*devices))
    assert [args for args in facts(ivrs, "ivrs_device") if args[1] != "select"] == []
    assert cause in causes(ivrs)[0]


def test_functions_of_an_ivrs_are_on_the_segment_of_their_unit() -> None:
    ivrs = ivrs_of(unit(four(2, 8), kind=0x11, segment=5))
    assert facts(ivrs, "ivrs_device")[0][2] == addr(5, 0, 1, 0)


# All


@pytest.mark.parametrize(
    ("data", "limit"),
    [
        (madt_of(local_apic(1, 1) * (LIMIT + 2)), LIMIT),
        (madt_of(struct.pack("<BBH", 0, 4, 0) * (LIMIT + 2)), LIMIT),
        (dmar_of(drhd(4096, 0) * (FEW + 2)), FEW),
        (cedt_of(window(0, 0, [1]) * (FEW + 2)), FEW),
    ],
    ids=["structures", "structures that are too short", "remapping units", "windows"],
)
def test_structures_beyond_what_any_machine_has_are_not_read(data: bytes, limit: int) -> None:
    assert f"more than {limit} structures; the" in causes(data)[-1]


def test_of_very_many_problems_the_first_are_told_and_the_others_counted() -> None:
    problems = told(madt_of(*(struct.pack("<BBBBI", 0, 4, 0, 0, 0)[:4] for _ in range(100)))).problems
    shown = shorten(problems)
    assert len(problems) == 100
    assert shown[:SHOWN] == problems[:SHOWN]
    assert f"{100 - SHOWN} more" in shown[SHOWN].cause
    assert len(shown) == SHOWN + 1
