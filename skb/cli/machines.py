"""Commands about machines and what changes in them: load, machines, watch, explain."""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from skb.cli import show
from skb.cli.complete import fact_names
from skb.cli.options import LOCAL, URL, Json, MachineName, Source, Url, connect

app = typer.Typer()


@app.command()
def load(
    name: Annotated[str, typer.Argument(help="What to call the machine: small letters, digits, '.', '_', '-'.")],
    path: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A bundle, another tool's dump, or facts as JSON lines.")
    ],
    format_: Annotated[str, typer.Option("--format", help="Of the file, if its content does not tell.")] = "auto",
    url: Url = URL,
    json: Json = False,
) -> None:
    """Load a machine that is elsewhere beside this one. What was known under its name is replaced."""
    with connect(url) as client:
        loaded = client.load(name, path.read_bytes(), format_, path.name)
    for problem in loaded.problems:
        typer.echo(f"skb: {problem}", err=True)
    if json:
        _print_json(loaded)
    else:
        typer.echo(f"{loaded.name}: {loaded.facts:,} facts, revision {loaded.revision}")


@app.command()
def machines(
    drop: Annotated[str | None, typer.Option(help="Drop this machine, and all that is known of it.")] = None,
    url: Url = URL,
    json: Json = False,
) -> None:
    """List the machines that the service knows, or drop one."""
    with connect(url) as client:
        if drop is not None:
            client.drop(drop)
            if json:
                _print_json({"name": drop, "dropped": True})
            return
        known = client.machines()
    if json:
        _print_json(known)
    else:
        Console().print(show.machines(known))


@app.command()
def watch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Facts to hear of; all if none are named.", autocompletion=fact_names)
    ] = None,
    since: Annotated[int | None, typer.Option(min=0, help="Begin after this revision. Default: now.")] = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Follow changes of facts until Ctrl-C. With --json, one object a line."""
    with connect(url, machine) as client:
        for change in client.watch(*(names or ()), since=since):
            if json:
                _print_json(change, indent=-1)
                continue
            typer.echo(f"revision {change.revision}, by {change.origin}")
            for sign, facts in (("-", change.retracts), ("+", change.asserts)):
                for fact in facts:
                    typer.echo(f"  {sign} {fact['name']}({', '.join(show.value(value) for value in fact['args'])})")


@app.command()
def explain(
    goal: Annotated[str, typer.Argument(help="A Prolog goal over the facts and rules.")],
    depth: Annotated[int, typer.Option(min=1, max=100, help="Levels of the proof to show.")] = 20,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Say why a goal holds: its first proof, down to the facts. Exits with 1 if it does not."""
    with connect(url, machine, source) as client:
        found = client.explain(goal, depth=depth)
    if json:
        _print_json(found)
    else:
        Console().print(show.explanation(found))
    if not found.holds:
        raise typer.Exit(1)


def _print_json(value: Any, indent: int = 2) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n")
    sys.stdout.flush()
