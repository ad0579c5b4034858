"""The memory of channels between kernels: what is asked for is taken where it can be, and never keeps kernels from booting."""

from __future__ import annotations

from pathlib import Path

import pytest

from multikernel import urpc
from multikernel.boot import Multikernel
from multikernel.buffers import ChannelMemory, Ring, usable_nodes
from multikernel.cores import plan
from multikernel.errors import BootError
from multikernel.link import CAPACITY

MISSING = 1000  # no kernel is configured for so many nodes


def rings(cores: list[int], lines: int, node: int | None = None, page_size: int | None = None) -> list[Ring]:
    return [Ring(a, b, lines, node, page_size, "default") for a in cores for b in cores if a != b]


def boots(buffers: list[Ring]) -> tuple[ChannelMemory, ...]:
    """Boot three kernels and have them meet."""
    with Multikernel.boot(plan(3), buffers=buffers) as multikernel:
        first, *others = multikernel.cores
        multikernel.route(first, {first: others})
        multikernel.barrier()
        return multikernel.channels


CORES = [kernel.core for kernel in plan(3)]
PAIRS = [(CORES[0], CORES[1]), (CORES[0], CORES[2]), (CORES[1], CORES[2])]
PAGE = urpc.Segment.create(8).page_size


def test_without_a_word_channels_are_as_they_were() -> None:
    channels = boots([])
    assert [channel.kernels for channel in channels] == PAIRS
    assert {(channel.lines, channel.page_size) for channel in channels} == {(CAPACITY, PAGE)}


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [(0, CAPACITY), (64, CAPACITY), (256, 256), (300, 512), (16_384, 16_384), (1 << 40, 16_384)],
)
def test_rings_have_lines_enough(wanted: int, lines: int) -> None:
    assert {channel.lines for channel in boots(rings(CORES, wanted))} == {lines}


def test_the_longer_ring_of_a_channel_counts_for_both() -> None:
    channels = boots([Ring(CORES[1], CORES[0], 512, None, None, "measured")])
    assert [channel.lines for channel in channels] == [512, CAPACITY, CAPACITY]


def test_rings_lie_where_they_were_asked_for() -> None:
    node = urpc.Segment.create().nodes[0]
    if node is None:
        pytest.skip("the kernel does not say where memory lies (no get_mempolicy)")
    assert {channel.nodes for channel in boots(rings(CORES, 128, node))} == {(node, node)}


def test_huge_pages_are_taken_where_there_are_some() -> None:
    folder = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    free = int(folder.read_text()) if folder.exists() else 0
    channels = boots(rings(CORES, 128, page_size=2 << 20))
    assert [channel.page_size for channel in channels] == [2 << 20] * min(free, 3) + [PAGE] * max(0, 3 - free)


def test_a_node_that_is_not_there_is_one_clear_error() -> None:
    try:
        urpc.Segment.create(nodes=(MISSING, None))
        pytest.skip("this kernel, or this container, places no memory (no mbind): then no node is wrong")
    except ValueError:
        pass
    with pytest.raises(BootError, match=f"no channel between kernels .*: .* node {MISSING}"):
        boots(rings(CORES, 128, MISSING))


def test_usable_nodes_are_those_with_memory_that_a_cpuset_allows(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nMems_allowed:\t0f\nMems_allowed_list:\t0-2,7\n")
    (tmp_path / "has_memory").write_text("1-2,5\n")
    assert usable_nodes(status, tmp_path) == {1, 2}
    status.write_text("Name:\tpython\n")  # a kernel without cpusets
    assert usable_nodes(status, tmp_path) == {1, 2, 5}
    assert usable_nodes(status, tmp_path / "absent") == set()
