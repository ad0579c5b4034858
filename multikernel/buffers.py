"""Where the rings of channels lie, how long they are, and in pages of which size.

The SKB decides (`channel_buffers`), and is asked before kernels are booted, since memory stays where it was first touched. What it cannot
say costs speed at most: without an answer, or where the answer makes no sense here, rings are as long as messages between kernels need
(`link.CAPACITY`), of ordinary pages, and lie where the system puts them.

It is asked of hardware threads. Kernels in excess of the cores are not known to it before they run; their rings are those of the threads
that they share, and two kernels on one thread need none in particular.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from multikernel.cores import KernelPlan
from multikernel.urpc.number_list import numbers
from skb.client import Client, SkbError

QUESTION = "channel_buffers"


class Ring(Struct, frozen=True):
    """How the SKB wants the ring that one kernel writes and another reads.

    `node`: None for wherever; `page_size`: None for ordinary pages. `source`: `measured` if `lines` follows from what messages between
    these kernels cost, `default` otherwise.
    """

    sender: int
    receiver: int
    lines: int
    node: int | None
    page_size: int | None
    source: str


class ChannelMemory(Struct, frozen=True):
    """What the channel between two kernels got: nodes of the ring that each of them writes, where the system tells; page size."""

    kernels: tuple[int, int]
    lines: int
    nodes: tuple[int | None, int | None]
    page_size: int


class _Answer(Struct):
    """A solution, by the names that answers have."""

    sender: int
    receiver: int
    node: int | str
    lines: int
    page_size: int
    source: str


def ask(client: Client, kernels: Sequence[KernelPlan]) -> tuple[Ring, ...]:
    """Ask the SKB for the rings between all of these kernels. Gives none if it cannot answer: older rules, unknown cores, no service."""
    hosts = sorted({kernel.host for kernel in kernels})
    try:
        answer = client.ask(QUESTION, {"cores": hosts}, limit=max(1, len(hosts) ** 2))
        decided = {
            (each.sender, each.receiver): each for each in msgspec.convert(answer.solutions, list[_Answer], strict=True)
        }
    except (SkbError, msgspec.ValidationError):
        return ()
    nodes = usable_nodes()
    return tuple(
        Ring(a.core, b.core, ring.lines, _node(ring.node, nodes), _page_size(ring.page_size), ring.source)
        for a in kernels
        for b in kernels
        if (ring := decided.get((a.host, b.host))) is not None
    )


def usable_nodes(status: Path = Path("/proc/self/status"), folder: Path = Path("/sys/devices/system/node")) -> set[int]:
    """Give the nodes whose memory this process may use: a container's cpuset may have fewer than the machine, which the SKB knows."""
    with suppress(OSError, ValueError):
        with_memory = numbers((folder / "has_memory").read_text(encoding="ascii"))
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Mems_allowed_list:"):
                return with_memory & numbers(line.partition(":")[2])
        return with_memory
    return set()


def _node(decided: int | str, usable: set[int]) -> int | None:
    return decided if isinstance(decided, int) and decided in usable else None


def _page_size(decided: int) -> int | None:
    """Ordinary pages where it is no size of pages; whether there are pages of this size is found out when they are taken."""
    return decided if 4096 < decided <= 1 << 34 and decided.bit_count() == 1 else None
