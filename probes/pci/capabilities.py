"""Capabilities: the list in the first 256 bytes, and PCI Express's list in the rest.

Names are those by which setpci(8) knows them, in lower case (`msi`, `exp`, `sriov`); one that has none there yet is
named by its number (`cap_1f`, `ecap_3a`). A name may stand in both lists (`vndr`): the offset tells which, extended
capabilities begin at 256.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import CONFIG_SIZE

LINK = layout("capability header", "PCI 3.0, 6.7", "id B, next B")
EXTENDED = layout("extended capability header", "PCI Express 6.0, 7.6.3", "header I")

FIRST = 0x40
FIRST_EXTENDED = 0x100

PCI_X, PCI_EXPRESS = 0x07, 0x10

NAMES: Mapping[int, str] = {
    0x01: "pm",
    0x02: "agp",
    0x03: "vpd",
    0x04: "slotid",
    0x05: "msi",
    0x06: "chswp",
    PCI_X: "pcix",
    0x08: "ht",
    0x09: "vndr",
    0x0A: "dbg",
    0x0B: "ccrc",
    0x0C: "hotplug",
    0x0D: "ssvid",
    0x0E: "agp3",
    0x0F: "secure",
    PCI_EXPRESS: "exp",
    0x11: "msix",
    0x12: "sata",
    0x13: "af",
    0x14: "ea",
}

EXTENDED_NAMES: Mapping[int, str] = {
    0x01: "aer",
    0x02: "vc",
    0x03: "dsn",
    0x04: "pb",
    0x05: "rclink",
    0x06: "rcilink",
    0x07: "rcec",
    0x08: "mfvc",
    0x09: "vc2",
    0x0A: "rbcb",
    0x0B: "vndr",
    0x0D: "acs",
    0x0E: "ari",
    0x0F: "ats",
    0x10: "sriov",
    0x11: "mriov",
    0x12: "mcast",
    0x13: "pri",
    0x15: "rebar",
    0x16: "dpa",
    0x17: "tph",
    0x18: "ltr",
    0x19: "sec_pci",
    0x1A: "pmux",
    0x1B: "pasid",
    0x1C: "lnr",
    0x1D: "dpc",
    0x1E: "l1pm",
    0x1F: "ptm",
    0x20: "m_pcie",
    0x21: "frs",
    0x22: "rtr",
    0x23: "dvsec",
    0x24: "vf_rebar",
    0x25: "dlf",
    0x26: "16gt",
    0x27: "lmr",
    0x28: "hier_id",
    0x29: "npem",
    0x2A: "32gt",
    0x2B: "alt_protocol",
    0x2C: "sfi",
    0x2D: "shadow",
    0x2E: "doe",
    0x2F: "dev3",
    0x30: "ide",
    0x31: "64gt",
    0x32: "flit_log",
    0x33: "flit_pm",
    0x34: "flit_ei",
    0x35: "svc",
    0x36: "mmio_rbl",
}


class Capability(NamedTuple):
    """A capability and where it stands."""

    name: str
    offset: int
    id: int


class Capabilities(NamedTuple):
    """Those that could be read, in the order of the list, and in words what is wrong with it."""

    found: tuple[Capability, ...]
    wrong: tuple[str, ...]


NO_CAPABILITIES = Capabilities((), ())


def decode_capabilities(config: bytes, pointer: int) -> Capabilities:
    """Follow both lists. `pointer` is the offset of the byte that points to the first capability."""
    found, wrong = _list(config[:CONFIG_SIZE], config[pointer])
    # Only PCI Express and PCI-X 2.0 have more than 256 bytes; elsewhere what reads as more is an alias of the first.
    if len(config) > CONFIG_SIZE and {PCI_X, PCI_EXPRESS} & {capability.id for capability in found}:
        extended, wrong_extended = _extended_list(config)
        return Capabilities(found + extended, wrong + wrong_extended)
    return Capabilities(found, wrong)


def _list(config: bytes, first: int) -> Capabilities:
    found: list[Capability] = []
    seen: set[int] = set()
    offset = first & ~3
    while offset:
        if offset < FIRST:
            return Capabilities(tuple(found), (f"the capability list leads into the header, to {offset:#04x}",))
        if offset in seen:
            return Capabilities(tuple(found), (f"the capability list comes back to {offset:#04x}",))
        seen.add(offset)
        link = LINK.read(config, offset)
        if link is None:
            return Capabilities(tuple(found), (f"the capability list leads to {offset:#04x}, which was not read",))
        if link["id"] == 0xFF:
            return Capabilities(tuple(found), (f"the capability list is broken at {offset:#04x}",))
        if link["id"]:  # 0 is the null capability: it holds nothing but the link (PCI Code and ID Assignment 1.15)
            found.append(Capability(NAMES.get(link["id"], f"cap_{link['id']:02x}"), offset, link["id"]))
        offset = link["next"] & ~3
    return Capabilities(tuple(found), ())


def _extended_list(config: bytes) -> Capabilities:
    found: list[Capability] = []
    seen: set[int] = set()
    offset = FIRST_EXTENDED
    while offset:
        if offset < FIRST_EXTENDED:
            return Capabilities(tuple(found), (f"the extended capability list leads below 0x100, to {offset:#05x}",))
        if offset in seen:
            return Capabilities(tuple(found), (f"the extended capability list comes back to {offset:#05x}",))
        seen.add(offset)
        fields = EXTENDED.read(config, offset)
        if fields is None:
            cause = f"the extended capability list leads to {offset:#05x}, which was not read"
            return Capabilities(tuple(found), (cause,))
        header = fields["header"]
        number = header & 0xFFFF
        if header in (0, 0xFFFFFFFF):  # no list, or a function that does not answer there
            break
        if number:
            found.append(Capability(EXTENDED_NAMES.get(number, f"ecap_{number:02x}"), offset, number))
        offset = header >> 20 & ~3
    return Capabilities(tuple(found), ())
