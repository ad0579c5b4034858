"""Memory in an hwloc XML file: NUMA nodes, who is near to them, distances, latencies, bandwidths and memory-side caches.

Several nodes may be near to the same cores: high-bandwidth, persistent or CXL memory beside the DRAM. hwloc does not say which of them the
cores belong to, but Linux gives processors to the node with the lowest number first, and hwloc hangs every node where its memory is local:
so of the nodes that are near to a core, the one with the fewest cores is its own, and of those with equally many the lowest. The others
get `numa_local`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probes.cores import UNKNOWN
from probes.fact import Fact, Problem
from probes.foreign.hwloc_document import REMEDY, Document, Element, bits, numbers

NODE_LIMIT = 1024
"""The most nodes that Linux can be built for (CONFIG_NODES_SHIFT is at most 10)."""

MATRIX_LIMIT = 512
"""Nodes of a matrix that is read."""

ROW_LIMIT = 100_000
"""Rows of `numa_local`, and of values of memory attributes, that are read; real machines have a few thousand."""

ATTRIBUTES = {
    "Latency": ("node_latency", "access"),
    "ReadLatency": ("node_latency", "read"),
    "WriteLatency": ("node_latency", "write"),
    "Bandwidth": ("node_bandwidth", "access"),
    "ReadBandwidth": ("node_bandwidth", "read"),
    "WriteBandwidth": ("node_bandwidth", "write"),
}
"""Memory attributes with an initiator: latencies are in ns, bandwidths in MiB/s, which the kernel's MB/s are passed on as."""

_DERIVED = {"Capacity", "Locality"}
_LATENCY, _FROM_SYSTEM = 4, 1


@dataclass(frozen=True)
class _Node:
    number: int
    near: int
    element: Element


def read(document: Document, name: str) -> Iterator[Fact | Problem]:
    """Yield what is said of memory."""
    nodes, ignored = _nodes(document)
    if ignored:
        cause = f"{ignored} NUMA nodes have no number below {NODE_LIMIT} of their own"
        yield Problem(name, cause, f"they are left out; {REMEDY}")
    own = own_cores({node.number: node.near for node in nodes})
    rows = 0
    for node in nodes:
        size = node.element.number("local_memory")
        if size:
            yield Fact("numa_node", (node.number, size))
        for core in numbers(own[node.number]):
            yield Fact("numa_core", (node.number, core))
        beside = node.near & ~own[node.number]
        rows += beside.bit_count()
        if rows <= ROW_LIMIT:
            for core in numbers(beside):
                yield Fact("numa_local", (node.number, core))
        if kind := node.element.attributes.get("subtype"):
            yield Fact("numa_kind", (node.number, kind))
        yield from _side_caches(node)
    if rows > ROW_LIMIT:
        cause = f"nodes are near to more than {ROW_LIMIT} cores of others, together"
        yield Problem(name, cause, "the rest of them are left out; no machine is known to be so")
    yield from _pages(nodes)
    yield from _distances(document, name, [node.number for node in nodes])
    yield from _attributes(document, name, nodes, own)


def own_cores(near: dict[int, int]) -> dict[int, int]:
    """Return the cores that belong to each node, from those that are near to it."""
    own = dict.fromkeys(near, 0)
    taken = 0
    for node, cores in sorted(near.items(), key=lambda item: (item[1].bit_count(), item[0])):
        own[node] = cores & ~taken
        taken |= cores
    return own


def _nodes(document: Document) -> tuple[list[_Node], int]:
    found: dict[int, _Node] = {}
    ignored = 0
    for element in document.objects:
        if element.type == "NUMANode":
            number = element.number("os_index")
            if number is None or number >= NODE_LIMIT or number in found:
                ignored += 1
            else:
                found[number] = _Node(number, _near(document, element), element)
    if not found and document.version < 2 and document.root.number("local_memory"):
        found[0] = _Node(0, document.root.cores, document.root)  # version 1 has no node where the machine is not NUMA
    return [found[number] for number in sorted(found)], ignored


def _near(document: Document, element: Element) -> int:
    """Return the cores that a node is near to: those inside it (version 1), or its set, which is empty where nobody knows.

    A node without either is near to what it hangs on.
    """
    if element.cores:
        return element.cores
    if "cpuset" in element.attributes:
        try:
            return bits(element.attributes["cpuset"]) & document.root.cores
        except ValueError:
            return 0
    above: Element | None = element
    while above is not None and not above.cores and above.tag == "object":
        above = above.parent
    return above.cores if above is not None else 0


def _side_caches(node: _Node) -> Iterator[Fact]:
    above = node.element.parent
    levels = set()
    while above is not None and above.type == "MemCache":
        level = above.number("depth")
        if level and level not in levels and level < 10:
            levels.add(level)
            ways = (
                0
                if above.attributes.get("cache_associativity") == "-1"
                else above.number("cache_associativity") or UNKNOWN
            )
            size, line_size = above.number("cache_size") or UNKNOWN, above.number("cache_linesize") or UNKNOWN
            yield Fact("numa_cache", (node.number, level, size, ways, line_size))
        above = above.parent


def _pages(nodes: list[_Node]) -> Iterator[Fact]:
    """Yield the size of pages and the huge pages of every node. Of the sizes of a node the smallest is that of ordinary pages."""
    ordinary: set[int] = set()
    for node in nodes:
        counts: dict[int, int] = {}
        for element in node.element.children:
            size, count = element.number("size"), element.number("count")
            if element.tag == "page_type" and size and count is not None:
                counts.setdefault(size, count)
        if counts:
            base = min(counts)
            ordinary.add(base)
            for size in sorted(counts.keys() - {base}):
                yield Fact("hugepages", (node.number, size, counts[size]))
    if len(ordinary) == 1:
        yield Fact("page_size", (*ordinary,))


