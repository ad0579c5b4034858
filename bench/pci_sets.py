"""Sets of PCI devices to be given addresses: in Barrelfish's vocabulary, of recorded machines, and made up by chance.

In Barrelfish's vocabulary a set is a file of Prolog facts: `rootbridge(addr, childbus, mem(Low, High))`, `bridge(Kind, addr, ...,
secondary(Bus))`, `bar(addr, Number, Base, Size, mem or io, prefetchable or nonprefetchable, Width)`, `ioapic(Id, Base, Gsi)`,
`fixed_memory(Low, High)`. Two bridges may have one address there; they are told apart by the bus behind them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from skb.cli.embedded import Embedded
from skb.client import Client, exchange
from skb.pci_planning import devices_of
from skb.solver.pci_plan_problem import FOUR_GIB, Address, Bar, Bridge, DeviceSet, Reserved, Window, reachable

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
IOAPIC_BYTES = 4096
MIB = 1 << 20

TOKEN = re.compile(r"\s*(?:%[^\n]*\n)*\s*(?:(\d+)'([0-9a-fA-F]+)|(0x[0-9a-fA-F]+)|(-?\d+)|([a-zA-Z_]\w*)|([(),.]))")


def barrelfish_sets() -> dict[str, DeviceSet]:
    """Give the sets of the data folders that have registers, by the names of their files."""
    files = [
        path
        for folder in ("pci-plan", "skb-facts")
        for path in sorted((DATA / folder).glob("*"))
        if path.suffix in (".txt", ".pl")
    ]
    read = {path.stem: read_barrelfish(path.read_text()) for path in files}
    return {name: devices for name, devices in read.items() if devices.bars}


def read_barrelfish(text: str) -> DeviceSet:
    """Read a set in Barrelfish's vocabulary. Only memory is planned there: ports are left out, and root bridges that forward nothing."""
    windows, bridges, bars, reserved = [], [], [], []
    for name, arguments in _facts(text):
        match name, arguments:
            case "rootbridge", [("addr", _), ("childbus", [low, _]), ("mem", [first, last])] if first <= last:
                windows.append(Window(0, low, "memory", first, last))
            case "bridge", [_, ("addr", [bus, device, function]), *_, ("secondary", [secondary])]:
                bridges.append(Bridge(Address(0, bus, device, function), secondary))
            case "bar", [("addr", [bus, device, function]), number, _, size, "mem", kind, width] if size:
                address = Address(0, bus, device, function)
                bars.append(Bar(address, str(number), size, "memory", width, kind == "prefetchable"))
            case "ioapic", [number, base, _]:
                reserved.append(Reserved(f"ioapic {number}", base, base + IOAPIC_BYTES - 1))
            case "fixed_memory", [low, high]:
                reserved.append(Reserved("fixed memory", low, high - 1))
    return DeviceSet(tuple(windows), tuple(bridges), tuple(bars), tuple(reserved))


def _facts(text: str) -> Iterator[tuple[str, list[Any]]]:
    tokens = []
    at = 0
    text += "\n"
    while found := TOKEN.match(text, at):
        base, digits, hexadecimal, decimal, name, mark = found.groups()
        number = (
            int(digits, int(base))
            if base
            else int(hexadecimal, 16)
            if hexadecimal
            else int(decimal)
            if decimal
            else None
        )
        tokens.append(number if number is not None else name or f"{mark} ")
        at = found.end()
    position = 0

    def term() -> Any:
        nonlocal position
        value = tokens[position]
        position += 1
        if position < len(tokens) and tokens[position] == "( ":
            arguments = []
            while tokens[position] in ("( ", ", "):
                position += 1
                arguments.append(term())
            position += 1
            return value, arguments
        return value

    while position < len(tokens):
        fact = term()
        position += 1  # the full stop
        if isinstance(fact, tuple):
            yield fact


