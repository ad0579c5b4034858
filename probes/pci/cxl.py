"""Designated vendor-specific extended capabilities, and those of Compute Express Link.

PCI Express Base Specification 6.0, 7.9.6; CXL Specification 3.1, 8.1 (DVSEC of vendor 0x1e98).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import UNKNOWN, Decoded, Known, bits, cut, flag, names

DVSEC = layout("DVSEC", "PCI Express 6.0, 7.9.6", "header I, vendor_word I, id H")
DEVICE = layout(
    "CXL device DVSEC",
    "CXL 3.1, 8.1.3",
    "header I, vendor_word I, id H, capability H, control H, status H, control2 H, status2 H, lock H, capability2 H",
)
RANGE = layout("CXL range", "CXL 3.1, 8.1.3.8", "size_high I, size_low I, base_high I, base_low I")
RANGES_OFFSET = 0x18
FLEX_BUS = layout(
    "CXL flex bus port DVSEC", "CXL 3.1, 8.1.8", "header I, vendor_word I, id H, capability H, control H, status H"
)
LOCATOR_OFFSET = 0x0C
BLOCK = layout("CXL register block", "CXL 3.1, 8.1.9.1", "low I, high I")

CXL_VENDOR = 0x1E98
CXL_DEVICE, CXL_FLEX_BUS, CXL_LOCATOR = 0x0, 0x7, 0x8

PROTOCOLS: Mapping[int, str] = {0: "cache", 1: "io", 2: "mem"}

FLEX_BUS_FEATURES: Mapping[int, str] = {
    **PROTOCOLS,
    5: "flit_68b_vh",
    6: "multi_logical_device",
    13: "flit_256b_latency_optimized",
    14: "port_based_routing",
}
"""Capability, control and status of the flex bus port have these at the same bits, 8.1.8.1 to 8.1.8.3."""

MEDIA: Mapping[int, str] = {0: "volatile", 1: "nonvolatile", 2: "from_cdat"}
"""Media_Type of a range, 8.1.3.8.2; 2 says that the device's own table (CDAT) tells."""

BLOCKS: Mapping[int, str] = {
    1: "component",
    2: "bar_virtualization_acl",
    3: "device",
    4: "performance_monitor",
    0xFF: "vendor_specific",
}
"""Register Block Identifier, 8.1.9.1."""


class Dvsec(NamedTuple):
    """A vendor's capability: where it is, whose, which, revision and length in bytes."""

    offset: int
    vendor: int
    id: int
    revision: int
    length: int


class Device(NamedTuple):
    """Protocols that a CXL device speaks, those that are switched on, and its memory ranges."""

    supported: tuple[str, ...]
    enabled: tuple[str, ...]
    ranges: int


class Range(NamedTuple):
    """Memory of a CXL device: where the host put it, its size, whether that is valid and usable, its kind."""

    number: int
    base: int
    size: int
    valid: int
    active: int
    media: str


class Port(NamedTuple):
    """What a CXL port can, what is switched on, and what was agreed with the other end."""

    supported: tuple[str, ...]
    enabled: tuple[str, ...]
    negotiated: tuple[str, ...]


class Registers(NamedTuple):
    """A block of CXL registers: the base address register it is behind, and the offset there."""

    number: int
    kind: Known
    bar: int
    offset: int


def decode_dvsec(config: bytes, offset: int, end: int) -> Decoded:
    """Decode the DVSEC at `offset`; `end` is where the next capability begins."""
    fields = DVSEC.read(config, offset)
    if fields is None:
        yield cut(DVSEC, offset)
        return
    word = fields["vendor_word"]
    vendor, length = bits(word, 15, 0), bits(word, 31, 20)
    yield Dvsec(offset, vendor, fields["id"], bits(word, 19, 16), length)
    if offset + length > end or length < DVSEC.size:
        yield f"the DVSEC at {offset:#05x} has a length of {length}, where {DVSEC.size} to {end - offset} fit"
    if vendor == CXL_VENDOR:
        whole = config[: min(offset + length, end)]
        if fields["id"] == CXL_DEVICE:
            yield from _device(whole, offset)
        elif fields["id"] == CXL_FLEX_BUS:
            yield from _flex_bus(whole, offset)
        elif fields["id"] == CXL_LOCATOR:
            yield from _locator(whole, offset)


def _device(config: bytes, offset: int) -> Decoded:
    fields = DEVICE.read(config, offset)
    if fields is None:
        yield cut(DEVICE, offset)
        return
    capability = fields["capability"]
    count = bits(capability, 5, 4) if flag(capability, 2) else 0
    if count > 2:
        yield f"the CXL device at {offset:#05x} has a reserved number of memory ranges"
        count = 0
    yield Device(names(capability, PROTOCOLS), names(fields["control"], PROTOCOLS), count)
    for index in range(count):
        place = offset + RANGES_OFFSET + RANGE.size * index
        part = RANGE.read(config, place)
        if part is None:
            yield cut(RANGE, place)
            return
        low = part["size_low"]
        yield Range(
            index,
            part["base_high"] << 32 | part["base_low"] & 0xF0000000,
            part["size_high"] << 32 | low & 0xF0000000,
            flag(low, 0),
            flag(low, 1),
            MEDIA.get(bits(low, 4, 2), UNKNOWN),
        )


def _flex_bus(config: bytes, offset: int) -> Decoded:
    fields = FLEX_BUS.read(config, offset)
    if fields is None:
        yield cut(FLEX_BUS, offset)
        return
    yield Port(*(names(fields[field], FLEX_BUS_FEATURES) for field in ("capability", "control", "status")))


def _locator(config: bytes, offset: int) -> Decoded:
    index = 0
    while block := BLOCK.read(config, offset + LOCATOR_OFFSET + BLOCK.size * index):
        low = block["low"]
        number, bar = bits(low, 15, 8), bits(low, 2, 0)
        if number and bar > 5:
            yield f"register block {index} of the DVSEC at {offset:#05x} is behind a base address register that there is not"
        elif number:  # 0 is an empty entry
            yield Registers(index, BLOCKS.get(number, UNKNOWN), bar, block["high"] << 32 | low & 0xFFFF0000)
        index += 1
