"""PCI decoders: headers, registers, capability lists, and what the kernel adds."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.fact import Fact, Survey, addr
from probes.pci.bars import Bar, decode_bars
from probes.pci.capabilities import decode_capabilities
from probes.pci.header import decode_header
from probes.pci.probe import DEVICES, parse_address, probe
from probes.source import Files

bounded = settings(deadline=None, max_examples=150)

HERE = addr(0, 0x3B, 0x1F, 3)
PATH = f"{DEVICES}/0000:3b:1f.3"


def config(header_type: int = 0, size: int = 256, capabilities: int = 0, **at: bytes) -> bytes:
    """Configuration space of a function 8086:1234; `at` places bytes, by hexadecimal offset (`x10=...`)."""
    space = bytearray(size)
    status = 0x10 if capabilities else 0
    space[:16] = struct.pack("<HHHHBBBBBBBB", 0x8086, 0x1234, 0, status, 7, 2, 8, 1, 0, 0, header_type, 0)
    space[0x34] = capabilities
    for offset, value in at.items():
        start = int(offset[1:], 16)
        space[start : start + len(value)] = value
    return bytes(space)


def survey(space: bytes, **files: bytes) -> Survey:
    return probe(Files({f"{PATH}/config": space} | {f"{PATH}/{name}": content for name, content in files.items()}))


def rows(found: Survey, name: str) -> list[tuple[object, ...]]:
    return [fact.args[1:] for fact in found.facts if fact.name == name]


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("0000:00:1f.3", addr(0, 0, 31, 3)),
        ("10000:e1:00.0", addr(0x10000, 0xE1, 0, 0)),
        ("0000:00:20.0", None),
        ("0000:00:1f.8", None),
        ("pci0000:00", None),
        ("", None),
    ],
)
def test_a_function_is_known_by_its_directory(name: str, function: object) -> None:
    assert parse_address(name) == function


def test_a_device_says_what_it_is() -> None:
    assert rows(survey(config()), "device") == [(0x8086, 0x1234, 1, 8, 2, 7)]


def test_a_bridge_says_its_buses() -> None:
    assert rows(survey(config(1, x18=bytes([1, 2, 9]))), "bridge") == [(1, 2, 9)]


def test_a_cardbus_bridge_has_one_register_and_its_capabilities_elsewhere() -> None:
    space = config(
        2, capabilities=0, x06=b"\x10\x00", x14=b"\x80", x80=b"\x01\x00", x10=b"\x00\x00\x10\x00", x18=b"\0\1\2"
    )
    found = survey(space)
    assert rows(found, "bar") == [(0, 0x100000, "unknown", "memory", 32, 0)]
    assert rows(found, "pci_capability") == [("pm", 0x80)]
    assert rows(found, "bridge") == [(0, 1, 2)]


def test_a_header_of_unknown_type_is_a_device_and_a_problem() -> None:
    found = survey(config(0x45))
    assert [fact.name for fact in found.facts] == ["device"]
    assert "unknown type 0x45" in found.problems[0].cause


def test_registers_of_all_kinds_are_read() -> None:
    registers = struct.pack("<6I", 0xFE00000C, 0x1, 0xE001, 0, 0xD0000008, 0xC0000002)
    assert list(decode_bars(config(x10=registers), 6)) == [
        Bar(0, 0x1FE000000, "memory", 64, 1),
        Bar(2, 0xE000, "io", 32, 0),
        Bar(4, 0xD0000000, "memory", 32, 1),
        Bar(5, 0xC0000000, "memory", 32, 0),
    ]


def test_a_register_of_64_bits_that_is_the_last_is_a_problem() -> None:
    found = survey(config(x24=struct.pack("<I", 0xFE000004)))
    assert rows(found, "bar") == []
    assert "is the last" in found.problems[0].cause


def test_sizes_come_from_the_kernel() -> None:
    resource = b"0x00000000fe000000 0x00000000fe003fff 0x0000000000040200\n" + b"0x0 0x0 0x0\n" * 6
    found = survey(config(x10=struct.pack("<I", 0xFE000000)), resource=resource)
    assert rows(found, "bar") == [(0, 0xFE000000, 0x4000, "memory", 32, 0)]


def test_without_the_kernel_sizes_are_unknown() -> None:
    assert rows(survey(config(x10=struct.pack("<I", 0xFE000000))), "bar") == [
        (0, 0xFE000000, "unknown", "memory", 32, 0)
    ]


def test_a_register_that_only_the_kernel_knows_is_told_as_the_kernel_tells_it() -> None:
    resource = b"0x2000000000 0x200000ffff 0x14220c\n" + b"0x0 0x0 0x0\n" * 6
    assert rows(survey(config(), resource=resource), "bar") == [(0, 0x2000000000, 0x10000, "memory", 64, 1)]


def test_windows_of_a_bridge_are_not_registers_of_it() -> None:
    resource = b"0x0 0x0 0x0\n" * 7 + b"0x1000 0x1fff 0x101\n" * 3
    assert rows(survey(config(1), resource=resource), "bar") == []


def test_a_line_of_resource_that_is_none_is_a_problem() -> None:
    found = survey(config(), resource=b"what is this\n")
    assert "is not start, end and flags" in found.problems[0].cause


def test_a_virtual_function_is_named_by_the_kernel() -> None:
    found = survey(config(x0=b"\xff\xff\xff\xff"), vendor=b"0x15b3\n", device=b"0x1018\n")
    assert rows(found, "device") == [(0x15B3, 0x1018, 1, 8, 2, 7)]


def test_a_function_that_does_not_answer_is_a_problem() -> None:
    found = survey(b"\xff" * 256)
    assert found.facts == ()
    assert "does not answer" in found.problems[0].cause


def test_a_node_of_minus_one_gives_no_fact() -> None:
    assert rows(survey(config(), numa_node=b"-1\n"), "device_node") == []
    assert rows(survey(config(), numa_node=b"1\n"), "device_node") == [(1,)]


def test_the_driver_is_known_though_its_directory_was_not_recorded() -> None:
    source = Files({f"{PATH}/config": config()}, links={f"{PATH}/driver": "/sys/bus/pci/drivers/nvme"})
    assert Fact("device_driver", (HERE, "nvme")) in probe(source).facts


def test_interrupt_pins_are_letters() -> None:
    assert rows(survey(config(x3c=b"\x0b\x02")), "interrupt_pin") == [("b", 11)]
    assert rows(survey(config(x3c=b"\x0b\x00")), "interrupt_pin") == []
    assert "interrupt pin 9" in survey(config(x3c=b"\x0b\x09")).problems[0].cause


def test_capabilities_are_followed() -> None:
    space = config(capabilities=0x40, x40=b"\x05\x50", x50=b"\x11\x60", x60=b"\x77\x00")
    assert [item[:2] for item in decode_capabilities(space, 0x34).found] == [
        ("msi", 0x40),
        ("msix", 0x50),
        ("cap_77", 0x60),
    ]


def test_extended_capabilities_are_followed_on_pci_express_only() -> None:
    extended = {"x100": struct.pack("<I", 0x14810001), "x148": struct.pack("<I", 0x00010010)}
    express = config(size=4096, capabilities=0x40, x40=b"\x10\x00", **extended)
    assert [item[:2] for item in decode_capabilities(express, 0x34).found] == [
        ("exp", 0x40),
        ("aer", 0x100),
        ("sriov", 0x148),
    ]
    conventional = config(size=4096, capabilities=0x40, x40=b"\x01\x00", **extended)
    assert [item[:2] for item in decode_capabilities(conventional, 0x34).found] == [("pm", 0x40)]


@pytest.mark.parametrize(
    ("places", "wrong"),
    [
        ({"x40": b"\x05\x40"}, "comes back to 0x40"),
        ({"x40": b"\x05\x50", "x50": b"\x01\x40"}, "comes back to 0x40"),
        ({"x40": b"\x05\x20"}, "leads into the header, to 0x20"),
        ({"x40": b"\xff\xff"}, "is broken at 0x40"),
        ({"x40": b"\x10\x00", "x100": struct.pack("<I", 0x10010001)}, "comes back to 0x100"),
        ({"x40": b"\x10\x00", "x100": struct.pack("<I", 0x04010001)}, "leads below 0x100, to 0x040"),
    ],
)
def test_a_list_that_goes_astray_ends_and_is_a_problem(places: dict[str, bytes], wrong: str) -> None:
    found = survey(config(size=4096, capabilities=0x40, **places))
    assert [wrong in problem.cause for problem in found.problems] == [True]


def test_without_root_one_problem_tells_that_capabilities_are_missing() -> None:
    space = config(size=64, capabilities=0x40)
    found = probe(Files({f"{DEVICES}/0000:00:{slot:02x}.0/config": space for slot in range(5)}))
    assert [problem.cause for problem in found.problems] == ["capabilities of 5 functions are not readable"]
    assert len(found.facts) == 5


@pytest.mark.parametrize("size", range(64))
def test_a_header_cut_short_is_a_problem_and_no_fact(size: int) -> None:
    found = survey(config()[:size])
    assert found.facts == ()
    assert f"only {size} bytes" in found.problems[0].cause


@bounded
@given(st.binary(min_size=64, max_size=600))
def test_any_configuration_space_is_read_without_failing(space: bytes) -> None:
    survey(space)


@bounded
@given(st.binary(min_size=1, max_size=250))
def test_any_capability_list_ends(pattern: bytes) -> None:
    space = (pattern * 4096)[:4096]
    express = space[:0x34] + b"\x40" + space[0x35:0x40] + b"\x10" + space[0x41:]
    found = decode_capabilities(express, 0x34)
    assert len({item.offset for item in found.found}) == len(found.found)


@bounded
@given(st.binary(min_size=64, max_size=64), st.integers(0, 4096))
def test_what_a_header_says_does_not_depend_on_what_follows_it(header: bytes, more: int) -> None:
    assert decode_header(header) == decode_header(header + bytes(more))
