"""Vendor-specific structures, and those of Compute Express Link among them (CXL 3.1, 8.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.layout import layout
from probes.pci.function import Found, Function, bits

DVSEC = layout("DVSEC capability", "PCI Express 6.0, 7.9.6", "- 4x, first I, id H")
DEVICE = layout("CXL device DVSEC", "CXL 3.1, 8.1.3", "- 10x, capabilities H, control H, status H")
RANGE = layout("CXL range", "CXL 3.1, 8.1.3.8", "size_high I, size_low I, base_high I, base_low I")
RANGE_OFFSETS = (0x18, 0x28)

CXL = 0x1E98
"""The consortium's vendor number."""

STRUCTURES: Mapping[int, str] = {
    0x0: "device",
    0x2: "non_cxl_function_map",
    0x3: "port_extensions",
    0x4: "gpf_port",
    0x5: "gpf_device",
    0x7: "flex_bus_port",
    0x8: "register_locator",
    0x9: "multi_logical_device",
    0xA: "test_capability",
}


def dvsec(function: Function, offset: int) -> Iterator[Found]:
    """Yield whose structure it is, and what a CXL device says of itself."""
    fields = function.read(DVSEC, offset)
    vendor, revision, length = bits(fields["first"], 15, 0), bits(fields["first"], 19, 16), fields["first"] >> 20
    yield function.fact("dvsec", offset, vendor, fields["id"], revision, length)
    if vendor != CXL:
        return
    structure = STRUCTURES.get(fields["id"])
    if structure is None:
        return
    yield function.fact("cxl_structure", structure, offset)
    if structure == "device":
        yield from _device(function, offset)


def _device(function: Function, offset: int) -> Iterator[Found]:
    fields = function.read(DEVICE, offset)
    for bit, protocol in enumerate(("cache", "io", "mem")):
        if fields["capabilities"] >> bit & 1:
            yield function.fact("cxl_protocol", protocol, fields["control"] >> bit & 1)
    count = bits(fields["capabilities"], 5, 4)
    if count == 3:
        yield f"the CXL device at {offset:#x} has the reserved number of ranges 3"
        return
    for number, place in enumerate(RANGE_OFFSETS[:count]):
        found = function.read(RANGE, offset + place)
        if found["size_low"] & 1:  # what it says is valid
            size = found["size_high"] << 32 | found["size_low"] & 0xF0000000
            base = found["base_high"] << 32 | found["base_low"] & 0xF0000000
            yield function.fact("cxl_range", number, base, size, bits(found["size_low"], 1, 1))
