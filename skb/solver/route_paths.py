"""What choosing channels starts from, and the paths through those chosen.

All pairs are looked at together, as NumPy arrays: with one channel more, every path either stays or leads over it, which
is one step for all pairs at once; without one, only the rows that led over it are worked out anew.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.int64]

FAR = 2**61
"""Further than any path, and small enough that two of them can be added."""


@dataclass(frozen=True)
class Demand:
    """What a message between two neighbours takes, how many there are between any two cores, and how many neighbours one may have."""

    latency: Array
    traffic: Array
    most: int

    @property
    def size(self) -> int:
        """How many cores there are."""
        return len(self.latency)

    def every_channel(self) -> "Channels":
        """Return the channels between all pairs."""
        size = self.size
        return Channels(size, [(a, b) for a in range(size) for b in range(a + 1, size)])

    def ideal(self) -> int:
        """Return the cost if every channel could be had."""
        return weighted(self, distances(self, self.every_channel()))


class Channels:
    """A set of channels, to which some are added and from which some are taken while the best is looked for."""

    def __init__(self, size: int, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._around: list[set[int]] = [set() for _ in range(size)]
        for a, b in pairs:
            self.add(a, b)

    def add(self, a: int, b: int) -> None:
        """Add a channel; nothing if it is there."""
        self._around[a].add(b)
        self._around[b].add(a)

    def remove(self, a: int, b: int) -> None:
        """Take a channel out."""
        self._around[a].remove(b)
        self._around[b].remove(a)

    def degree(self, core: int) -> int:
        """Return how many channels a core has."""
        return len(self._around[core])

    def has(self, a: int, b: int) -> bool:
        """Tell whether there is a channel."""
        return b in self._around[a]

    def neighbours(self, core: int) -> list[int]:
        """Return the cores to which one has a channel, or itself if it is alone."""
        return sorted(self._around[core]) or [core]

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return all channels, each once, the lower core first."""
        return tuple((a, b) for a, around in enumerate(self._around) for b in sorted(around) if a < b)

    def copy(self) -> "Channels":
        """Return the same channels, to be changed apart from these."""
        return Channels(len(self._around), self.pairs())


def distances(demand: Demand, channels: Channels) -> Array:
    """Return the cost of the cheapest path from each core (row) to each; FAR and more where there is none."""
    size = demand.size
    far = np.full((size, size), FAR, dtype=np.int64)
    np.fill_diagonal(far, 0)
    for a, b in channels.pairs():
        far[a, b], far[b, a] = demand.latency[a, b], demand.latency[b, a]
    for middle in range(size):
        np.minimum(far, far[:, middle, None] + far[None, middle, :], out=far)
    return far


def with_channel(demand: Demand, far: Array, a: int, b: int) -> Array:
    """Return the path costs after a channel has been added."""
    one = far[:, a, None] + (demand.latency[a, b] + far[None, b, :])
    other = far[:, b, None] + (demand.latency[b, a] + far[None, a, :])
    both: Array = np.minimum(np.minimum(far, one), other)
    return both


def without_channel(demand: Demand, channels: Channels, far: Array, a: int, b: int) -> Array:
    """Return the path costs after a channel has been taken out of `channels`, which have it no more."""
    # A pair is touched only if its cheapest path may have led over the channel.
    touched = (far == far[:, a, None] + (demand.latency[a, b] + far[None, b, :])) | (
        far == far[:, b, None] + (demand.latency[b, a] + far[None, a, :])
    )
    found = np.where(touched, FAR, far)
    np.fill_diagonal(found, 0)
    size = demand.size
    senders, receivers = [], []
    for core in range(size):
        for other in channels.neighbours(core):
            if other != core:
                senders.append(core)
                receivers.append(other)
                found[core, other] = min(found[core, other], demand.latency[core, other])
    rows = np.flatnonzero(touched.any(axis=1))
    # Paths that are left are good as they are; the others are found by steps over one channel, until none gets cheaper.
    ends = np.array(senders, dtype=np.int64)
    firsts = np.array(receivers, dtype=np.int64)
    if not len(ends):
        return found
    steps = demand.latency[firsts, ends]  # the last step of a path, from `firsts` to `ends`
    starts = np.flatnonzero(np.r_[True, ends[1:] != ends[:-1]])
    columns = ends[starts]
    while len(rows):
        ways = found[np.ix_(rows, firsts)] + steps
        best = np.minimum.reduceat(ways, starts, axis=1)
        before = found[np.ix_(rows, columns)]
        after = np.minimum(before, best)
        found[np.ix_(rows, columns)] = after
        rows = rows[(after < before).any(axis=1)]
    return np.minimum(found, FAR)


def weighted(demand: Demand, far: Array) -> int:
    """Return the sum of traffic times path cost; FAR if some pair is apart, even one without traffic."""
    if (far >= FAR).any():
        return FAR
    return int((demand.traffic * far).sum())
