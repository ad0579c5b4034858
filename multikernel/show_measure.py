"""How measured messages look: on a terminal, as JSON, as CSV and as the matrix that a heat map is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from multikernel.cores import KernelPlan, parts
from multikernel.heat_map import Latencies, Matrix, Order, by_number, by_parts
from multikernel.measure import PAIR_NS
from multikernel.messages import Cost

Costs = Mapping[tuple[int, int], Cost]


class PairTimes(NamedTuple):
    """How long pairs were measured, in ps: the median, the worst, what is promised, and how many took longer than that."""

    median: int
    worst: int
    promised: int
    over: int


MOST_PAIRS = 24
"""Pairs that are shown with all their figures; of more, the one-way times stand in a matrix."""

WIDEST_MATRIX = 16
"""Cores whose matrix a terminal has room for."""

COLUMNS = ("round trip", "stddev", "min", "max", "one way", "send", "receive", "M/s", "samples", "left out")


def table(costs: Costs) -> RenderableType:
    """Show what was measured, and below it how long that took."""
    return Group(_figures(costs), Text(_took(costs), style="dim"))


def pair_times(costs: Costs) -> PairTimes:
    """Say how long pairs were measured, with all that the console needs for that."""
    times = sorted(cost.measured_for for cost in costs.values())
    promised = PAIR_NS * 1000
    return PairTimes(round(median(times)), times[-1], promised, sum(time > promised for time in times))


def _took(costs: Costs) -> str:
    """Say in words how long pairs were measured."""
    times = pair_times(costs)
    late = f"; {times.over} of {len(costs)} over the {times.promised / 1e9:.0f} ms promised" if times.over else ""
    return f"Measuring a pair took {times.median / 1e9:.1f} ms (median), {times.worst / 1e9:.1f} ms at worst{late}"


def _figures(costs: Costs) -> RenderableType:
    if len(costs) <= MOST_PAIRS:
        rows = Table(box=None, padding=(0, 1, 0, 0))
        for column in ("from", "to", *COLUMNS):
            rows.add_column(column, justify="right")
        for (sender, receiver), cost in costs.items():
            trip = cost.sending
            times = (trip.median, trip.stddev, trip.min, trip.max, cost.one_way, trip.send, cost.receive)
            rows.add_row(
                str(sender),
                str(receiver),
                *(f"{ps / 1000:,.1f}" for ps in times),
                f"{1e6 / trip.stream:.1f}" if trip.stream else "",
                str(trip.samples),
                str(trip.interrupted),
            )
        return Group(
            Text(
                "Messages of 48 bytes between cores, ns (round trip: median), and millions a second in a stream",
                style="italic",
            ),
            rows,
        )
    cores = sorted({sender for sender, _ in costs})
    if len(cores) <= WIDEST_MATRIX:
        rows = Table(box=None)
        for column in ("core", *map(str, cores)):
            rows.add_column(column, justify="right")
        for one in cores:
            rows.add_row(
                str(one), *("·" if one == other else f"{costs[one, other].one_way / 1000:,.0f}" for other in cores)
            )
        return Group(Text("One-way time of a message, ns, row to column", style="italic"), rows)
    ways = sorted(cost.one_way / 1000 for cost in costs.values())
    summary = f"one way {ways[0]:,.0f} to {ways[-1]:,.0f} ns, median {ways[len(ways) // 2]:,.0f} (--csv, --heat-map, --json: all)"
    return Text(f"Messages between {len(cores)} cores: {summary}")


def as_json(costs: Costs) -> dict[str, object]:
    """Give all figures for JSON, and how long a pair was measured; times are picoseconds."""
    return {"pairs": _rows(costs), "pair_time": pair_times(costs)._asdict()}


def _rows(costs: Costs) -> list[dict[str, object]]:
    return [
        {
            "from": sender,
            "to": receiver,
            "round_trip": {
                name: getattr(cost.sending, name)
                for name in ("median", "avg", "stddev", "min", "max", "samples", "interrupted")
            },
            "one_way": cost.one_way,
            "send": cost.sending.send,
            "receive": cost.receive,
            "stream": cost.sending.stream,
            "messages_per_second": round(1e12 / cost.sending.stream) if cost.sending.stream else None,
            "measured_for": cost.measured_for,
        }
        for (sender, receiver), cost in costs.items()
    ]


def matrix(costs: Costs) -> tuple[tuple[int, ...], Matrix]:
    """Give the cores and the one-way times between them in ns."""
    cores = tuple(sorted({core for pair in costs for core in pair}))
    values = np.full((len(cores), len(cores)), np.nan)
    for (sender, receiver), cost in costs.items():
        values[cores.index(sender), cores.index(receiver)] = cost.one_way / 1000
    return cores, values


def as_csv(costs: Costs) -> str:
    """Give the one-way times in ns as a square table, row to column, as `multikernel heat-map` and `skb probe --from` read it."""
    _, values = matrix(costs)
    return "".join(
        ",".join("0" if i == j else f"{value:.2f}" for j, value in enumerate(row)) + "\n"
        for i, row in enumerate(values)
    )


def to_draw(costs: Costs, kernels: Sequence[KernelPlan], title: str) -> tuple[Latencies, Order]:
    """Give what a heat map shows, in the order of the machine's parts, or by number where kernels share cores."""
    cores, values = matrix(costs)
    order = by_number(cores) if any(kernel.shares for kernel in kernels) else by_parts(cores, parts)
    return Latencies(title, "ns", "one-way time of a 64-byte message", cores, values), order
