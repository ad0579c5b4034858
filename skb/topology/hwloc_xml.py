"""Facts as an hwloc XML file, which `lstopo -i` draws and every program that uses hwloc reads.

The file is of format version 2.0, the one that hwloc 2.x and 3.x both read. What that version has no attribute for is annotated: the kinds
of a device that is of several (`OSDevKinds`). Objects are nested by the cores they hold; one that overlaps another cannot be written and is
listed as left out.

Format: hwloc 2.x, `hwloc2.dtd`; numbers of types and kinds from `hwloc.h` and the manual.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from skb.topology import hwloc_tables
from skb.topology.facts import Facts, bits, lowest
from skb.topology.from_facts import by_place, caches, dies
from skb.topology.hwloc_devices import Devices, Place
from skb.topology.hwloc_tables import set_of
from skb.topology.nesting import Part, nest
from skb.topology.xml import Element

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'

CACHE_TYPES = {"unified": 0, "data": 1, "instruction": 2}
_MEMORY_GROUP, _DEVICE_GROUP = 1001, 1000
_DERIVED_GROUPS = {
    "cpu_module": (102, "Module"),
    "cpu_tile": (103, "Tile"),
    "cpu_complex": (121, "Complex"),
    "cpu_die_group": (101, "DieGrp"),
}


class Written(NamedTuple):
    """An hwloc XML file, and what is known of the machine that it could not hold."""

    text: str
    left_out: tuple[str, ...]


class NothingToWriteError(ValueError):
    """No core is known, and hwloc has no machines without."""


def write(facts: Iterable[Mapping[str, Any]]) -> Written:
    """Write facts in JSON form as an hwloc XML file. Raises NothingToWriteError."""
    known = Facts(facts)
    states = known.cores()
    present = bits(states)
    online = bits(core for core, state in states.items() if state != 0)
    if not online:
        raise NothingToWriteError("no core is known to be online: give a machine whose cores were probed")
    left_out: list[str] = []
    nodes = hwloc_tables.nodes(known, online)
    parts = [*_parts(known, online, left_out)]
    devices = Devices(known)
    places = devices.places(online, nodes)
    root = Part("Machine", 0, online)
    _add_groups(parts, root, nodes, places)
    nest(root, parts)
    left_out += _without_crossing(root)
    topology = Element("topology", {"version": "2.0"})
    machine = topology.add("object")
    writer = _Writer(known, present | online, devices, nodes, places)
    writer.machine(machine, root)
    left_out += hwloc_tables.distances(known, topology, nodes)
    hwloc_tables.attributes(known, topology, nodes, writer.numbers)
    hwloc_tables.kinds(known, topology, online)
    return Written(HEAD + "\n".join(topology.lines()) + "\n", tuple(left_out))


def _parts(known: Facts, online: int, left_out: list[str]) -> Iterable[Part]:
    packages, physical = by_place(known)
    for number, cores in packages.items():
        yield Part("Package", number, cores & online, 0)
    for (_, number), cores in dies(known, packages).items():
        yield Part("Die", number, cores & online, 1)
    groups = known.sets("cpu_group_core")
    for number, kind, subkind, label in known.rows("cpu_group", int, int, int, str):
        said = {"kind": kind, "subkind": subkind} | ({"subtype": label} if label else {})
        yield Part("Group", None, groups.get(number, 0) & online, 2, said)
    for part, (level, kind, size, ways, line_size, inclusive) in caches(known):
        if level > (3 if kind == "instruction" else 5) or kind not in CACHE_TYPES or level < 1:
            left_out.append(f"{kind} cache {part.id} of level {level}: hwloc has no such level")
            continue
        said = {
            "cache_size": size if isinstance(size, int) else 0,
            "depth": level,
            "cache_linesize": line_size if isinstance(line_size, int) else 0,
            "cache_associativity": (ways or -1) if isinstance(ways, int) else 0,
            "cache_type": CACHE_TYPES[kind],
        }
        name = f"L{level}{'i' if kind == 'instruction' else ''}Cache"
        yield Part(name, inclusive, part.cores & online, part.order, said)
    for (_, number), cores in physical.items():
        yield Part("Core", number, cores & online, 200)
    for core in (core for core, state in known.cores().items() if state != 0):
        yield Part("PU", core, 1 << core, 300)
    yield from _derived_groups(known, online)


def _derived_groups(known: Facts, online: int) -> Iterable[Part]:
    """Yield what CPUID tells between core and package; numbers are those inside the package."""
    package_of = {core: package for core, package, _, _ in known.rows("cpu_thread", int, int, int, int)}
    for fact, (kind, label) in _DERIVED_GROUPS.items():
        sets: dict[tuple[int, int], int] = {}
        for core, number in known.rows(fact, int, int):
            if core in package_of and online >> core & 1:
                key = (package_of[core], number)
                sets[key] = sets.get(key, 0) | 1 << core
        for (_, number), cores in sets.items():
            yield Part("Group", number, cores, 3, {"kind": kind, "subkind": 0, "subtype": label, "derived": 1})


def _add_groups(parts: list[Part], root: Part, nodes: dict[int, int], places: dict[Place, int]) -> None:
    """Drop parts without cores and groups that say nothing; add the groups that memory and devices need to hang on."""
    held = {part.cores for part in parts if part.type != "Group"}
    held |= {part.cores for part in parts if part.type == "Group" and "derived" not in part.attributes}
    held.add(root.cores)
    kept = []
    for part in parts:
        if part.attributes.pop("derived", 0):
            if part.cores in held:
                continue
            held.add(part.cores)
        if part.cores:
            kept.append(part)
    alone = {part.cores for part in kept}
    for sets, kind in ((nodes, _MEMORY_GROUP), (places, _DEVICE_GROUP)):
        for cores in sets.values():
            if cores and cores not in alone and (kind == _DEVICE_GROUP or cores != root.cores):
                alone.add(cores)
                kept.append(Part("Group", None, cores, 2, {"kind": kind, "subkind": 0}))
    parts[:] = kept


def _without_crossing(part: Part) -> list[str]:
    left_out = []
    kept = []
    for child in part.children:
        if child.crossing:
            number = f" {child.id}" if child.id is not None and not child.type.endswith("Cache") else ""
            left_out.append(
                f"{child.type}{number} from core {lowest(child.cores)}: it overlaps another part without being inside it"
            )
        else:
            kept.append(child)
            left_out += _without_crossing(child)
    part.children = kept
    return left_out


def holder(root: Part, cores: int) -> Part:
    """Return what memory or devices with these cores hang on: the outermost part below the machine with just them, else what holds them."""
    if not cores:
        return root
    found = root
    while inner := [part for part in found.children if part.cores & cores == cores]:
        found = inner[0]
        if found.cores == cores:
            break
    return found


class _Writer:
    """Turns nested parts into elements, and counts them: every object has a number that no other has."""

    def __init__(
        self, known: Facts, present: int, devices: Devices, nodes: dict[int, int], places: dict[Place, int]
    ) -> None:
        self.numbers: dict[int, int] = {}
        self._known, self._present = known, present
        self._nodes, self._places = nodes, places
        self._near: dict[int, list[int]] = {}
        self._hanging: dict[int, list[Place]] = {}
        self._last = 0
        self._devices = devices
        self._packages = hwloc_tables.Packages(known)
        self._memory = hwloc_tables.Memory(known)

    def machine(self, element: Element, root: Part) -> None:
        """Fill the element of the machine and everything inside."""
        for node, cores in self._nodes.items():
            if cores:
                self._near.setdefault(id(holder(root, cores)), []).append(node)
        for place, cores in self._places.items():
            self._hanging.setdefault(id(holder(root, cores)), []).append(place)
        self._fill(element, root, 0)
        self._devices.write_modules(element, self.number)

    def number(self) -> int:
        """Return the next number."""
        self._last += 1
        return self._last

    def _fill(self, element: Element, part: Part, above: int) -> int:
        """Fill an element with a part, what is inside it and what hangs on it; return the nodes that are on it or inside."""
        own = self._near.get(id(part), [])
        local = bits(own)
        element.attributes |= {"type": part.type}
        if part.id is not None and not part.type.endswith("Cache"):
            element.attributes["os_index"] = part.id
        sets = self._sets(part)
        element.attributes |= sets
        element.attributes["gp_index"] = self.number()
        element.attributes |= part.attributes
        self._annotate(element, part)
        for node in own:
            number = self.numbers[node] = self.number()
            self._memory.write(element, node, self._nodes[node], number, self.number)
        inside = local
        for child in part.children:
            inside |= self._fill(element.add("object"), child, above | local)
        if part.type == "Machine":
            inside |= self._far_nodes(element)
        nodes = set_of(above | inside)
        element.attributes |= {"nodeset": nodes, "complete_nodeset": nodes}
        if part.type == "Machine":
            element.attributes["allowed_nodeset"] = nodes
        for place in self._hanging.get(id(part), ()):
            self._devices.write(element, place, self.number)
        return inside

    def _far_nodes(self, machine: Element) -> int:
        """Hang nodes that are near to no core, as hwloc does it, each on a group without cores; return them."""
        far = [node for node, cores in self._nodes.items() if not cores]
        for node in far:
            nobody, alone = set_of(0), set_of(1 << node)
            group = machine.add("object", type="Group", cpuset=nobody, complete_cpuset=nobody, nodeset=alone)
            group.attributes |= {"complete_nodeset": alone, "gp_index": self.number()}
            group.attributes |= {"kind": _MEMORY_GROUP, "subkind": 0}
            number = self.numbers[node] = self.number()
            self._memory.write(group, node, 0, number, self.number)
        return bits(far)

    def _sets(self, part: Part) -> dict[str, str]:
        cpus = set_of(part.cores)
        if part.type != "Machine":
            return {"cpuset": cpus, "complete_cpuset": cpus}
        return {"cpuset": cpus, "complete_cpuset": set_of(self._present), "allowed_cpuset": cpus}

    def _annotate(self, element: Element, part: Part) -> None:
        if part.type == "Machine":
            hwloc_tables.machine(self._known, element)
        elif part.type == "Package":
            self._packages.write(element, part.id, lowest(part.cores))
        elif part.type.endswith("Cache") and part.id in (0, 1):
            element.info("Inclusive", str(part.id))
