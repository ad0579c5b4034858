"""Trees and routes on recorded machines: what ours cost, what none can undercut, and what the classic shapes cost.

    python bench/reasoning_trees.py [--seconds 5] [--json FILE] [--data FOLDER]

The matrices are those of `../shared/data/latency`; one-way latencies are split into send and receive as `rules/costs.pl` does. A machine
of 256 cores is one of them if it is there, and in any case tiled from another: copies side by side, dearer between copies than within.
"""

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from skb.cli.matrices import latencies
from skb.solver.routes import routes
from skb.solver.tree import broadcast_tree
from skb.solver.tree_question import Wanted
from skb.solver.tree_shapes import CLASSIC

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "latency"
PARTS = ("stderr", "send", "receive")  # files that tell of a machine another file is about
SEND_PERCENT = 22
MOST_PROVED = 8  # cores, up to which every tree is to be proved
NEIGHBOURS = 4
WIDTH = 140  # of the tables, also where the terminal does not tell its own

Matrix = list[list[int]]


def report(seconds: float, data: Path = DATA) -> dict[str, Any]:
    """Measure all machines, so many seconds for each tree: {"trees", "routes", "geometric_means", "checks"}. Costs are in ps."""
    machines = [(path.stem, latencies(path)) for path in _paths(data)]
    machines += [(f"{name} tiled", _tiled(rows, 256)) for name, rows in machines if name in _tileable(machines)]
    trees = [_tree(name, rows, seconds) for name, rows in machines]
    ways = [_routes(name, rows, seconds) for name, rows in machines if len(rows) > NEIGHBOURS + 1]
    means = {shape: _mean(row["cost"] / row["shapes"][shape] for row in trees) for shape in CLASSIC}
    return {
        "seconds": seconds,
        "trees": trees,
        "routes": ways,
        "geometric_means": means | {"bound": _mean(row["bound"] / row["cost"] for row in trees)},
        "checks": {
            "never worse than a classic shape": all(row["cost"] <= min(row["shapes"].values()) for row in trees),
            "at most 0.65 x binomial": means["binomial"] <= 0.65,
            "at most 0.85 x adaptive": means["adaptive"] <= 0.85,
            f"proved up to {MOST_PROVED} cores": all(
                row["status"] == "optimal" for row in trees if row["cores"] <= MOST_PROVED
            ),
            "256 cores within 5 s": all(
                row["seconds"] <= max(5.0, seconds) + 0.3 for row in trees if row["cores"] >= 256
            ),
        },
    }


def _tree(name: str, rows: Matrix, seconds: float) -> dict[str, Any]:
    send = [[each * SEND_PERCENT // 100 for each in row] for row in rows]
    receive = [[each - part for each, part in zip(*pair, strict=True)] for pair in zip(rows, send, strict=True)]
    found = broadcast_tree(send, receive, 0, seconds=seconds)
    reduced = broadcast_tree(send, receive, 0, Wanted(reduce=True), seconds=seconds)
    return {
        "machine": name,
        "cores": len(rows),
        "cost": found.cost_ps,
        "bound": found.bound_ps,
        "status": found.status,
        "seconds": found.seconds,
        "shapes": found.shapes,
        "reduction": {
            "cost": reduced.cost_ps,
            "bound": reduced.bound_ps,
            "status": reduced.status,
            "shapes": reduced.shapes,
        },
    }


def _routes(name: str, rows: Matrix, seconds: float) -> dict[str, Any]:
    found = routes(rows, NEIGHBOURS, seconds=seconds)
    pairs = len(rows) * (len(rows) - 1)
    return {
        "machine": name,
        "cores": len(rows),
        "neighbours": NEIGHBOURS,
        "mean": found.cost / pairs,
        "bound": found.bound / pairs,
        "worst": found.worst_cost,
        "status": found.status,
        "seconds": found.seconds,
    }


def _paths(data: Path) -> list[Path]:
    return [path for path in sorted(data.glob("*.csv")) if not any(part in path.name for part in PARTS)]


def _tileable(machines: list[tuple[str, Matrix]]) -> list[str]:
    """Name the smallest and the largest machine of which 256 cores can be made."""
    sizes = sorted((len(rows), name) for name, rows in machines if 16 <= len(rows) <= 128 and 256 % len(rows) == 0)
    return [] if not sizes else sorted({sizes[0][1], sizes[-1][1]})


def _tiled(rows: Matrix, size: int) -> Matrix:
    """Put copies of a machine side by side; between copies everything is as dear as the dearest within, and a quarter more."""
    width = len(rows)
    far = max(map(max, rows)) * 5 // 4
    return [
        [
            rows[a % width][b % width] if a // width == b // width else far + rows[a % width][b % width] // 8
            for b in range(size)
        ]
        for a in range(size)
    ]


def _mean(values: Iterable[float]) -> float:
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def show(found: dict[str, Any]) -> None:
    """Print the tables."""
    table = Table(title=f"Broadcast trees from core 0, {found['seconds']:g} s each, ns", box=None)
    for column in ("machine", "cores", "ours", "bound/ours", *CLASSIC, "reduction", "s"):
        table.add_column(column, justify="left" if column == "machine" else "right")
    for row in found["trees"]:
        table.add_row(
            row["machine"],
            str(row["cores"]),
            f"{row['cost'] / 1000:,.1f}",
            "proved" if row["status"] == "optimal" else f"{row['bound'] / row['cost']:.3f}",
            *(f"{row['shapes'][shape] / 1000:,.1f}" for shape in CLASSIC),
            f"{row['reduction']['cost'] / 1000:,.1f}",
            f"{row['seconds']:.2f}",
        )
    means = found["geometric_means"]
    ratios = (f"x {means[shape]:.3f}" for shape in CLASSIC)
    table.add_row("geometric mean of ours / shape", "", "", f"{means['bound']:.3f}", *ratios, "", "", style="bold")
    ways = Table(title=f"Routes, {NEIGHBOURS} neighbours at most, ns", box=None)
    for column in ("machine", "cores", "mean path", "bound/mean", "worst path", "s"):
        ways.add_column(column, justify="left" if column == "machine" else "right")
    for row in found["routes"]:
        ways.add_row(
            row["machine"],
            str(row["cores"]),
            f"{row['mean'] / 1000:,.1f}",
            "proved" if row["status"] == "optimal" else f"{row['bound'] / row['mean']:.3f}",
            f"{row['worst'] / 1000:,.1f}",
            f"{row['seconds']:.2f}",
        )
    console = Console(width=max(WIDTH, Console().width))
    console.print(table)
    console.print(ways)
    for check, holds in found["checks"].items():
        console.print(f"{'yes' if holds else 'NO '}  {check}")


def main() -> None:
    """Measure, print the tables, and write them as JSON where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each tree (default: 5)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of latency matrices")
    parser.add_argument("--json", type=Path, help="write the figures there")
    given = parser.parse_args()
    found = report(given.seconds, given.data)
    if not found["trees"]:
        parser.exit(1, f"no latency matrices in {given.data}; name another folder with --data\n")
    show(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
