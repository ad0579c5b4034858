"""Greedy placement in post-order, as firmware does it: the plan that ours is held against.

From the lowest address up, depth first: each register at the next multiple of its size, each bridge window from the next multiple of its
grain to the next after all that is behind it. Reserved ranges are stepped over. Nothing is tried twice. Either in the order of bus,
device and function, or on each bus the largest alignment first.
"""

from collections.abc import Callable, Iterable
from typing import Any

from skb.solver.pci_plan_packing import Gaps, Placed
from skb.solver.pci_plan_problem import FOUR_GIB, Bar
from skb.solver.pci_plan_regions import Block, Item, Pool, Region


def greedy(pool: Pool, *, largest_first: bool) -> tuple[tuple[Placed, ...], ...] | None:
    """Place a pool, by window; None where something does not fit."""
    items = (*pool.items, *(item for ways in pool.alternatives for item in ways[0]))
    windows: list[tuple[Placed, ...]] = [() for _ in pool.gaps]
    reached = [window[0][0] if window else 0 for window in pool.gaps]
    for item in sorted(items, key=_order(largest_first)):
        for at in _windows_for(item, pool):
            placed = _placed_in(item, reached[at], pool.gaps[at], largest_first)
            if placed is not None:
                windows[at] = (*windows[at], placed)
                reached[at] = placed.end
                break
        else:
            return None
    return tuple(windows)


def _order(largest_first: bool) -> Callable[[Item], Any]:
    return (lambda item: (-item.align, *_place(item))) if largest_first else _place


def _place(item: Item) -> tuple[object, ...]:
    """Return where on its bus an item is: device and function, then the register; windows by kind."""
    if isinstance(item, Region):
        return (item.bridge.function, 1, item.kind)
    what = item.parts[0].what
    return (what.function, 0, what.index) if isinstance(what, Bar) else (what.bridge.function, 2, what.kind)


def _windows_for(item: Item, pool: Pool) -> Iterable[int]:
    """Return the windows for an item, the first to be tried first: above 4 GiB for what may lie there."""
    lows = [at for at, window in enumerate(pool.gaps) if window and window[0][0] < FOUR_GIB]
    highs = [at for at, window in enumerate(pool.gaps) if window and window[0][0] >= FOUR_GIB]
    return (*highs, *lows) if item.limit > FOUR_GIB else lows


def _placed_in(item: Item, start: int, gaps: Gaps, largest_first: bool) -> Placed | None:
    for low, high in gaps:
        if high > start:
            placed = _placed(item, max(low, start), largest_first)
            if placed is not None and placed.end <= min(high, item.limit):
                return placed
    return None


def _placed(item: Item, start: int, largest_first: bool) -> Placed | None:
    if isinstance(item, Block):
        if item.fixed is not None:
            return Placed(item, item.fixed, item.fixed + item.size) if start <= item.fixed else None
        base = -(-start // item.align) * item.align
        return Placed(item, base, base + item.size)
    base = -(-start // item.grain) * item.grain
    inside: list[Placed] = []
    reached = base
    for child in sorted(item.children, key=_order(largest_first)):
        placed = _placed(child, reached, largest_first)
        if placed is None:
            return None
        inside.append(placed)
        reached = placed.end
    return Placed(item, base, -(-reached // item.grain) * item.grain, tuple(inside))
