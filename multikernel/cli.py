"""The command `multikernel`."""

import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from enum import StrEnum
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from multikernel import publish, show_measure
from multikernel.boot import Multikernel
from multikernel.buffers import Ring
from multikernel.buffers import ask as ask_for_buffers
from multikernel.cores import MOST, KernelPlan, plan
from multikernel.demo.kvstore import Workload
from multikernel.demo.run import demo as run_demo
from multikernel.demo.show import Show
from multikernel.drawing import check_format
from multikernel.drawing import write as write_picture
from multikernel.embedded import embedded_skb
from multikernel.errors import MultikernelError
from multikernel.heat_map import Latencies, by_distance, by_number, read_csv
from multikernel.heat_map import heat_map as draw_heat_map
from multikernel.messages import Cost
from multikernel.show_bench import urpc as show_urpc_report
from multikernel.urpc import UrpcError
from multikernel.urpc.bench import measure
from skb.client import Client, SkbError, SkbUnreachable

REDRAW_SECONDS = 0.1
"""Between two pictures of how far a measurement is: they are drawn between slices, never while one is measured."""

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


class HeatMapOrder(StrEnum):
    """In which order cores stand in a heat map made of a file."""

    NEAREST = "nearest"
    NUMBER = "number"


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


def _steps(output: Console, *, live: bool = True) -> Progress:
    """Show steps; with `live` a thread redraws them all the time, and takes the interpreter for milliseconds when it likes."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output,
        transient=True,
        auto_refresh=live,
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


@app.command("measure")
def measure_messages(
    cores: Annotated[
        int | None,
        typer.Option(help="Kernels to boot. Default: one a core, at most 16. Those that share a core are not told of."),
    ] = None,
    url: Annotated[
        str,
        typer.Option(
            "--url",
            envvar="SKB_URL",
            show_default="http://127.0.0.1:7411",
            help="The SKB to tell. If none is named and none runs, none is told.",
        ),
    ] = "",
    tell: Annotated[bool, typer.Option("--tell/--no-tell", help="Tell an SKB: message_rtt and message_cost.")] = True,
    heat_map: Annotated[
        Path | None, typer.Option("--heat-map", metavar="FILE", help="Draw one-way times there: .svg or .png.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write one-way times there, ns, row to column.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print all figures as JSON; times are picoseconds.")] = False,
) -> None:
    """Measure messages between all pairs of cores, over channels between kernels, and tell the SKB.

    Of each pair: the round trip, what a send and a receive cost, the way one way, and how many messages a second stream through.
    Pairs are measured in turn, in slices, so that what disturbs the machine disturbs all alike. A pair takes 10 ms or
    less in all, unless somebody else takes its cores for that long; what the median and the worst took is said below the table.
    """
    if heat_map is not None:
        check_format(heat_map)
    kernels = plan(cores)
    output = Console(stderr=True)
    rings = _ask_for_rings(url, kernels) if tell else ()
    with _steps(output, live=False) as steps, Multikernel.boot(kernels, buffers=rings) as multikernel:
        task = steps.add_task("measuring messages between all pairs of cores", total=None)
        drawn = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal drawn
            steps.update(task, completed=done, total=total)
            if time.monotonic() - drawn > REDRAW_SECONDS:
                steps.refresh()
                drawn = time.monotonic()

        costs = multikernel.measure(progress=progress)
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(show_measure.as_json(costs))) + b"\n")
        sys.stdout.flush()
    else:
        Console().print(show_measure.table(costs))
    if csv is not None:
        csv.write_text(show_measure.as_csv(costs))
    if heat_map is not None:
        title = f"{socket.gethostname()}: messages between {len(kernels)} cores"
        write_picture(draw_heat_map(*show_measure.to_draw(costs, kernels, title)), heat_map)
    if tell:
        output.print(_tell(url, kernels, costs), highlight=False, soft_wrap=True)


def _ask_for_rings(url: str, kernels: Sequence[KernelPlan]) -> tuple[Ring, ...]:
    """Ask an SKB for the rings of channels; without one, channels are as they come."""
    token = os.environ.get("SKB_TOKEN") or None
    with Client(url, token=token, patience=0) if url else Client(token=token, patience=0) as client:
        return ask_for_buffers(client, kernels)


def _tell(url: str, kernels: Sequence[KernelPlan], costs: Mapping[tuple[int, int], Cost]) -> str:
    """Tell an SKB what messages between cores of this machine cost; say whom, or why nobody was told."""
    alone = {kernel.core for kernel in kernels if not kernel.shares}
    facts = publish.measured({pair: cost for pair, cost in costs.items() if alone.issuperset(pair)})
    if not facts:
        return "No SKB was told: all kernels share cores, so these are not costs of the machine."
    token = os.environ.get("SKB_TOKEN") or None
    with Client(url, token=token) if url else Client(token=token) as client:
        try:
            revision = client.update(facts)
        except SkbUnreachable:
            if url:
                raise
            return f"No SKB was told: none answers at {client.url}. Start one with `skb serve`, or name another with --url or SKB_URL."
        return f"Told the SKB at {client.url} in {len(facts)} facts, revision {revision}: skb facts message_rtt"


@app.command("heat-map")
def heat_map_of_file(
    latencies: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A square table of numbers, with commas.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Draw there: .svg or .png.")],
    unit: Annotated[str, typer.Option(help="Unit of the numbers.")] = "ns",
    what: Annotated[str, typer.Option(help="What a number is.")] = "latency",
    title: Annotated[str, typer.Option(help="Title of the picture. Default: the file's name.")] = "",
    order: Annotated[
        HeatMapOrder, typer.Option(help="Cores in the order of their numbers, or those nearest each other together.")
    ] = HeatMapOrder.NEAREST,
) -> None:
    """Draw latencies between cores, from a file, as a heat map: its blocks are the parts of the machine."""
    check_format(output)
    values = read_csv(latencies)
    cores = tuple(range(len(values)))
    placed = by_distance(values) if order is HeatMapOrder.NEAREST else by_number(cores)
    write_picture(draw_heat_map(Latencies(title or latencies.stem, unit, what, cores, values), placed), output)


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
