"""Resource descriptors: what the bytes of `_CRS` say, and that no bytes mislead."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.acpi.aml_resources import BUSES, MEMORY, PORTS, Range, decode

END = b"\x79\0"

FORMS = {0x88: "H", 0x87: "I", 0x8A: "Q"}


def wide(
    tag: int, kind: int, low: int, high: int, *, offset: int = 0, length: int = -1, flags: int = 0, special: int = 0
) -> bytes:
    length = high - low + 1 if length < 0 else length
    body = struct.pack(f"<BBB5{FORMS[tag]}", kind, flags, special, 0, low, high, offset, length)
    return struct.pack("<BH", tag, len(body)) + body


def extended(kind: int, low: int, high: int, *, flags: int = 0) -> bytes:
    body = struct.pack("<BBBBB6Q", kind, flags, 0, 1, 0, 0, low, high, 0, high - low + 1, 0)
    return struct.pack("<BH", 0x8B, len(body)) + body


@pytest.mark.parametrize("tag", sorted(FORMS))
@pytest.mark.parametrize("kind", [MEMORY, PORTS, BUSES])
def test_ranges_of_every_width_are_read(tag: int, kind: int) -> None:
    assert decode(wide(tag, kind, 0x10, 0xFF) + END) == ((Range(kind, 0x10, 0xFF, 0, False),), (), -1)


@pytest.mark.parametrize("tag", sorted(FORMS))
def test_who_uses_a_range_is_only_said_by_the_extended_descriptor(tag: int) -> None:
    assert len(decode(wide(tag, MEMORY, 1, 2, flags=1) + END).ranges) == 1
    assert len(decode(extended(MEMORY, 1, 2, flags=0) + END).ranges) == 1
    assert decode(extended(MEMORY, 1, 2, flags=1) + END).ranges == ()


def test_a_resource_source_behind_a_range_does_not_matter() -> None:
    item = wide(0x88, BUSES, 0, 255)
    named = struct.pack("<BH", 0x88, len(item) - 3 + 6) + item[3:] + b"\0\\_SB\0"
    assert decode(named + END).ranges == decode(item + END).ranges


@pytest.mark.parametrize(("low", "high", "length"), [(0, 0, 0), (0x4158, 0, 1), (5, 9, 0)])
def test_ranges_that_are_closed_are_left_out(low: int, high: int, length: int) -> None:
    assert decode(wide(0x87, MEMORY, low, high, length=length) + END) == ((), (), -1)


def test_an_offset_leads_to_the_addresses_that_processors_see() -> None:
    (window,) = decode(wide(0x8A, MEMORY, 0x4000_0000, 0x4FFF_FFFF, offset=0x3000_0000_0000) + END).ranges
    assert window.near == (0x3000_4000_0000, 0x3000_4FFF_FFFF)


@pytest.mark.parametrize(("kind", "special"), [(PORTS, 0x10), (MEMORY, 0x20)])
def test_ranges_that_are_of_another_kind_for_processors_are_those_of_the_bus(kind: int, special: int) -> None:
    (window,) = decode(wide(0x8A, kind, 0, 0xFFFF, offset=0x3EFF_0000, special=special) + END).ranges
    assert window.near == (0, 0xFFFF)


def test_interrupts_are_those_of_masks_and_of_lists() -> None:
    small = b"\x22\x00\x0c"
    large = struct.pack("<BHBB2I", 0x89, 10, 0, 2, 16, 400)
    assert decode(small + large + END).interrupts == (10, 11, 16, 400)


def test_a_list_of_interrupts_that_is_shorter_than_it_says_gives_those_that_are_there() -> None:
    assert decode(struct.pack("<BHBBI", 0x89, 6, 0, 200, 7) + END).interrupts == (7,)


@pytest.mark.parametrize(
    ("data", "ends"),
    [(b"", 0), (b"\x22\x01", 0), (wide(0x88, BUSES, 0, 1), 16), (b"\x22\x01\x00\x88\xff\xff", 3), (b"\0", 1)],
)
def test_what_ends_without_an_end_tag_says_where(data: bytes, ends: int) -> None:
    assert decode(data).ends == ends


def test_what_is_behind_the_end_tag_does_not_count() -> None:
    assert decode(END + wide(0x88, BUSES, 0, 1)) == ((), (), -1)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200))
def test_no_bytes_mislead(data: bytes) -> None:
    found = decode(data)
    assert -1 <= found.ends <= len(data)
    assert all(each.low <= each.high for each in found.ranges)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(sorted(FORMS)), st.integers(0, 0x7FFF), st.integers(0, 0x7FFF)), max_size=8))
def test_what_was_described_is_read(items: list[tuple[int, int, int]]) -> None:
    described = [(tag, low, low + more) for tag, low, more in items]
    data = b"".join(wide(tag, MEMORY, low, high) for tag, low, high in described) + END
    assert [(each.low, each.high) for each in decode(data).ranges] == [each[1:] for each in described]
