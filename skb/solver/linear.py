"""The linear assignment problem: rows to columns at least cost, where a column takes as many rows as it has room for.

Shortest augmenting paths with dual prices (Kuhn 1955; in this form Jonker and Volgenant 1987), generalised in one
point: a column that is full hands on *all* the rows it holds. So a group of interchangeable columns is one column with
room for all of them, which is what makes the bound of a symmetric machine cheap. O(rows^2 * columns).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skb.solver.deadline import Deadline


@dataclass(frozen=True)
class Linear:
    """An optimal assignment with the prices that prove it.

    `total` equals `sum(row_price) + sum(room * column_price)`, and no entry of the cost matrix is less than its row's
    price and its column's together. What an entry has in excess of them is what using it costs, beyond `total`.
    """

    total: int
    column_of: tuple[int, ...]
    row_price: tuple[int, ...]
    column_price: tuple[int, ...]


def assign(cost: Sequence[Sequence[int]], room: Sequence[int], deadline: Deadline) -> Linear | None:
    """Assign every row of `cost` to a column, at most `room[j]` rows to column j; the rooms must suffice.

    Returns None if the deadline passes before that is done.
    """
    columns = range(len(room))
    row_price = [0] * len(cost)
    column_price = [0] * len(room)
    column_of = [-1] * len(cost)
    held: list[list[int]] = [[] for _ in columns]

    for start in range(len(cost)):
        if deadline.passed():
            return None
        # Grow a tree of cheapest alternating paths from the row `start` until it reaches a column with room.
        reached = {start: 0}  # row -> length of the path to it
        newest = [start]
        via = [-1] * len(room)  # column -> row before it
        length: list[int | None] = [None] * len(room)
        outside = list(columns)
        settled: list[int] = []
        while True:
            for row in newest:
                offset = reached[row] - row_price[row]
                entries = cost[row]
                for j in outside:
                    path = entries[j] - column_price[j] + offset
                    known = length[j]
                    if known is None or path < known:
                        length[j] = path
                        via[j] = row
            shortest, target = min((length[j] or 0, j) for j in outside)
            if len(held[target]) < room[target]:
                break
            outside.remove(target)
            settled.append(target)
            newest = held[target]
            for row in newest:
                reached[row] = shortest
        for row, path in reached.items():
            row_price[row] += shortest - path
        for j in settled:
            column_price[j] -= shortest - (length[j] or 0)
        # Turn the path round: every row on it moves one column forward.
        while True:
            row = via[target]
            left = column_of[row]
            held[target].append(row)
            column_of[row] = target
            if row == start:
                break
            held[left].remove(row)
            target = left

    total = sum(cost[i][column_of[i]] for i in range(len(cost)))
    return Linear(total, tuple(column_of), tuple(row_price), tuple(column_price))
