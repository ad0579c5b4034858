"""Which channels to have when no core can have one to everybody, and which way messages then take.

    routes(latency, max_neighbours=4).via[3][17]      # the neighbour to which core 3 hands what is for core 17

A channel between two cores carries messages both ways; a core has `max_neighbours` channels at most. A message takes the cheapest
path. The channels are chosen, connected, so that the sum of path costs over all ordered pairs of cores, each times the
traffic of the pair (1 if none is given), is least. That is NP-hard: already one that lets nobody be further than two
channels from anybody is hard to find. So channels are built up greedily and improved by exchanging them (`route_search`),
held against what no choice can undercut (`route_bound`), and for some seven cores proved best (`route_proof`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.matrix import checked
from skb.solver.route_bound import bound
from skb.solver.route_paths import Array, Channels, Demand, distances, weighted
from skb.solver.route_proof import PROVABLE, prove_channels
from skb.solver.route_search import improve

CHECKING = 5e-6  # seconds that a path of the table takes to be written and walked, some


@dataclass(frozen=True)
class Routes:
    """Channels, and the table of every core.

    `via[i][j]` is the neighbour to which core i hands what is for core j (i itself where j is i). `cost` is the sum of
    traffic times path cost, in ps where the latencies are; `worst` is the dearest path among pairs with traffic, core
    by core, and `worst_cost` what it takes. `status` is `optimal` (cost == bound) or `feasible`.
    """

    channels: tuple[tuple[int, int], ...]
    via: tuple[tuple[int, ...], ...]
    cost: int
    worst: tuple[int, ...]
    worst_cost: int
    bound: int
    status: str
    seconds: float


def routes(
    latency: Sequence[Sequence[int]],
    max_neighbours: int,
    traffic: Sequence[Sequence[int]] | None = None,
    *,
    seconds: float = 2.0,
) -> Routes:
    """Choose channels between the cores (rows of `latency`), `max_neighbours` at each, and the ways through them.

    `latency[i][j]` is what a message over a channel from i to j takes; it may differ from that from j to i. Raises
    SolverError when an argument makes no sense, or so few channels cannot connect all cores.
    """
    deadline = Deadline.after(seconds)
    demand = _demand(latency, max_neighbours, traffic)
    size = demand.size
    if max_neighbours >= size - 1:  # everybody may have a channel to everybody
        return _answer(demand, demand.every_channel(), demand.ideal(), deadline)
    floor = bound(demand)
    rest = size**2 * CHECKING  # so that the table comes in time
    best = improve(demand, floor, deadline.share(0.5) if size <= PROVABLE else deadline.earlier(rest))
    lowest = floor
    if size <= PROVABLE:
        proof = prove_channels(demand, weighted(demand, distances(demand, best)), floor, deadline)
        best = best if proof.solution is None else proof.solution
        lowest = max(floor, proof.bound)
    return _answer(demand, best, lowest, deadline)


def next_hops(demand: Demand, channels: Channels) -> tuple[tuple[int, ...], ...]:
    """Return the table of every core: the way that is cheapest, of equals the one with fewest channels.

    Every step leads to a core that is strictly nearer by (cost, channels), so no message goes round in circles.
    """
    size = demand.size
    keyed = Demand(
        demand.latency * size + 1, demand.traffic, demand.most
    )  # one more channel is dearer by the least there is
    far = distances(keyed, channels)
    table = []
    for core in range(size):
        around = np.array(channels.neighbours(core), dtype=np.int64)
        ways = keyed.latency[core, around][:, None] + far[around]
        row = [int(around[place]) for place in ways.argmin(axis=0)]
        row[core] = core
        table.append(tuple(row))
    return tuple(table)


def path(via: Sequence[Sequence[int]], start: int, end: int) -> tuple[int, ...]:
    """Return the cores that a message passes, the first and the last included. Raises SolverError if it never arrives."""
    passed = [start]
    while passed[-1] != end:
        passed.append(via[passed[-1]][end])
        if len(passed) > len(via):
            raise SolverError(
                f"via leads from core {start} to core {end} in circles: {passed}; give a table of shortest paths"
            )
    return tuple(passed)


def _answer(demand: Demand, channels: Channels, lowest: int, deadline: Deadline) -> Routes:
    far = distances(demand, channels)
    via = next_hops(demand, channels)
    _walk(demand, via, far)
    cost = weighted(demand, far)
    asked = np.where(demand.traffic > 0, far, -1)
    start, end = divmod(int(asked.argmax()), demand.size)
    return Routes(
        channels=channels.pairs(),
        via=via,
        cost=cost,
        worst=path(via, start, end),
        worst_cost=int(far[start, end]),
        bound=min(lowest, cost),
        status="optimal" if lowest >= cost else "feasible",
        seconds=deadline.elapsed(),
    )


def _walk(demand: Demand, via: Sequence[Sequence[int]], far: Array) -> None:
    """Go all ways of a table at once: whoever has not arrived, or paid more than the cheapest path, found a mistake in here."""
    at, ends = np.indices((demand.size, demand.size))
    table = np.array(via, dtype=np.int64)
    paid = np.zeros_like(far)
    for _ in range(demand.size):
        if (at == ends).all():
            break
        after = table[at, ends]
        paid += demand.latency[at, after]
        at = after
    if (at != ends).any() or (paid != far).any():
        start, end = (int(place[0]) for place in np.nonzero((at != ends) | (paid != far)))
        raise AssertionError(f"the table leads from {start} to {end} at {paid[start, end]}, not at {far[start, end]}")


def _demand(latency: Sequence[Sequence[int]], max_neighbours: int, traffic: Sequence[Sequence[int]] | None) -> Demand:
    ways = checked("latency", latency)
    size = len(ways)
    if not size:
        raise SolverError("latency has no rows; give one for each core")
    if type(max_neighbours) is not int or max_neighbours < 1:
        raise SolverError(
            f"max_neighbours is {max_neighbours!r}, by which no core has a neighbour; give an integer from 1"
        )
    if max_neighbours == 1 and size > 2:
        raise SolverError(
            f"max_neighbours is 1, by which {size} cores stay apart in pairs; give at least 2, so that all can be connected"
        )
    if traffic is None:
        amounts: Array = np.ones((size, size), dtype=np.int64)
    else:
        given = checked("traffic", traffic)
        if len(given) != size:
            raise SolverError(f"traffic has {len(given)} rows and latency {size}; give one for each core in both")
        amounts = _array("traffic", given)
    amounts = amounts.copy()
    np.fill_diagonal(amounts, 0)
    costs = _array("latency", ways).copy()
    np.fill_diagonal(costs, 0)
    if int(costs.max(initial=0)) * size * size * max(1, int(amounts.sum())) >= 2**62:
        raise SolverError("latency and traffic are too large to be summed exactly; give smaller units")
    return Demand(costs, amounts, max_neighbours)


def _array(name: str, rows: Sequence[Sequence[int]]) -> Array:
    try:
        return np.array(rows, dtype=np.int64)
    except OverflowError:
        raise SolverError(f"{name} has a number beyond 64 bits; give smaller units") from None
