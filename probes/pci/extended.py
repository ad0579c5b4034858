"""Extended capabilities of routing, address translation and memory: ACS, ATS, ARI, PRI, PASID, resizable BAR, DLF, DOE.

PCI Express Base Specification 6.0, 7.7 to 7.9 and 10.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from probes.layout import Layout, layout
from probes.pci.config import UNKNOWN, Decoded, Known, bits, cut, flag, names

CONTROLLED = "header I, capability H, control H"

ACS = layout("ACS capability", "PCI Express 6.0, 7.7.11", CONTROLLED)
ATS = layout("ATS capability", "PCI Express 6.0, 10.5.1", CONTROLLED)
ARI = layout("ARI capability", "PCI Express 6.0, 7.8.8", CONTROLLED)
PASID = layout("PASID capability", "PCI Express 6.0, 7.8.9", CONTROLLED)
PRI = layout(
    "page request capability", "PCI Express 6.0, 10.5.2", "header I, control H, status H, capacity I, granted I"
)
REBAR = layout("resizable BAR capability", "PCI Express 6.0, 7.8.6", "header I")
VF_REBAR = layout("VF resizable BAR capability", "PCI Express 6.0, 7.8.7", "header I")
REBAR_ENTRY = layout("resizable BAR entry", "PCI Express 6.0, 7.8.6", "capability I, control I")
DLF = layout("data link feature capability", "PCI Express 6.0, 7.7.4", "header I, capability I, status I")
DOE = layout("DOE capability", "PCI Express 6.0, 7.9.24", "header I, capability I, control I, status I")

SERVICES: Mapping[int, str] = {
    0: "source_validation",
    1: "translation_blocking",
    2: "request_redirect",
    3: "completion_redirect",
    4: "upstream_forwarding",
    5: "egress_control",
    6: "direct_translated",
}
"""Access control services, at the same bits of the capability and the control register, 7.7.11.2 and 7.7.11.3."""

BARS = 6
MIB = 1 << 20


class Acs(NamedTuple):
    """Access control services that the function has, and those switched on."""

    supported: tuple[str, ...]
    enabled: tuple[str, ...]


class Ats(NamedTuple):
    """Invalidations that the function can queue, whether translation is on, the smallest translation in bytes."""

    queue: int
    enabled: int
    smallest: int


class Ari(NamedTuple):
    """The next function of the device: 0 after the last."""

    next_function: int


class Pasid(NamedTuple):
    """Width of process address space ids in bits, whether they are on, what they can tell beside."""

    width: int
    enabled: int
    execute: int
    privileged: int


class Pri(NamedTuple):
    """Page requests that can be outstanding, that may be, and whether they are on."""

    capacity: int
    granted: int
    enabled: int


class Resizable(NamedTuple):
    """A base address register whose size can be chosen: its size, and the sizes there are, in bytes."""

    slot: int
    size: Known
    sizes: tuple[int, ...]


class VfResizable(NamedTuple):
    """The same of the virtual functions' registers."""

    slot: int
    size: Known
    sizes: tuple[int, ...]


class DataLinkFeature(NamedTuple):
    """Features of the data link layer here and at the other end (bit 0: scaled flow control), whether they are exchanged."""

    local: int
    exchange: int
    remote: Known


class Doe(NamedTuple):
    """A mailbox for data objects: its offset, whether and with which vector it interrupts, whether it is busy or in error."""

    offset: int
    interrupts: int
    vector: Known
    busy: int
    error: int


def decode_acs(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the ACS capability at `offset`."""
    fields = ACS.read(config, offset)
    if fields is None:
        yield cut(ACS, offset)
        return
    yield Acs(names(fields["capability"], SERVICES), names(fields["control"], SERVICES))


def decode_ats(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the ATS capability at `offset`."""
    fields = ATS.read(config, offset)
    if fields is None:
        yield cut(ATS, offset)
        return
    depth, control = bits(fields["capability"], 4, 0), fields["control"]
    yield Ats(depth or 32, flag(control, 15), 4096 << bits(control, 4, 0))


def decode_ari(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the ARI capability at `offset`."""
    fields = ARI.read(config, offset)
    if fields is None:
        yield cut(ARI, offset)
        return
    yield Ari(bits(fields["capability"], 15, 8))


def decode_pasid(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the PASID capability at `offset`."""
    fields = PASID.read(config, offset)
    if fields is None:
        yield cut(PASID, offset)
        return
    capability = fields["capability"]
    width = bits(capability, 12, 8)
    if width > 20:
        yield f"the PASID capability at {offset:#05x} has ids of {width} bits, where there are at most 20"
        return
    yield Pasid(width, flag(fields["control"], 0), flag(capability, 1), flag(capability, 2))


def decode_pri(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the page request capability at `offset`."""
    fields = PRI.read(config, offset)
    if fields is None:
        yield cut(PRI, offset)
        return
    yield Pri(fields["capacity"], fields["granted"], flag(fields["control"], 0))


def decode_rebar(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the resizable BAR capability at `offset`."""
    yield from _resizable(REBAR, Resizable, config, offset)


def decode_vf_rebar(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the VF resizable BAR capability at `offset`."""
    yield from _resizable(VF_REBAR, VfResizable, config, offset)


def _resizable(shape: Layout, record: type[Resizable] | type[VfResizable], config: bytes, offset: int) -> Decoded:
    """Decode the entries of either capability: the first one's control register tells how many there are."""
    count, index, seen = 1, 0, set[int]()
    while index < count:
        place = offset + shape.size + REBAR_ENTRY.size * index
        entry = REBAR_ENTRY.read(config, place)
        if entry is None:
            yield cut(shape, offset)
            return
        capability, control = entry["capability"], entry["control"]
        if index == 0:
            count = bits(control, 7, 5)
            if not 1 <= count <= BARS:
                yield f"the {shape.name} at {offset:#05x} tells of {count} registers, where there are 1 to {BARS}"
                return
        slot, size = bits(control, 2, 0), bits(control, 13, 8)
        if slot >= BARS or slot in seen:
            yield f"entry {index} of the {shape.name} at {offset:#05x} is of register {slot}, which is none or told already"
            return
        seen.add(slot)
        sizes = tuple(
            MIB << power
            for power in range(44)
            if (flag(capability, 4 + power) if power < 28 else flag(control, power - 12))
        )
        yield record(slot, MIB << size if size < 44 else UNKNOWN, sizes)
        index += 1


def decode_dlf(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the data link feature capability at `offset`."""
    fields = DLF.read(config, offset)
    if fields is None:
        yield cut(DLF, offset)
        return
    capability, status = fields["capability"], fields["status"]
    remote = bits(status, 22, 0) if flag(status, 31) else UNKNOWN
    yield DataLinkFeature(bits(capability, 22, 0), flag(capability, 31), remote)


def decode_doe(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the DOE capability at `offset`. Its mailbox is not read: a read takes what is in it."""
    fields = DOE.read(config, offset)
    if fields is None:
        yield cut(DOE, offset)
        return
    capability, status = fields["capability"], fields["status"]
    interrupts = flag(capability, 0)
    vector: Known = bits(capability, 11, 1) if interrupts else UNKNOWN
    yield Doe(offset, interrupts, vector, flag(status, 0), flag(status, 2))
