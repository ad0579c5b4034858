"""Pictures of plain shapes, as SVG or PNG: for heat maps and charts of what was measured.

A picture is a list of shapes, made once by whoever knows what it shows; both formats draw the same list, so they look alike. SVG needs
nothing but the standard library, scales without loss and shows a cell's words when the mouse rests on it. PNG is for places that show no
SVG; it is drawn with Pillow, an optional dependency (`multikernel-skb[pictures]`).
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from multikernel.errors import MultikernelError

FONT = "Helvetica, Arial, sans-serif"

PNG_SCALE = 2
"""Pixels of a PNG for each unit of a picture: sharp on screens of high density."""

NO_PILLOW = "PNG pictures need Pillow: pip install 'multikernel-skb[pictures]', or write an .svg, which needs nothing"

MOST_TITLES = 64 * 64
"""Cells of a mesh up to which each has its words; of more, the SVG would be megabytes."""


class PictureError(MultikernelError):
    """A picture cannot be written as asked."""


@dataclass(frozen=True)
class Rectangle:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str


@dataclass(frozen=True)
class Path2D:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    stroke: str
    width: float = 1.0


@dataclass(frozen=True)
class Words:
    """One line of text. `y` is its middle; `upright` turns it to read from below."""

    x: float
    y: float
    text: str
    size: float = 11
    anchor: Literal["start", "middle", "end"] = "start"
    fill: str = "#222222"
    upright: bool = False


@dataclass(frozen=True)
class Mesh:
    """Square cells in rows: the colour of each, and what it says when the mouse rests on it."""

    x: float
    y: float
    cell: float
    colours: tuple[tuple[str, ...], ...]
    titles: tuple[tuple[str, ...], ...]


Shape = Rectangle | Path2D | Words | Mesh


@dataclass(frozen=True)
class Picture:
    """Shapes on a white page; `title` and `description` are for who cannot see it."""

    width: float
    height: float
    title: str
    description: str
    shapes: tuple[Shape, ...]


def check_format(path: Path) -> None:
    """Raise PictureError if a picture cannot be written to a file of this name: cheaper before the picture is made than after."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise PictureError(f"{path}: a picture is .svg or .png, not {path.suffix or 'a file without a suffix'}")
    if path.suffix.lower() == ".png" and find_spec("PIL") is None:
        raise PictureError(NO_PILLOW)


def write(picture: Picture, path: Path) -> None:
    """Write a picture in the format that the file's name ends in: .svg or .png. Raises PictureError, OSError."""
    check_format(path)
    if path.suffix.lower() == ".svg":
        path.write_text(svg(picture), encoding="utf-8")
    else:
        path.write_bytes(png(picture))


def svg(picture: Picture) -> str:
    """Render a picture as an SVG document."""
    size = f'width="{picture.width:g}" height="{picture.height:g}" viewBox="0 0 {picture.width:g} {picture.height:g}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FONT}">',
        f"<title>{escape(picture.title)}</title>",
        f"<desc>{escape(picture.description)}</desc>",
        f'<rect width="{picture.width:g}" height="{picture.height:g}" fill="#ffffff"/>',
    ]
    for shape in picture.shapes:
        lines.extend(_svg(shape))
    return "\n".join([*lines, "</svg>", ""])


def _svg(shape: Shape) -> Iterator[str]:
    match shape:
        case Rectangle(x, y, width, height, fill):
            yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>'
        case Path2D(points, stroke, width):
            places = " ".join(f"{x:g},{y:g}" for x, y in points)
            yield f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="{width:g}"/>'
        case Words(x, y, text, size, anchor, fill, upright):
            turn = f' transform="rotate(-90 {x:g} {y:g})"' if upright else ""
            yield (
                f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" dy=".35em" '
                f'fill="{fill}"{turn}>{escape(text)}</text>'
            )
        case Mesh():
            yield from _svg_mesh(shape)


