"""`skb optimize`: a model in a file, solved by the service."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from skb.cli.options import LOCAL, URL, Json, MachineName, Source, Url, connect
from skb.cli.output import write_answer
from skb.client import Optimum

app = typer.Typer()


class Backend(StrEnum):
    """Who solves."""

    auto = "auto"
    clpfd = "clpfd"
    cpsat = "cpsat"


@app.command()
def optimize(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="FILE.pl: a goal that binds Model, and may Objective and Options; FILE.json: the body of a request.",
        ),
    ],
    param: Annotated[
        list[str] | None, typer.Option(help="Variable=value of the goal, in JSON; may be repeated.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=0.001, max=600, help="Time to take at most.")] = None,
    backend: Annotated[Backend | None, typer.Option(help="Who solves it. Default: by size.")] = None,
    hint: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="An earlier answer, in JSON: look at its values first."),
    ] = None,
    all_optimal: Annotated[
        int | None, typer.Option("--all", min=0, max=100_000, help="List the optimal solutions, up to so many.")
    ] = None,
    explain: Annotated[
        bool | None, typer.Option("--explain", help="If there is no solution, find constraints that conflict.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Threads of CP-SAT.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of CP-SAT's chance.")] = None,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Solve a model: the best solution with its bound, all that are as good, or why there is none. Exits with 1 if there is none."""
    body = _read(file)
    options = {
        **body.get("options", {}),
        **{
            name: value
            for name, value in {
                "seconds": seconds,
                "backend": None if backend is None else backend.value,
                "hint": None if hint is None else _values(hint),
                "all_optimal": all_optimal,
                "explain_infeasible": explain,
                "workers": workers,
                "seed": seed,
            }.items()
            if value is not None
        },
    }
    params = {**body.get("params", {}), **dict(map(_pair, param or []))}
    with connect(url, machine, source) as client:
        found = client.optimize(
            body.get("model"), body.get("objective"), goal=body.get("goal"), params=params or None, **options
        )
    if json:
        write_answer(found)
        sys.stdout.flush()
    else:
        Console().print(_shown(found))
    if found.values is None:
        raise typer.Exit(1)


def _read(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    if file.suffix != ".json":
        try:
            return {"goal": content.decode()}
        except UnicodeDecodeError as error:
            raise typer.BadParameter(f"{file}: {error}; Prolog text is UTF-8") from error
    try:
        body = msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"{file}: {error}; it must be the body of POST /v1/optimize") from error
    if unknown := sorted(body.keys() - {"model", "objective", "goal", "params", "options"}):
        raise typer.BadParameter(f"{file}: {unknown[0]} is no member of a request; see POST /v1/optimize")
    return body


def _values(file: Path) -> dict[str, int]:
    class Answer(msgspec.Struct):
        values: dict[str, int]

    try:
        return msgspec.json.decode(file.read_bytes(), type=Answer).values
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"{file}: {error}; an answer of skb optimize --json is needed") from error


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r}: write it as name=value")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value  # a bare word stands for itself


def _shown(found: Optimum) -> RenderableType:
    """Show an answer: what it is in a line, then values, one variable a row, one solution a column."""
    words = [found.status]
    if found.cost is not None:
        words.append(f"cost {found.cost:,}")
    if found.bound is not None:
        words.append(f"bound {found.bound:,}")
    if found.gap:
        words.append(f"gap {100 * found.gap:.2f} %")
    parts: list[RenderableType] = [Text(f"{'  '.join(words)}  by {found.backend}")]
    if found.conflict is not None:
        minimal = "" if found.minimal else " (not known to be minimal: time ran out)"
        which = ", ".join(found.conflict) or "what has no name contradicts itself"
        parts.append(Text(f"conflict{minimal}: {which}"))
    solutions = found.solutions or ([found.values] if found.values is not None else [])
    if solutions:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for name in solutions[0]:
            table.add_row(name, *(str(solution[name]) for solution in solutions[:MOST_SHOWN]))
        parts.append(table)
    if found.solutions is not None:
        all_ = "all there are" if found.complete else "there may be more"
        shown = f", {MOST_SHOWN} shown" if len(found.solutions) > MOST_SHOWN else ""
        parts.append(Text(f"{len(found.solutions):,} optimal solutions, {all_}{shown}"))
    return Group(*parts)


MOST_SHOWN = 12
"""Solutions side by side."""
