"""Good channels: built up greedily, then exchanged as long as that helps.

Three starts: a spanning tree of the cheapest channels, grown within the limit, with those added that help most; a ring
through the cores in the order of their neighbourhood, filled up alike; and channels drawn level by level. The search
takes a channel out, or two, and puts back what helps most among those that then have room; it accepts what is not worse
than some steps ago (late acceptance).
"""

import random

import numpy as np
from numpy.typing import NDArray

from skb.solver.deadline import Deadline
from skb.solver.route_paths import FAR, Array, Channels, Demand, distances, weighted, with_channel, without_channel

MEMORY = 12  # steps; how long ago the channels are that a step must not be worse than
PATIENCE = 60  # steps per core without better channels before the search is content
TRIED = 24  # channels looked at in earnest, of those that have room; fewer among more than 64 cores


def improve(demand: Demand, floor: int, deadline: Deadline) -> Channels:
    """Return the best channels met until the cost reaches `floor`, patience ends or time is up."""
    return _Search(demand, deadline).run(floor)


class _Search:
    """A walk through sets of channels; `_far` is what paths cost through those of now."""

    def __init__(self, demand: Demand, deadline: Deadline) -> None:
        self._demand = demand
        self._deadline = deadline
        self._random = random.Random(1)
        self._channels = Channels(demand.size)
        self._far: Array = np.zeros((0, 0), dtype=np.int64)
        self._pair_cost = demand.latency + demand.latency.T
        self._pair_traffic = demand.traffic + demand.traffic.T

    def run(self, floor: int) -> Channels:
        best_cost, best = 2 * FAR, Channels(self._demand.size)
        for start in (self._tree, self._ring):
            if best_cost < FAR and self._deadline.passed():
                break
            self._channels = start()
            self._far = distances(self._demand, self._channels)
            self._fill()
            cost = weighted(self._demand, self._far)
            if cost < best_cost:
                best_cost, best = cost, self._channels.copy()
        self._channels, self._far = best.copy(), distances(self._demand, best)
        cost, step, found = best_cost, 0, 0
        memory = [cost] * MEMORY
        while best_cost > floor and step - found < PATIENCE * self._demand.size and not self._deadline.passed():
            step += 1
            before, far = self._channels.copy(), self._far
            self._thin(1 + (self._random.random() < 0.4))
            self._fill(noisy=True)
            after = weighted(self._demand, self._far)
            if after <= memory[step % MEMORY] or after <= cost:
                cost = after
                if cost < best_cost:
                    best_cost, best, found = cost, self._channels.copy(), step
            else:
                self._channels, self._far = before, far
            memory[step % MEMORY] = min(memory[step % MEMORY], cost)
        return best

    def _tree(self) -> Channels:
        """Connect all over cheap channels, nobody with more than may be: who has room longest hears first."""
        demand, channels = self._demand, Channels(self._demand.size)
        inside = [int(self._pair_traffic.sum(axis=0).argmax())]
        waiting = set(range(demand.size)) - set(inside)
        while waiting:
            rest = sorted(waiting)
            room = [core for core in inside if channels.degree(core) < demand.most]
            costs = self._pair_cost[np.ix_(room, rest)]
            a, b = divmod(int(costs.argmin()), len(rest))
            channels.add(room[a], rest[b])
            inside.append(rest[b])
            waiting.remove(rest[b])
        return channels

    def _ring(self) -> Channels:
        """Connect all in a ring, always on to the nearest that is left."""
        demand = self._demand
        order, waiting = [0], set(range(1, demand.size))
        while waiting:
            core = min(waiting, key=lambda other: (self._pair_cost[order[-1], other], other))
            waiting.remove(core)
            order.append(core)
        return Channels(demand.size, [(a, b) for a, b in zip(order, [*order[1:], order[0]], strict=True) if a != b])

    def _thin(self, count: int) -> None:
        """Take channels out, one by one, at random."""
        for _ in range(count):
            pairs = self._channels.pairs()
            a, b = pairs[int(self._random.random() * len(pairs))]
            self._channels.remove(a, b)
            self._far = without_channel(self._demand, self._channels, self._far, a, b)

    def _fill(self, *, noisy: bool = False) -> None:
        """Add, while there is room, the channel that helps most among some that promise much."""
        demand = self._demand
        tried = max(1, min(TRIED, TRIED * 64**2 // demand.size**2))
        while True:
            room = np.array([core for core in range(demand.size) if self._channels.degree(core) < demand.most])
            promises = self._promises(room)
            count = min(len(promises), 2 * tried if noisy else tried)
            if not count:
                return
            likely = np.argpartition(promises, len(promises) - count)[len(promises) - count :]
            order = [int(at) for at in likely if promises[at] > 0]
            if not order:
                return
            if noisy and len(order) > 1:
                order = self._random.sample(order, max(1, len(order) // 2))
            best: tuple[int, int, int, Array] | None = None
            for at in order:
                a, b = (int(room[place]) for place in divmod(at, len(room)))
                after = with_channel(demand, self._far, a, b)
                total = self._priced(after) if len(order) > 1 else 0
                if best is None or total < best[0]:
                    best = total, a, b, after
            assert best is not None
            _, a, b, self._far = best
            self._channels.add(a, b)

    def _promises(self, room: NDArray[np.int64]) -> Array:
        """Return, for all pairs of cores with room, what a channel would save the messages between the two; 0 where there is one."""
        if not len(room):
            return np.zeros(0, dtype=np.int64)
        index = np.ix_(room, room)
        far = self._far[index]
        saved = (np.minimum(far + far.T, FAR) - self._pair_cost[index]).astype(np.float64)
        place = {int(core): at for at, core in enumerate(room)}
        there = [
            (at, place[other])
            for core, at in place.items()
            for other in self._channels.neighbours(core)
            if other in place
        ]
        rows, columns = np.array([(at, at) for at in place.values()] + there, dtype=np.int64).T
        saved[rows, columns] = 0
        promises: Array = np.triu(saved * (1 + self._pair_traffic[index]), 1).ravel()
        return promises

    def _priced(self, far: Array) -> int:
        """Return the cost, or where some are apart a cost that is less the fewer they are."""
        apart = far >= FAR
        if not apart.any():
            return weighted(self._demand, far)
        return FAR + int(apart.sum())
