"""A machine that was described, as facts: the same that a probe of such a machine gives, as far as a description says.

What it leaves open is filled as hwloc does: caches of 32 KiB (L1) and 4, 16, 64 and 256 MiB (L2 to L5) with lines of 64 bytes, 1 GiB of
memory in a node. Addresses of memory and APIC ids are laid out as firmware does it on a plain machine: node after node from address 0, and
a field of bits for package, die, core and thread. Distances between nodes are `node_distances`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from probes.cores import UNKNOWN, Cache, Domains, Place, cache_facts, kind_facts, place_facts
from probes.fact import Fact
from probes.synthetic.machine import Node, Part, Synthetic

LINE_SIZE = 64

LOCAL, SAME_PACKAGE, OTHER_PACKAGE = 10, 12, 20
"""Distances as firmware has them that measured nothing: ACPI's 10 for a node itself, Linux's 20 for a remote one (REMOTE_DISTANCE), and
the 12 of two-way sub-NUMA clusters in one package."""

CACHE_TYPES = {"d": "data", "i": "instruction", "": "unified"}

Distances = Callable[[Node, Node], int]


def machine_facts(machine: Synthetic, distances: Distances | None = None) -> Iterator[Fact]:
    """Yield everything that is so of a machine, but what messages cost. `distances` are those between nodes, if not the usual."""
    positions = sorted(range(len(machine.cores)), key=lambda position: machine.cores[position])
    cores = [machine.cores[position] for position in positions]
    apic_ids = _apic_ids(machine)
    yield Fact("machine", (machine.name, "x86_64", "synthetic"))
    for position in positions:
        yield Fact("core", (machine.cores[position], apic_ids[position], 1))
    yield from place_facts(_places(machine), _domains(machine))
    yield from kind_facts(dict.fromkeys(cores, "uniform"))
    yield from cache_facts(_caches(machine))
    for position in positions:
        yield Fact("apic", (machine.cores[position], apic_ids[position], 1))
    for position in positions:
        yield Fact("cpu_affinity", (apic_ids[position], machine.homes[position]))
    yield from _memory_facts(machine)
    for number, core in sorted(zip(machine.homes, machine.cores, strict=True)):
        yield Fact("numa_core", (number, core))
    told = distances or node_distances(machine)
    for one in machine.nodes:
        for other in machine.nodes:
            yield Fact("node_distance", (one.number, other.number, told(one, other)))
    for node in machine.nodes:
        yield Fact("node_domain", (node.number, node.number))


def node_distances(machine: Synthetic) -> Distances:
    """Return the usual distances: 10 of a node to itself, 12 in one package, 20 elsewhere."""
    width = package.width if (package := machine.part("package")) else len(machine.cores)

    def between(one: Node, other: Node) -> int:
        if one.number == other.number:
            return LOCAL
        apart = one.first // width != other.first // width
        return OTHER_PACKAGE if apart or max(one.width, other.width) > width else SAME_PACKAGE

    return between


def _places(machine: Synthetic) -> dict[int, Place]:
    """Return package, core in the package and thread in the core. A thread that no core is described for is a core of its own."""
    core = machine.part("core") or machine.parts[-1]
    packages, in_package = _numbered(machine, machine.part("package")), _inside(machine, core, machine.part("package"))
    return {
        number: Place(packages[position], in_package[position], position % core.width)
        for position, number in enumerate(machine.cores)
    }


def _domains(machine: Synthetic) -> dict[int, Domains]:
    die = machine.part("die")
    if die is None:
        return {}
    dies = _inside(machine, die, machine.part("package"))
    return {core: Domains(die=number) for core, number in zip(machine.cores, dies, strict=True)}


def _numbered(machine: Synthetic, part: Part | None) -> list[int]:
    """Return the number of the object that each thread is in; 0 if there is no such level."""
    return [part.numbers[position // part.width] if part else 0 for position in range(len(machine.cores))]


def _inside(machine: Synthetic, part: Part, around: Part | None) -> list[int]:
    """Return what number the object that each thread is in has among those of the object around it; where numbers were given, these."""
    if part.numbered and part is not machine.parts[-1]:
        return _numbered(machine, part)
    width = around.width if around else len(machine.cores)
    return [position % width // part.width for position in range(len(machine.cores))]


def _apic_ids(machine: Synthetic) -> list[int]:
    """Return the APIC id of each thread by position: package, die, core and thread in fields of bits that are as wide as they must be."""
    found = [0] * len(machine.cores)
    width = len(machine.cores)
    for name in ("package", "die", "core", "pu"):
        part = machine.part(name)
        if part is None:
            continue
        bits = (width // part.width - 1).bit_length()
        found = [number << bits | position % width // part.width for position, number in enumerate(found)]
        width = part.width
    return found


def _caches(machine: Synthetic) -> Iterator[Cache]:
    for part in machine.parts:
        if not part.type.is_cache:
            continue
        level, kind = int(part.type.name[1]), CACHE_TYPES[part.type.name[2:]]
        size = part.size if part.size is not None else (32 << 10 if level == 1 else (256 << 10) << 2 * level)
        for first in range(0, len(machine.cores), part.width):
            yield Cache(level, kind, size, None, LINE_SIZE, None, frozenset(machine.cores[first : first + part.width]))


def _memory_facts(machine: Synthetic) -> Iterator[Fact]:
    base = 0
    ranges = []
    for node in machine.nodes:
        if node.size:
            ranges.append((node.number, base, node.size))
            base += node.size
    for number, start, size in ranges:
        yield Fact("memory_affinity", (start, size, number, ()))
    for _, start, size in ranges:
        yield Fact("memory_region", (start, size, "system_ram"))
    for node in machine.nodes:
        yield Fact("numa_node", (node.number, node.size))
    for number, start, size in ranges:
        yield Fact("node_memory", (number, start, size))
    for node in machine.nodes:
        if node.side_cache:
            yield Fact("numa_cache", (node.number, 1, node.side_cache, UNKNOWN, LINE_SIZE))
            yield Fact("memory_side_cache", (node.number, 1, 1, node.side_cache, UNKNOWN, UNKNOWN, LINE_SIZE))
