"""The heat map of a machine: what a message between every two cores costs, as a picture that shows the machine's shape.

Cores stand in the order of the machine's parts, so that what is near is side by side and packages, dies and shared caches show as blocks.
Where the parts are not known, as in a file of latencies, cores are ordered by the latencies themselves: those that are nearest are joined
first (average linkage), and the order of the joins is that of the picture.

Colours are viridis: they grow lighter from near to far, evenly, also for eyes that see few colours and in black and white.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from multikernel.drawing import Mesh, Path2D, Picture, PictureError, Rectangle, Shape, Words

Matrix = NDArray[np.float64]

VIRIDIS = (
    "#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26", "#fde725",
)  # fmt: skip
"""From near to far: eleven steps of matplotlib's map of that name, between which colours are mixed."""

ITSELF, UNKNOWN = "#d9d9d9", "#ffffff"
"""Colours of a core's cell with itself, and of a pair that was not measured."""

LEVELS = 128
"""Different colours at most."""

CLIPPED = 1.0
"""Per cent of the pairs at each end that share the last colour, so that one outlier does not take all colours."""

LOGARITHMIC = 8.0
"""Far over near from which colours go by the logarithm."""

MOST_VALUES = 16
"""Cores up to which the figures stand in the cells."""

APART = 1.2
"""Ratio of two joins' distances from which a line parts what the farther one joined."""

SIZE, LEAST_CELL, MOST_CELL = 640, 3, 38
MARGIN, LABELS, LEGEND, HEAD = 16, 34, 96, 54


@dataclass(frozen=True)
class Latencies:
    """What is drawn: `values[i, j]` from core `cores[i]` to `cores[j]`, NaN where unknown; the unit; a title; what one value is."""

    title: str
    unit: str
    what: str
    cores: tuple[int, ...]
    values: Matrix


@dataclass(frozen=True)
class Order:
    """Rows of the picture: positions in `cores`, and for each but the last how strong a line parts it from the next (0: none)."""

    positions: tuple[int, ...]
    lines: tuple[int, ...]
    words: str


def read_csv(path: Path) -> Matrix:
    """Read a square matrix of latencies, commas between numbers; of which one triangle may be empty. Raises PictureError."""
    try:
        rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        numbers = [[float(text) if text.strip() else math.nan for text in row] for row in rows]
    except (UnicodeDecodeError, ValueError) as error:
        raise PictureError(f"{path}: not a table of numbers with commas between them ({error})") from None
    size = len(numbers)
    if size < 2 or any(len(row) > size for row in numbers):
        widths = sorted({len(row) for row in numbers})
        raise PictureError(
            f"{path}: {size} rows of {widths} numbers; a matrix of latencies is square, of 2 cores or more"
        )
    values = np.full((size, size), math.nan)
    for i, row in enumerate(numbers):
        values[i, : len(row)] = row
    np.fill_diagonal(values, math.nan)
    return np.where(np.isnan(values), values.T, values)


def by_number(cores: Sequence[int]) -> Order:
    """Order cores by their numbers."""
    positions = tuple(sorted(range(len(cores)), key=lambda i: cores[i]))
    return Order(positions, (0,) * (len(cores) - 1), "cores by number")


def by_parts(cores: Sequence[int], parts_of: Callable[[int], tuple[int, ...]]) -> Order:
    """Order cores by the parts that they are of, the largest first; lines part packages and what is below them."""
    parts = {core: parts_of(core) for core in cores}
    positions = tuple(sorted(range(len(cores)), key=lambda i: (parts[cores[i]], cores[i])))
    lines = []
    for i, j in pairwise(positions):
        one, other = parts[cores[i]], parts[cores[j]]
        first = next((level for level, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), None)
        lines.append({0: 2, 1: 1}.get(first, 0) if first is not None else 0)
    return Order(positions, tuple(lines), "cores by package, cache, core and thread")


