"""The curves of shared memory and of messages as a picture, one panel for each number of cores and pause."""

from __future__ import annotations

from multikernel.drawing import Path2D, Picture, Shape, Words
from multikernel.urpc.crossover import MESSAGES, SHARED, WAYS, Point, Report

WIDTH, HEIGHT = 380, 280
LEFT, TOP, LABELS, GAP = 62, 64, 150, 26

COLOURS = {
    "stores": "#999999",
    "atomics": "#e69f00",
    "spin": "#56b4e9",
    "mcs": "#0072b2",
    "mutex": "#009e73",
    "calls": "#d55e00",
    "pipelined": "#cc79a7",
}
"""Okabe and Ito's colours, which colour-blind readers tell apart. Messages are drawn thicker."""


def chart(report: Report) -> Picture:
    """Draw what an operation takes over the number of cache lines that it changes."""
    panels = list(dict.fromkeys((point.cores, point.setting) for point in report.points))
    shapes: list[Shape] = [
        Words(16, 22, "Shared memory against messages", 15),
        Words(
            16,
            42,
            "time an operation takes the core that wants it, by the cache lines that it changes",
            11,
            fill="#555555",
        ),
    ]
    for panel, (cores, setting) in enumerate(panels):
        points = [point for point in report.points if (point.cores, point.setting) == (cores, setting)]
        shapes += _panel(points, f"{cores} cores, {setting.words}", TOP + panel * (HEIGHT + 2 * GAP + 20))
    height = TOP + len(panels) * (HEIGHT + 2 * GAP + 20)
    crossings = [
        f"on {found.cores} cores with {found.setting.words}: {WAYS[found.messages]} cheaper than {WAYS[found.shared]} "
        f"from {found.lines} lines on"
        for found in report.crossovers
        if found.lines is not None
    ]
    return Picture(
        LEFT + WIDTH + LABELS,
        height,
        "Shared memory against messages",
        "; ".join(crossings) or "no crossing",
        tuple(shapes),
    )


def _panel(points: list[Point], words: str, top: float) -> list[Shape]:
    lines = sorted({point.lines for point in points})
    most = _round_up(max(point.latency_ps for point in points) / 1000)
    bottom = top + GAP + HEIGHT

    def x(amount: float) -> float:
        return LEFT + WIDTH * (amount - lines[0]) / max(1, lines[-1] - lines[0])

    def y(ns: float) -> float:
        return bottom - HEIGHT * ns / most

    shapes: list[Shape] = [Words(LEFT, top + 8, words, 12)]
    for tick in range(6):
        ns = most * tick / 5
        shapes.append(Path2D(((LEFT, y(ns)), (LEFT + WIDTH, y(ns))), "#e5e5e5"))
        shapes.append(Words(LEFT - 6, y(ns), f"{ns:g}" + (" ns" if tick == 5 else ""), 10, "end"))
    shapes += [Words(x(amount), bottom + 13, str(amount), 10, "middle") for amount in lines]
    shapes.append(Words(LEFT + WIDTH / 2, bottom + 30, "cache lines changed", 10, "middle", "#555555"))
    ends: list[tuple[float, str]] = []
    for way in SHARED | MESSAGES:
        curve = sorted((point.lines, point.latency_ps / 1000) for point in points if point.way == way)
        shapes.append(Path2D(tuple((x(n), y(ns)) for n, ns in curve), COLOURS[way], 3.0 if way in MESSAGES else 1.5))
        ends.append((y(curve[-1][1]), way))
    places = _spread([at for at, _ in sorted(ends)], 14, bottom)
    shapes += [
        Words(LEFT + WIDTH + 10, at, WAYS[way], 11, fill=COLOURS[way])
        for at, (_, way) in zip(places, sorted(ends), strict=True)
    ]
    return shapes


def _spread(wanted: list[float], apart: float, lowest: float) -> list[float]:
    """Give places near those wanted, from above to below, so far apart that words do not touch, and none below the lowest."""
    places: list[float] = []
    for at in wanted:
        places.append(max(at, places[-1] + apart) if places else at)
    for i in reversed(range(len(places))):
        places[i] = min(places[i], lowest if i == len(places) - 1 else places[i + 1] - apart)
    return places


def _round_up(value: float) -> float:
    """Give the next of some round numbers times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 8, 10) if step * power >= value)
