"""NUMA nodes as the kernel shows them: /sys/devices/system/node.

A kernel without NUMA shows no nodes; the machine then is one node, 0, with all cores and all memory. So it is read,
too, where the nodes contradict each other by claiming the same core, which some kernels did with firmware that is
wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from probes.cpulist import LIMIT
from probes.fact import Fact, Survey
from probes.kernel.cpus import present_cores, read_set
from probes.reading import LOOK_AT_FILE, Reading
from probes.source import Source

NODES = "/sys/devices/system/node"
HUGEPAGES = "/sys/kernel/mm/hugepages"
BLOCK_SIZE = "/sys/devices/system/memory/block_size_bytes"

KIB = 1024


def probe(source: Source) -> Survey:
    """Read the nodes, their cores, their memory, their huge pages and their distances."""
    reading = Reading(source)
    numbers = sorted(
        int(found[1])
        for name in reading.list(NODES)
        if (found := re.fullmatch(r"node([0-9]+)", name)) and int(found[1]) < LIMIT
    )
    present, online = present_cores(reading)
    cores = {
        node: (read_set(reading, f"{NODES}/node{node}/cpulist", f"{NODES}/node{node}/cpumap") or frozenset()) & present
        for node in numbers
    }
    if sum(map(len, cores.values())) > len(frozenset().union(*cores.values())):
        reading.problem(NODES, "several nodes claim the same core", "the machine is shown as one node")
        numbers = []
    if numbers:
        facts = [*_node_facts(reading, numbers, cores), *_distance_facts(reading, numbers)]
    else:
        facts = list(_whole_machine_facts(reading, online))
    return Survey(tuple(facts), reading.problems())


def _node_facts(reading: Reading, numbers: list[int], cores: Mapping[int, frozenset[int]]) -> Iterator[Fact]:
    for node in numbers:
        size = _total(reading, f"{NODES}/node{node}/meminfo", rf"Node {node} MemTotal:")
        if size is not None:
            yield Fact("numa_node", (node, size))
        for core in sorted(cores[node]):
            yield Fact("numa_core", (node, core))
        yield from _hugepage_facts(reading, node, f"{NODES}/node{node}/hugepages")
    yield from _memory_facts(reading, numbers)


def _memory_facts(reading: Reading, numbers: list[int]) -> Iterator[Fact]:
    """Yield the physical addresses of each node, from the blocks in which memory comes and goes. Blocks that adjoin are one range."""
    size = reading.number(BLOCK_SIZE, 16) if reading.exists(BLOCK_SIZE) else None
    if not size or size < 0:
        return
    for node in numbers:
        names = reading.list(f"{NODES}/node{node}")
        blocks = sorted(int(found[1]) for name in names if (found := re.fullmatch(r"memory([0-9]{1,12})", name)))
        start: int | None = None
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            start = block if start is None else start
            if following != block + 1:
                yield Fact("node_memory", (node, start * size, (block + 1 - start) * size))
                start = None


def _whole_machine_facts(reading: Reading, online: frozenset[int]) -> Iterator[Fact]:
    size = _total(reading, "/proc/meminfo", "MemTotal:")
    if size is None:
        return
    yield Fact("numa_node", (0, size))
    for core in sorted(online):
        yield Fact("numa_core", (0, core))
    yield from _hugepage_facts(reading, 0, HUGEPAGES)


def _total(reading: Reading, path: str, label: str) -> int | None:
    text = reading.text(path)
    if text is None:
        return None
    found = re.search(rf"^{label}\s+([0-9]+) kB", text, re.MULTILINE)
    if found is None:
        reading.problem(path, "tells no total of memory", LOOK_AT_FILE)
        return None
    return int(found[1]) * KIB


def _hugepage_facts(reading: Reading, node: int, path: str) -> Iterator[Fact]:
    for name in reading.list(path):
        size = re.fullmatch(r"hugepages-([0-9]+)kB", name)
        count = reading.number(f"{path}/{name}/nr_hugepages") if size else None
        if size and count is not None and count >= 0:
            yield Fact("hugepages", (node, int(size[1]) * KIB, count))


def _distance_facts(reading: Reading, numbers: list[int]) -> Iterator[Fact]:
    # A row has one column for each node that is online, in ascending order (Documentation/ABI, devices-node).
    for node in numbers:
        path = f"{NODES}/node{node}/distance"
        text = reading.text(path)
        if text is None:
            continue
        row = text.split()
        if len(row) != len(numbers) or not all(distance.isdecimal() for distance in row):
            reading.problem(path, f"no row of {len(numbers)} distances: {text[:60]!r}", LOOK_AT_FILE)
            continue
        for other, distance in zip(numbers, row, strict=True):
            yield Fact("node_distance", (node, other, int(distance)))
