"""Machines and problems that the solver's tests share: regular ones, and the recorded ones outside the project."""

from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
Rows = list[list[int]]


def machine(packages: int, groups: int, cores: int, threads: int) -> Rows:
    """Distances in a symmetric machine; neighbours in number are neighbours in place."""
    size = packages * groups * cores * threads
    levels = ((threads, 10_000), (cores * threads, 40_000), (groups * cores * threads, 80_000), (size, 168_000))

    def between(a: int, b: int) -> int:
        return next((ps for width, ps in levels if a // width == b // width), 0) if a != b else 0

    return [[between(a, b) for b in range(size)] for a in range(size)]


def split(latency: Rows) -> tuple[Rows, Rows]:
    """What a message of this latency costs its sender and its receiver."""
    send = [[value * 22 // 100 for value in row] for row in latency]
    receive = [
        [value - part for value, part in zip(row, parts, strict=True)] for row, parts in zip(latency, send, strict=True)
    ]
    return send, receive


def instances() -> Iterator[Path]:
    """The recorded quadratic assignment problems."""
    yield from sorted((DATA / "qap").glob("*.dat"))


def read_instance(path: Path) -> tuple[Rows, Rows, int]:
    """The two matrices of a recorded problem and its best known cost."""
    numbers = [int(word) for word in path.read_text().split()]
    size, entries = numbers[0], numbers[1:]
    rows = [entries[start : start + size] for start in range(0, 2 * size * size, size)]
    return rows[:size], rows[size:], int(path.with_suffix(".sln").read_text().split()[1])


def latencies() -> Iterator[Path]:
    """The recorded latency matrices, one to a machine."""
    parts = ("stderr", "send", "receive")
    yield from (
        path for path in sorted((DATA / "latency").glob("*.csv")) if not any(part in path.name for part in parts)
    )


def read_latency(path: Path) -> Rows:
    """A recorded matrix of ns or cycles in thousandths, which makes ps of the former."""
    return [[int(float(value) * 1000) for value in line.split(",")] for line in path.read_text().split()]
