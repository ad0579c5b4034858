"""The same problem as a model of CP-SAT, for what packing in order leaves open: several windows, and many things on one bus.

Variables: for each register and window its base in multiples of its alignment, for each window its size in multiples of its grain, for
each way that a bridge has of being given windows whether it is taken, for each thing on the root bus in which gap it lies. Things on a
bus do not overlap, what is behind a bridge lies in its window. What is alike is ordered, so that no two plans differ by names only.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from skb.solver.deadline import Deadline
from skb.solver.pci_plan_packing import Placed
from skb.solver.pci_plan_regions import Block, Item, Pool

WORKERS = 4
"""At most; more than there are cores would be in each other's way."""

HIGHEST = 1 << 60
"""Addresses above are too large for CP-SAT, which adds them up in 64 bits. No machine has as many."""


@dataclass(frozen=True)
class Answer:
    """What CP-SAT found: a packing by window or None, the bound on its span, and whether there is nothing more to find."""

    windows: tuple[tuple[Placed, ...], ...] | None
    bound: int
    proved: bool


@dataclass(frozen=True)
class _Posted:
    """The variables of an item: where it begins and ends, in units."""

    item: Item
    base: cp_model.IntVar
    scale: int
    start: cp_model.LinearExprT
    end: cp_model.LinearExprT
    size: cp_model.IntVar | int
    inside: "tuple[_Posted, ...]"


def solve(
    pool: Pool, hint: Sequence[Sequence[Placed]] | None, cost: int | None, bound: int, deadline: Deadline
) -> Answer:
    """Pack a pool. `hint`: a packing to begin with; `cost`: what one is known to span; no packing spans less than `bound`."""
    if not any(pool.gaps):
        return Answer(None, bound, proved=cost is None)
    if max(high for window in pool.gaps for _, high in window) > HIGHEST:
        return Answer(None, bound, proved=False)
    model = _Model(pool, cost, bound)
    if hint is not None:
        model.hint(hint)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(0.01, deadline.left())
    solver.parameters.num_workers = min(WORKERS, len(os.sched_getaffinity(0)))
    status = solver.solve(model.cp)
    if status == cp_model.INFEASIBLE:
        return Answer(None, bound, proved=cost is None)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Answer(None, bound, proved=False)
    windows = model.windows(solver)
    told = math.ceil(solver.best_objective_bound - 1e-6) * model.unit
    return Answer(windows, max(bound, told), status == cp_model.OPTIMAL)


