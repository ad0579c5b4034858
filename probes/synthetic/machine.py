"""A description as facts: the same that a probe of such a machine would give, as far as a description says.

What it leaves open is filled as hwloc does: caches of 32 kiB (L1), 4 MiB, 16 MiB, 64 MiB and 256 MiB (L2 to L5) with lines of 64 bytes,
1 GiB of memory in a node. Distances are those of firmware that measured nothing: 10 in a node, and by how much two nodes have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from probes.cores import UNKNOWN
from probes.fact import Fact, Term
from probes.synthetic.description import Description, DescriptionError, Level, Memory, indexes

LINE_SIZE = 64

LOCAL, SAME_PACKAGE, OTHER_PACKAGE = 10, 12, 20
"""Distances as SLITs have them."""


@dataclass(frozen=True)
class Thread:
    """A hardware thread: its number, and which object of each level it is in, by position among all objects of that level."""

    core: int
    inside: Mapping[str, int]


@dataclass(frozen=True)
class Node:
    """A node of memory: its number, its bytes, its cache, and the threads that it is near."""

    number: int
    size: int
    side_cache: int | None
    threads: tuple[Thread, ...]


@dataclass(frozen=True)
class Synthetic:
    """A machine that was described."""

    name: str
    description: Description
    threads: tuple[Thread, ...]
    nodes: tuple[Node, ...]


def build(name: str, description: Description) -> Synthetic:
    """Lay a description out. Raises DescriptionError."""
    lowest = description.levels[-1]
    numbers = indexes(description, lowest.indexes, lowest.type, lowest.total, lowest.place)
    threads = tuple(
        Thread(
            number,
            {_key(at, level): position * level.total // lowest.total for at, level in enumerate(description.levels)},
        )
        for position, number in enumerate(numbers)
    )
    return Synthetic(name, description, threads, tuple(_nodes(description, threads)))


def _key(at: int, level: Level) -> str:
    return f"group{at}" if level.type == "group" else level.type


def _nodes(description: Description, threads: Sequence[Thread]) -> Iterator[Node]:
    wanted: list[tuple[int, Memory]] = [(1, memory) for memory in description.memories]
    for level in description.levels:
        if level.type == "numa":
            wanted.append((level.total, Memory(1, level.size, None, level.indexes, level.place)))
        wanted += ((level.total, memory) for memory in level.memories)
    if not wanted:
        wanted = [(1, Memory(1, None, None, None, 0))]
    # hwloc numbers nodes in the order in which it comes across them: object by object, those of the widest place first.
    places = (
        sorted(
            (position * len(threads) // total, order, each, total, memory)
            for order, (total, memory) in enumerate(wanted)
            for position in range(total)
            for each in range(memory.count)
        )
        if len({total for total, _ in wanted}) > 1
        else [
            (position * len(threads) // total, order, each, total, memory)
            for position in range(wanted[0][0])
            for order, (total, memory) in enumerate(wanted)
            for each in range(memory.count)
        ]
    )
    given = next((memory for _, memory in wanted if memory.indexes), None)
    numbers = indexes(description, given.indexes if given else None, "numa", len(places), given.place if given else 0)
    for number, (first, _, _, total, memory) in zip(numbers, places, strict=True):
        size = (1 << 30) if memory.size is None else memory.size
        yield Node(number, size, memory.side_cache, tuple(threads[first : first + len(threads) // total]))


def facts(machine: Synthetic) -> Iterator[Fact]:
    """Yield everything that is so of a machine, but what messages cost."""
    yield Fact("machine", (machine.name, UNKNOWN, "synthetic"))
    threads = sorted(machine.threads, key=lambda thread: thread.core)
    apic_ids = _apic_ids(machine)
    for thread in threads:
        yield Fact("core", (thread.core, apic_ids[thread.core], 1))
    places = _places(machine)
    for thread in threads:
        yield Fact("cpu_thread", (thread.core, *places[thread.core]))
    if machine.description.level("die"):
        dies = _within(machine, "die")
        for thread in threads:
            yield Fact("cpu_die", (thread.core, dies[thread.core]))
    for thread in threads:
        yield Fact("cpu_kind", (thread.core, "uniform"))
    yield from _cache_facts(machine)
    for node in sorted(machine.nodes, key=lambda node: node.number):
        yield Fact("numa_node", (node.number, node.size))
    for number, core in sorted({(_home(machine, thread).number, thread.core) for thread in threads}):
        yield Fact("numa_core", (number, core))
    for one in sorted(machine.nodes, key=lambda node: node.number):
        for other in sorted(machine.nodes, key=lambda node: node.number):
            yield Fact("node_distance", (one.number, other.number, _distance(one, other)))


def _home(machine: Synthetic, thread: Thread) -> Node:
    """The node that a thread belongs to: of those near it, the one that is near the fewest, and the first of these."""
    near = [node for node in machine.nodes if thread in node.threads]
    return min(near or machine.nodes, key=lambda node: (len(node.threads), node.number))


def _distance(one: Node, other: Node) -> int:
    if one is other:
        return LOCAL
    packages = [{thread.inside.get("package", 0) for thread in node.threads} for node in (one, other)]
    return SAME_PACKAGE if packages[0] & packages[1] else OTHER_PACKAGE


def _places(machine: Synthetic) -> dict[int, tuple[Term, Term, Term]]:
    """Return package, core in the package and thread in the core, each numbered from 0 as described."""
    package_level = machine.description.level("package")
    numbers = (
        indexes(machine.description, package_level.indexes, "package", package_level.total, package_level.place)
        if package_level
        else [0]
    )
    cores = _within(machine, "core" if machine.description.level("core") else "pu")
    counts: dict[int, int] = {}
    places: dict[int, tuple[Term, Term, Term]] = {}
    for thread in machine.threads:
        core = thread.inside.get("core", thread.inside["pu"])
        counts[core] = counts.get(core, -1) + 1
        places[thread.core] = (numbers[thread.inside.get("package", 0)], cores[thread.core], counts[core])
    return places


def _within(machine: Synthetic, type_: str) -> dict[int, int]:
    """Number objects of a type inside their package."""
    first: dict[int, int] = {}
    for thread in machine.threads:
        package = thread.inside.get("package", 0)
        first[package] = min(first.get(package, thread.inside[type_]), thread.inside[type_])
    return {thread.core: thread.inside[type_] - first[thread.inside.get("package", 0)] for thread in machine.threads}


def _apic_ids(machine: Synthetic) -> dict[int, int]:
    """APIC ids as firmware makes them: package, core and thread in bits of their own."""
    places = _places(machine)
    shift_thread = max(int(str(thread)) for _, _, thread in places.values()).bit_length()
    shift_core = shift_thread + max(int(str(core)) for _, core, _ in places.values()).bit_length()
    positions = {thread.core: thread.inside.get("package", 0) for thread in machine.threads}
    return {
        core: positions[core] << shift_core | int(str(in_package)) << shift_thread | int(str(thread))
        for core, (_, in_package, thread) in places.items()
    }


def _cache_facts(machine: Synthetic) -> Iterator[Fact]:
    number = 0
    for level in sorted(
        (level for level in machine.description.levels if level.type[:1] == "l"), key=lambda level: level.type
    ):
        depth, kind = int(level.type[1]), {"i": "instruction", "d": "data"}.get(level.type[2:], "unified")
        sharers: dict[int, list[int]] = {}
        for thread in machine.threads:
            sharers.setdefault(thread.inside[level.type], []).append(thread.core)
        size = level.size if level.size is not None else (32 << 10 if depth == 1 else (256 << 10) << 2 * depth)
        for cores in sharers.values():
            yield Fact("cache", (number, depth, kind, size, UNKNOWN, LINE_SIZE, UNKNOWN))
            for core in sorted(cores):
                yield Fact("cache_shared", (number, core))
            number += 1
    for node in sorted(machine.nodes, key=lambda node: node.number):
        if node.side_cache:
            yield Fact("numa_cache", (node.number, 1, node.side_cache, UNKNOWN, LINE_SIZE))


__all__ = ["DescriptionError", "Node", "Synthetic", "Thread", "build", "facts"]