def by_distance(values: Matrix) -> Order:
    """Order cores so that those that are near each other stand together, whatever their numbers."""
    symmetric = np.fmin(values, values.T)
    known = symmetric[~np.isnan(symmetric)]
    far = float(known.max()) if known.size else 1.0
    distance = np.where(np.isnan(symmetric), far, symmetric)
    np.fill_diagonal(distance, np.inf)
    groups = [[i] for i in range(len(values))]
    heights: dict[tuple[int, int], float] = {}
    for _ in range(len(values) - 1):
        one, other = sorted(divmod(int(np.argmin(distance)), len(distance)))
        left, right = sorted((groups[one], groups[other]), key=min)  # a machine that is numbered well keeps its order
        heights[left[-1], right[0]] = float(distance[one, other])
        sizes = len(groups[one]), len(groups[other])
        mean = (distance[one] * sizes[0] + distance[other] * sizes[1]) / sum(sizes)
        groups[one], groups[other] = left + right, []
        distance[one], distance[:, one] = mean, mean
        distance[one, one] = distance[other] = distance[:, other] = np.inf
    positions = max(groups, key=len)
    joins = [heights[pair] for pair in pairwise(positions)]
    return Order(tuple(positions), _strengths(joins), "nearest cores together")


def _strengths(joins: Sequence[float]) -> tuple[int, ...]:
    """Part the joins by their distances where those jump: strong lines above the last jump, weak ones above the one before."""
    ordered = sorted(set(joins))
    jumps = [high for low, high in pairwise(ordered) if low > 0 and high / low >= APART]
    limits = jumps[-2:]
    return tuple(sum(join >= limit for limit in limits) + (len(limits) == 1 and join >= limits[0]) for join in joins)


