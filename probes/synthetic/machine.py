"""A description laid out: which hardware thread is in which object, and which memory is near it.

Hardware threads are known by their *position*, the order in which a description goes through them, since objects of every level are then
ranges of positions: thread `p` is in object `p // width` of a level whose objects have `width` threads. Numbers, which `indexes=` may
give in any order, are looked up last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probes.synthetic.description import Description, Memory
from probes.synthetic.numbering import numbers
from probes.synthetic.types import Type

NODE_SIZE = 1 << 30
"""Bytes of memory that a node has where nothing is said, as in hwloc's NUMA levels."""


@dataclass(frozen=True)
class Part:
    """Objects of one level: how many threads each has, and their numbers in order of position; `size` is a cache's."""

    type: Type
    width: int
    numbers: tuple[int, ...]
    numbered: bool
    """Whether the numbers were given, and not only counted."""
    size: int | None


@dataclass(frozen=True)
class Node:
    """A node of memory: its number, its bytes, those of its cache, and the threads that it is near, as a range of positions."""

    number: int
    size: int
    side_cache: int | None
    first: int
    width: int


@dataclass(frozen=True)
class Synthetic:
    """A machine that was described."""

    name: str
    cores: tuple[int, ...]
    """The number of each hardware thread, by position."""
    parts: tuple[Part, ...]
    """From wide to narrow; the last are the hardware threads."""
    nodes: tuple[Node, ...]
    """In the order of their numbers."""
    homes: tuple[int, ...]
    """The number of the node that each hardware thread belongs to, by position: the lowest of the nearest ones."""
    home_width: int
    """How many threads belong to a node that any belongs to."""

    def part(self, type_name: str) -> Part | None:
        """Return the level of a type, if there is one."""
        return next((part for part in self.parts if part.type.name == type_name), None)


def build(name: str, description: Description) -> Synthetic:
    """Lay a description out. Raises DescriptionError."""
    text, levels = description.text, description.levels
    threads = levels[-1].total
    parts = tuple(
        Part(
            level.type,
            threads // level.total,
            tuple(numbers(text, None if level.type.name == "numa" else level.indexes, level.total, levels[:-1])),
            level.indexes is not None,
            level.size,
        )
        for level in levels
    )
    nodes = sorted(_nodes(description), key=lambda node: node.number)
    home_width = min(node.width for node in nodes)
    nearest: dict[int, int] = {}
    for node in nodes:
        if node.width == home_width:
            nearest.setdefault(node.first // home_width, node.number)
    homes = tuple(nearest[position // home_width] for position in range(threads))
    return Synthetic(name, parts[-1].numbers, parts, tuple(nodes), homes, home_width)


def _nodes(description: Description) -> list[Node]:
    """Return the nodes in the order in which hwloc makes them: an object's after those of all objects inside it."""
    levels, threads = description.levels, description.levels[-1].total
    by_level = [description.memories, *(level.memories for level in levels)]
    if not any(by_level):
        by_level[0] = (Memory(None, None, None, 0),)
    deepest = max(at for at, memories in enumerate(by_level) if memories)
    totals = [1, *(level.total for level in levels)]

    def inside(at: int, position: int) -> Iterator[tuple[Memory, int, int]]:
        if at < deepest:
            arity = totals[at + 1] // totals[at]
            for child in range(position * arity, (position + 1) * arity):
                yield from inside(at + 1, child)
        width = threads // totals[at]
        yield from ((memory, position * width, width) for memory in by_level[at])

    made = list(inside(0, 0))
    # All nodes share one list of numbers; of several hwloc takes the last.
    given = [memory.indexes for memories in by_level for memory in memories if memory.indexes is not None]
    numbered = numbers(description.text, given[-1] if given else None, len(made), levels)
    return [
        Node(number, NODE_SIZE if memory.size is None else memory.size, memory.side_cache, first, width)
        for number, (memory, first, width) in zip(numbered, made, strict=True)
    ]
