"""The tables and annotations of an hwloc XML file: nodes of memory, distances, latencies and bandwidths, kinds of cores, processors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skb.topology.facts import Facts, bits, members
from skb.topology.xml import Element

_ATTRIBUTES = (
    ("Bandwidth", "node_bandwidth", "access"),
    ("Latency", "node_latency", "access"),
    ("ReadBandwidth", "node_bandwidth", "read"),
    ("WriteBandwidth", "node_bandwidth", "write"),
    ("ReadLatency", "node_latency", "read"),
    ("WriteLatency", "node_latency", "write"),
)
_FLAGS = {"node_latency": 2 | 4, "node_bandwidth": 1 | 4}
"""Lower is better, or higher; and there is an initiator."""

_RELATIVE_LATENCY = 1 | 4
"""Kind of a matrix: the system says it, and it means latency."""

_X86 = {"x86_64", "i386", "i486", "i586", "i686"}
_CORE_TYPES = {"performance": "IntelCore", "efficiency": "IntelAtom"}
_NODE_LIMIT = 1 << 16


def set_of(value: int) -> str:
    """Write a set as hwloc does: words of 32 bits, the highest first."""
    words: list[str] = []
    while value or not words:
        words.append(f"0x{value & 0xFFFFFFFF:08x}")
        value >>= 32
    return ",".join(reversed(words))


def nodes(known: Facts, online: int) -> dict[int, int]:
    """Return every node with the cores that it is near to; none for a node of which that is not known."""
    own, local = known.sets("numa_core"), known.sets("numa_local")
    numbered = {*known.first("numa_node", int, int), *own, *local, *known.first("numa_kind", int, str)}
    found = {node: (own.get(node, 0) | local.get(node, 0)) & online for node in numbered if 0 <= node < _NODE_LIMIT}
    return {node: found[node] for node in sorted(found)} or {0: online}  # hwloc 2 has no machines without a node


class Memory:
    """What is known of the memory of nodes."""

    def __init__(self, known: Facts) -> None:
        self._sizes = known.first("numa_node", int, int)
        self._kinds = known.first("numa_kind", int, str)
        self._caches: dict[int, list[tuple[Any, ...]]] = {}
        for node, *rest in known.rows("numa_cache", int, int, *[object] * 3):
            self._caches.setdefault(node, []).append(tuple(rest))
        self._huge: dict[int, list[tuple[int, int]]] = {}
        for node, size, count in known.rows("hugepages", int, int, int):
            self._huge.setdefault(node, []).append((size, count))
        self._page = next((row[0] for row in known.rows("page_size", int) if row[0] > 0), None)
        if self._page is None and self._huge and {row[1] for row in known.rows("machine", str, str, str)} <= _X86:
            self._page = 4096

    def write(self, element: Element, node: int, near: int, number: int, count: Callable[[], int]) -> None:
        """Hang a node on an element, inside the caches that are before its memory."""
        sets = dict.fromkeys(("cpuset", "complete_cpuset"), set_of(near))
        sets |= dict.fromkeys(("nodeset", "complete_nodeset"), set_of(1 << node))
        for level, size, ways, line_size in sorted(
            self._caches.get(node, ()), reverse=True, key=lambda cache: int(cache[0])
        ):
            element = element.add("object", type="MemCache", **sets, gp_index=count())
            element.attributes |= {"cache_size": size if isinstance(size, int) else 0, "depth": level}
            element.attributes["cache_linesize"] = line_size if isinstance(line_size, int) else 0
            element.attributes["cache_associativity"] = (ways or -1) if isinstance(ways, int) else 0
            element.attributes["cache_type"] = 0
        memory = element.add("object", type="NUMANode", os_index=node, **sets, gp_index=number)
        if node in self._kinds:
            memory.attributes["subtype"] = self._kinds[node]
        size = self._sizes.get(node, 0)
        if size:
            memory.attributes["local_memory"] = size
        if self._page:
            huge = sorted(self._huge.get(node, ()))
            rest = max(size - sum(each * pages for each, pages in huge), 0) // self._page
            for each, pages in ((self._page, rest), *huge):
                memory.add("page_type", size=each, count=pages)


def machine(known: Facts, element: Element) -> None:
    """Annotate the machine."""
    for name, arch, system in known.rows("machine", str, str, str)[:1]:
        os_name, _, release = system.partition(" ")
        told = {"OSName": os_name, "OSRelease": release, "HostName": name, "Architecture": arch}
        for info, value in told.items():
            if value and value != "unknown":
                element.info(info, value)
    for info, value in known.rows("machine_info", str, str):
        element.info(info, value)


class Packages:
    """What is known of the processors in packages."""

    def __init__(self, known: Facts) -> None:
        self._vendors, self._names = known.first("cpu_vendor", int, str), known.first("cpu_name", int, str)
        self._families = known.first("cpu_family", int, int, int, int)
        self._rest: dict[int, list[tuple[str, str]]] = {}
        for package, name, value in known.rows("package_info", int, str, str):
            self._rest.setdefault(package, []).append((name, value))

    def write(self, element: Element, package: int, core: int) -> None:
        """Annotate a package with what its first core says."""
        if core in self._vendors:
            element.info("CPUVendor", self._vendors[core])
        if core in self._families:
            for name, value in zip(
                ("CPUFamilyNumber", "CPUModelNumber", "CPUStepping"), self._families[core], strict=True
            ):
                element.info(name, str(value))
        if core in self._names:
            element.info("CPUModel", self._names[core])
        for name, value in self._rest.get(package, ()):
            element.info(name, value)


def distances(known: Facts, topology: Element, near: dict[int, int]) -> list[str]:
    """Write the distances between nodes, if they are known of all pairs; return what was left out."""
    values = {(row[0], row[1]): row[2] for row in known.rows("node_distance", int, int, int)}
    numbered = sorted({node for pair in values for node in pair})
    if len(numbered) < 2:
        return []
    if not near.keys() >= set(numbered) or len(values) != len(numbered) ** 2:
        return ["distances between nodes: they are not known of all pairs, or of nodes that nothing else is known of"]
    matrix = topology.add(
        "distances2", type="NUMANode", nbobjs=len(numbered), kind=_RELATIVE_LATENCY, name="NUMALatency", indexing="os"
    )
    for tag, row in (("indexes", numbered), ("u64values", [values[a, b] for a in numbered for b in numbered])):
        for first in range(0, len(row), 10):
            text = "".join(f"{value} " for value in row[first : first + 10])
            matrix.children.append(Element(tag, {"length": len(text)}, text=text))
    return []


def attributes(known: Facts, topology: Element, near: dict[int, int], numbers: dict[int, int]) -> None:
    """Write latencies and bandwidths; the initiator is the set of a node's own cores."""
    own = known.sets("numa_core")
    for label, fact, kind in _ATTRIBUTES:
        rows = [
            row for row in known.rows(fact, int, int, str, int) if row[2] == kind and row[0] in own and row[1] in near
        ]
        if rows:
            attribute = topology.add("memattr", name=label, flags=_FLAGS[fact])
            for initiator, target, _, value in rows:
                attribute.add(
                    "memattr_value",
                    target_obj_type="NUMANode",
                    target_obj_gp_index=numbers[target],
                    value=value // 1000 if fact == "node_latency" else value,
                    initiator_cpuset=set_of(own[initiator]),
                )


