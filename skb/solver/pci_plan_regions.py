"""What has to be packed: the tree of windows and base address registers, one for each root bridge and space.

A *block* is something of a size and an alignment: a base address register, head-room, or a page of small registers. A *region* is a
window of a bridge: as large as what is in it needs, in multiples of its grain. What stands on a root bus is packed into the windows of
the root bridge, minus what is reserved.

Which window of a bridge holds a register is a rule, not a choice, but for one thing: below a bridge on the root bus, prefetchable
registers of 32 bits go with those of 64 bits into prefetchable windows, and then all of these lie below 4 GiB; or they go with what
cannot be prefetched, and the prefetchable windows may lie anywhere. These are that bridge's *alternatives*.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from skb.solver.pci_plan_problem import ALL, FOUR_GIB, GRAINS, Bar, Bridge, DeviceSet, Kind, Space, by_bus, limit_of

IO_LIMIT = FOUR_GIB


@dataclass(frozen=True)
class Headroom:
    """Addresses that a bridge keeps free."""

    bridge: Bridge
    kind: Kind

    def __str__(self) -> str:
        return f"the {self.kind} head-room of {self.bridge}"


@dataclass(frozen=True)
class Part:
    """What lies where in a block."""

    what: Bar | Headroom
    offset: int


@dataclass(frozen=True)
class Block:
    """Something of a fixed size. It must end at `limit` or below."""

    size: int
    align: int
    limit: int
    fixed: int | None
    parts: tuple[Part, ...]

    @property
    def key(self) -> object:
        """What is the same of all blocks that can take each other's place."""
        return (self.size, self.align, self.limit, self.fixed)

    @property
    def wanted(self) -> int:
        """Bytes that are asked for."""
        return sum(_bytes(part.what) for part in self.parts)

    def __str__(self) -> str:
        return (
            str(self.parts[0].what) if len(self.parts) == 1 else f"{self.parts[0].what} and {len(self.parts) - 1} more"
        )


@dataclass(frozen=True)
class Region:
    """A window of a bridge. `limit` is the least of what is in it."""

    bridge: Bridge
    kind: Kind
    children: "tuple[Item, ...]"
    limit: int

    @property
    def grain(self) -> int:
        """What base and size are multiples of."""
        return GRAINS[self.kind]

    @cached_property
    def align(self) -> int:
        """The largest alignment of what is in it; where a window lies matters only modulo this."""
        return max([self.grain, *(child.align for child in self.children)])

    @cached_property
    def pinned(self) -> bool:
        """Whether something in it has a fixed address."""
        return any(child.fixed is not None if isinstance(child, Block) else child.pinned for child in self.children)

    @cached_property
    def key(self) -> object:
        """What is the same of all regions that can take each other's place."""
        counts: dict[object, int] = {}
        for child in self.children:
            counts[child.key] = counts.get(child.key, 0) + 1
        return (self.grain, self.limit, frozenset(counts.items()))

    @cached_property
    def wanted(self) -> int:
        """Bytes that are asked for by what is in it."""
        return sum(child.wanted for child in self.children)

    def __str__(self) -> str:
        return f"the {self.kind} window of {self.bridge}"


Item = Block | Region


@dataclass(frozen=True)
class Pool:
    """All of one space below a root bridge. `gaps`: for each of its windows the ranges (end excluded) that are not reserved.

    It is `lossless` if its best packing is that of the registers one by one: pages may lose something where sizes are no powers of two.
    """

    root: tuple[int, int]
    space: Space
    gaps: tuple[tuple[tuple[int, int], ...], ...]
    items: tuple[Item, ...]
    alternatives: tuple[tuple[tuple[Item, ...], ...], ...]
    lossless: bool = True

    @property
    def bridge(self) -> str:
        """The root bridge, as messages call it."""
        return f"root bridge {self.root[0]:04x}:{self.root[1]:02x}"

    @property
    def wanted(self) -> int:
        """Bytes that are asked for."""
        chosen = [ways[0] for ways in self.alternatives]
        return sum(item.wanted for item in (*self.items, *(one for way in chosen for one in way)))


def pools(devices: DeviceSet, root: tuple[int, int], *, share: bool = False, pages: bool = True) -> list[Pool]:
    """Return what has to be packed below a root bridge, memory first.

    With `share`, prefetchable registers may do without windows of their own. With `pages`, small registers behind a bridge are put into
    blocks as large as the grain of its windows.
    """
    builder = _Builder(devices, pages=pages)
    found = []
    spaces: tuple[Space, ...] = ("memory", "io")
    for space in spaces:
        windows = [one for one in devices.windows if (one.segment, one.bus) == root and one.space == space]
        blocks = [_block(bar) for bar in builder.bars.get(root, ()) if bar.space == space]
        ways = [builder.alternatives(bridge, space, share=share) for bridge in builder.below.get(root, ())]
        always = [way[0] for way in ways if len(way) == 1]
        pool = Pool(
            root,
            space,
            tuple(_free(one.low, one.high + 1, devices, space) for one in sorted(windows, key=lambda one: one.low)),
            (*blocks, *(item for way in always for item in way)),
            tuple(way for way in ways if len(way) > 1),
            not pages or _powers_of_two(devices),
        )
        if pool.items or pool.alternatives:
            found.append(pool)
    return found


def _powers_of_two(devices: DeviceSet) -> bool:
    spare = (size for bridge in devices.bridges for size in bridge.headroom)
    return all(bar.size == bar.aligned or bar.fixed is not None for bar in devices.bars) and all(
        size & (size - 1) == 0 for size in spare
    )


