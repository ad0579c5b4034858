"""`skb pci-plan`: base addresses for a machine's PCI functions, or for those of a file."""

import re
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from skb.cli.options import LOCAL, URL, Json, MachineName, Source, Url, connect
from skb.client import Client, PciPlan, PciUse

app = typer.Typer()

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class LeftOut(StrEnum):
    """What is not planned."""

    rom = "rom"
    vf = "vf"


class PlannedSpace(StrEnum):
    """What is planned."""

    memory = "memory"
    io = "io"


@app.command(name="pci-plan")
def pci_plan(
    devices: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="JSON: windows, bridges, bars and reserved ranges, as POST /v1/pci-plan has them; then no machine is asked.",
        ),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option(
            help="[SEGMENT:]BUS:LOW-HIGH, or with ,io: what a root bridge forwards, in place of what is known; may be repeated."
        ),
    ] = None,
    reserve: Annotated[
        list[str] | None, typer.Option(help="LOW-HIGH: addresses of memory to leave alone too; may be repeated.")
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="A function whose registers stay, like 00:02.0; may be repeated.")
    ] = None,
    headroom: Annotated[str, typer.Option(help="Memory that each bridge with hot-plug keeps free, like 2M.")] = "0",
    headroom_prefetchable: Annotated[
        str, typer.Option("--headroom-prefetchable", help="The same of prefetchable memory.")
    ] = "0",
    headroom_io: Annotated[str, typer.Option("--headroom-io", help="The same of ports.")] = "0",
    leave_out: Annotated[
        list[LeftOut] | None,
        typer.Option(
            "--leave-out", help="Of the machine's: expansion ROMs, or what virtual functions need; may be repeated."
        ),
    ] = None,
    space: Annotated[
        list[PlannedSpace] | None, typer.Option(help="What to plan; may be repeated. Default: memory and io.")
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Prefetchable registers may go through the windows of other memory.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0.01, max=600, help="Time to look for a better plan.")] = 5.0,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Find base addresses for PCI functions and windows for bridges, so that as few addresses as can be are wasted."""
    asked = None if devices is None else _read(devices)
    with (
        tempfile.TemporaryDirectory(prefix="skb-pci-plan-") as folder,
        _client(url, machine, source, asked, folder) as client,
    ):
        found = client.pci_plan(
            asked,
            windows=None if window is None else [_window(text) for text in window],
            reserved=[dict(zip(("low", "high"), _range(text), strict=True)) for text in reserve or []],
            keep=keep or [],
            headroom={
                "memory": _size(headroom),
                "prefetchable": _size(headroom_prefetchable),
                "io": _size(headroom_io),
            },
            leave_out=[one.value for one in leave_out or []],
            spaces=[one.value for one in space or list(PlannedSpace)],
            share=share,
            seconds=seconds,
        )
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        sys.stdout.flush()
    else:
        Console().print(_shown(found))


def _client(url: str, machine: str, source: Path | None, asked: dict[str, Any] | None, folder: str) -> Client:
    """Give a client of the service; for devices of a file, if no service is named, of one that knows of no machine."""
    if asked is None or url or source is not None or machine != LOCAL:
        return connect(url, machine, source)
    from skb.cli.embedded import Embedded
    from skb.client import exchange

    nobody = Path(folder) / "nobody.jsonl"
    nobody.write_text('{"name": "machine", "args": ["none", "unknown", "unknown"]}\n')
    transport = Embedded(exchange.URL, nobody, lambda _: None)
    return Client(exchange.URL, timeout=120.0, patience=0.0, transport=transport)


def _read(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise typer.BadParameter(
            f"{file}: {error}; it must be `devices` of a request, see POST /v1/pci-plan"
        ) from error


def _window(text: str) -> dict[str, Any]:
    found = re.fullmatch(r"(?:([0-9a-fA-F]{1,8}):)?([0-9a-fA-F]{1,2}):([^,]+)(,io)?", text)
    if found is None:
        raise typer.BadParameter(f"{text!r}: write a window like 00:0x80000000-0xfebfffff or 00:0x1000-0xffff,io")
    low, high = _range(found[3])
    segment, bus = int(found[1] or "0", 16), int(found[2], 16)
    return {"segment": segment, "bus": bus, "space": "io" if found[4] else "memory", "low": low, "high": high}


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    try:
        return int(low, 0), int(high, 0)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: write a range like 0x80000000-0x8fffffff, its end included") from None


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([kmgt]?)(i?b)?", text.lower())
    if found is None:
        raise typer.BadParameter(f"{text!r}: write a size in bytes, or like 512K, 2M, 1G")
    return int(found[1]) * UNITS[found[2]]


def _shown(found: PciPlan) -> RenderableType:
    """Show a plan: registers and windows, then what it uses."""
    bars = Table(box=None)
    for column, justify in (
        ("function", "left"),
        ("BAR", "left"),
        ("space", "left"),
        ("base", "right"),
        ("size", "right"),
    ):
        bars.add_column(column, justify=justify)  # type: ignore[arg-type]
    for one in found.bars:
        bars.add_row(one.function, one.index, one.space, f"{one.base:#x}", _bytes(one.size))
    parts: list[RenderableType] = [bars]
    if found.windows:
        windows = Table(box=None)
        for column in ("bridge", "bus", "window", "base", "limit", "size"):
            windows.add_column(column, justify="right" if column in ("base", "limit", "size") else "left")
        for each in found.windows:
            size = each.limit - each.base + 1
            windows.add_row(
                each.bridge, f"{each.secondary:02x}", each.kind, f"{each.base:#x}", f"{each.limit:#x}", _bytes(size)
            )
        parts += [Text(), windows]
    for kept in found.headroom:
        last = kept.base + kept.size - 1
        parts.append(Text(f"free behind {kept.bridge}: {kept.kind} {kept.base:#x}-{last:#x} ({_bytes(kept.size)})"))
    parts.append(Text())
    parts += [_use(use) for use in found.uses]
    parts.append(
        Text(f"{found.status}: gap {found.gap:.1%}, windows {_FROM[found.windows_from]}, {found.seconds:.2f} s")
    )
    return Group(*parts)


_FROM = {
    "firmware": "as firmware has them",
    "in_use": "as they are in use",
    "both": "as firmware has them or as they are in use",
    "asked": "as asked",
}


def _use(use: PciUse) -> Text:
    greedy = "finds no place for all" if use.greedy is None else f"wastes {_bytes(use.greedy - use.wanted)}"
    ranges = ", ".join(f"{one.low:#x}-{one.high:#x}" for one in use.ranges)
    return Text(
        f"{use.space} below {use.segment:04x}:{use.bus:02x}: {_bytes(use.wanted)} wanted, {_bytes(use.used)} used ({ranges}),"
        f" {_bytes(use.wasted)} wasted (no plan less than {_bytes(max(0, use.bound - use.wanted))}; greedy {greedy})"
    )


def _bytes(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.2f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{size} B"
