"""Square matrices of non-negative integers, checked once at the door so that nothing behind it has to.

Plain tuples of tuples: hashable, exact whatever the size of the numbers, and quick enough where the inner loops walk one row at a
time. The search for placements, which looks at all pairs at every step, turns them into NumPy arrays.
"""

from collections.abc import Sequence

from skb.solver.errors import SolverError

Matrix = tuple[tuple[int, ...], ...]


def checked(name: str, rows: Sequence[Sequence[int]]) -> Matrix:
    """Return `rows` as a square matrix, or say which entry of the argument `name` is wrong."""
    size = len(rows)
    for i, row in enumerate(rows):
        if len(row) != size:
            raise SolverError(
                f"{name}[{i}] has {len(row)} entries where the matrix has {size} rows; give a square matrix"
            )
    return _entries(name, rows)


def checked_rows(name: str, rows: Sequence[Sequence[int]], height: int, width: int) -> Matrix:
    """Return `rows` as a matrix of this height and width, or say what of the argument `name` is wrong."""
    if len(rows) != height:
        raise SolverError(f"{name} has {len(rows)} rows; give {height}")
    for i, row in enumerate(rows):
        if len(row) != width:
            raise SolverError(f"{name}[{i}] has {len(row)} entries; give {width}")
    return _entries(name, rows)


def _entries(name: str, rows: Sequence[Sequence[int]]) -> Matrix:
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            if type(value) is not int or value < 0:  # a bool is refused: truth values are no costs
                raise SolverError(f"{name}[{i}][{j}] is {value!r}; give integers from 0")
    return tuple(tuple(row) for row in rows)


def transposed(matrix: Matrix) -> Matrix:
    """Return the matrix with rows and columns exchanged."""
    return tuple(zip(*matrix, strict=True))


def added(a: Matrix, b: Matrix) -> Matrix:
    """Return the sum, entry by entry."""
    return tuple(tuple(x + y for x, y in zip(p, q, strict=True)) for p, q in zip(a, b, strict=True))
