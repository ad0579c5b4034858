"""The back ends of optimisation against each other: who is quicker on models of which size.

python bench/bench_optimize.py [--json FILE] [--rounds N] [--seconds S]

Families of models, each of several sizes, are solved to proven optimality by CLP(FD) (rules/optimize.pl in swipl) and by CP-SAT (one
worker), in turns, in the same run. Times are medians over several models of a size, of solving alone: loading Prolog or OR-Tools is not in
them. What counts is the ratio, and where it crosses one: `auto` sends models with up to `EASY` assignments to CLP(FD).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Any

from rich.console import Console
from rich.table import Table

from skb.solver.language import read
from skb.solver.optimization import EASY, Options, easy, optimize

RULES = Path(__file__).parents[1] / "rules" / "optimize.pl"
Family = Callable[[int, random.Random], tuple[list[Any], Any]]


def c(name: str, *arguments: Any) -> Any:
    """A compound term in JSON form."""
    return {"f": name, "args": list(arguments)}


def knapsack(count: int, draw: random.Random) -> tuple[list[Any], Any]:
    take = [c("take", number) for number in range(count)]
    weights = [draw.randint(5, 60) for _ in take]
    worth = [c("*", draw.randint(5, 60), one) for one in take]
    model = [c("ins", take, c("..", 0, 1)), c("scalar_product", weights, take, "#=<", sum(weights) // 2)]
    return model, c("maximize", c("sum", worth))


def queens(count: int, _: random.Random) -> tuple[list[Any], Any]:
    columns = [c("row", number) for number in range(count)]
    rising = [c("+", column, number) for number, column in enumerate(columns)]
    falling = [c("-", column, number) for number, column in enumerate(columns)]
    return [
        c("ins", columns, c("..", 1, count)),
        *(c("all_different", one) for one in (columns, rising, falling)),
    ], "satisfy"


def assignment(count: int, draw: random.Random, shape: str = "all_different") -> tuple[list[Any], Any]:
    to = [c("to", number) for number in range(count)]
    cost = [c("cost", number) for number in range(count)]
    model = [c("ins", to, c("..", 1, count)), c("ins", cost, c("..", 0, 99)), c(shape, to)]
    model += [c("element", to[i], [draw.randint(0, 99) for _ in to], cost[i]) for i in range(count)]
    return model, c("minimize", c("sum", cost))


def tour(count: int, draw: random.Random) -> tuple[list[Any], Any]:
    return assignment(count, draw, "circuit")


def schedule(count: int, draw: random.Random) -> tuple[list[Any], Any]:
    starts = [c("start", number) for number in range(count)]
    long = [draw.randint(1, 9) for _ in starts]
    ends = [c("+", start, duration) for start, duration in zip(starts, long, strict=True)]
    tasks = [c("task", *task, draw.randint(1, 3), 0) for task in zip(starts, long, ends, strict=True)]
    model = [c("ins", starts, c("..", 0, sum(long))), c("cumulative", tasks, [c("limit", 4)])]
    return model, c("minimize", c("max", ends))


FAMILIES: dict[str, tuple[Family, tuple[int, ...]]] = {
    "knapsack": (knapsack, (3, 6, 8, 10, 14, 18)),
    "queens": (queens, (4, 6, 8, 12)),
    "assignment": (assignment, (2, 3, 4, 6, 8, 10)),
    "tour": (tour, (2, 3, 4, 6, 8, 10)),
    "schedule": (schedule, (2, 3, 4, 5, 6, 7)),
}


def by_clpfd(problems: list[tuple[list[Any], Any]], seconds: float) -> list[tuple[str, float]]:
    """Status and seconds of each, in one process; the first run, which loads what is loaded late, does not count."""
    terms = ", ".join(f"p({prolog(model)}, {prolog(objective)})" for model, objective in [problems[0], *problems])
    solve = f"optimize(M, O, [seconds({seconds})], R), arg(1, R, Status), arg(6, R, Seconds), writeln(Status-Seconds)"
    program = f"""
        :- use_module('{RULES}').
        :- use_module(library(clpfd)).
        main :- forall(member(p(M, O), [{terms}]), ( {solve} )).
    """
    with NamedTemporaryFile("w", suffix=".pl") as file:
        file.write(program)
        file.flush()
        done = subprocess.run(
            ["swipl", "-q", "-g", "main", "-t", "halt", file.name], capture_output=True, text=True, check=True
        )
    lines = [line.split("-", 1) for line in done.stdout.splitlines()][1:]
    return [(status, float(taken)) for status, taken in lines]


def prolog(term: Any) -> str:
    """A term in canonical Prolog text."""
    match term:
        case {"f": name, "args": arguments}:
            return f"{prolog(name)}({', '.join(map(prolog, arguments))})"
        case list():
            return f"[{', '.join(map(prolog, term))}]"
        case str():
            return "'" + term.replace("\\", "\\\\") + "'"
    return f"({term})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    optimize([c("in", "x", c("..", 0, 1))])  # loads OR-Tools
    rows = []
    for name, (family, sizes) in FAMILIES.items():
        for size in sizes:
            problems = [family(size, random.Random(seed)) for seed in range(given.rounds)]
            ours = by_clpfd(problems, given.seconds)
            theirs = [optimize(*problem, Options(seconds=given.seconds)) for problem in problems]
            clpfd = median(taken for _, taken in ours)
            cpsat = median(found.seconds for found in theirs)
            rows.append(
                {
                    "family": name,
                    "size": size,
                    "easy": easy(read(problems[0][0])),
                    "clpfd_ms": 1000 * clpfd,
                    "cpsat_ms": 1000 * cpsat,
                    "ratio": clpfd / cpsat,
                    "clpfd_proved": sum(status in ("optimal", "infeasible") for status, _ in ours),
                    "cpsat_proved": sum(found.status in ("optimal", "infeasible") for found in theirs),
                }
            )
    show(rows, given.rounds)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")


def show(rows: list[dict[str, Any]], rounds: int) -> None:
    table = Table(title=f"CLP(FD) / CP-SAT, time to proof; easy: up to {EASY} assignments", box=None)
    for column in ("family", "size", "easy", "CLP(FD) ms", "CP-SAT ms", "ratio", "proved"):
        table.add_column(column, justify="left" if column == "family" else "right")
    for row in rows:
        table.add_row(
            row["family"],
            str(row["size"]),
            "yes" if row["easy"] else "",
            f"{row['clpfd_ms']:.1f}",
            f"{row['cpsat_ms']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['clpfd_proved']}/{rounds} {row['cpsat_proved']}/{rounds}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