def kinds(known: Facts, topology: Element, online: int) -> None:
    """Write the kinds of cores: all cores of which the same is said are one kind."""
    ranks, types = known.first("cpu_efficiency", int, int), known.first("cpu_core_type", int, str)
    if not ranks and not types:
        ranks, types = _ranked(known)
    infos: dict[int, list[tuple[str, str]]] = {}
    for core, clock, frequency in known.rows("cpu_frequency", int, str, int):
        if clock in ("base", "maximum") and frequency >= 1_000_000:
            name = "FrequencyBaseMHz" if clock == "base" else "FrequencyMaxMHz"
            infos.setdefault(core, []).append((name, str(frequency // 1_000_000)))
    for core, name, value in known.rows("cpu_kind_info", int, str, str):
        infos.setdefault(core, []).append((name, value))
    found: dict[tuple[Any, ...], list[int]] = {}
    for core in members(online):
        key = (ranks.get(core), types.get(core), tuple(sorted(infos.get(core, ()))))
        if key != (None, None, ()):
            found.setdefault(key, []).append(core)
    for (rank, core_type, said), cores in sorted(found.items(), key=lambda item: (item[0][0] or 0, item[1])):
        kind = topology.add("cpukind", cpuset=set_of(bits(cores)))
        if rank is not None:
            kind.attributes["forced_efficiency"] = rank
        if core_type is not None:
            kind.info("CoreType", core_type)
        for name, value in said:
            kind.info(name, value)


def _ranked(known: Facts) -> tuple[dict[int, int], dict[int, str]]:
    """Return ranks and types of the cores of a machine that has two kinds of them."""
    said = known.first("cpu_kind", int, str)
    if set(said.values()) < {"performance", "efficiency"}:
        return {}, {}
    intel = set(known.first("cpu_vendor", int, str).values()) == {"GenuineIntel"}
    ranks = {core: int(kind == "performance") for core, kind in said.items() if kind in _CORE_TYPES}
    return ranks, {core: _CORE_TYPES[said[core]] for core in ranks} if intel else {}
