"""The machine as a picture: boxes in boxes, as people who know lstopo's pictures expect them.

What a part holds stands inside its box, in as many columns as keep it near the shape of a page; a part that holds one thing only is a strip
above it of the same width. Threads of a physical core stand side by side. The picture has a fixed size in pixels and scales without loss;
hovering shows what there was no room to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

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
"""Parts that stand side by side, however many there are."""


@dataclass
class _Box:
    """A part with its size and the boxes inside it, whose places are relative to its own."""

    part: Tree
    words: str
    width: float
    height: float
    inner: list[tuple[float, float, _Box]] = field(default_factory=list)


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
    for more in described:
        if len(words) + len(more) + 2 <= MOST_LETTERS:
            words += f", {more}"
    inner = [_arrange(child) for child in children(part)]
    own_width = len(words) * LETTER + 2 * MARGIN
    head = LINE + MARGIN
    if not inner:
        return _Box(part, words, max(own_width, 28), head)
    processors = [box for box in inner if box.part["type"] not in PCI]
    devices = [box for box in inner if box.part["type"] in PCI]
    memory = [box for box in processors if box.part["type"] == "node" and not box.inner]
    rest = [box for box in processors if box not in memory]
    placed: list[tuple[float, float, _Box]] = []
    y = float(head)
    width = own_width
    for boxes in (memory, rest, devices):
        if boxes:
            inside, block_width, block_height = _rows(boxes, max(width - 2 * MARGIN, 0))
            placed += [(x + MARGIN, y + row, box) for x, row, box in inside]
            width = max(width, block_width + 2 * MARGIN)
            y += block_height + GAP
    for index, (x, row, box) in enumerate(placed):
        if len(inner) == 1 or (len(memory) == 1 and box is memory[0]):
            placed[index] = (x, row, _widened(box, width - 2 * MARGIN))
    return _Box(part, words, width, y - GAP + MARGIN, placed)


def _widened(box: _Box, width: float) -> _Box:
    """Return a box at least as wide; what it holds alone grows with it."""
    if width <= box.width:
        return box
    inner = box.inner
    if len(inner) == 1:
        x, y, only = inner[0]
        inner = [(x, y, _widened(only, width - 2 * MARGIN))]
    return _Box(box.part, box.words, width, box.height, inner)


def _rows(boxes: list[_Box], least: float) -> tuple[list[tuple[float, float, _Box]], float, float]:
    """Put boxes into rows, of a width that makes the whole near SHAPE; return their places and the size of the whole."""
    area = sum((box.width + GAP) * (box.height + GAP) for box in boxes)
    whole = sum(box.width + GAP for box in boxes) - GAP
    limit = max(least, max(box.width for box in boxes), (area * SHAPE) ** 0.5)
    if all(box.part["type"] in _CHIPS for box in boxes) and len(boxes) <= 8:
        limit = whole
    placed = []
    x = y = row_height = width = 0.0
    for box in boxes:
        if x and x + box.width > limit + 0.5:
            y += row_height + GAP
            x = row_height = 0.0
        placed.append((x, y, box))
        width = max(width, x + box.width)
        row_height = max(row_height, box.height)
        x += box.width + GAP
    return placed, width, y + row_height


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
