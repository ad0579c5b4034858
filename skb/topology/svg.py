"""The machine as a picture: boxes in boxes, as people who know lstopo's pictures expect them.

What a part holds stands inside its box, in as many columns as keep it near the shape of a page; a part that holds one thing only is a strip
above it of the same width. Threads of a physical core stand side by side. The picture has a fixed size in pixels and scales without loss;
hovering shows what there was no room to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from math import log

from skb.topology.part import PCI, Tree, children
from skb.topology.text import description

LINE, MARGIN, GAP = 15, 6, 5
"""Height of a line of text, and the space inside boxes and between them, in pixels."""

LETTER = 6.2
"""Mean width of a letter of 11 pixels; a text that is wider is squeezed by `textLength`, never cut."""

MOST_LETTERS = 44
"""Words beyond are left to the title that hovering shows."""

SHAPE = 1.6
"""Width over height that boxes are arranged for."""

_FILL = {
    "machine": "#ffffff",
    "package": "#dde4f0",
    "die": "#cfd8ea",
    "group": "#ececec",
    "node": "#f3dfc8",
    "cache": "#ffffff",
    "physical_core": "#cfe3cf",
    "core": "#ffffff",
    "pci_bus": "#e6dcec",
    "bridge": "#ddd0e6",
    "device": "#f6f1f8",
}

_CHIPS = {"core"}
"""Parts that stand side by side, up to eight of them."""

MOST_COLUMNS = 32
"""Arrangements of more columns are tried only if they are one row."""


@dataclass
class _Box:
    """A part with its size and the boxes inside it, whose places are relative to its own."""

    part: Tree
    words: str
    width: float
    height: float
    inner: list[tuple[float, float, _Box]] = field(default_factory=list)


@dataclass
class _Block:
    """Boxes side by side or below each other, with their places."""

    width: float
    height: float
    placed: list[tuple[float, float, _Box]]


def svg(machine: Tree) -> str:
    """Render a tree as an SVG document."""
    box = _arrange(machine)
    width, height = box.width + 2 * MARGIN, box.height + 2 * MARGIN
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="11">'
    )
    page = f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>'
    return "\n".join([head, page, *_draw(box, MARGIN, MARGIN), "</svg>"]) + "\n"


def _arrange(part: Tree) -> _Box:
    heading, described = description(part)
    words = heading
    for more in (
        reversed(described) if part["type"] in PCI else described
    ):  # names of devices say more than their numbers
        if len(words) + len(more) + 2 <= MOST_LETTERS:
            words += f", {more}"
    inner = [_arrange(child) for child in children(part)]
    own_width = len(words) * LETTER + 2 * MARGIN
    head = LINE + MARGIN
    if not inner:
        return _Box(part, words, max(own_width, 28), head)
    devices = [box for box in inner if box.part["type"] in PCI]
    memory = [box for box in inner if box.part["type"] == "node" and not box.inner]
    processors = [box for box in inner if box not in devices and box not in memory]
    blocks = [_grid(memory), _grid(processors)]
    best = min(
        (_beside(_stack(blocks), _columns(devices)), _stack([*blocks, _columns(devices)])),
        key=lambda block: _score(block.width, block.height),
    )
    width = max(own_width, best.width + 2 * MARGIN)
    placed = [(x + MARGIN, y + head, box) for x, y, box in best.placed]
    if len(placed) == 1:
        x, y, only = placed[0]
        placed = [(x, y, _resized(only, width - 2 * MARGIN, only.height))]
    return _Box(part, words, width, head + best.height + MARGIN, placed)


def _resized(box: _Box, width: float, height: float) -> _Box:
    """Return a box of a size that is no smaller; what it holds alone grows with it."""
    inner = box.inner
    if len(inner) == 1:
        x, y, only = inner[0]
        inner = [(x, y, _resized(only, width - 2 * MARGIN, only.height + height - box.height))]
    return _Box(box.part, box.words, width, height, inner)


def _score(width: float, height: float) -> float:
    """Say how much a block is not what a page wants: small, and of its shape."""
    return width * height * (1 + 0.3 * abs(log(max(width, 1) / (max(height, 1) * SHAPE))))


def _grid(boxes: list[_Box]) -> _Block:
    """Put boxes into rows and columns that are aligned, in their order, row by row."""
    best = _Block(0, 0, [])
    for count in range(1, len(boxes) + 1):
        if count != len(boxes) and (
            count > MOST_COLUMNS or (all(box.part["type"] in _CHIPS for box in boxes[:9]) and len(boxes) < 9)
        ):
            continue
        widths = [max(box.width for box in boxes[column::count]) for column in range(count)]
        rows = [boxes[first : first + count] for first in range(0, len(boxes), count)]
        heights = [max(box.height for box in row) for row in rows]
        block = _Block(sum(widths) + GAP * (len(widths) - 1), sum(heights) + GAP * (len(heights) - 1), [])
        if best.placed and _score(block.width, block.height) >= _score(best.width, best.height):
            continue
        y = 0.0
        for row, height in zip(rows, heights, strict=True):
            x = 0.0
            for box, width in zip(row, widths, strict=False):
                block.placed.append((x, y, _resized(box, width, height)))
                x += width + GAP
            y += height + GAP
        best = block
    return best


def _columns(boxes: list[_Box]) -> _Block:
    """Put boxes of different heights below each other, in as many columns as suit their shape."""
    best = _Block(0, 0, [])
    whole = sum(box.height + GAP for box in boxes)
    for count in range(1, min(len(boxes), MOST_COLUMNS) + 1):
        columns: list[list[_Box]] = [[]]
        filled = 0.0
        for box in boxes:
            if columns[-1] and filled + box.height / 2 > whole * len(columns) / count:
                columns.append([])
            columns[-1].append(box)
            filled += box.height + GAP
        block = _Block(0, 0, [])
        for column in columns:
            x = block.width + GAP if block.width else 0.0
            width, y = max(box.width for box in column), 0.0
            for box in column:
                block.placed.append((x, y, _resized(box, width, box.height)))
                y += box.height + GAP
            block.width, block.height = x + width, max(block.height, y - GAP)
        if not best.placed or _score(block.width, block.height) < _score(best.width, best.height):
            best = block
    return best


def _stack(blocks: list[_Block]) -> _Block:
    """Put blocks below each other."""
    whole = _Block(0, 0, [])
    for block in blocks:
        if block.placed:
            down = whole.height + GAP if whole.placed else 0
            whole.placed += [(x, y + down, box) for x, y, box in block.placed]
            whole.width, whole.height = max(whole.width, block.width), down + block.height
    return whole


def _beside(left: _Block, right: _Block) -> _Block:
    """Put a block to the right of another."""
    across = left.width + GAP if left.placed else 0
    placed = [*left.placed, *((x + across, y, box) for x, y, box in right.placed)]
    width = across + right.width if right.placed else left.width
    return _Block(width, max(left.height, right.height), placed)


def _draw(box: _Box, x: float, y: float) -> Iterator[str]:
    heading, described = description(box.part)
    fill = _FILL.get(str(box.part["type"]), "#ffffff")
    yield (
        f"<g><title>{_text(', '.join([heading, *described]))}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="2" fill="{fill}" stroke="#555555"/>'
    )
    length = len(box.words) * LETTER
    yield (
        f'<text x="{x + MARGIN:.1f}" y="{y + LINE - 1:.1f}" textLength="{length:.1f}" '
        f'lengthAdjust="spacingAndGlyphs">{_text(box.words)}</text>'
    )
    for left, down, inner in box.inner:
        yield from _draw(inner, x + left, y + down)
    yield "</g>"


def _text(words: str) -> str:
    return escape("".join(letter if letter.isprintable() else " " for letter in words))
