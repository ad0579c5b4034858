"""Placements: QAPLIB against the best known, and machines against the placements that people make.

    python bench/reasoning_placement.py [--seconds 3] [--json FILE] [--data FOLDER] [--machines NAMES]

QAPLIB's instances are those of `../shared/data/qap`, with 20 s up to 12 dispatchers (to be proved), 5 s up to 30, and 20 s
beyond. Machines are those of `../shared/data/latency`, with as many dispatchers as cores and traffic of five kinds. Peers: packing
in order, round-robin over the widest parts, greedy, and SciPy's `quadratic_assignment` by both of its methods, begun again from
other places for the same time that ours has.
"""

import argparse
import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import quadratic_assignment

from skb.cli.matrices import latencies
from skb.solver.clusters import clusterings
from skb.solver.matrix import checked
from skb.solver.placement import place
from skb.solver.placement_problem import problem
from skb.solver.placement_search import construct

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PARTS = ("stderr", "send", "receive")  # files that tell of a machine another file is about
NO_ANSWER = 2**63  # of a peer that was not done in the time

Rows = list[list[int]]


def report(seconds: float, data: Path = DATA, only: str = "") -> dict[str, Any]:
    """Place everything: {"qaplib", "machines", "checks"}. Costs are in the units of the matrices."""
    library = [_instance(path) for path in sorted((data / "qap").glob("*.dat"))] if not only else []
    machines = [
        row
        for path in sorted((data / "latency").glob("*.csv"))
        if not any(part in path.name for part in PARTS) and only in path.name
        for row in _machine(path, seconds)
    ]
    return {
        "seconds": seconds,
        "qaplib": library,
        "machines": machines,
        "checks": {
            "proved up to 12 dispatchers within 20 s": all(
                row["status"] == "optimal" and row["seconds"] <= 20 for row in library if row["dispatchers"] <= 12
            ),
            "within 0.5 % of the best known up to 30 within 5 s": all(
                row["above_best"] <= 0.005 for row in library if row["dispatchers"] <= 30
            ),
            "within 2 % up to 100 within 20 s": all(row["above_best"] <= 0.02 for row in library),
            "never worse than any peer": all(row["ratio"] <= 1 for row in machines),
        },
    }


def _instance(path: Path) -> dict[str, Any]:
    numbers = [int(word) for word in path.read_text(encoding="utf-8").split()]
    size, entries = numbers[0], numbers[1:]
    rows = [entries[start : start + size] for start in range(0, 2 * size * size, size)]
    best = int(path.with_suffix(".sln").read_text(encoding="utf-8").split()[1])
    found = place(rows[size:], rows[:size], seconds=5 if 12 < size <= 30 else 20)
    return {
        "instance": path.stem,
        "dispatchers": size,
        "best_known": best,
        "cost": found.cost,
        "above_best": (found.cost - best) / best if best else float(found.cost > 0),
        "bound": found.bound,
        "status": found.status,
        "seconds": found.seconds,
    }


def _ring(size: int) -> Rows:
    return [[10 * (b == (a + 1) % size) for b in range(size)] for a in range(size)]