def heat_map(latencies: Latencies, order: Order) -> Picture:
    """Draw the heat map."""
    size = len(latencies.cores)
    cell = min(MOST_CELL, max(LEAST_CELL, SIZE // size))
    side = cell * size
    left, top = MARGIN + LABELS, HEAD + LABELS
    width, height = left + side + LEGEND + MARGIN, top + side + MARGIN + 18
    width = max(width, 430)
    values = latencies.values[np.ix_(order.positions, order.positions)]
    scale = _Scale.of(values)
    cores = [latencies.cores[position] for position in order.positions]
    shapes: list[Shape] = [
        Words(MARGIN, MARGIN + 6, latencies.title, 15),
        Words(MARGIN, MARGIN + 26, f"{latencies.what}, {latencies.unit}; {order.words}", 11, fill="#555555"),
        _mesh(latencies, values, cores, scale, left, top, cell),
    ]
    if size <= MOST_VALUES:
        shapes += _figures(values, scale, left, top, cell)
    shapes += _lines(order, left, top, cell)
    shapes += _labels(cores, left, top, cell)
    shapes += _legend(scale, latencies.unit, left + side + 22, top, min(side, 320) if side > 160 else 160)
    known = values[~np.isnan(values)]
    description = (
        f"{latencies.what} between {size} cores, from {known.min():.3g} to {known.max():.3g} {latencies.unit}, "
        f"median {np.median(known):.3g}."
    )
    return Picture(width, max(height, top + 200), latencies.title, description, tuple(shapes))


@dataclass(frozen=True)
class _Scale:
    """Values to colours."""

    low: float
    high: float
    least: float
    greatest: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Matrix) -> _Scale:
        known = values[~np.isnan(values)]
        if not known.size:
            raise PictureError("no two cores of this machine have a latency: there is nothing to draw")
        low, high = (float(np.percentile(known, part)) for part in (CLIPPED, 100 - CLIPPED))
        if high - low < 1e-9:
            high = low + max(low * 0.01, 1e-9)
        return cls(low, high, float(known.min()), float(known.max()), low > 0 and high / low >= LOGARITHMIC)

    def place(self, value: float) -> float:
        """From 0 for near to 1 for far."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def value(self, place: float) -> float:
        """The value that has this place."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + (self.high - self.low) * place


def colour(place: float) -> str:
    """Give the colour of a place between 0, near, and 1, far."""
    place = round(place * (LEVELS - 1)) / (LEVELS - 1) * (len(VIRIDIS) - 1)
    step = min(int(place), len(VIRIDIS) - 2)
    one, other = (tuple(int(VIRIDIS[step + i][at : at + 2], 16) for at in (1, 3, 5)) for i in (0, 1))
    return "#" + "".join(f"{round(a + (b - a) * (place - step)):02x}" for a, b in zip(one, other, strict=True))


def _mesh(
    latencies: Latencies, values: Matrix, cores: Sequence[int], scale: _Scale, left: float, top: float, cell: float
) -> Mesh:
    colours, titles = [], []
    for i, one in enumerate(cores):
        row, words = [], []
        for j, other in enumerate(cores):
            value = float(values[i, j])
            if i == j:
                row.append(ITSELF)
                words.append(f"core {one}")
            elif math.isnan(value):
                row.append(UNKNOWN)
                words.append(f"{one} to {other}: not measured")
            else:
                row.append(colour(scale.place(value)))
                words.append(f"{one} to {other}: {value:.4g} {latencies.unit}")
        colours.append(tuple(row))
        titles.append(tuple(words))
    return Mesh(left, top, cell, tuple(colours), tuple(titles))


def _figures(values: Matrix, scale: _Scale, left: float, top: float, cell: float) -> list[Shape]:
    """The values themselves, in a colour that can be read on that of the cell."""
    shapes: list[Shape] = []
    for (i, j), value in np.ndenumerate(values):
        if not math.isnan(value):
            fill = "#ffffff" if scale.place(float(value)) < 0.6 else "#000000"
            text = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
            size = min(11.0, 1.7 * cell / len(text))
            shapes.append(Words(left + (j + 0.5) * cell, top + (i + 0.5) * cell, text, size, "middle", fill))
    return shapes


def _lines(order: Order, left: float, top: float, cell: float) -> list[Shape]:
    side = cell * len(order.positions)
    shapes: list[Shape] = []
    for after, strength in enumerate(order.lines):
        if strength:
            at = (after + 1) * cell
            width = {1: 0.75, 2: 2.0}[strength]
            shapes.append(Path2D(((left, top + at), (left + side, top + at)), "#ffffff", width))
            shapes.append(Path2D(((left + at, top), (left + at, top + side)), "#ffffff", width))
    return shapes


def _labels(cores: Sequence[int], left: float, top: float, cell: float) -> list[Shape]:
    """Numbers of the cores, as many as there is room for, and what the two sides are."""
    step = next(step for step in (1, 2, 4, 8, 16, 32, 64) if step * cell >= 12 or step == 64)
    side = cell * len(cores)
    shapes: list[Shape] = [
        Words(left + side / 2, top - LABELS + 6, "to core", 11, "middle", "#555555"),
        Words(left - LABELS + 2, top + side / 2, "from core", 11, "middle", "#555555", upright=True),
    ]
    for place, core in enumerate(cores):
        if place % step == 0:
            at = (place + 0.5) * cell
            shapes.append(Words(left - 5, top + at, str(core), 9, "end"))
            upright = cell * step < 18
            shapes.append(
                Words(
                    left + at,
                    top - (4 if upright else 9),
                    str(core),
                    9,
                    "start" if upright else "middle",
                    upright=upright,
                )
            )
    return shapes


def _legend(scale: _Scale, unit: str, left: float, top: float, height: float) -> list[Shape]:
    """The colours from near, at the bottom, to far, with values beside them."""
    bands = 64
    shapes: list[Shape] = []
    for band in range(bands):
        y = top + height * (bands - 1 - band) / bands
        shapes.append(Rectangle(left, y, 16, height / bands + 0.5, colour(band / (bands - 1))))
    for tick in range(5):
        place = tick / 4
        y = top + height * (1 - place)
        shapes.append(Path2D(((left + 16, y), (left + 20, y)), "#222222"))
        value = scale.value(place)
        text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
        if tick == 0 and scale.least < scale.low * 0.99:
            text = f"< {text}"
        if tick == 4 and scale.greatest > scale.high * 1.01:
            text = f"> {text}"
        shapes.append(Words(left + 24, y, text, 10))
    shapes.append(
        Words(left, top + height + 16, unit + (", logarithmic" if scale.logarithmic else ""), 10, fill="#555555")
    )
    return shapes
