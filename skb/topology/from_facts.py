"""The facts of a machine as a tree, without an engine: the one that `rules/topology.pl` makes, and what only files of other tools tell.

Beyond that tree it shows groups of cores (`group`), memory that is near to cores of another node, what kind of memory a node has, and what
the operating system calls devices.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from skb.topology.facts import Address, Facts, bits, lowest, members
from skb.topology.nesting import Part, holder_of, nest
from skb.topology.part import Json, Tree
from skb.topology.pci import Buses, buses

_ORDER = {"package": 0, "die": 1, "group": 1, "node": 2, "physical_core": 200, "core": 300}

GROUP_LABELS = {102: "Module", 103: "Tile", 110: "Book", 120: "Compute unit", 121: "Complex", 222: "Cluster"}
"""What hwloc's kinds of groups are called, where they have a name."""


def facts_tree(facts: Iterable[Mapping[str, Any]]) -> Tree:
    """Make a tree of facts in JSON form."""
    known = Facts(facts)
    online = known.cores()
    parts = [part for part in _parts(known, online) if part.cores]
    everything = bits(online)
    for part in parts:
        everything |= part.cores
    root = Part("machine", "unknown", everything)
    for name, arch, system in known.rows("machine", str, str, str)[:1]:
        root.id, root.attributes = name, {"arch": arch, "os": system}
    if memory := sum(known.first("numa_node", int, int).values()):
        root.attributes["memory"] = memory
    nest(root, parts)
    _memory_beside(root, known)
    made = _json(root)
    inside = made["children"]
    assert isinstance(inside, list)
    inside += [*_nodes_alone(known), *_pci(known)]
    return made


def caches(known: Facts) -> Iterator[tuple[Part, tuple[int, str, Any, Any, Any, Any]]]:
    """Yield caches that cores share, each with level, type, size, ways, line size and whether it is inclusive."""
    shared = known.sets("cache_shared")
    for number, row in known.first("cache", int, int, str, *[object] * 4).items():
        level, kind = row[0], row[1]
        order = 100 - 2 * min(level, 40) + (kind == "instruction")
        yield Part("cache", number, shared.get(number, 0), order), row


def by_place(known: Facts) -> tuple[dict[int, int], dict[tuple[int, int], int]]:
    """Return the cores of packages, and of physical cores by package and number."""
    packages: dict[int, int] = {}
    physical: dict[tuple[int, int], int] = {}
    for core, package, number, _ in known.rows("cpu_thread", int, int, int, int):
        packages[package] = packages.get(package, 0) | 1 << core
        physical[package, number] = physical.get((package, number), 0) | 1 << core
    return packages, physical


def dies(known: Facts, packages: dict[int, int]) -> dict[tuple[int, int], int]:
    """Return the cores of dies, by package and number."""
    package_of = {core: package for package, cores in packages.items() for core in members(cores)}
    found: dict[tuple[int, int], int] = {}
    for core, die in known.rows("cpu_die", int, int):
        if core in package_of:
            key = (package_of[core], die)
            found[key] = found.get(key, 0) | 1 << core
    return found


def _parts(known: Facts, online: dict[int, int | None]) -> Iterator[Part]:
    packages, physical = by_place(known)
    vendors, names = known.first("cpu_vendor", int, str), known.first("cpu_name", int, str)
    for package, cores in packages.items():
        first = lowest(cores)
        said = {"vendor": vendors.get(first), "name": names.get(first)}
        yield Part("package", package, cores, _ORDER["package"], _told(said))
    found = dies(known, packages)
    if len({package for package, _ in found}) < len(found):
        for (_, die), cores in found.items():
            yield Part("die", die, cores, _ORDER["die"])
    for group, kind, _, label in known.rows("cpu_group", int, int, int, str):
        said = {"label": label or GROUP_LABELS.get(kind)}
        yield Part("group", group, known.sets("cpu_group_core").get(group, 0), _ORDER["group"], _told(said))
    for node, cores in known.sets("numa_core").items():
        yield Part("node", node, cores, _ORDER["node"], _node(known, node))
    for part, (level, kind, size, ways, line_size, _) in caches(known):
        said = {"level": level, "kind": kind, "size": size, "ways": ways, "line_size": line_size}
        part.attributes = {key: value for key, value in said.items() if value != "unknown"}
        yield part
    kinds = known.first("cpu_kind", int, str)
    for (_, number), cores in physical.items():
        yield Part("physical_core", number, cores, _ORDER["physical_core"], _told({"kind": kinds.get(lowest(cores))}))
    threads = {core: thread for core, _, _, thread in known.rows("cpu_thread", int, int, int, int)}
    kernels: dict[int, list[int]] = {}
    for kernel, host in known.rows("virtual_core", int, int):
        kernels.setdefault(host, []).append(kernel)
    for core, state in online.items():
        said = {"online": state, "thread": threads.get(core), "virtual_cores": kernels.get(core)}
        yield Part("core", core, 1 << core, _ORDER["core"], _told(said))


