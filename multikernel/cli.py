"""The command `multikernel`."""

import sys
import time
from contextlib import ExitStack
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from multikernel.cores import MOST, plan
from multikernel.demo.kvstore import Workload
from multikernel.demo.run import demo as run_demo
from multikernel.demo.show import Show
from multikernel.embedded import embedded_skb
from multikernel.errors import MultikernelError
from multikernel.show_bench import urpc as show_urpc_report
from multikernel.urpc import UrpcError
from multikernel.urpc.bench import measure
from skb.client import SkbError

app = typer.Typer(
    help="One kernel per core, no shared state, 64-byte messages; placed and routed by the System Knowledge Base.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
bench = typer.Typer(
    help="Measure parts of the runtime beside their physical limits and their peers.", no_args_is_help=True
)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command line. Whatever goes wrong ends in one message on standard error and an exit status, never a traceback.

    0: done (for `demo`: and the replicas agreed); 1: something failed; 2: the command line or this machine does not allow it;
    130: Ctrl-C.
    """
    try:
        app()
    except (MultikernelError, SkbError, UrpcError, TimeoutError, OSError) as error:
        Console(stderr=True).print(f"[bold red]multikernel:[/] {error}", highlight=False, markup=True, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        Console(stderr=True).print("multikernel: interrupted; everything it started has been stopped")
        sys.exit(130)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """One kernel per core, no shared state, 64-byte messages; placed and routed by the System Knowledge Base."""
    if version:
        typer.echo(distribution_version("multikernel-skb"))
        raise typer.Exit


@app.command()
def demo(
    cores: Annotated[
        int | None,
        typer.Option(
            help="Kernels to boot. More than the machine has cores: they share cores. Default: one a core, at most 16."
        ),
    ] = None,
    dispatchers: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Replicas of the store. Default: one for each kernel.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long the store's clients work.")] = 2.0,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Clients of the store for each dispatcher.")] = 2,
    writes: Annotated[
        int, typer.Option(min=0, max=100, help="Writes among the clients' operations, in per cent.")
    ] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the clients' choices.")] = 1,
    data: Annotated[
        Path | None, typer.Option(help="Folder in which the SKB keeps its facts. Default: a temporary one.")
    ] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Keep the SKB up afterwards, to browse, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as one JSON document instead.")] = False,
) -> None:
    """Probe this machine, boot a multikernel on it, measure, place, and run a replicated key-value store.

    Everything shown about the machine and every decision comes from a System Knowledge Base that is started for the occasion. Exits
    with 0 if all replicas of the store agreed at the end.
    """
    kernels = plan(cores)
    workload = Workload(seconds=seconds, clients=clients, write_percent=writes, seed=seed)
    output = Console(quiet=json)
    show = Show(output)
    with ExitStack() as context:
        steps = context.enter_context(_steps(output))
        task = steps.add_task("starting an SKB and probing this machine", total=None)
        url = context.enter_context(embedded_skb(data))

        def progress(done: int, total: int) -> None:
            steps.update(task, completed=done, total=total)

        def step(description: str) -> None:
            steps.reset(task, description=description, total=None)

        result = run_demo(
            url, kernels, dispatchers or len(kernels), workload, step=step, progress=progress, found=show.found
        )
        steps.stop()
        if json:
            sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
            sys.stdout.flush()
        _farewell(output, url, data, stay)
    if not result.store.agreed:
        raise typer.Exit(1)


def _steps(output: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output,
        transient=True,
    )


def _farewell(output: Console, url: str, data: Path | None, stay: bool) -> None:
    if not stay:
        kept = (
            f"Its facts are in {data}: skb serve --data {data}"
            if data
            else "To browse what it knows: multikernel demo --stay"
        )
        output.print(f"The SKB was at {url}. {kept}", highlight=False, soft_wrap=True)
        return
    Console(stderr=True).print(
        f"The SKB stays up: browse {url}/ or ask it (SKB_URL={url} skb facts). Ctrl-C ends it.",
        highlight=False,
        soft_wrap=True,
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        return


@bench.command("urpc")
def bench_urpc(
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Times that every figure is taken.")] = 9,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Time messages between two pinned processes beside the bare cache-line ping-pong, in the same run."""
    report = measure(rounds=rounds)
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(report.as_dict())) + b"\n")
    else:
        Console().print(show_urpc_report(report))