def _stencil(size: int) -> Rows:
    """Exchange with the neighbours in a grid, as square as it can be."""
    width = next(w for w in range(int(size**0.5), 0, -1) if size % w == 0)
    near = lambda a, b: abs(a // width - b // width) + abs(a % width - b % width) == 1  # noqa: E731
    return [[10 * near(a, b) for b in range(size)] for a in range(size)]


def _groups(size: int) -> Rows:
    """All to all in groups of eight, whose members are not neighbours in number."""
    count = max(1, size // 8)
    return [[5 * (a != b and a % count == b % count) for b in range(size)] for a in range(size)]


def _tree(size: int) -> Rows:
    return [[7 * (a != b and ((a - 1) // 2 == b or (b - 1) // 2 == a)) for b in range(size)] for a in range(size)]


def _random(size: int) -> Rows:
    draw = random.Random(1)
    return [[draw.randrange(100) * (a != b) for b in range(size)] for a in range(size)]


TRAFFIC: dict[str, Callable[[int], Rows]] = {
    "ring": _ring,
    "stencil": _stencil,
    "groups": _groups,
    "tree": _tree,
    "random": _random,
}


def _machine(path: Path, seconds: float) -> Iterator[dict[str, Any]]:
    distance = latencies(path)
    for name, pattern in TRAFFIC.items():
        traffic = pattern(len(distance))
        found = place(distance, traffic, seconds=seconds)
        peers = _peers(distance, traffic, seconds)
        best = min(peers.values())
        yield {
            "machine": path.stem,
            "cores": len(distance),
            "traffic": name,
            "cost": found.cost,
            "bound": found.bound,
            "status": found.status,
            "seconds": found.seconds,
            "peers": peers,
            "ratio": found.cost / best if best else float(found.cost == 0),
        }


def _peers(distance: Rows, traffic: Rows, seconds: float) -> dict[str, int]:
    """Return what others cost; SciPy's methods as well as they do in the time."""
    away, messages = np.array(distance), np.array(traffic)
    size = len(distance)

    def cost(assignment: Any) -> int:
        return int((messages * away[np.ix_(assignment, assignment)]).sum())

    form = problem(checked("traffic", traffic), checked("distance", distance), 1)
    found = {
        "in order": cost(np.arange(size)),
        "round-robin": cost(_dealt(distance)),
        "greedy": cost(construct(form)),
    }
    for method in ("faq", "2opt"):
        found[method] = NO_ANSWER
        end = time.monotonic() + seconds
        attempt = 0
        while (left := end - time.monotonic()) > 0:
            options: dict[str, Any] = {"rng": np.random.default_rng(attempt)}
            if method == "faq" and attempt:
                options["P0"] = "randomized"
            answer = _limited(left, partial(quadratic_assignment, messages, away, method=method, options=options))
            if answer is not None:
                found[method] = min(found[method], cost(answer.col_ind))
            attempt += 1
    return found


def _dealt(distance: Rows) -> Any:
    """Deal the dispatchers out to the widest parts of the machine, one to each in turn."""
    parts: dict[int, list[int]] = {}
    of = next(iter(clusterings(checked("distance", distance))), None)
    for core in range(len(distance)):
        parts.setdefault(of.of[core] if of else 0, []).append(core)
    hands = [list(part) for part in parts.values()]
    dealt = []
    while any(hands):
        dealt += [hand.pop(0) for hand in hands if hand]
    return np.array(dealt)


class _LateError(Exception):
    """The time of a peer is over."""


def _limited(seconds: float, work: Callable[[], Any]) -> Any:
    """Give what work answers, or None if that takes longer."""
    under_way = True

    def late(*_: object) -> None:
        if under_way:  # it may come when all is over but the switching off
            raise _LateError

    before = signal.signal(signal.SIGALRM, late)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer = work()
        under_way = False
    except _LateError:
        answer = None
    finally:
        under_way = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return answer


def show(found: dict[str, Any], console: Console) -> None:
    """Print what was found."""
    if found["qaplib"]:
        table = Table(title="QAPLIB", box=None)
        for column in ("instance", "dispatchers", "best known", "cost", "above", "bound / cost", "status", "s"):
            table.add_column(column, justify="left" if column in ("instance", "status") else "right")
        for row in found["qaplib"]:
            table.add_row(
                row["instance"],
                str(row["dispatchers"]),
                f"{row['best_known']:,}",
                f"{row['cost']:,}",
                f"{row['above_best']:.2%}",
                f"{row['bound'] / row['cost']:.3f}" if row["cost"] else "1",
                row["status"],
                f"{row['seconds']:.1f}",
            )
        console.print(table)
    table = Table(
        title=f"machines, {found['seconds']:g} s each: cost / that of the peer (below 1: ours is better)", box=None
    )
    names = ("in order", "round-robin", "greedy", "faq", "2opt")
    for column in ("machine", "cores", "traffic", *names, "best", "bound / cost", "status"):
        table.add_column(column, justify="left" if column in ("machine", "traffic", "status") else "right")
    for row in found["machines"]:
        ratios = [
            f"{row['cost'] / row['peers'][name]:.3f}" if 0 < row["peers"][name] < NO_ANSWER else "-" for name in names
        ]
        table.add_row(
            row["machine"],
            str(row["cores"]),
            row["traffic"],
            *ratios,
            f"{row['ratio']:.4f}",
            f"{row['bound'] / row['cost']:.3f}" if row["cost"] else "1",
            row["status"],
        )
    console.print(table)
    for promise, kept in found["checks"].items():
        console.print(f"{'kept' if kept else 'NOT KEPT'}: {promise}")


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each placement on a machine")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with qap and latency")
    parser.add_argument("--machines", default="", help="only machines whose names have this in them, and no QAPLIB")
    given = parser.parse_args()
    found = report(given.seconds, given.data, given.machines)
    show(found, Console(width=150))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
