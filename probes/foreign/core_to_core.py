"""What `core-to-core-latency` writes: half of the round trip of a cache line between two cores, in nanoseconds, the mean of its samples.

With `--csv` a square matrix of numbers, else a table for people with the cores' numbers before rows and columns and the standard
error behind each mean (`576±6`). Only the lower triangle is measured, and holds for both directions. Some have filled in the upper one
too, or the diagonal, which says nothing. What the matrix does not tell is how the round trip divides, so there are no costs of sending
and receiving.

Source: https://github.com/nviennot/core-to-core-latency, src/main.rs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from probes.cpulist import LIMIT
from probes.fact import Problem, Survey
from probes.foreign.latencies import PS_PER_NS, Wrong, core_facts, core_number, number, round_trip

_CELL = re.compile(r"\s*[+-]?(?:[0-9.]+(?:[eE][+-]?[0-9]+)?|nan|inf)?\s*", re.IGNORECASE | re.ASCII)
_CELLS = 8192
"""Letters of a line that are looked at to recognise it."""

Matrix = list[list[float | None]]

_TABLE = re.compile(r"^Num cores: [0-9]+\r?$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def recognises(text: str) -> bool:
    """Say whether these are rows of numbers with commas between, all of the same length, or the table for people."""
    if _TABLE.search(text[:4096]) and "Num round trips" in text[:4096]:
        return True
    whole = text.endswith("\n")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or "," not in lines[0]:
        return False
    commas = lines[0].count(",")
    first = lines[:8] if whole or len(lines) > 8 else lines[:-1]
    some = any(char.isdigit() for line in lines[:8] for char in line)
    return some and all(line.count(",") == commas and _is_row(line[:_CELLS]) for line in first)


def _is_row(line: str) -> bool:
    cells = line.split(",")
    return all(_CELL.fullmatch(cell) for cell in (cells if len(line) < _CELLS else cells[:-1]))


def read(text: str, name: str) -> Survey:
    """Read the matrix; a cell that is wrong is told, and the rest counts."""
    if _TABLE.search(text[:4096]):
        return _read_table(_COLOUR.sub("", text), name)
    lines = [(at, line) for at, line in enumerate(text.lstrip("\ufeff").splitlines(), 1) if line.strip()]
    size = len(lines)
    if not 2 <= size <= LIMIT:
        return _refused(name, 1, f"a matrix of {size} rows")
    for at, line in lines:
        if (width := line.count(",") + 1) != size:
            return _refused(
                f"{name}, line {at}, column {min(width, size) + 1}", None, f"{width} columns in a matrix of {size} rows"
            )
    wrong = Wrong(name)
    latencies: Matrix = []
    for row, (at, line) in enumerate(lines):
        cells = line.split(",")
        cells[row] = ""
        latencies.append([_latency(cell, at, column, wrong) for column, cell in enumerate(cells, 1)])
    _complete(latencies, [at for at, _ in lines], wrong)
    return _survey(latencies, range(size), wrong)


def _refused(place: str, line: int | None, cause: str) -> Survey:
    where = f"{place}, line {line}" if line else place
    return Survey(problems=(Problem(where, cause, "give a square matrix, with a row and a column for each core"),))


def _latency(cell: str, line: int, column: int, wrong: Wrong) -> float | None:
    if not cell or cell.isspace():
        return None
    value = number(cell)
    if value is None:
        wrong.note(line, column, f"{cell.strip()[:40]!r} is no latency", "it is passed over; measure this pair anew")
    return value


def _complete(latencies: Matrix, lines: Sequence[int], wrong: Wrong) -> None:
    """Fill in the direction that was not measured; note pairs that were measured in neither, and those whose two directions differ."""
    for row, line in enumerate(lines):
        for column in range(row):
            there, back = latencies[row][column], latencies[column][row]
            if back is None:
                latencies[column][row] = there
            if there is None:
                latencies[row][column] = back
            if there is None and back is None:
                wrong.note(line, column + 1, f"cores {row} and {column} have no latency", "measure this pair")
            elif there != back and there is not None and back is not None:
                cause = f"cores {row} and {column} have {there:g} ns one way and {back:g} ns the other"
                wrong.note(line, column + 1, cause, "each direction counts as it is")


def _survey(latencies: Matrix, cores: Sequence[int], wrong: Wrong) -> Survey:
    facts = [fact for core in sorted(cores) for fact in core_facts(range(core, core + 1))]
    facts += [
        round_trip(cores[row], cores[column], value, PS_PER_NS)
        for row, cells in enumerate(latencies)
        for column, value in enumerate(cells)
        if value is not None
    ]
    return Survey(tuple(facts), wrong.problems())


def _read_table(text: str, name: str) -> Survey:
    """Read the first table: a line of cores, then for each core its number and its latencies to those before it."""
    wrong = Wrong(name)
    cores: list[int] = []
    latencies: Matrix = []
    lines: list[int] = []
    for at, line in enumerate(text.splitlines(), 1):
        words = line.replace("±", " ±").split()
        if not cores:
            found = [core_number(word) for word in words]
            if len(found) >= 2 and None not in found and len(set(found)) == len(found):
                cores = [core for core in found if core is not None]
            continue
        row = len(latencies)
        if not words or row == len(cores):
            break
        means = [word for word in words[1:] if not word.startswith("±")]
        if core_number(words[0]) != cores[row] or len(means) != row:
            wrong.note(
                at, None, f"{line.strip()[:40]!r} is not the row of core {cores[row]}", "the rest is passed over"
            )
            break
        latencies.append([_latency(mean, at, column, wrong) for column, mean in enumerate(means, 2)])
        lines.append(at)
    if not cores:
        return _refused(name, None, "there is no table of latencies")
    size = len(latencies)
    latencies = [[*cells, *[None] * (size - len(cells))] for cells in latencies]
    _complete(latencies, lines, wrong)
    return _survey(latencies, cores, wrong)
