"""Pictures and graphs of machines: well-formed, sized, with every part in its place."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from skb.topology import facts_tree
from skb.topology.dot import dot
from skb.topology.svg import svg

SVG = "{http://www.w3.org/2000/svg}"


def fact(name: str, *args: Any) -> dict[str, Any]:
    return {"name": name, "args": [*args]}


def at(bus: int, device: int) -> dict[str, Any]:
    return {"f": "addr", "args": [0, bus, device, 0]}


def machine(packages: int, dies: int, cores: int, threads: int = 2) -> list[dict[str, Any]]:
    """A machine whose second threads are numbered after all first ones, with three levels of caches, nodes and devices."""
    facts = [fact("machine", "big & <tall>", "x86_64", 'Linux "6"')]
    physical = packages * dies * cores
    for number in range(physical):
        package, inside = divmod(number, dies * cores)
        for thread in range(threads):
            core = number + thread * physical
            facts += [fact("core", core, core, 1), fact("cpu_thread", core, package, inside, thread)]
            facts += [fact("cpu_die", core, inside // cores), fact("numa_core", package, core)]
            facts += [fact("cache_shared", cache, core) for cache in (number, 10**4 + number, 10**5 + number // cores)]
        facts.append(fact("cache", number, 1, "data", 32768, 8, 64, 0))
        facts.append(fact("cache", 10**4 + number, 2, "unified", 1 << 20, 8, 64, 0))
    facts += [fact("cache", 10**5 + die, 3, "unified", 1 << 25, 16, 64, 0) for die in range(packages * dies)]
    facts += [fact("numa_node", package, 1 << 38) for package in range(packages)]
    facts += [fact("bridge", at(0, 1), 0, 1, 1), fact("device", at(1, 0), 0x8086, 0x1521, 2, 0, 0, 1)]
    return [*facts, fact("net_interface", "eth0", at(1, 0))]


BIG = machine(2, 12, 8)
SMALL = machine(1, 1, 2, 1)


def parts(tree: Any) -> list[Any]:
    return [tree, *(inner for child in tree["children"] for inner in parts(child))]


def box(group: ET.Element) -> tuple[float, float, float, float]:
    rect = group.find(f"{SVG}rect")
    assert rect is not None
    x, y, width, height = (float(rect.get(name, "nan")) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


@pytest.mark.parametrize(
    "facts", [SMALL, BIG, [fact("core", 0, 0, 1)], []], ids=["small", "384 threads", "core", "nothing"]
)
def test_every_part_has_a_box_inside_its_parents_and_beside_its_siblings(facts: list[dict[str, Any]]) -> None:
    tree = facts_tree(facts)
    root = ET.fromstring(svg(tree))
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    assert root.get("viewBox") == f"0 0 {width:.0f} {height:.0f}"
    groups = list(root.iter(f"{SVG}g"))
    assert len(groups) == len(parts(tree))
    outer = root.find(f"{SVG}g")
    assert outer is not None
    x, y, right, bottom = box(outer)
    assert 0 <= x <= right <= width
    assert 0 <= y <= bottom <= height
    for group in groups:
        x, y, right, bottom = box(group)
        inner = [box(child) for child in group.findall(f"{SVG}g")]
        assert all(x < left and y < top and end < right and low < bottom for left, top, end, low in inner)
        for index, (left, top, end, low) in enumerate(inner):
            for other in inner[index + 1 :]:
                assert end <= other[0] + 0.2 or other[2] <= left + 0.2 or low <= other[1] + 0.2 or other[3] <= top + 0.2


@pytest.mark.parametrize("facts", [SMALL, BIG])
def test_every_text_fits_its_box_and_is_not_covered(facts: list[dict[str, Any]]) -> None:
    for group in ET.fromstring(svg(facts_tree(facts))).iter(f"{SVG}g"):
        words = group.find(f"{SVG}text")
        assert words is not None
        x, y, right, bottom = box(group)
        start, base = float(words.get("x", "nan")), float(words.get("y", "nan"))
        assert x < start
        assert start + float(words.get("textLength", "nan")) <= right
        assert y < base < bottom
        assert all(box(child)[1] > base for child in group.findall(f"{SVG}g"))


def test_a_large_machine_keeps_the_shape_of_a_page() -> None:
    root = ET.fromstring(svg(facts_tree(BIG)))
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    assert 0.5 < width / height < 3
    assert width < 4000
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert sum(bool(re.fullmatch(r"core \d+", title)) for title in titles) == 384
    assert "Node 1, 256 GiB" in titles


def test_names_are_escaped_and_control_characters_dropped() -> None:
    facts = [fact("machine", "a<b>&\x00\x1b\n", "x", 'y"z'), fact("core", 0, 0, 1)]
    (title, *_) = ET.fromstring(svg(facts_tree(facts))).iter(f"{SVG}title")
    assert title.text == 'Machine a<b>&   , y"z'
    assert "\x00" not in dot(facts_tree(facts))


NODE = re.compile(r'  (n\d+) \[label="((?:[^"\\]|\\[\\"n])*)", fillcolor="#[0-9a-f]{6}"\];')
EDGE = re.compile(r"  (n\d+) -- (n\d+);")


def graph(source: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Nodes and edges; a line that is neither is an error."""
    first, *lines, last = source.splitlines()
    assert (first, last) == ("graph topology {", "}")
    nodes, edges = {}, []
    for line in lines[3:]:
        if node := NODE.fullmatch(line):
            nodes[node[1]] = node[2]
        else:
            edge = EDGE.fullmatch(line)
            assert edge, line
            edges.append((edge[1], edge[2]))
    return nodes, edges


@pytest.mark.parametrize("facts", [SMALL, BIG, []])
def test_a_graph_is_one_tree(facts: list[dict[str, Any]]) -> None:
    nodes, edges = graph(dot(facts_tree(facts)))
    assert len(edges) == len(nodes) - 1
    assert {child for _, child in edges} == nodes.keys() - {"n0"}
    assert {above for above, _ in edges} <= nodes.keys()


def test_a_graph_names_every_thread() -> None:
    nodes, _ = graph(dot(facts_tree(BIG)))
    assert len(re.findall(r"(?:^|\\n)core \d+", "\n".join(nodes.values()).replace("\n", "\\n"))) == 384
    assert any("eth0" in label for label in nodes.values())


def test_labels_of_a_graph_are_quoted() -> None:
    nodes, _ = graph(dot(facts_tree([fact("machine", 'a"b\\c', "x", "y"), fact("core", 0, 0, 1)])))
    assert nodes["n0"].startswith('Machine a\\"b\\\\c')


def test_graphviz_draws_the_graph() -> None:
    if shutil.which("dot") is None:
        pytest.skip("dot, which draws graphs, is not installed (Debian: graphviz)")
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot(facts_tree(BIG)), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    ET.fromstring(done.stdout)
