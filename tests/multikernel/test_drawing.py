"""Pictures: both formats show the same shapes."""

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from multikernel import drawing
from multikernel.drawing import Mesh, Path2D, Picture, PictureError, Rectangle, Words, png, svg, write

SHAPES = (
    Rectangle(10, 10, 20, 10, "#ff0000"),
    Path2D(((0, 50), (100, 50)), "#0000ff", 2),
    Words(50, 80, "a < b & c", 12, "middle"),
    Words(95, 50, "upright", 12, "middle", upright=True),
    Mesh(40, 10, 5, (("#00ff00", "#000000"), ("#000000", "#00ff00")), (("here", "x"), ("y", "z"))),
)
PICTURE = Picture(100, 100, "A title", "What it shows", SHAPES)
SPACE = "{http://www.w3.org/2000/svg}"


def test_svg_is_xml_that_says_what_it_shows() -> None:
    root = ElementTree.fromstring(svg(PICTURE).encode())
    assert root.findtext(f"{SPACE}title") == "A title"
    assert root.findtext(f"{SPACE}desc") == "What it shows"
    assert [text.text for text in root.iter(f"{SPACE}text")] == ["a < b & c", "upright"]
    titled = [rect for rect in root.iter(f"{SPACE}rect") if rect.find(f"{SPACE}title") is not None]
    assert [rect.findtext(f"{SPACE}title") for rect in titled] == ["here", "x", "y", "z"]


def test_svg_of_very_many_cells_is_a_path_for_each_colour() -> None:
    size = 100
    colours = tuple(tuple(("#111111", "#222222")[(i + j) % 2] for j in range(size)) for i in range(size))
    mesh = Mesh(0, 0, 3, colours, colours)
    text = svg(Picture(300, 300, "", "", (mesh,)))
    root = ElementTree.fromstring(text.encode())
    paths = list(root.iter(f"{SPACE}path"))
    assert {path.get("fill") for path in paths} == {"#111111", "#222222"}
    assert sum(path.get("d", "").count("M") for path in paths) == size * size
    assert len(text) < 30 * size * size


def test_png_has_the_pixels_of_the_shapes() -> None:
    with Image.open(io.BytesIO(png(PICTURE, scale=2))) as image:
        assert image.size == (200, 200)
        assert image.text["Title"] == "A title"  # type: ignore[attr-defined]  # of PNG images only
        pixels = image.convert("RGB")
        assert pixels.getpixel((2 * 20, 2 * 15)) == (255, 0, 0)
        assert pixels.getpixel((2 * 20, 2 * 50)) == (0, 0, 255)
        assert pixels.getpixel((2 * 42, 2 * 12)) == (0, 255, 0)
        assert pixels.getpixel((2 * 47, 2 * 12)) == (0, 0, 0)
        assert pixels.getpixel((2 * 5, 2 * 5)) == (255, 255, 255)
        level = pixels.crop((2 * 20, 2 * 72, 2 * 80, 2 * 88)).convert("L")
        assert level.getextrema()[0] < 100, "words are dark on white"
        upright = pixels.crop((2 * 88, 2 * 20, 2 * 100, 2 * 45)).convert("L")
        assert upright.getextrema()[0] < 100, "words that read from below stand above and below their middle"


def test_the_files_name_says_the_format(tmp_path: Path) -> None:
    write(PICTURE, tmp_path / "a.svg")
    write(PICTURE, tmp_path / "a.PNG")
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")
    assert (tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")
    for name in ("a.gif", "a"):
        with pytest.raises(PictureError, match=r"\.svg or \.png"):
            write(PICTURE, tmp_path / name)


def test_png_without_pillow_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(drawing, "find_spec", lambda _: None)
    with pytest.raises(PictureError, match="need Pillow"):
        write(PICTURE, tmp_path / "a.png")
    write(PICTURE, tmp_path / "a.svg")
