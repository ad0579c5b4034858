"""The devices of an hwloc XML file: host bridges, PCI bridges and functions, the system's devices, memory modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from skb.topology.facts import CORE_LIMIT, Address, Facts, bits
from skb.topology.pci import buses
from skb.topology.xml import Element

OLD_KINDS = {"storage": 0, "gpu": 1, "network": 2, "openfabrics": 3, "dma": 4, "coprocessor": 5, "memory": 0}
"""osdev_type of version 2; memory is storage there until 2.9."""

KINDS_INFO = "OSDevKinds"
"""The annotation that keeps kinds which version 2 has no number for; probes.foreign.hwloc_devices reads it."""

_BY_PRECEDENCE = ("openfabrics", "coprocessor", "gpu", "network", "dma", "storage", "memory")
"""Of several kinds version 2 keeps the first."""

_ENCODINGS = ((5000, 8 / 10), (32000, 128 / 130), (64000, 242 / 256))
"""Part of a PCIe link's transfers that is data, up to a speed in MT/s: 8b/10b, 128b/130b, and flits of 256 bytes."""


class SystemDevice(NamedTuple):
    """What the operating system calls a device, and what it takes it for."""

    name: str
    kinds: tuple[str, ...]
    subtype: str


@dataclass(frozen=True)
class Place:
    """Something that hangs on a part: a host bridge with its range of buses, or functions and devices without one."""

    bridge: tuple[int, int, int] | None
    functions: tuple[Address, ...]
    devices: tuple[SystemDevice, ...] = ()


