"""What a tree costs: relays in C beside the same tree walked by Python loops, over the same channels, in the same run.

For `bench/bench_relay.py`. Every member is a process of its own; where there are more of them than cores they share cores and sleep rather
than spin, so that a figure is mostly wake-ups, of which both sides have the same number. Then the ratio says what is left of it: the
interpreter between two channels. Where every member has a core, the wake-ups go, and the ratio is larger.

The Python loops are as fast as such loops get: no wait set, no decoding, each member blocks in the one channel that comes next.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median

from multikernel import urpc

MESSAGE = bytes(40)
DEADLINE = 30.0
NUMBER = (1).to_bytes(8, "little")


@dataclass(frozen=True)
class TreeReport:
    """A run: members, cores that they shared, and medians over the rounds, in ps for one operation; ratios are Python over C."""

    members: int
    cores: int
    rounds: int
    relay_broadcast: int
    python_broadcast: int
    relay_reduce: int
    python_reduce: int
    broadcast_ratio: float
    reduce_ratio: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


class _Member:
    """One member's ends of the tree."""

    def __init__(self, member: int, members: int, bells: list[urpc.Doorbell], segments: list[urpc.Segment]) -> None:
        children = [child for child in (2 * member + 1, 2 * member + 2) if child < members]
        parent = (member - 1) // 2
        self.down = [urpc.Channel(segments[child], 0, bells[member], bells[child]) for child in children]
        self.up = urpc.Channel(segments[member], 1, bells[member], bells[parent]) if member else None
        self.relay = urpc.Relay(
            bells[member],
            member,
            (parent, self.up) if self.up else None,
            dict(zip(children, self.down, strict=True)),
            deliver=False,
        )

    def relay_broadcasts(self, count: int) -> None:
        """At the root. The others are in the barrier that follows."""
        if self.up is None:
            for _ in range(count):
                self.relay.broadcast(MESSAGE, DEADLINE)
                self.relay.gather(DEADLINE)

    def relay_reductions(self, count: int) -> None:
        for _ in range(count):
            self.relay.all_reduce(1, "sum", DEADLINE)

    def python_broadcasts(self, count: int) -> None:
        for _ in range(count):
            data = self.up.receive(DEADLINE) if self.up else MESSAGE
            for channel in self.down:
                channel.send(data, DEADLINE)
            for channel in self.down:
                channel.receive(DEADLINE)
            if self.up:
                self.up.send(b"", DEADLINE)

    def python_reductions(self, count: int) -> None:
        for _ in range(count):
            total = int.from_bytes(NUMBER, "little")
            for channel in self.down:
                total += int.from_bytes(channel.receive(DEADLINE), "little")
            data = total.to_bytes(8, "little")
            if self.up:
                self.up.send(data, DEADLINE)
                data = self.up.receive(DEADLINE)
            for channel in self.down:
                channel.send(data, DEADLINE)

    def run(self, rounds: int, count: int) -> list[list[int]]:
        """Do every kind of operation `count` times a round; what the rounds took here, in ps an operation."""
        kinds: list[Callable[[int], None]] = [
            self.relay_broadcasts,
            self.python_broadcasts,
            self.relay_reductions,
            self.python_reductions,
        ]
        taken: list[list[int]] = [[] for _ in kinds]
        for _ in range(rounds):
            for times, kind in zip(taken, kinds, strict=True):
                self.relay.barrier(DEADLINE)
                start = time.perf_counter_ns()
                kind(count)
                times.append((time.perf_counter_ns() - start) * 1000 // count)
        self.relay.barrier(DEADLINE)
        return taken


def measure(members: int = 8, *, rounds: int = 9, count: int = 200) -> TreeReport:
    """Broadcasts with acknowledgement by all, and reductions told to all, over a binary tree of `members` processes.

    Takes some ten seconds. Raises ValueError for less than 2 members, TimeoutError if one does not answer.
    """
    if members < 2:
        raise ValueError(f"a tree has 2 members or more, not {members}")
    cores = sorted(os.sched_getaffinity(0))
    spin_ns = 0 if members > len(cores) else 1_000_000
    bells = [urpc.Doorbell.create(spin_ns) for _ in range(members)]
    segments = [urpc.Segment.create() for _ in range(members)]
    children = []
    for member in range(1, members):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.sched_setaffinity(0, {cores[member % len(cores)]})
                _Member(member, members, bells, segments).run(rounds, count)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    try:
        os.sched_setaffinity(0, {cores[0]})
        relay_broadcast, python_broadcast, relay_reduce, python_reduce = _Member(0, members, bells, segments).run(
            rounds, count
        )
    finally:
        os.sched_setaffinity(0, cores)
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)
    return TreeReport(
        members,
        min(len(cores), members),
        rounds,
        round(median(relay_broadcast)),
        round(median(python_broadcast)),
        round(median(relay_reduce)),
        round(median(python_reduce)),
        round(median(p / c for p, c in zip(python_broadcast, relay_broadcast, strict=True)), 2),
        round(median(p / c for p, c in zip(python_reduce, relay_reduce, strict=True)), 2),
    )
