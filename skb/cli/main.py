"""The commands: each asks the service, or is it, and shows the answer to a person or, with --json, to a program."""

import sys
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from skb.cli import examples, offline, optimize, pci_plan, place, questions, rules, show, token, trees
from skb.cli import machines as machine_commands
from skb.cli.complete import fact_names, filters
from skb.cli.formats import Format
from skb.cli.options import LOCAL, URL, Data, Json, MachineName, Source, Url, connect, default_data

app = typer.Typer(
    help="The System Knowledge Base: what this machine is, and what follows from it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _filters(context: typer.Context, incomplete: str) -> list[str]:
    return filters(incomplete, context.params.get("name"))


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Know this machine: ask, run, teach."""
    if version:
        typer.echo(distribution_version("multikernel-skb"))
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than loopback need tokens, and TLS or a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 7411,
    data: Data = None,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Whether to probe this machine, now and when its devices change.")
    ] = True,
    engines: Annotated[
        int | None, typer.Option(min=1, max=256, help="Engines of a machine. Default: one for every two cores.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Certificate chain, in PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Its private key, in PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy ends TLS in front of the service; tokens are required.")
    ] = False,
    require_tokens: Annotated[bool, typer.Option("--require-tokens", help="Answer nobody without a token.")] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Requests a second for tokens that have no rate of their own.")
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="A site whose pages may ask, like https://example.org; may be repeated.")
    ] = None,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Log every request, not only those that fail.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Say where it is, once it is ready, as a line of JSON.")] = False,
) -> None:
    """Run the service. It is ready when it says so; Ctrl-C ends it."""
    from skb.cli.serve import Options  # the server takes longer to load than most questions to answer
    from skb.cli.serve import serve as run_service

    if (tls_cert is None) != (tls_key is None):
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    run_service(
        Options(
            data=data or default_data(),
            host=host,
            port=port,
            probe=probe,
            engines=engines,
            certificate=tls_cert,
            key=tls_key,
            behind_proxy=behind_proxy,
            require_tokens=require_tokens,
            rate=rate,
            origins=tuple(cors_origin or ()),
            log_requests=log_requests,
            json=json,
        )
    )


def _offline(name: str) -> None:
    """Name a command of `offline` in the help, and pass it what it was given."""

    def command(context: typer.Context) -> None:
        offline.run([name, *context.args])

    command.__doc__ = offline.COMMANDS[name].__doc__
    app.command(
        name,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
    )(command)


for _name in offline.COMMANDS:
    _offline(_name)


@app.command()
def facts(
    name: Annotated[
        str | None, typer.Argument(help="A fact; without, all are listed.", autocompletion=fact_names)
    ] = None,
    where: Annotated[
        list[str] | None, typer.Argument(help="field=value: only rows with that value.", autocompletion=_filters)
    ] = None,
    revision: Annotated[
        int | None, typer.Option(min=0, help="As of this revision, if that is still in the log.")
    ] = None,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """List the facts that are declared, or the rows of one."""
    with connect(url, machine, source) as client:
        if name is None:
            predicates = client.facts()
            _print(predicates, json, lambda: show.predicates(predicates))
        else:
            filters = dict(_pair(text) for text in where or [])
            rows = client.rows(name, revision=revision, **filters)
            _print(rows, json, lambda: show.table(rows, name))


@app.command()
def query(
    goal: Annotated[str, typer.Argument(help="A Prolog goal over the facts and rules.")],
    param: Annotated[list[str] | None, typer.Option(help="Variable=value, the value in JSON; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Solutions to show at most.")] = 1000,
    timeout_ms: Annotated[int, typer.Option("--timeout-ms", min=1, help="Time that the goal may take.")] = 10_000,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Solve a Prolog goal. Exits with 1 if it has no solution."""
    params = {name: _value(text) for name, text in map(_pair, param or [])}
    with connect(url, machine, source) as client:
        answer = client.query(goal, params, limit, timeout_ms)
    _print(answer, json, lambda: show.answer(answer))
    if not answer.solutions:
        raise typer.Exit(1)


@app.command()
def topology(
    source: Annotated[
        Path | None,
        typer.Option("--from", exists=True, help="A recorded machine, or hwloc XML. Default: what the service knows."),
    ] = None,
    shape: Annotated[Format, typer.Option("--format", help="What to show it as.")] = Format.text,
    output: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where to write. Default: standard output.")
    ] = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Show a machine as a tree: packages, caches, nodes, cores, PCI devices."""
    from skb.cli.topology import topology as show_topology  # renderings are loaded where they are used

    show_topology(connect(url, machine), source, Format.json if json else shape, output)


app.registered_commands += machine_commands.app.registered_commands + questions.app.registered_commands
app.registered_commands += optimize.app.registered_commands + pci_plan.app.registered_commands
app.registered_commands += place.app.registered_commands + trees.app.registered_commands
app.add_typer(rules.app, name="rules")
app.add_typer(token.app, name="token")


def _show_examples(commands: typer.Typer, group: str = "") -> None:
    for command in commands.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        command.epilog = examples.text(f"{group} {name}".strip(), "\n\n") or None
    for below in commands.registered_groups:
        if below.typer_instance is not None:
            _show_examples(below.typer_instance, below.name or "")


_show_examples(app)


def _print(answer: Any, json: bool, picture: Any) -> None:
    if json:
        _write_json(answer)
    else:
        Console().print(picture())


def _write_json(value: object, indent: int = 2) -> None:
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=indent) + b"\n")
    sys.stdout.flush()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{text!r}: write it as name=value")
    return name, value


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text  # a bare word stands for itself
