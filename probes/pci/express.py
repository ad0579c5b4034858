"""The PCI Express capability: port, link, payload and what else decides how fast transfers go.

PCI Express Base Specification 6.0, 7.5.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import UNKNOWN, Decoded, Known, bits, cut, flag

EXPRESS = layout(
    "PCI Express capability", "PCI Express 6.0, 7.5.3", "id B, next B, flags H, devcap I, devctl H, devsta H"
)
LINK = layout("PCI Express capability's link", "PCI Express 6.0, 7.5.3.6", "lnkcap I, lnkctl H, lnksta H")
LINK_OFFSET = 0x0C
SLOT = layout("PCI Express capability's slot", "PCI Express 6.0, 7.5.3.9", "sltcap I, sltctl H, sltsta H")
SLOT_OFFSET = 0x14
SECOND = layout(
    "PCI Express capability's second half",
    "PCI Express 6.0, 7.5.3.15",
    "devcap2 I, devctl2 H, devsta2 H, lnkcap2 I, lnkctl2 H, lnksta2 H",
)
SECOND_OFFSET = 0x24

PORTS: Mapping[int, str] = {
    0x0: "endpoint",
    0x1: "legacy_endpoint",
    0x4: "root_port",
    0x5: "upstream_port",
    0x6: "downstream_port",
    0x7: "bridge_to_pci",
    0x8: "bridge_from_pci",
    0x9: "root_endpoint",
    0xA: "root_event_collector",
}
"""Device/Port Type, 7.5.3.2."""

LINKLESS = frozenset({"root_endpoint", "root_event_collector"})
"""They are part of the root complex; link registers are not theirs (7.5.3)."""

FUNCTIONS = frozenset({"endpoint", "legacy_endpoint", "root_endpoint"})
REQUESTERS = FUNCTIONS | {"root_port"}
"""Function-level reset and AtomicOp Requester Enable are theirs (7.5.3.3, 7.5.3.16)."""

SPEEDS: Mapping[int, int] = {1: 2500, 2: 5000, 3: 8000, 4: 16000, 5: 32000, 6: 64000, 7: 128000}
"""MT/s by the encoding of Max Link Speed and Current Link Speed, 7.5.3.6."""

WIDTHS = frozenset({0, 1, 2, 4, 8, 12, 16, 32})


class Port(NamedTuple):
    """What a function is in the hierarchy, and the version of its capability."""

    kind: str
    version: int


class Link(NamedTuple):
    """Speed in MT/s and lanes, as trained and at most."""

    speed: Known
    width: int
    max_speed: Known
    max_width: int


class Aspm(NamedTuple):
    """Power states that the link may enter on its own: those that it has, those that are switched on."""

    supported: tuple[str, ...]
    enabled: tuple[str, ...]


class Payload(NamedTuple):
    """Bytes in one packet at most: what the function can, what is set, and how much it asks for in one read."""

    supported: Known
    payload: Known
    read_request: Known


class Slot(NamedTuple):
    """The slot behind a port: its number on the chassis, whether cards may come and go, whether one is there."""

    number: int
    hotplug: int
    present: int


class Feature(NamedTuple):
    """Something that a function may be able to do, and whether it is switched on."""

    name: str
    supported: int
    enabled: int


def decode_express(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the capability at `offset`."""
    fields = EXPRESS.read(config, offset)
    if fields is None:
        yield cut(EXPRESS, offset)
        return
    flags, devcap, devctl = fields["flags"], fields["devcap"], fields["devctl"]
    version, port = bits(flags, 3, 0), bits(flags, 7, 4)
    kind = PORTS.get(port)
    if kind is None:
        yield f"the PCI Express capability at {offset:#04x} is of the unknown port type {port:#x}"
    yield Port(kind or UNKNOWN, version)
    yield Payload(_size(bits(devcap, 2, 0)), _size(bits(devctl, 7, 5)), _size(bits(devctl, 14, 12)))
    yield Feature("extended_tags", flag(devcap, 5), flag(devctl, 8))
    if flag(devcap, 28) and kind in FUNCTIONS:
        yield Feature("function_level_reset", 1, 1)
    if kind is not None and kind not in LINKLESS:
        yield from _link(config, offset)
    if kind in ("root_port", "downstream_port") and flag(flags, 8):
        yield from _slot(config, offset)
    if version >= 2:
        yield from _second(config, offset, kind)


def _size(code: int) -> Known:
    return 128 << code if code <= 5 else UNKNOWN


def _link(config: bytes, offset: int) -> Decoded:
    fields = LINK.read(config, offset + LINK_OFFSET)
    if fields is None:
        yield cut(LINK, offset + LINK_OFFSET)
        return
    cap, control, status = fields["lnkcap"], fields["lnkctl"], fields["lnksta"]
    link = Link(
        SPEEDS.get(bits(status, 3, 0), UNKNOWN),
        bits(status, 9, 4),
        SPEEDS.get(bits(cap, 3, 0), UNKNOWN),
        bits(cap, 9, 4),
    )
    for width in {link.width, link.max_width} - WIDTHS:
        yield f"a link of {width} lanes, a width that there is not"
    yield link
    yield Aspm(_states(bits(cap, 11, 10)), _states(bits(control, 1, 0)))


def _states(code: int) -> tuple[str, ...]:
    return tuple(name for bit, name in enumerate(("l0s", "l1")) if flag(code, bit))


def _slot(config: bytes, offset: int) -> Decoded:
    fields = SLOT.read(config, offset + SLOT_OFFSET)
    if fields is None:
        yield cut(SLOT, offset + SLOT_OFFSET)
        return
    yield Slot(bits(fields["sltcap"], 31, 19), flag(fields["sltcap"], 6), flag(fields["sltsta"], 6))


def _second(config: bytes, offset: int, kind: str | None) -> Decoded:
    fields = SECOND.read(config, offset + SECOND_OFFSET)
    if fields is None:
        yield cut(SECOND, offset + SECOND_OFFSET)
        return
    cap, control = fields["devcap2"], fields["devctl2"]
    if kind in ("root_port", "downstream_port"):
        yield Feature("ari_forwarding", flag(cap, 5), flag(control, 5))
    yield Feature("latency_tolerance_reporting", flag(cap, 11), flag(control, 10))
    yield Feature("ten_bit_tags", flag(cap, 17), flag(control, 12))
    for bit, width in ((7, 32), (8, 64), (9, 128)):
        if flag(cap, bit):
            yield Feature(f"atomics_{width}_completer", 1, 1)
    if flag(control, 6) and kind in REQUESTERS:
        yield Feature("atomics_requester", 1, 1)
