"""Where everything below a root bridge goes: the least addresses from the first to the last that is used, in each of its windows.

Packing tells where a sequence that begins at a given address ends (`pci_plan_packing`). What is sought is the least *span*, end minus
beginning, over all beginnings. Since the end never falls as the beginning grows, no beginning in [a, b] has a span below end(a) - b:
intervals of beginnings are halved until that is no better than what is known. With one window this is exact. With several, ways to share
them are tried: everything in one; what needs no 32-bit address above 4 GiB; all windows one after the other.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, islice, product
from math import prod

from skb.solver.deadline import Deadline
from skb.solver.pci_plan_greedy import greedy
from skb.solver.pci_plan_packing import NEVER, Gaps, OutOfTime, Packer, Placed
from skb.solver.pci_plan_problem import FOUR_GIB
from skb.solver.pci_plan_regions import Block, Item, Pool

QUICK_SECONDS = 2.0
QUICK_SETS = 256
QUICK_BEAM = 16
"""Of the first look, which is to give a plan whatever time there is."""

QUICK_SHARE = 0.4
"""Of the time, for looking for a better one with as little."""

MOST_WAYS = 64
"""Combinations of alternatives that are tried."""


@dataclass(frozen=True)
class Found:
    """A packing of a pool, by window; None if there is none. No packing spans less than `bound`.

    `proved`: the bound is reached, or, without a packing, there is none.
    """

    windows: tuple[tuple[Placed, ...], ...] | None
    cost: int
    bound: int
    proved: bool


def search(pool: Pool, deadline: Deadline) -> Found:
    """Pack a pool into the gaps of its windows."""
    return _Seeker(pool, deadline).found()


def span(windows: Sequence[Sequence[Placed]]) -> int:
    """Return the bytes from the first to the last that is used, summed over windows."""
    return sum(max(one.end for one in placed) - min(one.start for one in placed) for placed in windows if placed)


class Sizes:
    """The least sizes of items, wherever they are: windows packed at every remainder that may be better."""

    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        self._known: dict[object, int] = {}

    def of(self, item: Item) -> int:
        """Return a size that the item cannot do with less of."""
        if isinstance(item, Block):
            return item.size
        found = self._known.get(item.key)
        if found is None:
            floor = -(-sum(self.of(child) for child in item.children) // item.grain) * item.grain
            found = floor
            if not item.pinned:
                start, length = least_span(
                    lambda at: self._packer.end(item, at), [(0, item.align)], item.grain, floor, NEVER
                )
                if self._packer.exact and start is not None:
                    found = length
            self._known[item.key] = found
        return found


def least_span(
    end: Callable[[int], int], starts: Sequence[tuple[int, int]], step: int, floor: int, known: int
) -> tuple[int | None, int]:
    """Return the beginning, in one of the ranges (end excluded), with the least `end(beginning) - beginning` below `known`, and that.

    `end` never falls; beginnings are what the ranges begin with and multiples of `step`; no span is below `floor`.
    """
    best: int | None = None
    heap: list[
        tuple[int, int, int, int]
    ] = []  # what no beginning in it can undercut; the range, its ends included; the end at the lower

    def look(at: int) -> int:
        nonlocal best, known
        reached = end(at)
        if reached - at < known:
            best, known = at, reached - at
        return reached

    for low, high in starts:
        last = max(low, (high - 1) // step * step)
        reached = look(low)
        if reached < NEVER:
            heappush(heap, (reached - last, low, last, reached))
    while heap and known > floor:
        least, low, last, reached = heappop(heap)
        if least >= known:
            break
        if last - low <= step:
            if last > low:
                look(last)
            continue
        middle = (low + (last - low) // 2) // step * step
        if middle <= low:
            middle = low // step * step + step
        reached_middle = look(middle)
        before = max(low, middle - step)
        if before > low:
            heappush(heap, (reached - before, low, before, reached))
        if reached_middle < NEVER:
            heappush(heap, (reached_middle - last, middle, last, reached_middle))
    return best, known


class _Seeker:
    def __init__(self, pool: Pool, deadline: Deadline) -> None:
        self._pool = pool
        self._deadline = deadline
        self._packer = Packer(deadline)
        self._sizes = Sizes(self._packer)
        self._best: tuple[tuple[int, int], tuple[tuple[Placed, ...], ...]] | None = None
        self._late = False

    def found(self) -> Found:
        bound = sum(self._packer.least(item) for item in self._pool.items)
        bound += sum(min(sum(map(self._packer.least, way)) for way in ways) for ways in self._pool.alternatives)
        everything = [gap for window in self._pool.gaps for gap in window]
        if bound > sum(end - low for low, end in everything):
            return Found(
                None, 0, bound, proved=True
            )  # and so it is for registers one by one: pages add nothing to this
        complete = False
        try:
            self._quickly(everything)
            ways = sorted(((self._floor(way), number, way) for number, way in enumerate(self._ways())), key=_first_two)
            complete = len(ways) == prod(map(len, self._pool.alternatives))
            if complete:
                bound = max(bound, ways[0][0])
            for floor, _, way in ways:
                if self._best is not None and floor >= self._best[0][0]:
                    continue
                complete = self._pack(way, floor) and complete
            complete = complete and self._packer.exact and self._pool.lossless and not self._late
        except OutOfTime:
            complete = False
        if self._best is None:
            return Found(None, 0, bound, complete)
        (cost, _), windows = self._best
        proved = complete or cost <= bound
        return Found(windows, cost, cost if proved else bound, proved)

    def _quickly(self, everything: Gaps) -> None:
        """Look for a packing with little looked at: one that takes no time to speak of, then in a part of the time a better one."""
        for largest_first in (True, False):
            placed = greedy(self._pool, largest_first=largest_first)
            if placed is not None:
                self._take(placed)
        careful = self._packer, self._sizes
        with suppress(OutOfTime):
            self._use(Packer(Deadline.after(QUICK_SECONDS), QUICK_SETS, QUICK_BEAM))
            for way in islice(self._ways(), 2):
                found = self._packer.order(way, 0, everything)
                if found is not None:
                    self._take(self._by_window(self._packer.place(found[0], 0, everything)))
        with suppress(OutOfTime):
            self._use(Packer(self._deadline.share(QUICK_SHARE), QUICK_SETS, QUICK_BEAM))
            for way in islice(self._ways(), 2):
                self._pack(way, self._floor(way))
        self._packer, self._sizes = careful
        self._late = False

    def _use(self, packer: Packer) -> None:
        self._packer, self._sizes = packer, Sizes(packer)

    def _ways(self) -> Iterator[tuple[Item, ...]]:
        alternatives = self._pool.alternatives
        for way in islice(product(*alternatives), MOST_WAYS):
            yield (*self._pool.items, *chain(*way))
        if prod(map(len, alternatives)) > MOST_WAYS:
            for at in (1, -1):
                yield (*self._pool.items, *chain(*(ways[at] for ways in alternatives)))

    def _floor(self, items: Sequence[Item]) -> int:
        """Give what no packing of these items spans less than."""
        size = sum(self._sizes.of(item) for item in items)
        return size if len(self._pool.gaps) > 1 else size + _holes(items, size, self._pool.gaps[0])

    def _pack(self, items: tuple[Item, ...], floor: int) -> bool:
        """Try to share the windows; say whether that was all there is to try."""
        gaps = self._pool.gaps
        everything = [gap for window in gaps for gap in window]
        if self._packer.order(items, 0, everything) is None:
            return True
        if len(gaps) == 1:
            self._take([self._span(items, gaps[0], floor)])
            return True
        high = {at for at, window in enumerate(gaps) if window and window[0][0] >= FOUR_GIB}
        free = tuple(item for item in items if item.limit > FOUR_GIB)
        bound_to = tuple(item for item in items if item.limit <= FOUR_GIB)
        if free and high:
            self._several(free, bound_to, high)
        for at, window in enumerate(gaps):
            placed = self._span(items, window, floor)
            self._take([placed if number == at else () for number in range(len(gaps))])
        found = self._packer.order(items, 0, everything)
        if found is not None:
            self._take(self._by_window(self._packer.place(found[0], 0, everything)))
        return False

    def _several(self, free: tuple[Item, ...], bound_to: tuple[Item, ...], high: set[int]) -> None:
        """Put what may lie above 4 GiB there, the rest below: each into one window, or into all of them in order."""
        gaps = self._pool.gaps
        for above in sorted(high):
            placed_above = self._span(free, gaps[above], 0)
            if placed_above is None:
                continue
            if not bound_to:
                self._take([placed_above if number == above else () for number in range(len(gaps))])
            for below in sorted(set(range(len(gaps))) - high):
                placed_below = self._span(bound_to, gaps[below], 0)
                self._take([{above: placed_above, below: placed_below}.get(number, ()) for number in range(len(gaps))])
            lower = [gap for at, window in enumerate(gaps) if at not in high for gap in window]
            found = self._packer.order(bound_to, 0, lower)
            if found is not None:
                shared = self._by_window(self._packer.place(found[0], 0, lower))
                self._take([placed_above if at == above else shared[at] for at in range(len(gaps))])

    def _by_window(self, placed: Sequence[Placed]) -> list[tuple[Placed, ...] | None]:
        return [
            tuple(one for one in placed if window and window[0][0] <= one.start < window[-1][1])
            for window in self._pool.gaps
        ]

    def _span(self, items: tuple[Item, ...], gaps: Gaps, floor: int) -> tuple[Placed, ...] | None:
        """Pack items into one window, so that they span as little as they can; None if they do not fit."""
        if not items:
            return ()
        best: tuple[int, int, list[Item]] | None = None

        def end(start: int) -> int:
            nonlocal best
            order = self._packer.order(items, start, gaps)
            if order is None:
                return NEVER
            if best is None or order[1] - start < best[0]:
                best = (order[1] - start, start, order[0])
            return order[1]

        step = min(item.align if isinstance(item, Block) else item.grain for item in items)
        try:
            least_span(end, gaps, step, max(floor, self._floor(items)), NEVER)
        except OutOfTime:
            self._late = True
        return None if best is None else tuple(self._packer.place(best[2], best[1], gaps))

    def _take(self, windows: Sequence[tuple[Placed, ...] | None]) -> None:
        """Keep a packing if it is better; on a draw, if it uses less below 4 GiB."""
        if any(placed is None for placed in windows):
            return
        whole = tuple(placed for placed in windows if placed is not None)
        low = span([placed for placed in whole if placed and placed[0].start < FOUR_GIB])
        rank = (span(whole), low)
        if self._best is None or rank < self._best[0]:
            self._best = (rank, whole)


def _holes(items: Sequence[Item], size: int, gaps: Gaps) -> int:
    """Return what is lost between the gaps that things of such a size in all have to lie in, whichever these are.

    What lies in several gaps spans all between them: what is reserved, and what is left until the next place where anything may begin.
    """
    step = min((item.align if isinstance(item, Block) else item.grain for item in items), default=1)
    usable = [(-(-low // step) * step, high // step * step) for low, high in gaps]
    usable = [(low, high) for low, high in usable if low < high]
    least: int | None = None
    for first, (_, reached) in enumerate(usable):
        lost, room = 0, 0
        for low, high in usable[first:]:
            lost += max(0, low - reached)
            reached = high
            room += high - low
            if room >= size:
                least = lost if least is None else min(least, lost)
                break
    return least or 0


def _first_two(entry: tuple[int, int, object]) -> tuple[int, int]:
    return entry[0], entry[1]
