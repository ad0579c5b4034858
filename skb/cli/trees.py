"""`skb tree` and `skb routes`: along which cores messages go, on a machine or for a matrix of latencies."""

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree as RichTree

from skb.cli import tree_matrices
from skb.cli.options import LOCAL, URL, Json, MachineName, Source, Url, connect, number_list
from skb.cli.tree_matrices import Routed
from skb.client import Routes

app = typer.Typer()

MOST_SHOWN = 32
"""Cores whose tables are shown to people; of more, the channels are."""


class Shape(StrEnum):
    """Classic shapes of trees."""

    star = "star"
    binomial = "binomial"
    fibonacci = "fibonacci"
    spanning = "spanning"
    cluster = "cluster"
    adaptive = "adaptive"


Latency = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="CSV: one-way latencies in ns, a square or a triangle; then no machine is asked.",
    ),
]
Seconds = Annotated[float, typer.Option(min=0.01, max=600, help="Time to look for a better answer.")]


@app.command()
def tree(
    root: Annotated[int | None, typer.Argument(min=0, help="The core that broadcasts.")] = None,
    root_core: Annotated[int | None, typer.Option("--root", min=0, help="The same, as an option.")] = None,
    roots: Annotated[str, typer.Option(help="Cores that are to share one tree, like 0,8: the worst cost counts.")] = "",
    weights: Annotated[
        str, typer.Option(help="Of each of --roots, like 3,1: the weighted sum of costs counts, not the worst.")
    ] = "",
    latency: Latency = None,
    send: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="CSV: what a message costs its sender, in ns.")
    ] = None,
    receive: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="CSV: what it costs its receiver, in ns.")
    ] = None,
    cores: Annotated[
        str, typer.Option("--members", "--cores", help="Cores to reach, like 0-3,8. Default: all that are online.")
    ] = "",
    relays: Annotated[str, typer.Option(help="Cores that may forward without being members, like 4-7.")] = "",
    max_degree: Annotated[int | None, typer.Option(min=1, help="Children that a core may have.")] = None,
    max_depth: Annotated[int | None, typer.Option(min=1, help="Messages between the root and any core.")] = None,
    reduce: Annotated[bool, typer.Option("--reduce", help="The root is to hear from all, not to tell all.")] = False,
    shape: Annotated[Shape | None, typer.Option(help="A classic shape, for comparison.")] = None,
    seconds: Seconds = 2.0,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Find the tree by which a broadcast has reached the last core soonest, or a reduction the root."""
    start = root if root is not None else root_core
    if (root is not None) + (root_core is not None) + bool(roots) != 1:
        raise typer.BadParameter("name one core, as an argument or with --root, or several with --roots")
    several = number_list(roots, "--roots") if roots else None
    heavy = _integers(weights) if weights else None
    options: dict[str, Any] = {
        "roots": several,
        "weights": heavy,
        "cores": number_list(cores, "--cores") if cores else None,
        "relays": number_list(relays, "--relays"),
        "max_degree": max_degree,
        "max_depth": max_depth,
        "reduce": reduce,
        "shape": None if shape is None else shape.value,
        "seconds": seconds,
    }
    found: Any
    if latency is not None:
        found = tree_matrices.tree(latency, send, receive, start, **options)
    else:
        if send is not None or receive is not None:
            raise typer.BadParameter("--send and --receive go with --latency")
        with connect(url, machine, source) as client:
            found = client.tree(start, **options)
    _print(found, json, _tree(found, reduce=reduce))


@app.command()
def routes(
    max_neighbours: Annotated[
        int, typer.Option("--max-neighbours", "-k", min=1, help="Channels that a core may have.")
    ],
    latency: Latency = None,
    traffic: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="CSV: messages from core (row) to core (column). Default: one each."
        ),
    ] = None,
    cores: Annotated[
        str, typer.Option("--members", "--cores", help="Cores to connect, like 0-3,8. Default: all that are online.")
    ] = "",
    seconds: Seconds = 2.0,
    source: Source = None,
    machine: MachineName = LOCAL,
    url: Url = URL,
    json: Json = False,
) -> None:
    """Choose channels where a core can have only so many, and the way that messages take through them."""
    members = number_list(cores, "--cores") if cores else None
    messages = None if traffic is None else tree_matrices.traffic(traffic)
    found: Any
    if latency is not None:
        found = tree_matrices.routes(latency, max_neighbours, messages, members, seconds)
    else:
        with connect(url, machine, source) as client:
            found = client.routes(max_neighbours, cores=members, traffic=messages, seconds=seconds)
    _print(found, json, _routes(found))


def _print(answer: Any, json: bool, picture: RenderableType) -> None:
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(answer), indent=2) + b"\n")
        sys.stdout.flush()
    else:
        Console().print(picture)


def _tree(found: Any, *, reduce: bool) -> RenderableType:
    shown: list[RenderableType] = []
    if found.by_root:
        for root, rooted in found.by_root.items():
            words = f"core {root}, {rooted.cost_ps / 1000:,.1f} ns"
            shown.append(_branches(int(root), rooted.children, words))
    else:
        shown.append(_branches(found.root, found.children, f"core {found.root}"))
    what = "aim" if found.by_root else "root has heard from all" if reduce else "last core"
    after = "" if found.by_root else "after "
    words = f"{found.status}: {what} {after}{found.cost_ps / 1000:,.1f} ns, bound {found.bound_ps / 1000:,.1f} ns"
    source = f", {found.costs} costs" if hasattr(found, "costs") else ""
    shown.append(Text(f"{words}{source}, {found.seconds:.2f} s"))
    if found.shapes:
        table = Table(box=None)
        table.add_column("shape")
        table.add_column("ns", justify="right")
        table.add_column("this tree takes", justify="right")
        for name, cost in sorted(found.shapes.items(), key=lambda item: (item[1], item[0])):
            table.add_row(name, f"{cost / 1000:,.1f}", f"{found.cost_ps / cost:.0%} of it" if cost else "")
        shown.append(table)
    return Group(*shown)


def _branches(root: int, children: Mapping[Any, Sequence[int]], words: str) -> RichTree:
    top = RichTree(words)
    served = {int(core): below for core, below in children.items()}
    waiting = [(top, root)]
    for branch, core in waiting:
        waiting += [(branch.add(f"core {child}"), child) for child in served.get(core, ())]
    return top


def _routes(found: Routes | Routed) -> RenderableType:
    around: dict[int, list[int]] = {core: [] for core in found.cores}
    for a, b in found.channels:
        around[a].append(b)
        around[b].append(a)
    small = len(found.cores) <= MOST_SHOWN
    table = Table(box=None)
    table.add_column("core", justify="right")
    table.add_column("channels to")
    for core in found.cores if small else ():
        table.add_column(f"{core}", justify="right")
    hops = {int(core): {int(end): hop for end, hop in row.items()} for core, row in found.next_hop.items()}
    for core in found.cores:
        via = [str(hops[core][end]) if end != core else "-" for end in found.cores] if small else []
        table.add_row(str(core), " ".join(map(str, sorted(around[core]))), *via)
    source = f", {found.distances} distances" if isinstance(found, Routes) else ""
    worst = " ".join(map(str, found.worst.path))
    return Group(
        table,
        Text("Under each core: the neighbour to which a message for it is handed.") if small else Text(""),
        Text(f"worst path {worst}: {found.worst.cost_ps / 1000:,.1f} ns"),
        Text(f"{found.status}: cost {found.cost:,} ps, bound {found.bound:,} ps{source}, {found.seconds:.2f} s"),
    )


def _integers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"{text!r}: write weights like 3,1")
    return [int(part) for part in parts]
