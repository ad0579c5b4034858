"""Single Root I/O Virtualization: virtual functions, and where they are.

PCI Express Base Specification 6.0, 9.3.3 (SR-IOV Extended Capability) and 9.2.1.2 (how virtual functions are numbered).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from probes.layout import layout
from probes.pci.bars import Bar, decode_bars
from probes.pci.config import UNKNOWN, Decoded, Known, cut, flag

SRIOV = layout(
    "SR-IOV capability",
    "PCI Express 6.0, 9.3.3",
    "header I, capabilities I, control H, status H, initial H, total H, count H, link B, - x, first H, stride H,"
    " - 2x, device H, page_sizes I, page_size I, bar0 I, bar1 I, bar2 I, bar3 I, bar4 I, bar5 I, migration I",
)
BARS_OFFSET = 0x24
BARS = 6
PAGE = 4096


class Sriov(NamedTuple):
    """Virtual functions that the function can have, and that exist now."""

    total: int
    active: int


class Numbering(NamedTuple):
    """How virtual functions are numbered: the first is `first` after the physical one, others `stride` apart."""

    initial: int
    configured: int
    first: int
    stride: int
    device: int


class Pages(NamedTuple):
    """The size of a page by which the registers of virtual functions are aligned, in bytes."""

    size: Known
    supported: tuple[int, ...]


class VfBar(NamedTuple):
    """A base address register of all virtual functions: base of the first one's."""

    slot: int
    base: int
    space: str
    width: int
    prefetchable: int


def decode_sriov(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the SR-IOV capability at `offset`."""
    fields = SRIOV.read(config, offset)
    if fields is None:
        yield cut(SRIOV, offset)
        return
    yield Sriov(fields["total"], fields["count"] if flag(fields["control"], 0) else 0)
    yield Numbering(fields["initial"], fields["count"], fields["first"], fields["stride"], fields["device"])
    page = fields["page_size"]
    supported = tuple(PAGE << bit for bit in range(32) if flag(fields["page_sizes"], bit))
    yield Pages(PAGE * page if page.bit_count() == 1 else UNKNOWN, supported)
    for bar in decode_bars(config, BARS, offset + BARS_OFFSET):
        if not isinstance(bar, Bar):
            yield f"SR-IOV: {bar}"
        elif bar.space != "memory":
            yield f"SR-IOV: base address register {bar.slot} is of I/O, which virtual functions have not"
        else:
            yield VfBar(*bar)


def virtual_functions(physical: int, numbering: Numbering, active: int) -> Iterator[int]:
    """Yield the routing identifiers (bus, device and function in 16 bits) of the virtual functions that exist."""
    for index in range(active):
        yield physical + numbering.first + index * numbering.stride & 0xFFFF
