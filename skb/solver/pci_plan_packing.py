"""Where the packing of windows ends, by dynamic programming over what is placed already.

Things in a window are disjoint, so they have an order by address. Let `end(c, x)` be the least address that a child c can end at if it
begins at x or later. It never falls as x grows, for registers and, since a window may begin with a hole, for windows. So among all
orders of a set of children the one that ends first is the only one that matters for what follows: the least end of a set is the least,
over which child is last, of that child's end after the least end of the others. Children that are alike are counted, not told apart.
That is exact, and takes product(n_i + 1) steps for n_i children of kind i instead of n!.

A window's own `end` depends on where it begins only modulo the largest alignment in it, so each is packed once for each remainder that is
asked for. Where there are too many sets, the most promising of each size are kept (a beam), and the result says that it is not exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from skb.solver.deadline import Deadline
from skb.solver.pci_plan_regions import Block, Item, Region

NEVER = 1 << 70
"""The end of what does not fit: after all addresses."""

MOST_SETS = 16384
"""Sets of children up to which all are looked at."""

BEAM = 96
"""Sets of each size that are kept where there are more."""

Gaps = Sequence[tuple[int, int]]

_Path = tuple["_Path", int] | None
"""The kinds in their order, the last first."""

_Reached = tuple[int, int, _Path]
"""Where a set of children ends at least, the bytes that they need, and their order."""


@dataclass(frozen=True)
class Placed:
    """Where an item of a packing was put, its end excluded, and where what is in it was."""

    item: Item
    start: int
    end: int
    inside: "tuple[Placed, ...]" = ()


class _Table(NamedTuple):
    """Of a window and all like it, by where it begins modulo its alignment: where it ends, and the keys of what is in it, in order."""

    ends: dict[int, int]
    orders: dict[int, list[object]]


class OutOfTime(Exception):
    """The deadline passed while packing."""


class Packer:
    """Packs items, and remembers how."""

    def __init__(self, deadline: Deadline, most_sets: int = MOST_SETS, beam: int = BEAM) -> None:
        self.exact = True
        self._deadline = deadline
        self._most_sets = most_sets
        self._beam = beam
        self._tables: dict[object, _Table] = {}
        self._of_item: dict[int, tuple[Item, _Table]] = {}
        self._groups: dict[int, tuple[Sequence[Item], list[list[Item]]]] = {}
        self._steps = 0

    def end(self, item: Item, start: int) -> int:
        """Return the least address at which an item can end that begins at `start` or later; NEVER if it has no place."""
        if isinstance(item, Block):
            if item.fixed is not None:
                return item.fixed + item.size if start <= item.fixed else NEVER
            end = -(-start // item.align) * item.align + item.size
            return end if end <= item.limit else NEVER
        start = -(-start // item.grain) * item.grain
        base = 0 if item.pinned else start // item.align * item.align
        table = self._table(item)
        found = table.ends.get(start - base)
        if found is None:
            order = self.order(item.children, start - base, None)
            found = NEVER if order is None else -(-order[1] // item.grain) * item.grain
            table.ends[start - base] = found
            table.orders[start - base] = [] if order is None else [child.key for child in order[0]]
        end = base + found
        return end if end <= item.limit else NEVER

    def least(self, item: Item) -> int:
        """Return a size that the item cannot do with less of, wherever it is."""
        if isinstance(item, Block):
            return item.size
        return -(-sum(self.least(child) for child in item.children) // item.grain) * item.grain

    def order(self, items: Sequence[Item], start: int, gaps: Gaps | None) -> tuple[list[Item], int] | None:
        """Return the order that ends first of those that begin at `start` or later, and its end; None if there is none.

        With `gaps`, nothing but them (in order) may be used. Raises OutOfTime.
        """
        groups = self._grouped(items)
        weights, total = [], 1
        for group in reversed(groups):
            weights.append(total)
            total *= len(group) + 1
        kinds = [
            (weight, len(group) + 1, len(group) * weight, group[0], self.least(group[0]), dict[int, int]())
            for weight, group in zip(reversed(weights), groups, strict=True)
        ]
        beam = None if total <= self._most_sets else self._beam
        self.exact = self.exact and beam is None
        layer: dict[int, _Reached] = {
            0: (start, 0, None)
        }  # a set is a number with a digit for each kind: how many are placed
        for _ in range(len(items)):
            following: dict[int, _Reached] = {}
            for state, (reached, held, path) in layer.items():
                self._tick()
                for at, (weight, base, full, item, size, ends) in enumerate(kinds):
                    if state % (weight * base) >= full:
                        continue
                    end = ends.get(reached)
                    if end is None:
                        end = ends[reached] = self._end_in(item, reached, gaps)
                    if end >= NEVER:
                        continue
                    known = following.get(state + weight)
                    if known is None or end < known[0]:
                        following[state + weight] = (end, held + size, (path, at))
            layer = following if beam is None else _promising(following, beam)
        if not layer:
            return None
        ((end, _, path),) = layer.values()
        left = [list(group) for group in groups]
        taken = []
        while path is not None:
            path, at = path
            taken.append(left[at].pop())
        return taken[::-1], end

    def _grouped(self, items: Sequence[Item]) -> list[list[Item]]:
        """Give items by kind, what is hard to place first."""
        known = self._groups.get(id(items))
        if known is not None and known[0] is items:
            return known[1]
        kinds: dict[object, list[Item]] = {}
        for item in items:
            kinds.setdefault(item.key, []).append(item)
        groups = sorted(kinds.values(), key=lambda group: (-group[0].align, -self.least(group[0])))
        self._groups[id(items)] = (items, groups)  # which keeps the items, so that nothing else gets their id
        return groups

    def _table(self, region: Region) -> "_Table":
        """Give what is known of a window, and of all like it. Its key is large, so it is looked at once."""
        known = self._of_item.get(id(region))
        if known is None:
            known = self._of_item[id(region)] = (region, self._tables.setdefault(region.key, _Table({}, {})))
        return known[1]

    def place(self, items: Sequence[Item], start: int, gaps: Gaps | None) -> list[Placed]:
        """Say where each item of an order goes, each as early as it can."""
        placed = []
        for item in items:
            begins, end = self._within(item, start, gaps)
            placed.append(self._placed(item, begins, end))
            start = end
        return placed

    def _placed(self, item: Item, start: int, end: int) -> Placed:
        if isinstance(item, Block):
            return Placed(item, end - item.size, end)
        start = -(-start // item.grain) * item.grain
        base = 0 if item.pinned else start // item.align * item.align
        alike: dict[object, list[Item]] = {}
        for child in item.children:
            alike.setdefault(child.key, []).append(child)
        order = [alike[key].pop() for key in self._table(item).orders[start - base]]
        inside = tuple(self.place(order, start, None))
        first = min(one.start for one in inside)
        return Placed(item, first // item.grain * item.grain, end, inside)

    def _end_in(self, item: Item, start: int, gaps: Gaps | None) -> int:
        return self.end(item, start) if gaps is None else self._within(item, start, gaps)[1]

    def _within(self, item: Item, start: int, gaps: Gaps | None) -> tuple[int, int]:
        if gaps is None:
            return start, self.end(item, start)
        for low, high in gaps:
            if high <= start:
                continue
            begin = max(low, start)
            end = self.end(item, begin)
            if end <= high:
                return begin, end
        return start, NEVER

    def _tick(self) -> None:
        self._steps += 1
        if self._steps % 256 == 0 and self._deadline.passed():
            raise OutOfTime


def _promising(states: dict[int, _Reached], beam: int) -> dict[int, _Reached]:
    """Keep the sets that waste least so far; on a draw, those with more of what is hard to place."""
    return dict(sorted(states.items(), key=lambda entry: (entry[1][0] - entry[1][1], -entry[0]))[:beam])
