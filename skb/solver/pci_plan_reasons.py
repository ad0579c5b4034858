"""Why there is no plan: what does not fit where, and what would help."""

from collections.abc import Sequence
from itertools import chain

from skb.solver.deadline import Deadline
from skb.solver.pci_plan_packing import OutOfTime, Packer
from skb.solver.pci_plan_problem import ALL, FOUR_GIB
from skb.solver.pci_plan_regions import Block, Item, Pool
from skb.solver.pci_plan_search import search

SECONDS = 2.0
"""For finding out which things are in each other's way."""

NAMED = 4
"""Things that a message names at most."""


def reason(pool: Pool, *, proved: bool) -> str:
    """Say in a sentence why a pool has no packing, naming registers, bridges and windows."""
    if not proved:
        return f"no plan for the {pool.space} below {pool.bridge} was found in the time given, and none is known not to exist; give more"
    items = (*pool.items, *chain.from_iterable(ways[0] for ways in pool.alternatives))
    if not pool.gaps:
        return (
            f"{_named(items)} below {pool.bridge} {'needs' if len(items) == 1 else 'need'} {pool.space},"
            f" and no {pool.space} window of that root bridge is known; give it one, or plan without {pool.space}"
        )
    packer = Packer(Deadline.after(SECONDS))
    try:
        return _too_much(pool, items, packer) or _alone(pool, items, packer) or _together(pool, items, packer)
    except OutOfTime:
        return f"{_named(items)} do not fit into {_windows(pool)} together; {_help(pool, items)}"


def _alone(pool: Pool, items: Sequence[Item], packer: Packer) -> str | None:
    everything = [gap for window in pool.gaps for gap in window]
    for item in items:
        if packer.order([item], 0, everything) is not None:
            continue
        usable = [min(end, item.limit) - low for low, end in everything if low < item.limit]
        room = (
            f"the largest free range that it may have is {_bytes(max(usable))}"
            if usable
            else "there is no free range for it"
        )
        if isinstance(item, Block) and item.fixed is not None:
            return (
                f"{item} is fixed at {item.fixed:#x}, which is reserved or outside of {_windows(pool)};"
                " let it move, or give the root bridge a window that holds it"
            )
        below = " below 4 GiB" if item.limit <= FOUR_GIB and pool.space == "memory" else ""
        behind = (
            "" if isinstance(item, Block) else f" for {_named(sorted(item.children, key=packer.least, reverse=True))}"
        )
        return (
            f"{item} needs {_bytes(packer.least(item))}{below}, aligned to {_bytes(item.align)},{behind} and does not fit into"
            f" {_windows(pool)}: {room}; {_help(pool, [item])}"
        )
    return None


def _too_much(pool: Pool, items: Sequence[Item], packer: Packer) -> str | None:
    everything = [gap for window in pool.gaps for gap in window]
    high = any(end > FOUR_GIB for _, end in everything)  # else all of it has to share what there is
    for limit, where in ((FOUR_GIB, " below 4 GiB"), (ALL, ""))[0 if high else 1 :]:
        bound_to = [item for item in items if item.limit <= limit]
        needed = sum(packer.least(item) for item in bound_to)
        free = sum(max(0, min(end, limit) - low) for low, end in everything)
        if needed > free:
            words = where if pool.space == "memory" else ""
            largest = sorted(bound_to, key=packer.least, reverse=True)
            return (
                f"what is below {pool.bridge} needs at least {_bytes(needed)} of {pool.space}{words}, and {_windows(pool)}"
                f" {'has' if len(pool.gaps) == 1 else 'have'} {_bytes(free)} free there: {_bytes(needed - free)} too little;"
                f" the most is for {_named(largest)}{_weight(bound_to)}; {_help(pool, bound_to)}"
            )
    return None


def _weight(items: Sequence[Item]) -> str:
    """Name the largest single thing, if it is in one of several windows."""
    todo, blocks = list(items), []
    for item in todo:
        if isinstance(item, Block):
            blocks.append(item)
        else:
            todo.extend(item.children)
    if len(blocks) == len(items):
        return ""
    largest = max(blocks, key=lambda block: block.size)
    return f", the largest single thing being {largest} ({_bytes(largest.size)})"


def _together(pool: Pool, items: Sequence[Item], packer: Packer) -> str:
    """Name things that do not fit together, none of which can be left out of that."""
    everything = [gap for window in pool.gaps for gap in window]
    conflict = sorted(items, key=packer.least)
    for item in list(conflict):
        others = [one for one in conflict if one is not item]
        if packer.order(others, 0, everything) is None:
            conflict = others
    return (
        f"{_named(conflict[::-1], most=len(conflict))} do not fit into {_windows(pool)} together, aligned as they must be and"
        f" beside what is reserved; {_help(pool, items)}"
    )


def _help(pool: Pool, items: Sequence[Item]) -> str:
    """Say how large a window would be large enough."""
    ends = [item.limit for item in items]
    gap = (0, 1 << 62) if min(ends) > FOUR_GIB else (0, max(FOUR_GIB, min(ends)))
    alone = Pool(pool.root, pool.space, ((gap,),), tuple(items), ())
    found = search(alone, Deadline.after(SECONDS))
    if found.windows is None:
        return (
            "all of it does not even fit below 4 GiB: only prefetchable windows and registers of 64 bits can lie above"
        )
    where = " below 4 GiB" if gap[1] == FOUR_GIB and pool.space == "memory" else ""
    return f"a window of {_bytes(found.cost)}{where} with nothing reserved in it would do"


def _windows(pool: Pool) -> str:
    ranges = [f"{window[0][0]:#x}-{window[-1][1] - 1:#x}" for window in pool.gaps if window]
    plural = "window" if len(ranges) == 1 else "windows"
    return f"the {pool.space} {plural} {', '.join(ranges)} of {pool.bridge}"


def _named(items: Sequence[Item], most: int = NAMED) -> str:
    names = [f"{item} ({_bytes(item.wanted)})" for item in items[:most]]
    more = len(items) - len(names)
    if more:
        return f"{', '.join(names)} and {more} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _bytes(size: int) -> str:
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and (size % unit == 0 or unit <= 1 << 20):
            return f"{size / unit:,.2f}".removesuffix(".00") + f" {name}"
    return f"{size} bytes"