def below(devices: DeviceSet, bridge: Bridge) -> DeviceSet:
    """Give what is behind one bridge of a set, and that bridge, as if the windows were those of its own bus."""
    top = replace(devices, windows=(Window(bridge.function.segment, bridge.secondary, "memory", 0, 0),))
    buses = reachable(top)
    return replace(
        devices,
        windows=tuple(
            replace(one, segment=bridge.function.segment, bus=bridge.function.bus) for one in devices.windows
        ),
        bridges=tuple(
            one for one in devices.bridges if one == bridge or (one.function.segment, one.function.bus) in buses
        ),
        bars=tuple(bar for bar in devices.bars if (bar.function.segment, bar.function.bus) in buses),
    )


def parts(devices: DeviceSet) -> dict[str, DeviceSet]:
    """Give what is behind each bridge of a set that has something behind it."""
    found = {f"{one.function}>{one.secondary:02x}": below(devices, one) for one in devices.bridges}
    return {name: part for name, part in found.items() if part.bars}


def widened(devices: DeviceSet) -> DeviceSet:
    """Give a set whose one window has all that its registers can be in: 2 GiB below 4 GiB, nothing reserved but what was."""
    (window, *_) = devices.windows
    return replace(devices, windows=(replace(window, low=FOUR_GIB // 2, high=FOUR_GIB - 1),))


def recordings() -> list[Path]:
    """Give the recorded machines that tell how large base address registers are: by sysfs, or in what lspci says of them."""
    dumps = [
        path
        for path in DATA.glob("pci/*/config.txt")
        if re.search(r"Region \d: .*\[size=", path.read_text(errors="replace"))
    ]
    trees = [path for path in DATA.glob("sysfs/*.tar.bz2") if path.name.startswith(("32em64t", "40intel64"))]
    return sorted([*dumps, *trees])


def named(path: Path) -> str:
    """Give the name of a recorded machine."""
    return path.parent.name if path.name == "config.txt" else path.name.removesuffix(".tar.bz2")


def recorded(path: Path) -> DeviceSet | None:
    """Give what the functions of a recorded machine need, virtual ones left out; None if nothing does, or if sizes are not known."""
    with Client(
        exchange.URL, timeout=120.0, patience=0.0, transport=Embedded(exchange.URL, path, lambda _: None)
    ) as client:
        (found,) = client.query("pci_inventory(Windows, _, Reserved, Bridges, Bars)").solutions
    bars = [
        bar
        for bar in found["Bars"]
        if not str(bar["args"][1]).startswith("vf") and (bar["args"][1], bar["args"][2]) != ("rom", "unknown")
    ]
    if not bars or any(bar["args"][2] == "unknown" for bar in bars):
        return None
    return devices_of(found["Windows"], found["Reserved"], found["Bridges"], bars)


def made_up(seed: int) -> DeviceSet:
    """Make a set by chance: a tree of bridges as servers have them, with registers mostly small and a few large, in one 32-bit window."""
    draw = random.Random(seed)
    bridges: list[Bridge] = []
    buses = [0]
    for bus in range(1, draw.randint(3, 16)):
        bridges.append(Bridge(Address(0, draw.choice(buses[:6]), len(bridges), 0), bus))
        buses.append(bus)
    bars = []
    for number in range(draw.randint(8, 80)):
        size = 1 << round(draw.triangular(12, 27, 16))
        bars.append(
            Bar(
                Address(0, draw.choice(buses), 31 - number % 8, number // 8 % 8),
                str(number // 64),
                size,
                "memory",
                32,
                draw.random() < 0.3,
            )
        )
    window = Window(0, 0, "memory", 0x8000_0000 + draw.randrange(64) * MIB, 0xFEBF_FFFF)
    unique = {(bar.function, bar.index): bar for bar in bars}
    return DeviceSet((window,), tuple(bridges), tuple(unique.values()))


__all__ = [
    "barrelfish_sets",
    "below",
    "made_up",
    "named",
    "parts",
    "read_barrelfish",
    "recorded",
    "recordings",
    "widened",
]
