"""Matrices in CSV files, and placements for them, without a service and without a machine.

Fields stand between commas, semicolons or white space; empty lines and lines that begin with # are passed over.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

PS_IN_NS = 1000


@dataclass(frozen=True)
class Placed:
    """A placement of dispatchers (rows of a traffic matrix) on cores (rows of a distance matrix), its cost in their units."""

    assignment: list[int]
    cost: int
    bound: int
    status: str
    seconds: float


def place(distance: Path, traffic: Path, seconds: float) -> Placed:
    """Place the dispatchers of a traffic matrix on the cores of a distance matrix, so that traffic times distance is least."""
    from skb.solver import placement
    from skb.solver.errors import SolverError

    distances, messages = integers(distance), integers(traffic)
    try:
        found = placement.place(distances, messages, seconds=seconds)
    except SolverError as error:
        raise typer.BadParameter(f"{distance} and {traffic}: {error}") from error
    if found.status == "infeasible":
        raise typer.BadParameter(f"{distance} and {traffic}: no placement is possible: {found.reason}")
    return Placed(list(found.assignment), found.cost, found.bound, found.status, round(found.seconds, 3))


def integers(path: Path) -> list[list[int]]:
    """Read a square matrix of integers from 0."""
    rows = [[_integer(cell, place) for cell, place in row] for row in _cells(path)]
    _square(path, rows)
    return rows


def latencies(path: Path) -> list[list[int]]:
    """Read a matrix of times in ns, as integers in ps. It is square, or one triangle: an empty or missing cell is what mirrors it."""
    cells = _cells(path)
    size = max(map(len, cells))
    if len(cells) > size:
        size = len(cells)  # a triangle without its diagonal
    if len(cells) < size - 1:
        raise typer.BadParameter(
            f"{path} has {len(cells)} rows of up to {size} numbers; a square or a triangle is needed"
        )
    given: dict[tuple[int, int], int] = {}
    for i, row in enumerate(cells):
        for j, (cell, place) in enumerate(row):
            if cell:
                given[i, j] = _picoseconds(cell, place)
    rows = [[0] * size for _ in range(size)]
    for i in range(size):
        for j in range(size):
            if i != j:
                value = given.get((i, j), given.get((j, i)))
                if value is None:
                    raise typer.BadParameter(f"{path}: nothing tells the latency between cores {i} and {j}")
                rows[i][j] = value
    return rows


def _cells(path: Path) -> list[list[tuple[str, str]]]:
    """Give the cells of each row, with where each stands."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = line.replace(";", ",").split(",") if "," in line or ";" in line else line.split()
        rows.append([(part.strip(), f"{path}, line {number}, column {at}") for at, part in enumerate(parts, start=1)])
    if not rows:
        raise typer.BadParameter(f"{path} has no numbers")
    return rows


def _integer(cell: str, place: str) -> int:
    try:
        value = int(cell)
    except ValueError:
        raise typer.BadParameter(f"{place}: {cell!r} is no integer") from None
    if value < 0:
        raise typer.BadParameter(f"{place}: {value} is less than nothing; give integers from 0")
    return value


def _picoseconds(cell: str, place: str) -> int:
    try:
        value = float(cell)
    except ValueError:
        raise typer.BadParameter(f"{place}: {cell!r} is no time in ns") from None
    if not math.isfinite(value) or value < 0:
        raise typer.BadParameter(f"{place}: {cell} is no time in ns")
    return round(value * PS_IN_NS)


def _square(path: Path, rows: list[list[Any]]) -> None:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows):
            raise typer.BadParameter(
                f"{path}: row {number} has {len(row)} numbers, and there are {len(rows)} rows; a square is needed"
            )
