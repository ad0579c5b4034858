"""What PCI capabilities hold becomes facts; what they cannot hold becomes a problem."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probes_pci_functions import EXPRESS, causes, rows, space, survey

from probes.pci.decoders import FACTS

bounded = settings(deadline=None, max_examples=150)

MIB = 1 << 20


def express(
    port: int = 0, lnkcap: int = 0x43, lnksta: int = 0x42, version: int = 2, slot: int = 0, **second: int
) -> tuple[int, bytes]:
    """A PCI Express capability: link, slot and second half as asked for."""
    words = (
        version | port << 4 | slot << 8,
        second.get("devcap", 0),
        second.get("devctl", 0),
        0,
        lnkcap,
        second.get("lnkctl", 0),
        lnksta,
    )
    places = struct.pack("<IHH", 5 << 19 | 0x40, 0, 0x40)
    rest = struct.pack("<IHHIHH", second.get("devcap2", 0), second.get("devctl2", 0), 0, 0, 0, 0)
    return 0x10, struct.pack("<HIHHIHH", *words) + places + bytes(8) + rest


@pytest.mark.parametrize(
    ("code", "speed"),
    [(1, 2500), (2, 5000), (3, 8000), (4, 16000), (5, 32000), (6, 64000), (7, 128000), (0, "unknown"), (9, "unknown")],
)
def test_a_link_tells_its_speed_in_transfers(code: int, speed: object) -> None:
    found = survey(space([express(lnkcap=0x10 << 4 | code, lnksta=8 << 4 | 1)]))
    assert rows(found, "pcie_link") == [(2500, 8, speed, 16)]


def test_what_is_integrated_in_the_root_complex_has_no_link() -> None:
    for port, kind in ((9, "root_endpoint"), (10, "root_event_collector")):
        found = survey(space([express(port)]))
        assert rows(found, "pcie_port") == [(kind, 2)]
        assert rows(found, "pcie_link") == []


def test_an_unknown_port_is_a_problem_and_has_no_link() -> None:
    found = survey(space([express(3)]))
    assert rows(found, "pcie_port") == [("unknown", 2)]
    assert rows(found, "pcie_link") == []
    assert "unknown port type 0x3" in causes(found)[0]


def test_a_width_that_there_is_not_is_a_problem() -> None:
    assert "a link of 3 lanes" in causes(survey(space([express(lnksta=0x31)])))[0]


def test_payloads_are_in_bytes() -> None:
    found = survey(space([express(devcap=2, devctl=1 << 5 | 5 << 12)]))
    assert rows(found, "pcie_payload") == [(512, 256, 4096)]
    assert rows(survey(space([express(devcap=7)])), "pcie_payload") == [("unknown", 128, 128)]


def test_a_port_with_a_slot_tells_its_number() -> None:
    assert rows(survey(space([express(4, slot=1)])), "pcie_slot") == [(5, 1, 1)]
    assert rows(survey(space([express(4)])), "pcie_slot") == []
    assert rows(survey(space([express(0, slot=1)])), "pcie_slot") == []


def test_power_states_of_a_link() -> None:
    assert rows(survey(space([express(lnkcap=0xC43, lnkctl=2)])), "pcie_aspm") == [(("l0s", "l1"), ("l1",))]


def test_features_are_told_with_their_switches() -> None:
    found = survey(
        space([express(devcap=1 << 5 | 1 << 28, devctl=1 << 8, devcap2=1 << 17 | 1 << 8, devctl2=1 << 12 | 1 << 6)])
    )
    assert rows(found, "pcie_feature") == [
        ("extended_tags", 1, 1),
        ("function_level_reset", 1, 1),
        ("latency_tolerance_reporting", 0, 0),
        ("ten_bit_tags", 1, 1),
        ("atomics_64_completer", 1, 1),
        ("atomics_requester", 1, 1),
    ]


def test_a_capability_of_the_first_version_has_no_second_half() -> None:
    found = survey(space([express(version=1, devcap2=1 << 17)]))
    assert rows(found, "pcie_feature") == [("extended_tags", 0, 0)]


def test_msi() -> None:
    found = survey(space([(0x05, struct.pack("<H", 1 | 5 << 1 | 3 << 4 | 1 << 7))]))
    assert rows(found, "msi") == [(32,)]
    assert rows(found, "msi_state") == [(1, 8, 64, 0)]


def test_a_reserved_number_of_vectors_is_a_problem_and_no_fact() -> None:
    found = survey(space([(0x05, struct.pack("<H", 6 << 1))]))
    assert rows(found, "msi") == []
    assert "reserved number of vectors" in causes(found)[0]


def test_msix() -> None:
    found = survey(space([(0x11, struct.pack("<HII", 0xC000 | 2047, 0x2003, 0x3004))]))
    assert rows(found, "msix") == [(2048,)]
    assert rows(found, "msix_state") == [(1, 1)]
    assert rows(found, "msix_table") == [(3, 0x2000, 4, 0x3000)]
    assert "that there is not" in causes(survey(space([(0x11, struct.pack("<HII", 0, 6, 0))])))[0]


def test_power_management() -> None:
    found = survey(space([(0x01, struct.pack("<HH", 3 | 1 << 9 | 1 << 11 | 1 << 15, 3))]))
    assert rows(found, "pci_power") == [(3, "d3hot", ("d0", "d1", "d3hot"), ("d0", "d3cold"))]


def sriov(
    control: int = 1, total: int = 64, count: int = 2, first: int = 8, stride: int = 2, page: int = 1
) -> tuple[int, bytes]:
    bars = (0xD0000004, 1, 0xC000000C, 2, 0, 0)
    return 0x10, struct.pack(
        "<IHHHHHBxHHHHII6II", 0, control, 0, total, total, count, 0, first, stride, 0, 0x101E, 0x553, page, *bars, 0
    )


def test_sriov() -> None:
    found = survey(space(extended=[sriov()]))
    assert rows(found, "sriov") == [(64, 2)]
    assert rows(found, "sriov_numbering") == [(64, 2, 8, 2, 0x101E)]
    assert rows(found, "sriov_pages") == [(4096, (4096, 8192, 65536, 262144, MIB, 4 * MIB))]
    assert rows(found, "vf_bar") == [
        (0, 0x1D0000000, "unknown", "memory", 64, 0),
        (2, 0x2C0000000, "unknown", "memory", 64, 1),
    ]


def test_virtual_functions_that_are_switched_off_are_not_active() -> None:
    found = survey(space(extended=[sriov(control=0, page=3)]))
    assert rows(found, "sriov") == [(64, 0)]
    assert rows(found, "sriov_pages")[0][0] == "unknown"


def test_access_control_translation_and_routing() -> None:
    found = survey(
        space(
            extended=[
                (0x0D, struct.pack("<HH", 0x1F, 0x1D)),
                (0x0F, struct.pack("<HH", 0x20, 0x8001)),
                (0x0E, struct.pack("<HH", 0x0400, 0)),
                (0x13, struct.pack("<HHII", 1, 0, 512, 32)),
                (0x1B, struct.pack("<HH", 20 << 8 | 6, 1)),
                (0x25, struct.pack("<II", 1 << 31 | 3, 1 << 31 | 1)),
            ]
        )
    )
    names = (
        "source_validation",
        "translation_blocking",
        "request_redirect",
        "completion_redirect",
        "upstream_forwarding",
    )
    assert rows(found, "pci_acs") == [(names, (names[0], *names[2:]))]
    assert rows(found, "pci_ats") == [(32, 1, 8192)]
    assert rows(found, "pci_ari") == [(4,)]
    assert rows(found, "pci_page_request") == [(512, 32, 1)]
    assert rows(found, "pci_pasid") == [(20, 1, 1, 1)]
    assert rows(found, "data_link_feature") == [(3, 1, 1)]
    assert found.problems == ()


def test_the_other_end_of_a_data_link_is_unknown_until_it_has_answered() -> None:
    assert rows(survey(space(extended=[(0x25, struct.pack("<II", 1, 1))])), "data_link_feature") == [(1, 0, "unknown")]


def test_errors() -> None:
    found = survey(space(extended=[(0x01, struct.pack("<6I", 1 << 14 | 1 << 20, 1 << 20, 1 << 4, 0x2000, 1, 0x1A0))]))
    assert rows(found, "pci_errors") == [
        ("uncorrectable", ("completion_timeout", "unsupported_request"), ("unsupported_request",)),
        ("correctable", ("advisory_non_fatal",), ("receiver",)),
    ]
    assert rows(found, "pci_fatal_errors") == [(("data_link_protocol",),)]
    assert rows(found, "pci_ecrc") == [(1, 0, 1, 1)]


@pytest.mark.parametrize(
    ("status", "triggered", "reason"),
    [
        (0, 0, "none"),
        (1, 1, "unmasked_uncorrectable"),
        (3, 1, "non_fatal_message"),
        (0x27, 1, "software"),
        (0x47, 1, "unknown"),
    ],
)
def test_containment(status: int, triggered: int, reason: str) -> None:
    found = survey(space(extended=[(0x1D, struct.pack("<HHHH", 0x20, 1, status, 0))]))
    assert rows(found, "pci_dpc") == [("fatal", triggered, reason, 1)]


def test_resizable_registers() -> None:
    entries = struct.pack("<IIII", 0x70, 2 << 5 | 1 << 8, 0x80000000, 2 | 43 << 8 | 1 << 31)
    found = survey(space(extended=[(0x15, entries)]))
    assert rows(found, "resizable_bar") == [
        (0, 2 * MIB, (MIB, 2 * MIB, 4 * MIB)),
        (2, MIB << 43, (MIB << 27, MIB << 43)),
    ]


@pytest.mark.parametrize("count", [0, 7])
def test_a_number_of_resizable_registers_that_cannot_be_is_a_problem(count: int) -> None:
    found = survey(space(extended=[(0x15, struct.pack("<II", 0x10, count << 5))]))
    assert rows(found, "resizable_bar") == []
    assert f"tells of {count} registers" in causes(found)[0]


def test_a_mailbox() -> None:
    found = survey(
        space(extended=[(0x2E, struct.pack("<III", 1 | 3 << 1, 0, 4)), (0x2E, struct.pack("<III", 0, 0, 1))])
    )
    assert rows(found, "pci_doe") == [(0x100, 1, 3, 0, 1), (0x110, 0, "unknown", 1, 0)]


def dvsec(vendor: int, number: int, body: bytes, length: int | None = None) -> tuple[int, bytes]:
    size = len(body) + 10 if length is None else length
    return 0x23, struct.pack("<HHH", vendor, 1 | size << 4, number) + body


def test_a_cxl_memory_device() -> None:
    ranges = struct.pack("<8I", 4, 3 | 2 << 2, 0x10, 0, 0, 0x10000000, 0, 0xF0000000)
    device = dvsec(0x1E98, 0, struct.pack("<7H", 4 | 2 | 2 << 4, 6, 0, 0, 0, 0, 0) + ranges)
    flex = dvsec(0x1E98, 7, struct.pack("<3H", 0x26, 6, 0x2002))
    locator = dvsec(0x1E98, 8, bytes(2) + struct.pack("<6I", 0x00010102, 1, 0, 0, 0xFFFF0302, 0))
    found = survey(space(extended=[device, flex, locator]))
    assert rows(found, "cxl_device") == [(("io", "mem"), ("io", "mem"), 2)]
    assert rows(found, "cxl_device_range") == [
        (0, 0x10_0000_0000, 0x4_0000_0000, 1, 1, "from_cdat"),
        (1, 0xF0000000, 0x10000000, 0, 0, "volatile"),
    ]
    assert rows(found, "cxl_port") == [
        (("io", "mem", "flit_68b_vh"), ("io", "mem"), ("io", "flit_256b_latency_optimized"))
    ]
    assert rows(found, "cxl_registers") == [(0, "component", 2, 0x1_0001_0000), (2, "device", 2, 0xFFFF0000)]
    assert [row[1:] for row in rows(found, "pci_dvsec")] == [(0x1E98, 0, 1, 56), (0x1E98, 7, 1, 16), (0x1E98, 8, 1, 36)]
    assert found.problems == ()


def test_a_length_that_reaches_into_the_next_capability_is_a_problem_and_ends_there() -> None:
    locator = dvsec(0x1E98, 8, bytes(2) + struct.pack("<2I", 0x102, 0), length=4095)
    found = survey(space(extended=[locator, (0x0E, struct.pack("<HH", 0x100, 0))]))
    assert "has a length of 4095" in causes(found)[0]
    assert rows(found, "cxl_registers") == [(0, "component", 2, 0)]


def test_fixed_ranges() -> None:
    entries = struct.pack("<3I", 1 << 31 | 2, 0xE0000000, 0xFFFFC) + struct.pack(
        "<5I", 1 << 31 | 1 << 8 | 8 << 4 | 4, 2, 0xFFE, 1, 0
    )
    found = survey(space([(0x14, struct.pack("<BB", 2, 0) + entries)]))
    assert rows(found, "enhanced_allocation") == [
        (0, 0, 0xE0000000, 0x100000, "memory", 1),
        (1, 8, 0x1_0000_0000, 0x1000, "prefetchable_memory", 1),
    ]


def test_the_subsystem_of_a_bridge_is_in_a_capability() -> None:
    found = survey(space([(0x0D, struct.pack("<HHH", 0, 0x1028, 0x07BD))], header_type=1))
    assert rows(found, "device_subsystem") == [(0x1028, 0x07BD)]


@pytest.mark.parametrize("number", [0x01, 0x0D, 0x10, 0x11, 0x14])
def test_a_capability_at_the_very_end_is_cut_short(number: int) -> None:
    config = bytearray(space([(number, b"")]))
    config[0x34], config[0xFC], config[0xFE] = 0xFC, number, 1
    found = survey(bytes(config))
    assert rows(found, "pci_capability")[0][1] == 0xFC
    assert "is cut short" in causes(found)[0]


@pytest.mark.parametrize("number", [0x01, 0x0D, 0x0E, 0x0F, 0x10, 0x13, 0x15, 0x1B, 0x1D, 0x23, 0x24, 0x25, 0x2E])
def test_an_extended_capability_at_the_very_end_is_cut_short(number: int) -> None:
    config = bytearray(space(extended=[(0, b"")]))
    struct.pack_into("<I", config, 0x100, 0xFFC << 20 | 0x10000)
    struct.pack_into("<I", config, 0xFFC, number | 0x10000)
    found = survey(bytes(config))
    assert rows(found, "pci_capability")[-1][1] == 0xFFC
    assert "is cut short" in causes(found)[0]


def test_a_second_capability_of_a_kind_is_a_problem_and_the_first_counts() -> None:
    found = survey(space([(0x05, struct.pack("<H", 2)), (0x05, struct.pack("<H", 4))]))
    assert rows(found, "msi") == [(2,)]
    assert any("msi is told twice" in cause for cause in causes(found))


def test_without_the_extended_space_one_problem_tells_what_is_missing() -> None:
    found = survey(space([EXPRESS]))
    assert causes(found) == ["extended capabilities of 1 functions are not readable"]


@bounded
@given(st.binary(min_size=1, max_size=300), st.integers(0, 2), st.lists(st.sampled_from([*range(0x31)]), max_size=30))
def test_any_bytes_in_any_capability_are_read_without_failing(
    noise: bytes, header_type: int, numbers: list[int]
) -> None:
    chosen = [(number, noise[: 5 * number]) for number in numbers]
    config = bytearray(space([(0x05, noise[:22]), (0x11, noise[:10]), EXPRESS], chosen or [(1, b"")], header_type))
    config[0x10:0x34] = (noise * 36)[:36]
    found = survey(bytes(config))
    keyed = {shape.name: shape.key for shape in FACTS.values()}
    keys = [(fact.name, *fact.args[1 : 1 + keyed[fact.name]]) for fact in found.facts if fact.name in keyed]
    assert len(keys) == len(set(keys))
