"""What the kernel knows of PCI functions: sizes, slots, groups, virtual functions, and functions without configuration space."""

from __future__ import annotations

import struct

import pytest
from probes_pci_functions import HERE, PATH, causes, header, rows, space, survey

from probes.fact import Fact, addr
from probes.pci.probe import probe
from probes.pci.sysfs import DEVICES, SLOTS
from probes.source import Files

NOTHING = b"0x0 0x0 0x0\n"


def test_the_group_is_the_last_part_of_the_link() -> None:
    found = survey(space(), {f"{PATH}/iommu_group": "/sys/kernel/iommu_groups/42"})
    assert Fact("iommu_group", (42, HERE)) in found.facts


@pytest.mark.parametrize("target", ["/sys/kernel/iommu_groups/x", "/sys/kernel/iommu_groups/" + "9" * 5000])
def test_a_group_without_a_number_gives_no_fact(target: str) -> None:
    assert not any(fact.name == "iommu_group" for fact in survey(space(), {f"{PATH}/iommu_group": target}).facts)


def test_a_slot_holds_all_functions_of_its_device() -> None:
    source = Files(
        {f"{DEVICES}/0000:3b:00.{function}/config": space() for function in (0, 1)}
        | {f"{DEVICES}/0000:3b:01.0/config": space()}
        | {f"{SLOTS}/7/address": b"0000:3b:00\n", f"{SLOTS}/8/address": b"0000:44:00\n", f"{SLOTS}/9/address": b"\n"}
    )
    assert [fact.args for fact in probe(source).facts if fact.name == "physical_slot"] == [
        (addr(0, 0x3B, 0, 0), "7"),
        (addr(0, 0x3B, 0, 1), "7"),
    ]


def test_a_device_in_two_slots_is_a_problem() -> None:
    source = Files(
        {f"{DEVICES}/0000:3b:00.0/config": space()} | {f"{SLOTS}/{name}/address": b"0000:3b:00" for name in "78"}
    )
    found = probe(source)
    assert [fact.args[1] for fact in found.facts if fact.name == "physical_slot"] == ["7"]
    assert "in another slot already" in causes(found)[0]


def test_an_expansion_rom_has_its_size_from_the_kernel() -> None:
    config = space(x30=struct.pack("<I", 0xFFE00001))
    assert rows(survey(config), "expansion_rom") == [(0xFFE00000, "unknown", 1)]
    resource = NOTHING * 6 + b"0xffe00000 0xffe1ffff 0x46200\n"
    assert rows(survey(config, resource=resource), "expansion_rom") == [(0xFFE00000, 0x20000, 1)]
    assert rows(survey(space(), resource=resource), "expansion_rom") == [(0xFFE00000, 0x20000, 0)]
    assert rows(survey(space()), "expansion_rom") == []


def test_a_range_of_all_virtual_functions_is_shared_among_them() -> None:
    body = struct.pack("<IHHHHHBxHHHHII6II", 0, 0, 0, 8, 8, 0, 0, 1, 1, 0, 1, 1, 1, 0xD0000000, 0, 0, 0, 0, 0, 0)
    resource = NOTHING * 7 + b"0xd0000000 0xd001ffff 0x40200\n" + NOTHING * 5
    found = survey(space(extended=[(0x10, body)]), resource=resource)
    assert rows(found, "vf_bar") == [(0, 0xD0000000, 0x4000, "memory", 32, 0)]


def test_virtual_functions_are_named_by_their_physical_one() -> None:
    body = struct.pack("<IHHHHHBxHHHHII6II", 0, 1, 0, 8, 8, 3, 0, 8, 2, 0, 0x101E, 1, 1, *[0] * 7)
    physical = space(extended=[(0x10, body)])
    hidden = bytes(header(x0=b"\xff\xff\xff\xff"))
    there = ("0000:3b:01.0", "0000:3b:01.2", "0000:3b:02.0")
    source = Files(
        {f"{DEVICES}/0000:3b:00.0/config": physical} | {f"{DEVICES}/{name}/config": hidden for name in there}
    )
    found = probe(source)
    owner = addr(0, 0x3B, 0, 0)
    assert [fact.args for fact in found.facts if fact.name == "virtual_function"] == [
        (addr(0, 0x3B, 1, 0), owner),
        (addr(0, 0x3B, 1, 2), owner),
    ]
    assert {fact.args[1:3] for fact in found.facts if fact.name == "device"} == {
        (0x8086, 0x1234),
        (0x8086, 0x101E),
        (0xFFFF, 0xFFFF),
    }
    assert ["names no vendor" in cause for cause in causes(found)] == [True]


def test_a_virtual_function_knows_its_physical_one_by_the_kernel() -> None:
    found = survey(
        bytes(header(x0=b"\xff\xff\xff\xff")),
        {f"{PATH}/physfn": f"{DEVICES}/0000:3b:00.0"},
        vendor=b"0x15b3",
        device=b"0x101e",
    )
    assert rows(found, "virtual_function") == [(addr(0, 0x3B, 0, 0),)]


def test_a_function_without_configuration_space_is_known_by_the_kernels_files() -> None:
    resource = b"0xfe000000 0xfe003fff 0x140204\n" + NOTHING * 6
    found = survey(
        None, vendor=b"0x8086\n", device=b"0x1572\n", **{"class": b"0x020000\n"}, revision=b"0x01\n", resource=resource
    )
    assert rows(found, "device") == [(0x8086, 0x1572, 2, 0, 0, 1)]
    assert rows(found, "bar") == [(0, 0xFE000000, 0x4000, "memory", 64, 0)]


@pytest.mark.parametrize("name", ["vendor", "device", "class", "revision"])
def test_numbers_that_cannot_be_give_no_function(name: str) -> None:
    files = {"vendor": b"0x8086", "device": b"0x1572", "class": b"0x020000", "revision": b"0x01"}
    assert rows(survey(None, **files | {name: b"0x" + b"f" * 5000}), "device") == []
    assert rows(survey(None, **files | {name: b"-1"}), "device") == []


@pytest.mark.parametrize("line", [b"0x1 0x2", b"-1 5 0x200", b"0x" + b"f" * 40 + b" 0 0x200", b"x y z"])
def test_a_resource_that_cannot_be_is_a_problem(line: bytes) -> None:
    found = survey(space(), resource=line)
    assert "is not start, end and flags" in causes(found)[0]
    assert rows(found, "bar") == []


def test_a_function_under_two_names_is_a_problem_and_is_told_once() -> None:
    found = probe(Files({f"{DEVICES}/{name}:3b:00.0/config": space() for name in ("0000", "00000")}))
    assert len([fact for fact in found.facts if fact.name == "device"]) == 1
    assert "under another name" in causes(found)[0]