class _Model:
    def __init__(self, pool: Pool, cost: int | None, bound: int) -> None:
        self.cp = cp_model.CpModel()
        self._pool = pool
        ways = [way for ways in pool.alternatives for way in ways]
        roots = [*pool.items, *(item for way in ways for item in way)]
        self.unit = min((unit for item in roots for unit in _units(item)), default=1)
        self._gaps = [
            (at, -(-low // self.unit), high // self.unit)
            for at, window in enumerate(pool.gaps)
            for low, high in window
            if -(-low // self.unit) < high // self.unit
        ]
        if not self._gaps:  # too small for anything: CP-SAT is to find that out
            self._gaps = [(0, 0, 0)]
        self._span = (min(low for _, low, _ in self._gaps), max(high for _, _, high in self._gaps))
        self._roots: list[tuple[_Posted, cp_model.IntVar, list[cp_model.IntVar]]] = []
        taken: list[tuple[tuple[Item, ...], cp_model.IntVar]] = [(pool.items, self.cp.new_constant(1))]
        for choice in pool.alternatives:
            literals = [self.cp.new_bool_var("") for _ in choice]
            self.cp.add_exactly_one(literals)
            taken.extend(zip(choice, literals, strict=True))
        intervals = []
        for items, literal in taken:
            posted = [self._post(item, literal) for item in items]
            self._in_order(posted, literal)
            for one in posted:
                intervals.append(self._interval(one, literal))
                gaps = [self.cp.new_bool_var("") for _ in self._gaps]
                self.cp.add(sum(gaps) == literal)
                for gap, (_, low, high) in zip(gaps, self._gaps, strict=True):
                    self.cp.add(one.start >= low).only_enforce_if(gap)
                    self.cp.add(one.end <= high).only_enforce_if(gap)
                self._roots.append((one, literal, gaps))
        self.cp.add_no_overlap(intervals)
        self._objective(cost, bound)

    def _objective(self, cost: int | None, bound: int) -> None:
        low, high = self._span
        spans = []
        for window in range(len(self._pool.gaps)):
            if all(at != window for at, _, _ in self._gaps):
                continue
            first, last = self.cp.new_int_var(low, high, ""), self.cp.new_int_var(low, high, "")
            held: list[cp_model.LinearExprT] = []
            for posted, _, gaps in self._roots:
                for literal, (at, _, _) in zip(gaps, self._gaps, strict=True):
                    if at == window:
                        self.cp.add(first <= posted.start).only_enforce_if(literal)
                        self.cp.add(last >= posted.end).only_enforce_if(literal)
                        held.append(literal * (_least(posted.item) // self.unit))
            self.cp.add(last - first >= sum(held))
            spans.append(last - first)
        total = sum(spans)
        self.cp.add(total >= -(-bound // self.unit))
        if cost is not None:
            self.cp.add(total <= cost // self.unit)
        self.cp.minimize(total)

    def _post(self, item: Item, taken: cp_model.IntVar) -> _Posted:
        """Post an item and what is in it; nothing of that binds unless it is `taken`."""
        low, high = self._span
        high = min(high, item.limit // self.unit)
        if isinstance(item, Block):
            size = item.size // self.unit
            scale = item.align // self.unit
            base = self.cp.new_int_var(-(-low // scale), max(-(-low // scale), (high - size) // scale), "")
            if item.fixed is not None:
                self.cp.add(base * scale == item.fixed // self.unit).only_enforce_if(taken)
            self.cp.add(base * scale + size <= high).only_enforce_if(taken)
            return _Posted(item, base, scale, base * scale, base * scale + size, size, ())
        scale = item.grain // self.unit
        base = self.cp.new_int_var(low // scale, max(low // scale, high // scale), "")
        least = _least(item) // self.unit
        length = self.cp.new_int_var(-(-least // scale), max(-(-least // scale), (high - low) // scale + 1), "")
        last = self.cp.new_int_var(low // scale, max(low // scale, high // scale), "")
        self.cp.add(base + length == last).only_enforce_if(taken)
        start, end = base * scale, last * scale
        self.cp.add(end <= high).only_enforce_if(taken)
        inside = tuple(self._post(child, taken) for child in item.children)
        self._in_order(inside, taken)
        for one in inside:
            self.cp.add(one.start >= start).only_enforce_if(taken)
            self.cp.add(one.end <= end).only_enforce_if(taken)
        self.cp.add_no_overlap([self._interval(one, taken) for one in inside])
        return _Posted(item, base, scale, start, end, length, inside)

    def _interval(self, one: _Posted, taken: cp_model.IntVar) -> cp_model.IntervalVar:
        size = one.size if isinstance(one.item, Block) else one.size * one.scale
        return self.cp.new_optional_interval_var(one.start, size, one.end, taken, "")

    def _in_order(self, posted: Sequence[_Posted], taken: cp_model.IntVar) -> None:
        last: dict[object, _Posted] = {}
        for one in posted:
            before = last.get(one.item.key)
            if before is not None and isinstance(one.item, Block):
                self.cp.add(before.start < one.start).only_enforce_if(taken)
            last[one.item.key] = one

    def hint(self, windows: Sequence[Sequence[Placed]]) -> None:
        """Tell CP-SAT of a packing. What is alike is told in the order of addresses."""
        alike: dict[object, list[Placed]] = {}
        for one in sorted((one for window in windows for one in window), key=lambda one: one.start, reverse=True):
            alike.setdefault(one.item.key, []).append(one)
        for posted, _, gaps in self._roots:
            if not alike.get(posted.item.key):
                continue
            one = alike[posted.item.key].pop()
            self._hint_one(posted, one)
            for literal, (_, low, high) in zip(gaps, self._gaps, strict=True):
                self.cp.add_hint(literal, int(low <= one.start // self.unit < high))

    def _hint_one(self, posted: _Posted, placed: Placed) -> None:
        self.cp.add_hint(posted.base, placed.start // self.unit // posted.scale)
        if isinstance(posted.size, cp_model.IntVar):
            self.cp.add_hint(posted.size, (placed.end - placed.start) // self.unit // posted.scale)
        alike: dict[object, list[Placed]] = {}
        for one in sorted(placed.inside, key=lambda one: one.start, reverse=True):
            alike.setdefault(one.item.key, []).append(one)
        for child in posted.inside:
            self._hint_one(child, alike[child.item.key].pop())

    def windows(self, solver: cp_model.CpSolver) -> tuple[tuple[Placed, ...], ...]:
        """Read the packing that was found."""
        found: list[list[Placed]] = [[] for _ in self._pool.gaps]
        for posted, literal, gaps in self._roots:
            if solver.value(literal):
                (at,) = (at for gap, (at, _, _) in zip(gaps, self._gaps, strict=True) if solver.value(gap))
                found[at].append(self._read(posted, solver))
        return tuple(tuple(sorted(window, key=lambda one: one.start)) for window in found)

    def _read(self, posted: _Posted, solver: cp_model.CpSolver) -> Placed:
        start = solver.value(posted.base) * posted.scale * self.unit
        if isinstance(posted.item, Block):
            return Placed(posted.item, start, start + posted.item.size)
        inside = tuple(self._read(one, solver) for one in posted.inside)
        grain = posted.item.grain
        first = min(one.start for one in inside) // grain * grain
        last = -(-max(one.end for one in inside) // grain) * grain
        return Placed(posted.item, first, last, inside)


def _units(item: Item) -> Iterator[int]:
    if isinstance(item, Block):
        yield item.align
        yield item.size & -item.size
    else:
        yield item.grain
        for child in item.children:
            yield from _units(child)


def _least(item: Item) -> int:
    if isinstance(item, Block):
        return item.size
    return -(-sum(_least(child) for child in item.children) // item.grain) * item.grain