def _distances(document: Document, name: str, nodes: list[int]) -> Iterator[Fact | Problem]:
    known = set(nodes)
    done = False
    for element in document.top:
        if element.tag not in ("distances2", "distances2hetero"):
            continue
        label = element.attributes.get("name") or "no name"
        kind = element.number("kind") or 0
        of_nodes = element.attributes.get("type") == "NUMANode" and element.attributes.get("indexing", "os") == "os"
        relative = label == "NUMALatency" or (label == "no name" and kind & _LATENCY and kind & _FROM_SYSTEM)
        if not (of_nodes and relative) or done:
            place = f"{name}, matrix {label!r}"
            yield Problem(place, "is not of distances between NUMA nodes by number", "it is left out; no fact holds it")
            continue
        indexes, values = _row(element, "indexes"), _row(element, "u64values")
        if indexes is None or values is None or len(values) != len(indexes) ** 2 or not known.issuperset(indexes):
            yield Problem(
                f"{name}, matrix {label!r}",
                "is not square, or of nodes that there are not",
                f"it is left out; {REMEDY}",
            )
            continue
        done = True
        for position, value in enumerate(values):
            yield Fact("node_distance", (indexes[position // len(indexes)], indexes[position % len(indexes)], value))
    if document.version < 2:
        yield from _old_distances(document, name)


def _row(element: Element, tag: str) -> list[int] | None:
    words = [word for child in element.children if child.tag == tag for word in "".join(child.text).split()]
    if not words or len(words) > MATRIX_LIMIT**2 or not all(word.isdecimal() and len(word) < 20 for word in words):
        return None
    return [int(word) for word in words]


def _old_distances(document: Document, name: str) -> Iterator[Fact | Problem]:
    """Version 1: a matrix inside the object that all nodes are inside of, relative to a base, in the order of the file."""
    for element in document.objects:
        for matrix in element.children:
            if matrix.tag != "distances":
                continue
            nodes = [*_nodes_below(element)]
            try:
                base = float(matrix.attributes.get("latency_base", "1"))
                values = [round(float(cell.attributes.get("value", "")) * base) for cell in matrix.children]
            except (ValueError, OverflowError):
                values = []
            if not nodes or len(nodes) != matrix.number("nbobjs") or len(values) != len(nodes) ** 2 or min(values) < 0:
                yield Problem(f"{name}, <distances>", "is not a matrix of all nodes", f"it is left out; {REMEDY}")
                continue
            for position, value in enumerate(values):
                yield Fact("node_distance", (nodes[position // len(nodes)], nodes[position % len(nodes)], value))
            return


def _nodes_below(element: Element) -> Iterator[int]:
    """Yield the nodes inside an object, in the order of the file.

    The matrix says how many levels down its objects are, but levels are not elements: a part may be missing from some branches.
    """
    todo = [element]
    while todo:
        inner = todo.pop()
        number = inner.number("os_index")
        if inner.type == "NUMANode" and number is not None and number < NODE_LIMIT:
            yield number
        todo += reversed([*inner.objects()])


def _attributes(document: Document, name: str, nodes: list[_Node], own: dict[int, int]) -> Iterator[Fact | Problem]:
    targets = {
        node.element.attributes.get("gp_index") or node.element.attributes.get("id"): node.number for node in nodes
    }
    owner = {core: node for node, cores in own.items() for core in numbers(cores)}
    rows = 0
    objects: dict[str, int] | None = None
    seen = set()
    for element in document.top:
        if element.tag != "memattr" or element.attributes.get("name") in _DERIVED:
            continue
        label = element.attributes.get("name", "")
        if label not in ATTRIBUTES:
            yield Problem(f"{name}, attribute {label!r}", "is none that a fact holds", "it is left out")
            continue
        fact, kind = ATTRIBUTES[label]
        lost = 0
        for row in element.children:
            target = targets.get(row.attributes.get("target_obj_gp_index") or row.attributes.get("target_obj_id"))
            if objects is None:
                objects = {key: each.cores for each in document.objects if (key := each.attributes.get("gp_index"))}
            value = row.number("value")
            sources, whole = _initiators(row, own, owner, objects)
            rows += 1 + len(sources)
            if rows > ROW_LIMIT:
                cause = f"memory attributes have more than {ROW_LIMIT} values"
                yield Problem(name, cause, "the rest of them are left out; no machine is known to have as many")
                return
            if target is None or value is None or not whole or value >= 1 << 53:
                lost += 1
                continue
            for source in sources:
                if (fact, kind, source, target) not in seen:
                    seen.add((fact, kind, source, target))
                    yield Fact(fact, (source, target, kind, value * 1000 if fact == "node_latency" else value))
        if lost:
            cause = f"{lost} values are not from the cores of whole nodes to a node"
            yield Problem(f"{name}, attribute {label!r}", cause, "they are left out; facts hold values between nodes")


def _initiators(
    row: Element, own: dict[int, int], owner: dict[int, int], objects: dict[str, int]
) -> tuple[list[int], bool]:
    """Return the nodes that have cores of the initiator, as far as looked for, and whether the initiator is just their cores."""
    text = row.attributes.get("initiator_cpuset")
    try:
        left = cores = bits(text) if text else objects.get(row.attributes.get("initiator_obj_gp_index", ""), 0)
    except ValueError:
        return [], False
    found: list[int] = []
    while left:
        node = owner.get((left & -left).bit_length() - 1)
        if node is None or own[node] & ~cores:
            return found, False
        found.append(node)
        left &= ~own[node]
    return sorted(found), bool(found)