def _free(low: int, end: int, devices: DeviceSet, space: str) -> tuple[tuple[int, int], ...]:
    found = []
    for taken in sorted((one for one in devices.reserved if one.space == space), key=lambda one: one.low):
        if taken.high < low or taken.low >= end:
            continue
        if taken.low > low:
            found.append((low, taken.low))
        low = max(low, taken.high + 1)
    if low < end:
        found.append((low, end))
    return tuple(found)


def _bytes(what: Bar | Headroom) -> int:
    return what.size if isinstance(what, Bar) else what.bridge.headroom.of(what.kind)


def _block(bar: Bar) -> Block:
    return Block(bar.size, bar.aligned, limit_of(bar), bar.fixed, (Part(bar, 0),))


class _Builder:
    """Puts registers into the windows that they go through."""

    def __init__(self, devices: DeviceSet, *, pages: bool) -> None:
        self.below = by_bus(devices.bridges)
        self.bars: dict[tuple[int, int], list[Bar]] = {}
        self._pages = pages
        for bar in devices.bars:
            self.bars.setdefault((bar.function.segment, bar.function.bus), []).append(bar)

    def alternatives(self, bridge: Bridge, space: str, *, share: bool) -> tuple[tuple[Item, ...], ...]:
        """Return the ways in which a bridge on the root bus can be given windows: each a tuple of windows."""
        if space == "io":
            return (self._windows(bridge, ("io",), lambda _: "io"),)
        kinds: tuple[Kind, ...] = ("memory", "prefetchable")
        together = self._windows(bridge, kinds, lambda bar: "prefetchable" if bar.prefetchable else "memory")
        apart = self._windows(
            bridge, kinds, lambda bar: "prefetchable" if bar.prefetchable and bar.width == 64 else "memory"
        )
        ways = [together]
        if _shape(apart) != _shape(together) and any(item.limit > FOUR_GIB for item in apart):
            ways.insert(0, apart)
        if share:
            alone = self._windows(bridge, kinds, lambda _: "memory")
            if all(_shape(alone) != _shape(way) for way in ways):
                ways.append(alone)
        return tuple(ways)

    def _windows(self, bridge: Bridge, kinds: Sequence[Kind], kind_of: Callable[[Bar], Kind]) -> tuple[Region, ...]:
        made = (self._region(bridge, kind, kind_of, bridge.prefetchable_width) for kind in kinds)
        return tuple(region for region in made if region is not None)

    def _region(self, bridge: Bridge, kind: Kind, kind_of: Callable[[Bar], Kind], width: int) -> Region | None:
        """Return a window of a bridge, or None if nothing needs it. `width`: the least of prefetchable windows from the root on."""
        bus = (bridge.function.segment, bridge.secondary)
        limit = {"memory": FOUR_GIB, "io": IO_LIMIT, "prefetchable": ALL if width == 64 else FOUR_GIB}[kind]
        blocks = [
            _block(bar)
            for bar in self.bars.get(bus, ())
            if (bar.space == "io") == (kind == "io") and _through(kind_of(bar), width) == kind
        ]
        for spare in GRAINS:
            size = bridge.headroom.of(spare)
            if size and _through(spare, width) == kind:
                align = 1 << (size.bit_length() - 1)
                blocks.append(Block(size, align, limit, None, (Part(Headroom(bridge, spare), 0),)))
        inner = [
            self._region(one, kind, kind_of, min(width, one.prefetchable_width)) for one in self.below.get(bus, ())
        ]
        regions = [one for one in inner if one is not None]
        if self._pages:
            blocks = paged(blocks, GRAINS[kind])
        children: tuple[Item, ...] = (*blocks, *regions)
        if not children:
            return None
        return Region(bridge, kind, children, min([limit, *(child.limit for child in children)]))


def _through(kind: Kind, width: int) -> Kind:
    """Return the window that something goes through where prefetchable windows have addresses of `width` bits, 0 for none."""
    return "memory" if kind == "prefetchable" and not width else kind


def _shape(way: Iterable[Item]) -> list[tuple[object, object]]:
    return [(one.kind, one.key) for one in way if isinstance(one, Region)]


def paged(blocks: Iterable[Block], grain: int) -> list[Block]:
    """Put blocks that are smaller than the grain into as few pages of that size as they fit; the others stay.

    Nothing is lost where sizes are powers of two: in a window, whose ends are multiples of the grain, small blocks touch no fewer pages
    than this, and what else is in a window can use only whole ones.
    """
    small = [one for one in blocks if one.size < grain and one.fixed is None]
    rest = [one for one in blocks if one.size >= grain or one.fixed is not None]
    pages: list[tuple[int, list[Block], list[int]]] = []  # where the free rest begins; what is in it, and where
    for block in sorted(small, key=lambda one: (one.align, one.size), reverse=True):
        for at, (end, inside, offsets) in enumerate(pages):
            start = -(-end // block.align) * block.align
            if start + block.size <= grain:
                inside.append(block)
                offsets.append(start)
                pages[at] = (start + block.size, inside, offsets)
                break
        else:
            pages.append((block.size, [block], [0]))
    for end, inside, offsets in pages:
        if len(inside) == 1:
            rest.append(replace(inside[0]))
            continue
        parts = tuple(
            replace(part, offset=offset + part.offset)
            for one, offset in zip(inside, offsets, strict=True)
            for part in one.parts
        )
        size = min(grain, 1 << (end - 1).bit_length())
        rest.append(Block(size, size, min(one.limit for one in inside), None, parts))
    return rest
