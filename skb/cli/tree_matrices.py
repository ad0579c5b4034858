"""Trees and routes for matrices in files, without a service and without a machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from skb.cli.matrices import integers, latencies

SEND_PERCENT = 22
"""Of a latency that is known only as a whole: what sending takes, as `rules/costs.pl` splits it."""


@dataclass(frozen=True)
class Seen:
    """A shared tree, seen from one of its roots."""

    children: dict[str, list[int]]
    cost_ps: int


@dataclass(frozen=True)
class Grown:
    """A tree over rows of a latency matrix; each core serves its children in order. Times are in ps."""

    root: int
    children: dict[str, list[int]]
    cost_ps: int
    bound_ps: int
    status: str
    seconds: float
    shapes: dict[str, int] = field(default_factory=dict)
    by_root: dict[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True)
class Worst:
    """The dearest path."""

    path: list[int]
    cost_ps: int


@dataclass(frozen=True)
class Routed:
    """Channels between rows of a latency matrix, and the table of every core."""

    cores: list[int]
    channels: list[tuple[int, int]]
    next_hop: dict[str, dict[str, int]]
    cost: int
    bound: int
    worst: Worst
    status: str
    seconds: float


def tree(
    latency: Path,
    send: Path | None,
    receive: Path | None,
    root: int | None,
    *,
    roots: Sequence[int] | None,
    weights: Sequence[int] | None,
    cores: Sequence[int] | None,
    seconds: float,
    **limits: Any,
) -> Grown:
    """Find the best tree over cores of a latency matrix; `limits` are those of the solver.

    Where what sending and receiving take was measured apart, the latency itself does not count.
    """
    from skb.solver import tree as solver
    from skb.solver import tree_roots
    from skb.solver.errors import SolverError
    from skb.solver.tree_question import Wanted

    sends, receives = _split(latency, send, receive)
    for one in (root,) if roots is None else roots:
        if one is None or not 0 <= one < len(sends):
            name = "--root" if roots is None else "--roots"
            raise typer.BadParameter(f"{name} {one}: {latency} has cores 0 to {len(sends) - 1}")
    if weights is not None and roots is None:
        raise typer.BadParameter("--weights go with --roots: one for each of them")
    wanted = Wanted(members=cores, **limits)
    try:
        if roots is not None:
            shared = tree_roots.shared_tree(sends, receives, roots, wanted, weights=weights, seconds=seconds)
            by_root = {str(one): Seen(_texts(below), shared.costs_ps[one]) for one, below in shared.children.items()}
            first = by_root[str(roots[0])].children
            return Grown(
                roots[0], first, shared.cost_ps, shared.bound_ps, shared.status, round(shared.seconds, 3), {}, by_root
            )
        found = solver.broadcast_tree(sends, receives, root or 0, wanted, seconds=seconds)
    except SolverError as error:
        raise typer.BadParameter(f"{latency}: {error}") from error
    children = _texts(found.children)
    seconds = round(found.seconds, 3)
    return Grown(found.root, children, found.cost_ps, found.bound_ps, found.status, seconds, found.shapes)


def routes(
    latency: Path, most: int, messages: list[list[int]] | None, cores: Sequence[int] | None, seconds: float
) -> Routed:
    """Choose channels between cores of a latency matrix, `most` at each. Traffic is in the order of `cores`."""
    from skb.solver import routes as solver
    from skb.solver.errors import SolverError

    whole = latencies(latency)
    chosen = list(range(len(whole))) if cores is None else list(cores)
    for core in chosen:
        if core >= len(whole):
            raise typer.BadParameter(f"--members {core}: {latency} has cores 0 to {len(whole) - 1}")
    if len(set(chosen)) != len(chosen):
        raise typer.BadParameter(f"--members names a core twice: {chosen}; name each once")
    part = [[whole[a][b] for b in chosen] for a in chosen]
    try:
        found = solver.routes(part, most, messages, seconds=seconds)
    except SolverError as error:
        raise typer.BadParameter(f"{latency}: {error}") from error
    table = {
        str(chosen[start]): {str(chosen[end]): chosen[hop] for end, hop in enumerate(row) if end != start}
        for start, row in enumerate(found.via)
    }
    return Routed(
        cores=chosen,
        channels=[(chosen[a], chosen[b]) for a, b in found.channels],
        next_hop=table,
        cost=found.cost,
        bound=found.bound,
        worst=Worst([chosen[core] for core in found.worst], found.worst_cost),
        status=found.status,
        seconds=round(found.seconds, 3),
    )


def traffic(path: Path) -> list[list[int]]:
    """Read a matrix of messages between cores."""
    return integers(path)


def _split(latency: Path, send: Path | None, receive: Path | None) -> tuple[list[list[int]], list[list[int]]]:
    if (send is None) != (receive is None):
        raise typer.BadParameter("--send and --receive go together: what a message costs its sender, and its receiver")
    whole = latencies(latency)
    if send is None or receive is None:
        sends = [[each * SEND_PERCENT // 100 for each in row] for row in whole]
        return sends, [
            [each - sent for each, sent in zip(*rows, strict=True)] for rows in zip(whole, sends, strict=True)
        ]
    sends, receives = latencies(send), latencies(receive)
    for path, matrix in ((send, sends), (receive, receives)):
        if len(matrix) != len(whole):
            raise typer.BadParameter(f"{path} has {len(matrix)} cores, and {latency} {len(whole)}")
    return sends, receives


def _texts(children: Mapping[int, Sequence[int]]) -> dict[str, list[int]]:
    return {str(core): list(below) for core, below in sorted(children.items())}