def _svg_mesh(mesh: Mesh) -> Iterator[str]:
    """Give cells one by one with their words, or where they are too many one path for each colour."""
    edge = f"{mesh.cell:g}"
    if sum(map(len, mesh.colours)) <= MOST_TITLES:
        yield '<g shape-rendering="crispEdges">'
        for row, colours in enumerate(mesh.colours):
            for column, colour in enumerate(colours):
                x, y = mesh.x + column * mesh.cell, mesh.y + row * mesh.cell
                words = escape(mesh.titles[row][column])
                yield (
                    f'<rect x="{x:g}" y="{y:g}" width="{edge}" height="{edge}" fill="{colour}">'
                    f"<title>{words}</title></rect>"
                )
        yield "</g>"
        return
    paths: dict[str, list[str]] = defaultdict(list)
    for row, colours in enumerate(mesh.colours):
        for column, colour in enumerate(colours):
            paths[colour].append(
                f"M{mesh.x + column * mesh.cell:g},{mesh.y + row * mesh.cell:g}h{edge}v{edge}h-{edge}z"
            )
    yield '<g shape-rendering="crispEdges">'
    for colour, moves in paths.items():
        yield f'<path fill="{colour}" d="{"".join(moves)}"/>'
    yield "</g>"


def png(picture: Picture, scale: int = PNG_SCALE) -> bytes:
    """Render a picture as a PNG of `scale` pixels a unit. Raises PictureError where Pillow is not installed."""
    try:
        from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
    except ImportError:
        raise PictureError(NO_PILLOW) from None
    image = Image.new("RGB", (round(picture.width * scale), round(picture.height * scale)), "#ffffff")
    draw = ImageDraw.Draw(image)
    for shape in picture.shapes:
        match shape:
            case Rectangle(x, y, width, height, fill):
                draw.rectangle(_box(x, y, width, height, scale), fill=fill)
            case Path2D(points, stroke, width):
                places = [(x * scale, y * scale) for x, y in points]
                draw.line(places, fill=stroke, width=max(1, round(width * scale)), joint="curve")
            case Words(upright=False):
                font = ImageFont.load_default(size=shape.size * scale)
                anchor = {"start": "lm", "middle": "mm", "end": "rm"}[shape.anchor]
                draw.text((shape.x * scale, shape.y * scale), shape.text, fill=shape.fill, font=font, anchor=anchor)
            case Words():
                _upright(image, shape, scale)
            case Mesh(x, y, cell, rows, _):
                for row, colours in enumerate(rows):
                    for column, colour in enumerate(colours):
                        box = _box(x + column * cell, y + row * cell, cell, cell, scale)
                        draw.rectangle(box, fill=colour)
    words = PngImagePlugin.PngInfo()
    words.add_text("Title", picture.title)
    words.add_text("Description", picture.description)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, pnginfo=words)
    return out.getvalue()


def _box(x: float, y: float, width: float, height: float, scale: int) -> tuple[int, int, int, int]:
    """Corners of a rectangle in pixels, the last ones inclusive."""
    left, top = round(x * scale), round(y * scale)
    return left, top, max(left, round((x + width) * scale) - 1), max(top, round((y + height) * scale) - 1)


def _upright(image: Any, words: Words, scale: int) -> None:
    """Draw text that reads from below: drawn level on a page of its own, then turned."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=words.size * scale)
    width, height = round(font.getlength(words.text)) + 4, round(words.size * scale * 1.6)
    page = Image.new("L", (width, height), 0)
    ImageDraw.Draw(page).text((width / 2, height / 2), words.text, fill=255, font=font, anchor="mm")
    turned = page.rotate(90, expand=True)
    x, y = round(words.x * scale), round(words.y * scale)
    top = {"start": y - turned.height, "middle": y - turned.height // 2, "end": y}[words.anchor]
    image.paste(Image.new("RGB", turned.size, words.fill), (x - turned.width // 2, top), turned)
