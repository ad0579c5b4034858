"""The matrix that `core-to-core-latency` writes as CSV: half of the round trip of a cache line between two cores, in nanoseconds.

Only the lower triangle is measured, and holds for both directions; some write both. A cell on the diagonal says nothing.
"""

from __future__ import annotations

from probes.cpulist import LIMIT
from probes.fact import Problem, Survey
from probes.foreign.latencies import PS_PER_NS, core_facts, number, one_way_facts, rest

SHOWN = 20


def recognises(text: str) -> bool:
    """Say whether the first lines are rows of numbers with commas between, all of the same length."""
    lines = [line for line in text.splitlines() if line.strip()][:3]
    if len(lines) < 2 or "," not in lines[0]:
        return False
    cells = [line.split(",") for line in lines]
    complete = cells[:-1] or cells  # the last may be cut off
    numbers = all(not cell.strip() or _is_number(cell) for row in complete for cell in row)
    return numbers and len({len(row) for row in complete}) == 1 and any(cell.strip() for row in cells for cell in row)


def read(text: str, name: str) -> Survey:
    """Read the matrix; a cell that is wrong is told, and the rest counts."""
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    size = len(rows)
    if size > LIMIT or any(len(row) != size for row in rows):
        width = next((len(row) for row in rows if len(row) != size), size)
        place = f"{name}, line {next((at for at, row in enumerate(rows, 1) if len(row) != size), 1)}"
        return Survey(problems=(Problem(place, f"{width} columns in a matrix of {size} rows", "give a square matrix"),))
    latencies: dict[tuple[int, int], float] = {}
    problems: list[Problem] = []
    wrong = 0
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if row == column or not cell.strip():
                continue
            value = number(cell)
            if value is None:
                wrong += 1
                if wrong <= SHOWN:
                    place = f"{name}, line {row + 1}, column {column + 1}"
                    problems.append(Problem(place, f"{cell.strip()[:40]!r} is no latency", "measure this pair anew"))
            else:
                latencies[row, column] = value
    for (row, column), value in list(latencies.items()):
        latencies.setdefault((column, row), value)
    facts = (*core_facts(range(size)), *one_way_facts(latencies, PS_PER_NS))
    return Survey(facts, (*problems, *rest(name, wrong, SHOWN)))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
