"""PCI resources to be given addresses: base address registers, bridges, the windows of root bridges, what is taken already.

A device set is data that says what there is; checking it finds what contradicts itself before anybody searches.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

from skb.solver.errors import SolverError

Space = Literal["memory", "io"]
Kind = Literal["memory", "prefetchable", "io"]

GRAINS: Mapping[Kind, int] = {"memory": 1 << 20, "prefetchable": 1 << 20, "io": 1 << 12}
"""Bytes that the windows of a bridge are multiples of (PCI-to-PCI Bridge Architecture Specification 1.2, 3.2.5)."""

LEAST: Mapping[Space, int] = {"memory": 16, "io": 4}
"""Bytes of the smallest base address register (PCI Local Bus Specification 3.0, 6.2.5.1)."""

FOUR_GIB = 1 << 32
ALL = 1 << 64


class Address(NamedTuple):
    """A PCI function."""

    segment: int
    bus: int
    device: int
    function: int

    def __str__(self) -> str:
        return f"{self.segment:04x}:{self.bus:02x}:{self.device:02x}.{self.function:x}"


@dataclass(frozen=True)
class Bar:
    """What a function needs addresses for: `index` is 0 to 5, `rom`, or `vf0` to `vf5` for all virtual functions together.

    `size` and `alignment` are in bytes; `fixed` is an address that cannot be changed. `width` is that of the address, in bits.
    """

    function: Address
    index: str
    size: int
    space: Space = "memory"
    width: int = 32
    prefetchable: bool = False
    alignment: int = 0
    fixed: int | None = None

    def __str__(self) -> str:
        if self.index == "rom":
            return f"the expansion ROM of {self.function}"
        return f"BAR {self.index} of {self.function}"

    @property
    def aligned(self) -> int:
        """What the base must be a multiple of."""
        return self.alignment or self.size


class Spare(NamedTuple):
    """Bytes to be kept free behind a bridge, by the kind of window."""

    memory: int = 0
    prefetchable: int = 0
    io: int = 0

    def of(self, kind: Kind) -> int:
        """Return the bytes of one kind."""
        return {"memory": self.memory, "prefetchable": self.prefetchable, "io": self.io}[kind]


NO_SPARE = Spare()


@dataclass(frozen=True)
class Bridge:
    """A PCI-to-PCI bridge, and its head-room.

    `prefetchable_width` is the width of the addresses of its prefetchable window: 64, 32, or 0 if it has none.
    """

    function: Address
    secondary: int
    prefetchable_width: int = 64
    headroom: Spare = NO_SPARE

    def __str__(self) -> str:
        return f"bridge {self.function} (to bus {self.secondary:02x})"


@dataclass(frozen=True)
class Window:
    """Addresses that a root bridge forwards to its bus, the last included. It is known by the segment and the number of that bus."""

    segment: int
    bus: int
    space: Space
    low: int
    high: int

    @property
    def root(self) -> str:
        """The root bridge, as messages call it."""
        return f"root bridge {self.segment:04x}:{self.bus:02x}"

    def __str__(self) -> str:
        return f"the {self.space} window {self.low:#x}-{self.high:#x} of {self.root}"


@dataclass(frozen=True)
class Reserved:
    """Addresses that nothing may be given, the last included."""

    name: str
    low: int
    high: int
    space: Space = "memory"


@dataclass(frozen=True)
class DeviceSet:
    """Everything below the root bridges of a machine."""

    windows: tuple[Window, ...]
    bridges: tuple[Bridge, ...] = ()
    bars: tuple[Bar, ...] = ()
    reserved: tuple[Reserved, ...] = ()


def roots(devices: DeviceSet) -> list[tuple[int, int]]:
    """Return the segment and bus of each root bridge that has windows, in order."""
    return sorted({(window.segment, window.bus) for window in devices.windows})


def check(devices: DeviceSet) -> None:
    """Raise SolverError if something in the set is no PCI resource, or contradicts something else."""
    for problem in _problems(devices):
        raise SolverError(problem)


def _problems(devices: DeviceSet) -> Iterator[str]:
    yield from _window_problems(devices)
    yield from _bridge_problems(devices)
    for bar in devices.bars:
        yield from _bar_problems(bar)
    seen = Counter((bar.function, bar.index) for bar in devices.bars)
    for (function, index), times in seen.items():
        if times > 1:
            yield f"BAR {index} of {function} is there {times} times; name each base address register once"
    for reserved in devices.reserved:
        if reserved.low > reserved.high or reserved.low < 0:
            yield f"{reserved.name} is reserved from {reserved.low:#x} to {reserved.high:#x}, which is no range"
    yield from _unreachable(devices)


def _window_problems(devices: DeviceSet) -> Iterator[str]:
    for window in devices.windows:
        if not 0 <= window.low <= window.high < ALL:
            yield f"{window} is no range: low must not be above high, and both fit 64 bits"
    ordered = sorted(devices.windows, key=lambda window: (window.space, window.low))
    for one, other in pairwise(ordered):
        if one.space == other.space and other.low <= one.high:
            yield f"{one} and {other} overlap; an address can be forwarded to one bus only"


def _bridge_problems(devices: DeviceSet) -> Iterator[str]:
    top = set(roots(devices))
    leads: dict[tuple[int, int], Bridge] = {}
    for bridge in devices.bridges:
        bus = (bridge.function.segment, bridge.secondary)
        if bridge.secondary == bridge.function.bus:
            yield f"{bridge} leads to the bus that it is on"
        elif bus in top:
            yield f"{bridge} leads to the bus of root bridge {bus[0]:04x}:{bus[1]:02x}"
        elif bus in leads:
            yield f"{bridge} and {leads[bus]} lead to one bus; give each bus one bridge"
        leads[bus] = bridge
        if bridge.prefetchable_width not in (0, 32, 64):
            yield f"the prefetchable window of {bridge} has {bridge.prefetchable_width} bits; it must be 0, 32 or 64"
        for kind, size in zip(GRAINS, bridge.headroom, strict=True):
            if size < 0:
                yield f"{bridge} is to keep {size} bytes of {kind} free; give a size from 0"
        if bridge.headroom.prefetchable and not bridge.prefetchable_width:
            yield f"{bridge} is to keep prefetchable addresses free, and has no prefetchable window"


def _bar_problems(bar: Bar) -> Iterator[str]:
    if bar.space not in LEAST:
        yield f"{bar} is in {bar.space!r}; spaces are memory and io"
        return
    if bar.size <= 0 or bar.aligned <= 0 or bar.aligned & (bar.aligned - 1) or bar.size % bar.aligned:
        yield f"{bar} has {bar.size} bytes aligned to {bar.aligned}; a size must be a power of two, or a multiple of one"
    elif bar.aligned < LEAST[bar.space] and bar.fixed is None:
        yield f"{bar} has {bar.size} bytes; the smallest in {bar.space} has {LEAST[bar.space]}"
    if bar.width not in (32, 64) or (bar.space == "io" and bar.width != 32):
        yield f"{bar} has addresses of {bar.width} bits; memory has 32 or 64, io has 32"
    if bar.space == "io" and bar.prefetchable:
        yield f"{bar} is in io, which cannot be prefetched"
    if bar.width == 32 and bar.size > FOUR_GIB:
        yield f"{bar} has {bar.size} bytes, which 32 bits cannot address"
    if bar.fixed is not None and not 0 <= bar.fixed <= limit_of(bar) - bar.size:
        yield f"{bar} is fixed at {bar.fixed:#x}, which its {bar.width} bits cannot hold"
    elif bar.fixed is not None and bar.aligned > 0 and bar.fixed % bar.aligned:
        yield f"{bar} is fixed at {bar.fixed:#x}, which is no multiple of {bar.aligned}; let it move"


def _unreachable(devices: DeviceSet) -> Iterator[str]:
    reached = reachable(devices)
    items: tuple[Bar | Bridge, ...] = (*devices.bars, *devices.bridges)
    for item in items:
        bus = (item.function.segment, item.function.bus)
        if bus not in reached:
            yield (
                f"{item} is on bus {bus[0]:04x}:{bus[1]:02x}, which no window of a root bridge and no bridge leads to;"
                " give the bridge above it, or a window for that root bus"
            )


def reachable(devices: DeviceSet) -> set[tuple[int, int]]:
    """Return the buses (segment, bus) below root bridges that have windows."""
    below = by_bus(devices.bridges)
    found = set(roots(devices))
    todo = list(found)
    while todo:
        for bridge in below.get(todo.pop(), ()):
            bus = (bridge.function.segment, bridge.secondary)
            if bus not in found:
                found.add(bus)
                todo.append(bus)
    return found


def by_bus(bridges: Iterable[Bridge]) -> dict[tuple[int, int], list[Bridge]]:
    """Return the bridges on each bus (segment, bus)."""
    found: dict[tuple[int, int], list[Bridge]] = {}
    for bridge in bridges:
        found.setdefault((bridge.function.segment, bridge.function.bus), []).append(bridge)
    return found


def limit_of(bar: Bar) -> int:
    """Return the address that a base address register must end at or below."""
    return FOUR_GIB if bar.width == 32 else ALL
