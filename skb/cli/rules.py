"""Teaching: `skb rules ...`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from skb.cli import show
from skb.cli.complete import module_names
from skb.cli.options import LOCAL, URL, Json, MachineName, Source, Url, connect
from skb.client import Remark, RuleModule, SkbProblem, TestResult

app = typer.Typer(
    help="Teach: rule modules that are checked, tested, pushed, rolled back.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A Prolog module; its name is the file's.")]
Seconds = Annotated[float, typer.Option(min=0.001, max=600, help="Time that all tests may take.")]


@app.command("list")
def list_modules(machine: MachineName = LOCAL, url: Url = URL, json: Json = False) -> None:
    """List the modules of rules: those of the installation, and those that were taught."""
    with connect(url, machine) as client:
        found = client.rule_modules()
    if json:
        _print_json(found)
    else:
        Console().print(_modules(found))


@app.command("show")
def show_module(
    module: Annotated[str, typer.Argument(help="A module; skb rules list names them.", autocompletion=module_names)],
    version: Annotated[
        int | None, typer.Option(min=1, help="A version that is kept. Default: the current one.")
    ] = None,
    tests: Annotated[bool, typer.Option("--tests", help="Show its tests rather than its rules.")] = False,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Show the text of a module."""
    with connect(url, machine) as client:
        found = client.rules(module, version)
    if json:
        _print_json(found)
    else:
        typer.echo((found.tests if tests else found.text).rstrip("\n"))


@app.command()
def versions(
    module: Annotated[str, typer.Argument(help="A module that was taught.", autocompletion=module_names)],
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """List the versions of a module that are kept."""
    with connect(url, machine) as client:
        found = client.rules(module).versions
    if json:
        _print_json(found)
        return
    table = Table("version", "pushed", "")
    for each in found:
        remark = "current" if each.current else "removed" if each.removed else ""
        table.add_row(str(each.version), show.time(each.time), remark)
    Console().print(table)


@app.command()
def check(path: File, source: Source = None, machine: MachineName = LOCAL, url: Url = URL, json: Json = False) -> None:
    """Look at a module without teaching it: syntax, undefined predicates, sandbox, types of facts. Exits with 1 for errors."""
    with connect(url, machine, source) as client:
        found = client.check_rules(path.stem, _read(path))
    if json:
        _print_json(found)
    else:
        _say_remarks(path, found.problems)
        if found.ok:
            offers = f"; queries: {', '.join(found.queries)}" if found.queries else ""
            typer.echo(f"{path}: well; exports {', '.join(found.exports) or 'nothing'}{offers}")
    if not found.ok:
        raise typer.Exit(1)


@app.command("test")
def run_tests(
    path: File,
    seconds: Seconds = 60.0,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Run the tests of a module, those of the .plt file beside it, without teaching it. Exits with 1 if one fails."""
    tests = _tests_beside(path)
    if tests is None:
        raise typer.BadParameter(f"{path.with_suffix('.plt')} is missing: the tests of {path.name} belong there")
    with connect(url, machine, source) as client:
        found = client.test_rules(path.stem, _read(path), tests, round(seconds * 1000))
    if json:
        _print_json(found)
    else:
        _say_remarks(path, found.problems)
        _say_results(path.with_suffix(".plt"), found.tests)
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def push(
    path: File,
    if_version: Annotated[
        int | None, typer.Option(min=0, help="Only if this is the current version; 0: only if there is none.")
    ] = None,
    untested: Annotated[bool, typer.Option("--untested", help="Do not run the tests beside it.")] = False,
    seconds: Seconds = 60.0,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Have a module answer from now on, if it is well and the tests beside it pass; else nothing changes."""
    text, tests = _read(path), _tests_beside(path) or ""
    try:
        with connect(url, machine) as client:
            pushed = client.push_rules(
                path.stem, text, tests, if_version=if_version, untested=untested, timeout_ms=round(seconds * 1000)
            )
    except SkbProblem as problem:
        if not json and problem.type == "/problems/rules-refused":
            _say_remarks(path, msgspec.convert(problem.document.get("problems", []), list[Remark]))
            _say_results(path.with_suffix(".plt"), msgspec.convert(problem.document.get("tests", []), list[TestResult]))
        raise
    if json:
        _print_json(pushed)
        return
    _say_remarks(path, pushed.problems)
    if pushed.tests:
        _say_results(path.with_suffix(".plt"), pushed.tests)
    offers = f"; skb ask {pushed.queries[0]} asks it" if pushed.queries else ""
    typer.echo(f"{pushed.name}: version {pushed.version} answers now{offers}")


@app.command()
def rollback(
    module: Annotated[str, typer.Argument(help="A module that was taught.", autocompletion=module_names)],
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Return to the version of a module before the current one."""
    with connect(url, machine) as client:
        found = client.rollback_rules(module)
    if json:
        _print_json(found)
    elif found.removed:
        typer.echo(f"{found.name}: removed, as before")
    else:
        typer.echo(f"{found.name}: version {found.version} answers now")


@app.command()
def remove(
    module: Annotated[str, typer.Argument(help="A module that was taught.", autocompletion=module_names)],
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Have no such module any more. Its versions are kept: a rollback brings it back."""
    with connect(url, machine) as client:
        client.remove_rules(module)
    if json:
        _print_json({"name": module, "removed": True})
    else:
        typer.echo(f"{module}: removed; skb rules rollback {module} brings it back")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{path} is no UTF-8 text: byte {error.start} cannot be read") from error


def _tests_beside(path: Path) -> str | None:
    beside = path.with_suffix(".plt")
    return _read(beside) if beside.is_file() else None


def _say_remarks(path: Path, problems: Sequence[Remark]) -> None:
    """As compilers do, so that editors find the place."""
    console = Console(stderr=True)
    for problem in problems:
        line = Text().append(f"{path}:{problem.line}:{problem.column}: ", style="bold")
        line.append(f"{problem.severity}: ", style="bold red" if problem.severity == "error" else "bold yellow")
        console.print(line.append(problem.message), soft_wrap=True)


def _say_results(path: Path, results: Sequence[TestResult]) -> None:
    console = Console(stderr=True)
    for result in results:
        if result.outcome == "failed":
            line = Text().append(f"{path}:{result.line}: ", style="bold").append("failed: ", style="bold red")
            console.print(line.append(f"{result.unit}:{result.test}: {result.message}"), soft_wrap=True)
    counts = {
        outcome: sum(result.outcome == outcome for result in results) for outcome in ("passed", "failed", "blocked")
    }
    if results:
        typer.echo("tests: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))


def _modules(found: Sequence[RuleModule]) -> Table:
    table = Table("module", "version", "pushed", "title", "queries")
    for each in found:
        version, pushed = ("installed", "") if each.installed else (str(each.version), show.time(each.time or 0.0))
        table.add_row(each.name, version, pushed, each.title, ", ".join(each.queries))
    return table


def _print_json(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()
