"""The least span of a pool of PCI resources, found by trying every place at which everything may be. For small pools only."""

from collections.abc import Sequence
from functools import cache
from itertools import chain, product

from skb.solver.pci_plan_regions import Block, Item, Pool, Region


def least_used(pool: Pool, unit: int) -> int | None:
    """Return the least bytes that any plan uses, None if there is no plan. Everything is a multiple of `unit`."""
    found = []
    for way in product(*pool.alternatives):
        items = (*pool.items, *chain.from_iterable(way))
        for windows in product(range(len(pool.gaps)), repeat=len(items)):
            spans = [
                _least_span(tuple(i for i, at in zip(items, windows, strict=True) if at == window), gaps, unit)
                for window, gaps in enumerate(pool.gaps)
            ]
            if all(span is not None for span in spans):
                found.append(sum(span for span in spans if span is not None))
    return min(found, default=None)


def _least_span(items: tuple[Item, ...], gaps: Sequence[tuple[int, int]], unit: int) -> int | None:
    if not items:
        return 0
    low, high = gaps[0][0], gaps[-1][1]
    for span in range(unit, high - low + 1, unit):
        for start in range(low, high - span + 1, unit):
            free = tuple((max(a, start), min(b, start + span)) for a, b in gaps if min(b, start + span) > max(a, start))
            if _fits(items, free, unit):
                return span
    return None


@cache
def _fits(items: tuple[Item, ...], free: tuple[tuple[int, int], ...], unit: int) -> bool:
    if not items:
        return True
    first, rest = items[0], items[1:]
    if sum(map(_least, items)) > sum(high - low for low, high in free):
        return False
    for low, high in free:
        for start, end in _places(first, low, min(high, first.limit), unit):
            left = tuple(part for a, b in free for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1])
            if _fits(rest, left, unit):
                return True
    return False


def _places(item: Item, low: int, high: int, unit: int) -> list[tuple[int, int]]:
    if isinstance(item, Block):
        return [
            (start, start + item.size)
            for start in range(low, high - item.size + 1, unit)
            if start % item.align == 0 and item.fixed in (None, start)
        ]
    assert isinstance(item, Region)
    return [
        (start, end)
        for start in range(low, high, unit)
        if start % item.grain == 0
        for end in range(start + item.grain, high + 1, item.grain)
        if _fits(item.children, ((start, end),), unit)
    ]


def _least(item: Item) -> int:
    return item.size if isinstance(item, Block) else max(item.grain, sum(map(_least, item.children)))
