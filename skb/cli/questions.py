"""Asking what rules declare: `skb ask`, and the questions that have a command of their own."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, Group
from rich.text import Text

from skb.cli import show
from skb.cli.complete import query_names
from skb.cli.options import LOCAL, URL, Json, MachineName, Source, Url, connect
from skb.client import DeclaredQuery

app = typer.Typer()

STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold"}


@app.command()
def ask(
    name: Annotated[
        str | None, typer.Argument(help="A declared query; without, all are listed.", autocompletion=query_names)
    ] = None,
    given: Annotated[
        list[str] | None, typer.Argument(help="parameter=value, the value in JSON or a bare word.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Solutions to show at most.")] = 1000,
    timeout_ms: Annotated[int, typer.Option("--timeout-ms", min=1, help="Time that it may take.")] = 10_000,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Ask a query that rules declare. Exits with 1 if it has no answer."""
    with connect(url, machine, source) as client:
        if name is None:
            queries = client.queries()
            if json:
                _print_json(queries)
            else:
                Console().print(_queries(queries))
            return
        answer = client.ask(name, dict(map(_given, given or [])), limit, timeout_ms)
    if json:
        _print_json(answer)
    else:
        Console().print(show.answer(answer))
    if not answer.solutions:
        raise typer.Exit(1)


@app.command()
def doctor(
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Say what is wrong or odd about a machine: what contradicts what, and what to do. Exits with 1 if anything is wrong."""
    with connect(url, machine, source) as client:
        found = client.ask("finding").solutions
    if json:
        _print_json(found)
    else:
        console = Console()
        for each in found:
            line = Text().append(f"{each['severity']}: ", style=STYLES[each["severity"]])
            console.print(line.append(f"{each['subject']}: {each['finding']}"), soft_wrap=True)
            console.print(Text(f"    {each['remedy']}", style="dim"), soft_wrap=True)
        counts = {severity: sum(each["severity"] == severity for each in found) for severity in STYLES}
        said = ", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items() if count)
        console.print(said or "nothing contradicts anything")
    if any(each["severity"] == "error" for each in found):
        raise typer.Exit(1)


def _given(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r}: write it as parameter=value")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value  # a bare word stands for itself


def _queries(found: Sequence[DeclaredQuery]) -> Any:
    if not found:
        return 'no query is declared; rules declare them by :- query(name(+field: type, ...), [doc("...")])'
    parts: list[Any] = []
    for query in found:
        signs = {"in": "", "out": "-", "both": "?"}
        listed = " ".join(
            f"[{each.name}={msgspec.json.encode(each.default).decode()}]"
            if not each.required and each.mode == "in"
            else f"{signs[each.mode]}{each.name}"
            for each in query.parameters
        )
        parts.append(Text().append(query.name, style="bold").append(f" {listed}"))
        parts.append(Text(f"    {query.doc}", style="dim"))
    return Group(*parts)


def _print_json(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()
