"""Devices in an hwloc XML file: PCI bridges and functions, the operating system's devices, memory modules.

A host bridge of hwloc has a range of buses and no address. What it hangs on are the cores that its devices are near to; where those are the
cores of one NUMA node, among several, the devices get `device_node` too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from probes.cores import UNKNOWN
from probes.fact import Compound, Fact, Problem, addr
from probes.foreign.hwloc_document import REMEDY, Document, Element, numbers

HOST_BRIDGE_LIMIT = 1024
"""Host bridges that are read; each lists the cores it is near to."""

OLD_KINDS = {0: "storage", 1: "gpu", 2: "network", 3: "openfabrics", 4: "dma", 5: "coprocessor", 6: "memory"}
"""osdev_type of versions 1 and 2, a number; 6 from 2.10 on."""

KINDS = ("storage", "memory", "gpu", "coprocessor", "network", "openfabrics", "dma")
"""osdev_type of version 3, a set: the lowest bit first."""

KINDS_INFO = "OSDevKinds"
"""The annotation by which files of version 2 that this project writes keep kinds that the version has no number for."""

_BUSID = re.compile(r"([0-9a-fA-F]{1,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\.([0-9a-fA-F])")
_TYPE = re.compile(
    r"([0-9a-fA-F]{4}) \[([0-9a-fA-F]{4}):([0-9a-fA-F]{4})\] \[([0-9a-fA-F]{4}):([0-9a-fA-F]{4})\]"
    r" ([0-9a-fA-F]{2})(?: ([0-9a-fA-F]{2}))?\s*"
)
_BUSES = re.compile(r"([0-9a-fA-F]{1,8}):\[([0-9a-fA-F]{2})-([0-9a-fA-F]{2})\]")
_SPEED = re.compile(r"[0-9]{1,6}\.[0-9]{1,9}")


def read(document: Document, name: str) -> Iterator[Fact | Problem]:
    """Yield what is said of devices."""
    addresses: dict[int, Compound] = {}
    seen: set[Compound] = set()
    near: dict[int, tuple[int, ...]] = {}
    bridges = 0
    nodes = _nodes_by_cores(document)
    unread = 0
    for element in document.objects:
        if element.type in ("PCIDev", "Bridge") and element.attributes.get("pci_busid"):
            match = _BUSID.fullmatch(element.attributes["pci_busid"])
            number = tuple(int(part, 16) for part in match.groups()) if match else ()
            if len(number) != 4 or number[2] > 31 or number[3] > 7 or addr(*number) in seen:
                unread += 1
                continue
            addresses[id(element)] = addr(*number)
            seen.add(addr(*number))
            yield from _function(element, addresses[id(element)], nodes)
        elif element.type == "Bridge":
            bridges += 1
            match = _BUSES.fullmatch(element.attributes.get("bridge_pci", ""))
            if match is None or bridges > HOST_BRIDGE_LIMIT:
                unread += 1
                continue
            place = _place(element)
            if id(place) not in near:
                near[id(place)] = () if place is document.root else tuple(numbers(place.cores))
            yield Fact("host_bridge", (*(int(part, 16) for part in match.groups()), near[id(place)]))
    if unread:
        cause = f"{unread} bridges or functions have no address, or one that another has"
        yield Problem(name, cause, f"they are left out; {REMEDY}")
    yield from _system_devices(document, name, addresses, nodes)
    yield from _modules(document, name)


def _nodes_by_cores(document: Document) -> dict[int, int]:
    """Return the node whose cores are just a set, for each set that is those of one node of several."""
    found: dict[int, list[int]] = {}
    for element in document.objects:
        if element.type == "NUMANode" and element.parent is not None:
            number, cores = element.number("os_index"), element.cores or _place(element).cores
            if number is not None and number < 1024 and cores != document.root.cores:
                found.setdefault(cores, []).append(number)
    return {cores: min(numbered) for cores, numbered in found.items()}


def _place(element: Element) -> Element:
    """Return the object with cores that a device or memory hangs on."""
    above = element
    while above.parent is not None and not above.cores and above.parent.tag == "object":
        above = above.parent
    return above


def _function(element: Element, address: Compound, nodes: dict[int, int]) -> Iterator[Fact]:
    match = _TYPE.fullmatch(element.attributes.get("pci_type", ""))
    if match:
        code, vendor, device, sub_vendor, sub_device, revision = (int(part, 16) for part in match.groups()[:6])
        interface = int(match[7], 16) if match[7] else UNKNOWN
        yield Fact("device", (address, vendor, device, code >> 8, code & 255, interface, revision))
        if sub_vendor or sub_device:
            yield Fact("device_subsystem", (address, sub_vendor, sub_device))
    buses = _BUSES.fullmatch(element.attributes.get("bridge_pci", ""))
    if element.type == "Bridge" and buses:
        yield Fact("bridge", (address, address.args[1], int(buses[2], 16), int(buses[3], 16)))
    speed = element.attributes.get("pci_link_speed", "")
    if _SPEED.fullmatch(speed) and float(speed) > 0:
        yield Fact("pci_bandwidth", (address, round(float(speed) * 1000)))
    if (node := nodes.get(_place(element).cores)) is not None:
        yield Fact("device_node", (address, node))
    for info, value in dict(element.infos()).items():
        yield Fact("device_info", (address, info, value))


def _kinds(element: Element, infos: dict[str, str], version: int) -> tuple[str, ...]:
    said = element.number("osdev_type")
    if KINDS_INFO in infos:
        named = infos.pop(KINDS_INFO).split(",")
        return tuple(kind for kind in KINDS if kind in named)
    if said is None:
        return ()
    if version >= 3:
        return tuple(kind for bit, kind in enumerate(KINDS) if said >> bit & 1)
    kind = OLD_KINDS.get(said)
    if kind == "storage" and (
        element.attributes.get("name", "").startswith("dax") or element.attributes.get("subtype") == "CXLMem"
    ):
        kind = "memory"  # version 2 had no number for it before 2.10
    return (kind,) if kind else ()


def _system_devices(
    document: Document, name: str, addresses: dict[int, Compound], nodes: dict[int, int]
) -> Iterator[Fact | Problem]:
    seen = set()
    unread = 0
    for element in document.objects:
        if element.type != "OSDev":
            continue
        infos = dict(element.infos())
        label, kinds = element.attributes.get("name", ""), _kinds(element, infos, document.version)
        if not label or (label, kinds) in seen:
            unread += 1
            continue
        seen.add((label, kinds))
        above = element.parent
        while above is not None and id(above) not in addresses:
            above = above.parent
        address = addresses[id(above)] if above is not None else None
        subtype = element.attributes.get("subtype", "")
        yield Fact("os_device", (label, kinds, subtype, address or "none"))
        if address is not None and "network" in kinds:
            yield Fact("net_interface", (label, address))
        if address is not None and "storage" in kinds:
            yield Fact("block_device", (label, address))
        if address is None and (node := nodes.get(_place(element).cores)) is not None:
            yield Fact("os_device_node", (label, node))
        for info, value in infos.items():
            yield Fact("os_device_info", (label, info, value))
    if unread:
        yield Problem(name, f"{unread} devices of the system have no name of their own", f"they are left out; {REMEDY}")


def _modules(document: Document, name: str) -> Iterator[Fact | Problem]:
    seen: set[int] = set()
    others = 0
    for element in document.objects:
        if element.type != "Misc":
            continue
        number = element.number("os_index")
        if element.attributes.get("subtype") != "MemoryModule" or number is None or number in seen or number >= 1 << 32:
            others += 1
            continue
        seen.add(number)
        for info, value in dict(element.infos()).items():
            yield Fact("memory_module", (number, info, value))
    if others:
        yield Problem(
            name, f"{others} Misc objects are no memory modules", "they are left out; no fact holds what they say"
        )