def _told(said: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in said.items() if value is not None}


def _node(known: Facts, node: int) -> dict[str, Any]:
    sizes, kinds = known.first("numa_node", int, int), known.first("numa_kind", int, str)
    return _told({"memory": sizes.get(node), "memory_kind": kinds.get(node)})


def _memory_beside(root: Part, known: Facts) -> None:
    """Hang nodes without cores of their own where their memory is near."""
    owning = known.sets("numa_core")
    for node, cores in sorted(known.sets("numa_local").items(), reverse=True):
        if node not in owning and cores & root.cores == cores:
            beside = Part("node", node, cores, attributes=_node(known, node))
            holder_of(root, cores).children.insert(0, beside)


def _nodes_alone(known: Facts) -> Iterator[Tree]:
    placed = known.sets("numa_core").keys() | known.sets("numa_local").keys()
    for node in known.first("numa_node", int, int):
        if node not in placed:
            yield _json(Part("node", node, 0, attributes=_node(known, node)))


def _json(part: Part) -> Tree:
    said: dict[str, Json] = dict(part.attributes)
    if part.crossing:
        said["cores"] = [*members(part.cores)]
    return {"type": part.type, "id": part.id, "attributes": said, "children": [_json(child) for child in part.children]}


def _pci(known: Facts) -> Iterator[Tree]:
    found = buses(known)
    nodes = known.first("device_node", Address, int)
    said = _functions(known, found, nodes)

    def function(address: Address) -> Tree:
        inside: list[Json] = [function(inner) for inner in found.below.get(address, ())]
        kind = "bridge" if address in found.bridges else "device"
        return {"type": kind, "id": str(address), "attributes": said[address], "children": inside}

    for (segment, bus), functions in found.roots.items():
        near = {nodes[address] for address in functions if address in nodes}
        yield {
            "type": "pci_bus",
            "id": f"{segment:04x}:{bus:02x}",
            "attributes": {"node": near.pop()} if len(near) == 1 else {},
            "children": [function(address) for address in functions],
        }


def _functions(known: Facts, found: Buses, nodes: dict[Address, int]) -> dict[Address, dict[str, Json]]:
    said: dict[Address, dict[str, Json]] = {}
    devices = known.first("device", Address, *[object] * 6)
    names: dict[Address, list[str]] = {}
    named = [row[:2] for row in known.rows("net_interface", str, Address) + known.rows("block_device", str, Address)]
    for name, address in named + [(row[0], row[3]) for row in known.rows("os_device", str, tuple, str, Address)]:
        if name not in names.setdefault(address, []):
            names[address].append(name)
    drivers = known.first("device_driver", Address, str)
    for address in devices.keys() | found.bridges.keys():
        attributes: dict[str, Any] = {}
        if address in devices:
            attributes |= zip(("vendor", "device", "class", "sub_class"), devices[address][:4], strict=True)
        if address in found.bridges:
            attributes |= zip(("secondary", "subordinate"), found.bridges[address][1:], strict=True)
        rest = {"driver": drivers.get(address), "name": names.get(address), "node": nodes.get(address)}
        said[address] = attributes | _told(rest)
    return said
