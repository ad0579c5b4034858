"""Shared memory against messages: from how many cache lines on it is cheaper to send an operation than to carry the state to it.

Several cores change the same n cache lines: under a lock, atomically, or (as in the multikernel paper's figure 3) with nothing to protect
them; or one core owns the lines and the others send it what they want done, over channels. Shared state travels to every core that
changes it, a line at a time, so its price grows with n. A message is one line there and one back whatever n is, and the state stays in
its owner's cache.

All ways are measured in turn, round after round, and medians are compared, since the cores of a virtual machine are near each other now
and far apart a second later. See `sharing.h` for what each way does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from statistics import median

from multikernel import urpc
from multikernel.urpc._urpc import shared_update

SHARED = {
    "stores": "stores, no lock",
    "atomics": "atomic additions",
    "spin": "spin lock",
    "mcs": "MCS lock",
    "mutex": "pthread mutex",
}
MESSAGES = {"calls": "message, and wait", "pipelined": "messages, 16 under way"}
WAYS = SHARED | MESSAGES

LINES = (1, 2, 3, 4, 6, 8, 10, 12, 14, 16)
OPERATIONS = {0: 8000, 1000: 2000}
"""Operations of each core, by the pause between two of them in ns: none, so that all fight for the state, or time for work of their own."""

DEADLINE = 30.0
"""Seconds for any one figure."""


@dataclass(frozen=True)
class Point:
    """One way, on so many cores, with such pauses, for so many lines:

    what an operation takes the core that wants it, and the owner; operations a second.
    """

    way: str
    cores: int
    pause_ns: int
    lines: int
    latency_ps: int
    owner_ps: int
    per_second: int


@dataclass(frozen=True)
class Crossover:
    """From `lines` on, messages of way `messages` cost less than the shared memory of way `shared`, on so many cores; None:

    up to 16, never.
    """

    cores: int
    pause_ns: int
    shared: str
    messages: str
    lines: int | None


@dataclass(frozen=True)
class Report:
    """A run: the cores, in the order in which they took part (the first is the owner), all points, and where the lines cross."""

    cores: tuple[int, ...]
    rounds: int
    points: tuple[Point, ...]
    crossovers: tuple[Crossover, ...]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def measure(
    cores: Sequence[int] | None = None,
    *,
    rounds: int = 7,
    lines: Sequence[int] = LINES,
    operations: Mapping[int, int] = OPERATIONS,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Measure all ways on 2, 4, 8... and all of these cores (default: those that this process may use).

    `operations` says for each pause in ns how many each core does. Takes some 10 s on two cores. `progress(done, all)` is called after
    each round. Raises UrpcError if there is one core only.
    """
    cores = sorted(os.sched_getaffinity(0)) if cores is None else list(cores)
    if len(cores) < 2:
        raise urpc.UrpcError("nothing is shared on one core: run this where sched_getaffinity offers two or more")
    samples: dict[tuple[str, int, int, int], list[tuple[int, int, int]]] = {}
    for number in range(rounds):
        for count, pause, amount in product(_counts(len(cores)), operations, lines):
            for way in WAYS:
                found = shared_update(way, cores[:count], amount, operations[pause], pause, DEADLINE)
                samples.setdefault((way, count, pause, amount), []).append(found)
        progress(number + 1, rounds)
    points = tuple(
        Point(*key, *(round(median(values)) for values in zip(*found, strict=True))) for key, found in samples.items()
    )
    return Report(tuple(cores), rounds, points, crossovers(points))


def pauses(pause_ns: int) -> str:
    """Say in words what cores do between operations."""
    return f"{pause_ns} ns of other work between operations" if pause_ns else "nothing between operations"


def _counts(most: int) -> list[int]:
    """Numbers of cores to measure on: powers of two, and all."""
    counts = {2**power for power in range(1, most.bit_length())}
    return sorted({count for count in counts if count <= most} | {most})


def crossovers(points: Sequence[Point]) -> tuple[Crossover, ...]:
    """Find where messages become cheaper than shared memory, and stay so, for each number of cores, each pause and each two ways."""
    latency = {(p.way, p.cores, p.pause_ns, p.lines): p.latency_ps for p in points}
    lines = sorted({point.lines for point in points})
    found = []
    for cores, pause in sorted({(point.cores, point.pause_ns) for point in points}):
        for shared, messages in product(SHARED, MESSAGES):
            first = None
            for amount in reversed(lines):
                if latency[messages, cores, pause, amount] >= latency[shared, cores, pause, amount]:
                    break
                first = amount
            found.append(Crossover(cores, pause, shared, messages, first))
    return tuple(found)
