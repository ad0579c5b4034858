"""Windows of PCI and CardBus bridges."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from probes_pci_functions import causes, header, rows, survey

from probes.pci.bridges import Window, decode_cardbus_windows, decode_windows

CLOSED = struct.pack("<BBHHHHHIIHH", 0xF0, 0, 0, 0xFFF0, 0, 0xFFF0, 0, 0, 0, 0, 0)


def windows(*words: int) -> list[tuple[object, ...]]:
    return rows(survey(bytes(header(1, x1c=struct.pack("<BBHHHHHIIHH", *words)))), "bridge_window")


def test_windows_of_the_narrow_kind() -> None:
    assert windows(0xD0, 0xE0, 0, 0xF700, 0xF710, 0xE000, 0xEFF0, 0, 0, 0, 0) == [
        (0, "io", 0xD000, 0xEFFF, 16, 0),
        (1, "memory", 0xF7000000, 0xF71FFFFF, 32, 0),
        (2, "memory", 0xE0000000, 0xEFFFFFFF, 32, 1),
    ]


def test_windows_of_the_wide_kind() -> None:
    assert windows(0x01, 0xF1, 0, 0xFFF0, 0, 0x0001, 0xFFF1, 0x38, 0x3B, 0x1, 0x2) == [
        (0, "io", 0x10000, 0x2FFFF, 32, 0),
        (2, "memory", 0x38_0000_0000, 0x3B_FFFF_FFFF, 64, 1),
    ]


def test_a_window_whose_limit_is_below_its_base_is_closed() -> None:
    assert rows(survey(bytes(header(1, x1c=CLOSED))), "bridge_window") == []


def test_ends_of_different_kinds_are_a_problem() -> None:
    found = survey(bytes(header(1, x1c=struct.pack("<BBHHHHHIIHH", 0xD0, 0xE1, 0, 0xFFF0, 0, 0xFFF2, 2, 0, 0, 0, 0))))
    assert rows(found, "bridge_window") == []
    assert ["io window" in causes(found)[0], "prefetchable window" in causes(found)[1]] == [True, True]


def test_windows_of_a_cardbus_bridge() -> None:
    words = (0xE0000000, 0xE3FFF000, 0x1000, 0, 0x4001, 0x40F1, 0xD000, 0xD0FC, 11, 1, 0x100)
    found = survey(bytes(header(2, x1c=struct.pack("<8IBBH", *words))))
    assert rows(found, "bridge_window") == [
        (0, "memory", 0xE0000000, 0xE3FFFFFF, 32, 1),
        (2, "io", 0x4000, 0x40F3, 32, 0),
        (3, "io", 0xD000, 0xD0FF, 16, 0),
    ]


def test_the_subsystem_of_a_cardbus_bridge_is_behind_the_header() -> None:
    space = bytes(header(2)) + struct.pack("<HH", 0x1028, 0x07BD)
    assert rows(survey(space), "device_subsystem") == [(0x1028, 0x07BD)]
    assert rows(survey(bytes(header(2))), "device_subsystem") == []
    assert rows(survey(bytes(header(0, x2c=struct.pack("<HH", 0x1028, 0x07BD)))), "device_subsystem") == [
        (0x1028, 0x07BD)
    ]


@settings(deadline=None)
@given(st.binary(min_size=64, max_size=64))
def test_an_open_window_is_whole_pages(config: bytes) -> None:
    for window in (*decode_windows(config), *decode_cardbus_windows(config)):
        if isinstance(window, Window):
            assert window.base <= window.limit < 1 << window.width
            assert window.base & 3 == 0
            assert window.limit & 3 == 3
