"""`skb place`: cores for dispatchers, on a machine that is known or for any two matrices."""

import json as json_module
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from skb.cli import matrices
from skb.cli.options import LOCAL, URL, Json, MachineName, Source, Url, connect, number_list
from skb.cli.output import write_answer
from skb.client import InvalidRequest, Placement

app = typer.Typer()

PARTS = ("core", "physical_core", "l1", "l2", "l3", "die", "node", "package")

MOST_PAIRS = 5
"""Shown to a person; JSON has them all."""


class Form(StrEnum):
    """Who is to take the placement."""

    taskset = "taskset"
    numactl = "numactl"
    rankfile = "rankfile"
    slurm = "slurm"
    systemd = "systemd"
    cpuset = "cpuset"


@app.command()
def place(
    traffic: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="CSV: messages from dispatcher (row) to dispatcher (column)."),
    ] = None,
    traffic_file: Annotated[
        Path | None, typer.Option("--traffic", exists=True, dir_okay=False, help="The same, as an option.")
    ] = None,
    distance: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="CSV: distances between cores, of any unit; then no machine is asked."
        ),
    ] = None,
    cores: Annotated[
        str | None, typer.Option(help="Cores to choose from, like 0-3,8. Default: all that are online.")
    ] = None,
    avoid: Annotated[str, typer.Option(help="Cores to leave free, like 0-3,8.")] = "",
    max_per_core: Annotated[int, typer.Option("--max-per-core", min=1, help="Dispatchers that one core may have.")] = 1,
    same: Annotated[
        list[str] | None,
        typer.Option(
            help="PART=DISPATCHERS that are to be in one core, physical_core, l1, l2, l3, die, node or package, like node=0-3."
        ),
    ] = None,
    different: Annotated[
        list[str] | None, typer.Option(help="PART=DISPATCHERS, no two of which are to be in one part.")
    ] = None,
    exclusive: Annotated[
        list[str] | None, typer.Option(help="PART=DISPATCHERS, each of which is to have a part to itself.")
    ] = None,
    near: Annotated[
        list[str] | None,
        typer.Option(help="DEVICE=DISPATCHERS that are to be near a PCI device, like 0000:03:00.0=0-3."),
    ] = None,
    constraints: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="JSON: a list of constraints of all kinds, as the API takes them."
        ),
    ] = None,
    prefer: Annotated[
        list[str] | None,
        typer.Option(help="DISPATCHER=CORE that it would like; it decides between equals, and is explained."),
    ] = None,
    current: Annotated[
        str | None, typer.Option(help="The core of each dispatcher now, like 4,5,-,7; - for one that is new.")
    ] = None,
    move_price: Annotated[
        int,
        typer.Option(
            "--move-price", min=0, help="What moving a dispatcher costs: ps times messages, like the traffic."
        ),
    ] = 0,
    emit: Annotated[
        list[Form] | None,
        typer.Option(help="Print the placement as another tool takes it, and nothing else; may be repeated."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, max=600, help="Time to look for a better answer.")] = 2.0,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Find cores for dispatchers so that their traffic travels least."""
    wanted = traffic or traffic_file
    if wanted is None or (traffic is not None and traffic_file is not None):
        raise typer.BadParameter("name one file of traffic, as an argument or with --traffic")
    demands = _constraints(same, different, exclusive, near, constraints)
    if distance is not None:
        if cores or avoid or max_per_core != 1 or demands or prefer or current or emit:
            raise typer.BadParameter(
                "with --distance all its cores are there, each for one dispatcher: leave the others out"
            )
        placed = matrices.place(distance, wanted, seconds)
        if json:
            write_answer(placed)
        else:
            Console().print(_placed(placed))
        return
    matrix = matrices.integers(wanted)
    with connect(url, machine, source) as client:
        try:
            found = client.place(
                len(matrix),
                matrix,
                cores=number_list(cores, "--cores") if cores else None,
                avoid=number_list(avoid, "--avoid"),
                max_per_core=max_per_core,
                constraints=demands,
                prefer=dict(_preference(text) for text in prefer or []),
                current=None if current is None else [_now(each) for each in current.split(",")],
                move_price=move_price,
                emit=[form.value for form in emit or []],
                seconds=seconds,
            )
        except InvalidRequest as error:
            raise typer.BadParameter(error.detail) from error
    if json:
        write_answer(found)
    elif emit:
        typer.echo("\n".join(found.commands[form.value] for form in emit), nl=False)
    else:
        Console().print(_placement(found))


def _constraints(
    same: list[str] | None,
    different: list[str] | None,
    exclusive: list[str] | None,
    near: list[str] | None,
    file: Path | None,
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for type_, texts in (("same", same), ("different", different), ("exclusive", exclusive), ("near", near)):
        for text in texts or []:
            what, equals, who = text.partition("=")
            if not equals:
                raise typer.BadParameter(
                    f"--{type_} {text}: write it like {'0000:03:00.0' if type_ == 'near' else 'node'}=0-3"
                )
            key = "device" if type_ == "near" else "part"
            if key == "part" and what not in PARTS:
                raise typer.BadParameter(f"--{type_} {text}: {what} is no part; there are {', '.join(PARTS)}")
            name = f"--{type_} {text}"
            found.append({"type": type_, key: what, "dispatchers": number_list(who, f"--{type_}"), "name": name})
    if file is not None:
        try:
            more = json_module.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise typer.BadParameter(f"{file} is no JSON: {error}") from error
        if not isinstance(more, list) or not all(isinstance(each, dict) for each in more):
            raise typer.BadParameter(
                f'{file}: give a list of objects, like [{{"type": "same", "dispatchers": [0, 1], "part": "node"}}]'
            )
        found += more
    return found


def _preference(text: str) -> tuple[int, int]:
    dispatcher, _, core = text.partition("=")
    if not (dispatcher.isdecimal() and core.isdecimal()):
        raise typer.BadParameter(f"--prefer {text}: write a dispatcher and a core, like 0=3")
    return int(dispatcher), int(core)


def _now(text: str) -> int | None:
    if text.strip() != "-" and not text.strip().isdecimal():
        raise typer.BadParameter(f"--current: {text!r} is no core; write one for each dispatcher, like 4,5,-,7")
    return None if text.strip() == "-" else int(text)


def _placement(found: Placement) -> RenderableType:
    """Show where dispatchers go, and where the cost comes from."""
    moved = {move.dispatcher: move.origin for move in found.moves}
    shown = Table(box=None)
    for column in ("dispatcher", "core", *(["was"] if moved else [])):
        shown.add_column(column, justify="right")
    for index, core in enumerate(found.assignment):
        shown.add_row(str(index), str(core), *([str(moved.get(index, ""))] if moved else []))
    parts: list[RenderableType] = [shown, Text()]
    if found.levels:
        parts += [_levels(found), Text()]
    dear = [pair for pair in found.pairs if pair.cost][:MOST_PAIRS]
    if dear:
        parts.append(Text("dearest pairs:", style="dim"))
        parts += [
            Text(
                f"  {pair.dispatchers[0]} and {pair.dispatchers[1]} (cores {pair.cores[0]} and {pair.cores[1]}, same {pair.level}): "
                f"{pair.messages:,} messages, {pair.cost:,} ps",
                style="dim",
            )
            for pair in dear
        ]
    parts += [
        Text(f"core {wish.core} was not taken for dispatcher {wish.dispatcher}: {wish.reason}")
        for wish in found.preferences
        if not wish.taken
    ]
    if found.moves:
        parts.append(Text(f"{len(found.moves)} move, at a price of {found.moving_cost:,} ps"))
    words = (
        f"{found.status}: cost {found.cost:,} ps, bound {found.bound:,} ps, gap {found.gap:.1%}, "
        f"{found.distances} distances, {found.seconds:.2f} s"
    )
    return Group(*parts, Text(words))


def _levels(found: Placement) -> RenderableType:
    shown = Table(box=None)
    shown.add_column("in common")
    for column in ("messages", "cost (ps)", "share"):
        shown.add_column(column, justify="right")
    total = sum(level.cost for level in found.levels)
    for level in found.levels:
        share = f"{level.cost / total:.0%}" if total else ""
        shown.add_row(level.level, f"{level.messages:,}", f"{level.cost:,}", share)
    return shown


def _placed(found: matrices.Placed) -> RenderableType:
    """Show a placement on the cores of a matrix."""
    shown = Table(box=None)
    shown.add_column("dispatcher", justify="right")
    shown.add_column("core", justify="right")
    for index, core in enumerate(found.assignment):
        shown.add_row(str(index), str(core))
    gap = (found.cost - found.bound) / found.cost if found.cost else 0.0
    words = f"{found.status}: cost {found.cost:,}, bound {found.bound:,}, gap {gap:.1%}, {found.seconds:.2f} s"
    return Group(shown, Text(words))
