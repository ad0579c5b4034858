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
DEADLINE = 30.0
"""Seconds for any one figure."""


@dataclass(frozen=True)
class Setting:
    """What cores do between two operations (nothing, or about so many ns of work of their own), and how lines are found.

    Side by side, as those of an array are, a processor fetches several at once. Chained, as in a list or a tree, each says where the
    next is.
    """

    pause_ns: int
    chained: bool

    @property
    def words(self) -> str:
        """The setting in words."""
        between = (
            f"{self.pause_ns} ns of other work between operations" if self.pause_ns else "nothing between operations"
        )
        return f"{between}, lines {'chained' if self.chained else 'side by side'}"


OPERATIONS = {Setting(0, chained=False): 8000, Setting(1000, chained=False): 2000, Setting(1000, chained=True): 2000}
"""Operations of each core, by setting."""


@dataclass(frozen=True)
class Point:
    """One way, on so many cores, in a setting, for so many lines:

    what an operation takes the core that wants it, and the owner; operations a second.
    """

    way: str
    cores: int
    setting: Setting
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
    setting: Setting
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
    operations: Mapping[Setting, int] = OPERATIONS,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Measure all ways on 2, 4, 8... and all of these cores (default: those that this process may use).

    `operations` says for each setting how many each core does. Takes some 10 s on two cores. `progress(done, all)` is called after
    each round. Raises UrpcError if there is one core only.
    """
    cores = sorted(os.sched_getaffinity(0)) if cores is None else list(cores)
    if len(cores) < 2:
        raise urpc.UrpcError("nothing is shared on one core: run this where sched_getaffinity offers two or more")
    samples: dict[tuple[str, int, Setting, int], list[tuple[int, int, int]]] = {}
    for number in range(rounds):
        for count, setting, amount in product(_counts(len(cores)), operations, lines):
            for way in WAYS:
                found = shared_update(
                    way, cores[:count], amount, operations[setting], setting.pause_ns, setting.chained, DEADLINE
                )
                samples.setdefault((way, count, setting, amount), []).append(found)
        progress(number + 1, rounds)
    points = tuple(
        Point(*key, *(round(median(values)) for values in zip(*found, strict=True))) for key, found in samples.items()
    )
    return Report(tuple(cores), rounds, points, crossovers(points))


def _counts(most: int) -> list[int]:
    """Numbers of cores to measure on: powers of two, and all."""
    counts = {2**power for power in range(1, most.bit_length())}
    return sorted({count for count in counts if count <= most} | {most})


def crossovers(points: Sequence[Point]) -> tuple[Crossover, ...]:
    """Find where messages become cheaper than shared memory, and stay so, for each number of cores, each setting and each two ways."""
    latency = {(p.way, p.cores, p.setting, p.lines): p.latency_ps for p in points}
    lines = sorted({point.lines for point in points})
    found = []
    for cores, setting in dict.fromkeys((point.cores, point.setting) for point in points):
        for shared, messages in product(SHARED, MESSAGES):
            first = None
            for amount in reversed(lines):
                if latency[messages, cores, setting, amount] >= latency[shared, cores, setting, amount]:
                    break
                first = amount
            found.append(Crossover(cores, setting, shared, messages, first))
    return tuple(found)