class Devices:
    """What is known of the devices of a machine."""

    def __init__(self, known: Facts) -> None:
        self._known = known
        self._buses = buses(known)
        self._devices = known.first("device", Address, *[object] * 6)
        self._subsystems = known.first("device_subsystem", Address, int, int)
        self._bandwidths = _bandwidths(known)
        self._infos: dict[Address, list[tuple[str, str]]] = {}
        for address, name, value in known.rows("device_info", Address, str, str):
            self._infos.setdefault(address, []).append((name, value))
        self._system_infos: dict[str, list[tuple[str, str]]] = {}
        for device, name, value in known.rows("os_device_info", str, str, str):
            self._system_infos.setdefault(device, []).append((name, value))
        self._behind: dict[Address, list[SystemDevice]] = {}
        seen = set()
        for name, kinds, subtype, address in known.rows("os_device", str, tuple, str, Address):
            seen.add(name)
            self._behind.setdefault(address, []).append(SystemDevice(name, kinds, subtype))
        for fact, kind in (("net_interface", "network"), ("block_device", "storage")):
            for name, address in known.rows(fact, str, Address):
                if name not in seen:
                    subtype = "Disk" if kind == "storage" else ""
                    self._behind.setdefault(address, []).append(SystemDevice(name, (kind,), subtype))

    def places(self, online: int, nodes: dict[int, int]) -> dict[Place, int]:
        """Return what hangs on parts of the machine, with the cores of the part; no cores is the machine itself."""
        known = self._known
        near = {address: nodes.get(node, 0) for address, node in known.first("device_node", Address, int).items()}
        result: dict[Place, int] = {}
        left = dict(self._buses.roots)
        host_bridges = known.rows("host_bridge", int, int, int, tuple)
        for segment, low, high, cores in host_bridges:
            behind = [root for root in left if root[0] == segment and low <= root[1] <= high]
            functions = tuple(address for root in behind for address in left.pop(root))
            held = bits(core for core in cores if isinstance(core, int) and 0 <= core < CORE_LIMIT) & online
            result[Place((segment, low, high), functions)] = held
        for root, roots in left.items():
            everything = self._buses.within(root)
            sets = {near.get(address, 0) for address in everything} - {0}
            held = sets.pop() if len(sets) == 1 else 0
            ends = [self._buses.bridges[address][2] for address in everything if address in self._buses.bridges]
            bridge = None if host_bridges else (*root, min(max([root[1], *ends]), 255))
            result[Place(bridge, tuple(roots))] = held
        homes = known.first("os_device_node", str, int)
        for name, kinds, subtype, _ in known.rows("os_device", str, tuple, str, str):
            place = Place(None, (), (SystemDevice(name, kinds, subtype),))
            result[place] = nodes.get(homes.get(name, -1), 0)
        return result

    def write(self, element: Element, place: Place, count: Callable[[], int]) -> None:
        """Hang something on an element."""
        if place.bridge is not None:
            element = element.add("object", type="Bridge", gp_index=count(), bridge_type="0-1", depth=0)
            element.attributes["bridge_pci"] = "{:04x}:[{:02x}-{:02x}]".format(*place.bridge)
        for address in place.functions:
            self._function(element, address, 1 if place.bridge else 0, count)
        for device in place.devices:
            self._system_device(element, device, count)

    def write_modules(self, machine: Element, count: Callable[[], int]) -> None:
        """Write memory modules."""
        found: dict[int, Element] = {}
        for module, name, value in self._known.rows("memory_module", int, str, str):
            if module not in found:
                found[module] = machine.add("object", type="Misc", subtype="MemoryModule", os_index=module)
                found[module].attributes["gp_index"] = count()
            found[module].info(name, value)

    def _function(self, element: Element, address: Address, depth: int, count: Callable[[], int]) -> None:
        bridge = self._buses.bridges.get(address)
        made = element.add("object", type="Bridge" if bridge else "PCIDev", gp_index=count())
        if bridge:
            made.attributes |= {"bridge_type": "1-1", "depth": depth}
            made.attributes["bridge_pci"] = f"{address.segment:04x}:[{bridge[1] & 255:02x}-{bridge[2] & 255:02x}]"
        made.attributes["pci_busid"] = str(address)
        if address in self._devices:
            vendor, device, code, sub_code, interface, revision = self._devices[address]
            board = "[{:04x}:{:04x}]".format(*self._subsystems.get(address, (0, 0)))
            words = [f"{code:02x}{sub_code:02x}", f"[{vendor:04x}:{device:04x}]", board, f"{revision:02x}"]
            if isinstance(interface, int):  # written from version 3 on; readers of version 2 pass over it
                words.append(f"{interface:02x}")
            made.attributes["pci_type"] = " ".join(words)
        made.attributes["pci_link_speed"] = f"{self._bandwidths.get(address, 0):.6f}"
        for name, value in self._infos.get(address, ()):
            made.info(name, value)
        for inner in self._buses.below.get(address, ()):
            self._function(made, inner, depth + 1, count)
        for each in self._behind.get(address, ()):
            self._system_device(made, each, count)

    def _system_device(self, element: Element, device: SystemDevice, count: Callable[[], int]) -> None:
        made = element.add("object", type="OSDev", gp_index=count(), name=device.name)
        if device.subtype:
            made.attributes["subtype"] = device.subtype
        special = [kind for kind in _BY_PRECEDENCE if kind in device.kinds]
        if special:
            made.attributes["osdev_type"] = OLD_KINDS[special[0]]
            implied = "memory" if special[0] == "storage" and device.name.startswith("dax") else special[0]
            if device.kinds != (implied,):
                made.info(KINDS_INFO, ",".join(device.kinds))
        for name, value in self._system_infos.get(device.name, ()):
            made.info(name, value)


def _bandwidths(known: Facts) -> dict[Address, float]:
    """Return the bandwidths of links in GB/s."""
    found = {address: mbs / 1000 for address, mbs in known.rows("pci_bandwidth", Address, int)}
    for address, speed, width, *_ in known.rows("pcie_link", Address, int, int, object, object):
        data = next((part for limit, part in _ENCODINGS if speed <= limit), 0.0)
        found.setdefault(address, speed * data * width / 8 / 1000)
    return found
