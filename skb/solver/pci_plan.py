"""Base addresses for PCI: registers and bridge windows, nested and aligned, within what root bridges forward.

    plan(devices).bars          # what each base address register is set to

The rules are those of the PCI Local Bus Specification 3.0 (6.2.5) and of the PCI-to-PCI Bridge Architecture Specification 1.2 (3.2.5): a
register's base is a multiple of its size; a bridge passes on one window of memory and one of I/O and may pass on one of prefetchable
memory, in multiples of 1 MiB, of 4 KiB for I/O; windows nest; only prefetchable windows may have 64-bit addresses. The best plan uses
the least addresses from the first to the last in each window of the root bridge. Without fixed addresses that is still NP-hard; nesting
and powers of two make it small (`pci_plan_packing`), so that most machines are solved with proof in milliseconds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from skb.solver.deadline import Deadline
from skb.solver.pci_plan_greedy import greedy
from skb.solver.pci_plan_packing import Placed
from skb.solver.pci_plan_problem import Bar, Bridge, DeviceSet, Kind, Space, check, roots
from skb.solver.pci_plan_reasons import reason
from skb.solver.pci_plan_regions import Block, Headroom, Pool, pools
from skb.solver.pci_plan_search import Found, search, span

IN_ORDER = 0.7
"""Of the time: for packing in order, before CP-SAT has the rest."""

LEAST_SECONDS = 0.05
"""With less than that left, CP-SAT is not asked."""


@dataclass(frozen=True)
class Assigned:
    """The base address of a register."""

    bar: Bar
    base: int


@dataclass(frozen=True)
class BridgeWindow:
    """What a bridge passes on, the last address included."""

    bridge: Bridge
    kind: Kind
    base: int
    limit: int


@dataclass(frozen=True)
class Kept:
    """Head-room: addresses behind a bridge that stay free."""

    bridge: Bridge
    kind: Kind
    base: int
    size: int


@dataclass(frozen=True)
class Use:
    """How much of one space of a root bridge is used: `ranges` from first to last address in each of its windows that is used.

    `wanted` is what registers and head-room add up to, `used` what the ranges do, of which no plan uses less than `bound`. `greedy` is what
    greedy placement in post-order uses, None if it fails.
    """

    root: tuple[int, int]
    space: Space
    ranges: tuple[tuple[int, int], ...]
    wanted: int
    used: int
    bound: int
    greedy: int | None


@dataclass(frozen=True)
class Plan:
    """A plan with its proof.

    `status` is `optimal` (used == bound), `feasible`, `infeasible` (there is no plan, for the `reason` given) or `unknown` (no plan was
    found in time, and none is known not to exist); without a plan everything is empty.
    """

    status: str
    bars: tuple[Assigned, ...]
    windows: tuple[BridgeWindow, ...]
    kept: tuple[Kept, ...]
    uses: tuple[Use, ...]
    seconds: float
    reason: str = ""

    @property
    def wanted(self) -> int:
        """Bytes that registers and head-room add up to."""
        return sum(use.wanted for use in self.uses)

    @property
    def used(self) -> int:
        """Bytes from first to last, summed over windows of root bridges."""
        return sum(use.used for use in self.uses)

    @property
    def bound(self) -> int:
        """What no plan uses less than."""
        return sum(use.bound for use in self.uses)

    @property
    def wasted(self) -> int:
        """Bytes that are used and not wanted."""
        return self.used - self.wanted


def plan(devices: DeviceSet, *, share: bool = False, seconds: float = 5.0) -> Plan:
    """Give everything below root bridges its addresses. With `share`, prefetchable registers may do without windows of their own.

    Raises SolverError if the set contradicts itself.
    """
    deadline = Deadline.after(seconds)
    check(devices)
    todo = [pool for root in roots(devices) for pool in pools(devices, root, share=share)]
    found = []
    for number, pool in enumerate(todo):
        one = no_worse(devices, pool, packed(devices, pool, deadline.share(1 / (len(todo) - number)), share=share))
        if one.windows is None:
            why = reason(pool, proved=one.proved)
            if one.proved and not share and _possible(devices, pool, seconds):
                why += "; there is a plan if prefetchable registers may share windows with other memory (share)"
            return Plan("infeasible" if one.proved else "unknown", (), (), (), (), deadline.elapsed(), why)
        found.append(one)
    return _told(devices, todo, found, deadline)


def packed(devices: DeviceSet, pool: Pool, deadline: Deadline, *, share: bool) -> Found:
    """Pack one pool: in order, and with what that leaves open, by CP-SAT."""
    found = search(pool, deadline.share(IN_ORDER))
    if found.proved or deadline.left() < LEAST_SECONDS:
        return found
    from skb.solver.pci_plan_cpsat import solve  # OR-Tools takes longer to load than most plans to find

    hint = found.windows
    if not pool.lossless:
        hint = None
        (pool,) = (one for one in pools(devices, pool.root, share=share, pages=False) if one.space == pool.space)
    answer = solve(pool, hint, found.cost if found.windows is not None else None, found.bound, deadline)
    if answer.windows is None:
        if found.windows is not None:
            return Found(found.windows, found.cost, found.cost if answer.proved else found.bound, answer.proved)
        return Found(None, 0, answer.bound, answer.proved)
    cost = span(answer.windows)
    if found.windows is not None and found.cost <= cost:
        return Found(found.windows, found.cost, min(answer.bound, found.cost), answer.bound >= found.cost)
    return Found(answer.windows, cost, min(answer.bound, cost), answer.proved or answer.bound >= cost)


def greedily(devices: DeviceSet, pool: Pool) -> tuple[tuple[Placed, ...], ...] | None:
    """Place a pool greedily in post-order, in the better of its orders; None if that fails in both."""
    (raw,) = (one for one in pools(devices, pool.root, pages=False) if one.space == pool.space)
    tried = (greedy(raw, largest_first=largest_first) for largest_first in (False, True))
    return min((windows for windows in tried if windows is not None), key=span, default=None)


def no_worse(devices: DeviceSet, pool: Pool, found: Found) -> Found:
    """Take greedy placement where it is better than what was found: that happens to plans that had no time."""
    if found.proved:
        return found
    theirs = greedily(devices, pool)
    if theirs is None or (found.windows is not None and found.cost <= span(theirs)):
        return found
    return Found(theirs, span(theirs), found.bound, span(theirs) <= found.bound)


def _possible(devices: DeviceSet, pool: Pool, seconds: float) -> bool:
    """Tell whether there is a packing if windows are shared, as far as that is seen soon."""
    return any(
        search(one, Deadline.after(min(seconds, 1.0))).windows is not None
        for one in pools(devices, pool.root, share=True)
        if one.space == pool.space
    )


def _told(devices: DeviceSet, todo: list[Pool], found: list[Found], deadline: Deadline) -> Plan:
    bars: list[Assigned] = []
    windows: list[BridgeWindow] = []
    kept: list[Kept] = []
    uses = []
    for pool, one in zip(todo, found, strict=True):
        if one.windows is None:
            raise AssertionError("a pool without a packing is told as infeasible")
        for told in _opened(chain.from_iterable(one.windows)):
            if isinstance(told, Assigned):
                bars.append(told)
            elif isinstance(told, BridgeWindow):
                windows.append(told)
            else:
                kept.append(told)
        ranges = tuple(
            (min(each.start for each in placed), max(each.end for each in placed) - 1)
            for placed in one.windows
            if placed
        )
        theirs = greedily(devices, pool)
        greedy_used = None if theirs is None else span(theirs)
        uses.append(Use(pool.root, pool.space, ranges, pool.wanted, span(one.windows), one.bound, greedy_used))
    return Plan(
        "optimal" if all(one.proved for one in found) else "feasible",
        tuple(sorted(bars, key=lambda one: (one.bar.function, one.bar.index))),
        tuple(sorted(windows, key=lambda one: (one.bridge.function, one.bridge.secondary, one.kind))),
        tuple(kept),
        tuple(uses),
        deadline.elapsed(),
    )


def _opened(placed: Iterable[Placed]) -> Iterator[Assigned | BridgeWindow | Kept]:
    """Say where everything in these items is, down to registers."""
    for one in placed:
        if isinstance(one.item, Block):
            for part in one.item.parts:
                base = one.start + part.offset
                if isinstance(part.what, Headroom):
                    bridge, kind = part.what.bridge, part.what.kind
                    yield Kept(bridge, kind, base, bridge.headroom.of(kind))
                else:
                    yield Assigned(part.what, base)
        else:
            yield BridgeWindow(one.item.bridge, one.item.kind, one.start, one.end - 1)
            yield from _opened(one.inside)
