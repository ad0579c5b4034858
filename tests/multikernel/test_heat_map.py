"""Heat maps: the order of cores shows the machine, colours grow with the latency, and files that are no matrices are refused."""

import json
import math
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.drawing import Mesh, Path2D, PictureError, Words, svg
from multikernel.heat_map import (
    ITSELF,
    UNKNOWN,
    Latencies,
    Matrix,
    by_distance,
    by_number,
    by_parts,
    colour,
    heat_map,
    read_csv,
)

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "latency"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded latencies in {RECORDED}")


def blocks(groups: list[list[int]], near: float = 10, far: float = 100) -> Matrix:
    """A machine whose cores are near each other within groups."""
    size = sum(map(len, groups))
    values = np.full((size, size), float(far))
    for group in groups:
        values[np.ix_(group, group)] = near
    np.fill_diagonal(values, math.nan)
    return values


def drawn(values: Matrix, **kwargs: str) -> Latencies:
    return Latencies("A machine", "ns", "latency", tuple(range(len(values))), values)


def mesh_of(latencies: Latencies) -> Mesh:
    picture = heat_map(latencies, by_number(latencies.cores))
    return next(shape for shape in picture.shapes if isinstance(shape, Mesh))


@given(st.permutations(range(12)))
def test_cores_that_are_near_stand_together_however_they_are_numbered(numbers: list[int]) -> None:
    groups = [numbers[:4], numbers[4:8], numbers[8:]]
    order = by_distance(blocks(groups))
    found = [set(order.positions[start : start + 4]) for start in (0, 4, 8)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, groups))
    assert [place for place, strength in enumerate(order.lines) if strength] == [3, 7], (
        "lines part the groups, nothing else"
    )


def test_a_machine_that_is_numbered_by_its_parts_keeps_its_order() -> None:
    assert by_distance(blocks([[0, 1, 2], [3, 4, 5]])).positions == (0, 1, 2, 3, 4, 5)


def test_two_levels_have_two_strengths_of_lines() -> None:
    values = blocks([[0, 1, 2, 3], [4, 5, 6, 7]])
    for one in (0, 2, 4, 6):
        values[one, one + 1] = values[one + 1, one] = 2
    assert by_distance(values).lines == (0, 1, 0, 2, 0, 1, 0)


def test_a_machine_without_structure_has_no_lines() -> None:
    assert set(by_distance(blocks([[0, 1, 2, 3]])).lines) == {0}


def test_parts_of_the_machine_give_the_order_of_its_cores() -> None:
    parts = {0: (0, 0, 0), 1: (1, 1, 1), 2: (0, 0, 2), 3: (1, 1, 3), 4: (0, 4, 4), 5: (1, 1, 1)}
    order = by_parts(sorted(parts), parts.__getitem__)
    assert order.positions == (0, 2, 4, 1, 5, 3)
    assert order.lines == (0, 1, 2, 0, 0)


def test_colours_grow_lighter_from_near_to_far() -> None:
    def light(text: str) -> float:
        red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2

    shades = [light(colour(step / 50)) for step in range(51)]
    assert shades == sorted(shades)
    assert shades[-1] > 10 * shades[0]


def test_cells_say_what_they_are() -> None:
    values = np.array([[math.nan, 10.0, math.nan], [10.0, math.nan, 30.0], [math.nan, 30.0, math.nan]])
    mesh = mesh_of(drawn(values))
    assert mesh.titles[0] == ("core 0", "0 to 1: 10 ns", "0 to 2: not measured")
    assert [row[i] for i, row in enumerate(mesh.colours)] == [ITSELF] * 3
    assert mesh.colours[0][2] == UNKNOWN
    assert mesh.colours[0][1] == colour(0.0)
    assert mesh.colours[1][2] == colour(1.0)


def test_one_outlier_does_not_take_all_colours() -> None:
    values = blocks([list(range(10)), list(range(10, 20))])
    values[0, 1] = 1_000_000
    mesh = mesh_of(drawn(values))
    assert mesh.colours[0][15] != mesh.colours[2][3], "near and far still differ"


def test_small_machines_have_their_figures_in_the_cells_and_large_ones_some_labels_only() -> None:
    small = heat_map(drawn(blocks([[0, 1], [2, 3]])), by_number(range(4)))
    words = [shape.text for shape in small.shapes if isinstance(shape, Words)]
    assert words.count("100") >= 8
    large = heat_map(drawn(blocks([list(range(64)), list(range(64, 128))])), by_number(range(128)))
    labels = [shape.text for shape in large.shapes if isinstance(shape, Words) and shape.text.isdigit()]
    assert len(labels) < 128


def test_legend_goes_from_the_least_to_the_greatest_with_the_unit() -> None:
    picture = heat_map(drawn(blocks([[0, 1], [2, 3]], near=10, far=40)), by_number(range(4)))
    words = [shape.text for shape in picture.shapes if isinstance(shape, Words)]
    assert {"10", "25", "40", "ns"} <= set(words)
    assert "from 10 to 40 ns" in picture.description


def test_far_machines_have_a_logarithmic_legend() -> None:
    picture = heat_map(drawn(blocks([[0, 1], [2, 3]], near=5, far=500)), by_number(range(4)))
    assert "ns, logarithmic" in [shape.text for shape in picture.shapes if isinstance(shape, Words)]


def test_a_map_of_nothing_is_refused() -> None:
    with pytest.raises(PictureError, match="nothing to draw"):
        heat_map(drawn(np.full((3, 3), math.nan)), by_number(range(3)))


def test_a_triangle_is_mirrored(tmp_path: Path) -> None:
    (tmp_path / "half.csv").write_text("0\n10,0\n20,30,0\n")
    values = read_csv(tmp_path / "half.csv")
    assert values[0, 2] == values[2, 0] == 20
    assert math.isnan(values[1, 1])


@pytest.mark.parametrize("text", ["", "1\n", "a,b\nc,d\n", "1,2,3\n4,5,6\n", "0,1\n1,0\n2,2\n\n\n1,2,3,4,5\n"])
def test_a_file_that_is_no_matrix_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.csv").write_text(text)
    with pytest.raises(PictureError, match=r"odd\.csv"):
        read_csv(tmp_path / "odd.csv")


@recorded
@pytest.mark.parametrize("name", ["amd-ryzen-5900x", "amd-threadripper-3960x", "amd-epyc-7773x"])
def test_recorded_machines_show_their_shared_caches(name: str) -> None:
    """Cores that are known to share a cache stand together."""
    index = json.loads((RECORDED / "index.json").read_text())
    entry = next(entry for entry in index["entries"] if entry["file"] == f"{name}.csv")
    group_of = entry["core_cluster"]["group_of_cpu"]
    order = by_distance(read_csv(RECORDED / f"{name}.csv"))
    runs = [group_of[position] for position in order.positions]
    changes = sum(one != other for one, other in pairwise(runs))
    assert changes == len(set(group_of)) - 1


@recorded
def test_every_recorded_machine_can_be_drawn() -> None:
    for path in sorted(RECORDED.glob("*.csv")):
        values = read_csv(path)
        picture = heat_map(drawn(values), by_distance(values))
        mesh = next(shape for shape in picture.shapes if isinstance(shape, Mesh))
        assert len(mesh.colours) == len(values), path.name
        assert sorted(by_distance(values).positions) == list(range(len(values))), path.name
        right = max(shape.points[-1][0] for shape in picture.shapes if isinstance(shape, Path2D))
        assert right < picture.width, path.name
        if len(values) <= 64:
            ElementTree.fromstring(svg(picture).encode())
