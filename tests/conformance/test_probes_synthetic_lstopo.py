"""Synthetic machines against hwloc's own reading of the same descriptions."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import Compare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.synthetic.survey import survey

LSTOPO = shutil.which("lstopo-no-graphics")

pytestmark = pytest.mark.skipif(LSTOPO is None, reason="lstopo-no-graphics (package hwloc-nox) is not installed")

KINDS = {"0": "unified", "1": "data", "2": "instruction"}

MOST = 96
"""Hardware threads of a machine that is drawn; larger ones are no different."""

Fields = dict[tuple[Any, ...], Any]


def hwloc_says(text: str) -> Fields:
    """What hwloc makes of a description, by field: see `we_say`."""
    result = subprocess.run(
        [str(LSTOPO), "-i", text, "--of", "xml", "--no-collapse"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert "nvalid" not in result.stderr, result.stderr
    root = ElementTree.fromstring(result.stdout)
    found: Fields = {}
    nodes: list[tuple[int, int, int, frozenset[int]]] = []
    for element in root.iter("object"):
        kind, cores = element.get("type", ""), _cores(element.get("cpuset"))
        number = int(element.get("os_index", "0"))
        if kind == "PU":
            found["thread", number] = cores
        elif kind == "Package":
            found["package", number] = cores
        elif kind in ("Core", "Die"):
            found[kind.lower(), cores] = True
        elif "cache_size" in element.attrib:
            depth, what = int(element.get("depth", "0")), KINDS[element.get("cache_type", "")]
            found.setdefault(("cache", depth, what, cores), []).append(int(element.get("cache_size", "0")))
        elif kind == "NUMANode":
            nodes.append((len(cores), number, int(element.get("local_memory", "0")), cores))
    for _, number, size, _ in nodes:
        found["node", number] = size
    for thread in _cores(root[0].get("cpuset")):
        found["home", thread] = min(node for node in nodes if thread in node[3])[1]
    return found


def _cores(cpuset: str | None) -> frozenset[int]:
    mask = 0
    for word in (cpuset or "").split(","):
        mask = mask << 32 | int(word or "0", 16)
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def we_say(text: str) -> Fields:
    """Our facts of a description, by field.

    Threads, cores, packages and dies by the threads in them, caches by who shares them, nodes by number, and the node of each thread.
    """
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for fact in survey(text, "none").facts:
        rows[fact.name].append(fact.args)
    found: Fields = {("thread", core): frozenset({core}) for core, _, _ in rows["core"]}
    members: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    package_of = {core: package for core, package, _, _ in rows["cpu_thread"]}
    for core, package, number, _ in rows["cpu_thread"]:
        members["package", package].add(core)
        members["core", package, number].add(core)
    for core, die in rows["cpu_die"]:
        members["die", package_of[core], die].add(core)
    for cache, core in rows["cache_shared"]:
        members["cache", cache].add(core)
    for key, cores in members.items():
        if key[0] in ("core", "die"):
            found[key[0], frozenset(cores)] = True
        elif key[0] == "package":
            found[key] = frozenset(cores)
    for cache, depth, what, size, *_ in rows["cache"]:
        found.setdefault(("cache", depth, what, frozenset(members["cache", cache])), []).append(size)
    found |= {("node", number): size for number, size in rows["numa_node"]}
    found |= {("home", core): number for number, core in rows["numa_core"]}
    return found


def comparable(text: str) -> tuple[Fields, Fields]:
    """Both, without what only one of them says: hwloc has no core and no package where none is described."""
    told, expected = we_say(text), hwloc_says(text)
    for kind in ("core", "package"):
        if not any(key[0] == kind for key in expected):
            told = {key: value for key, value in told.items() if key[0] != kind}
    return told, expected


DESCRIPTIONS = [
    "pack:2 numa:2 l3:4 core:8 pu:2",
    "package:4 [numa(memory=64GiB)] l3:2(size=32MiB) core:8 pu:2(indexes=core:package)",
    "pack:2 [numa(memory=16GB)] [numa(memory=4GB)] die:2 l2:4 core:1 pu:4",
    "[numa(memory=1TB)] pack:2 [numa(memory=2GB)] core:2 [numa(memory=3GB)] pu:2",
    "pack:2 [numa(memory=1GB)] core:2 [numa(memory=2GB indexes=5,4,3,2,1,0)] pu:1",
    "numa:4(memory=2MiB indexes=2*2:1*2) core:2 pu:2",
    "node:2 so:2 core:2 l1i:1 l1d:1 2",
    "GROUP:2 Group:2 L5:1 l4cache:1 L3u:1(size=1MB) l2d:2 co:2 pu:1",
    "group:2 group:2 pu:2(indexes=group2:group1)",
    "group:2 group:2 pu:2(indexes=group)",
    "l2:2 l2d:2 l2i:1 l1:2 l1i:1 core:1 pu:2(indexes=l2)",
    "pack:2 [numa(indexes=pack memory=1kB)] [numa(memory=0x400)] core:3 pu:0x2",
    "pack:2(indexes=1,0) core:2 pu:2(indexes=7,6,5,4,3,2,1,0)",
    "(memory=4GB) pack: 2 core:2[numa(memory=1kiB)]pu:2",
    "pack:2 core:2 pu:2(indexes=4*2:1*4)",
    "pack:2 core:2 pu:2(indexes=1*8)",
    "pack:2 core:2 pu:2(indexes=2*4)",
    "pack:16 die:1 l3:4 core:2 pu:1",
    *(" ".join(["2"] * levels) for levels in range(1, 10)),
    "3 2(memory=5GB) 2 2 1 2",
]


@pytest.mark.parametrize("text", DESCRIPTIONS)
def test_a_description_gives_the_machine_that_hwloc_gives(text: str, compare: Compare) -> None:
    told, expected = comparable(text)
    compare("synthetic descriptions, lstopo", text, told, expected)


def test_memory_in_brackets_has_a_size_where_hwloc_gives_it_none(compare: Compare) -> None:
    told, expected = comparable("pack:2 [numa] pu:2")
    reason = "hwloc 2.9 gives 1 GiB to memory of a level and nothing to memory in brackets; here both have it"
    known = {("node", 0): reason, ("node", 1): reason}
    compare("synthetic descriptions, lstopo", "pack:2 [numa] pu:2", told, expected, known=known)


NAMES = {
    "package": ["pa", "pack", "Package", "socket", "so"],
    "die": ["die", "Di"],
    "core": ["co", "core", "CORE"],
    "numa": ["nu", "numa", "NUMANode", "node", "no"],
    "group": ["group", "gr"],
    "l1d": ["l1", "l1d", "L1dCache", "l1u"],
    "l3": ["l3", "L3u", "l3ucache"],
}

ORDER = ["package", "die", "l5", "l4", "l3", "l2", "l1d", "l1i", "core"]


@st.composite
def descriptions(draw: st.DrawFn) -> str:
    types = [type_ for type_ in ORDER if draw(st.booleans())]
    numa_level = draw(st.sampled_from([True, False, False]))
    for extra in ["group"] * draw(st.integers(0, 2)) + ["numa"] * numa_level:
        types.insert(draw(st.integers(0, len(types))), extra)
    words, totals, nodes, total = [], [], 0, 1
    for type_ in (*types, "pu"):
        count = draw(st.integers(1, min(4, MOST // total)))
        total *= count
        totals.append((type_, total))
        attributes = []
        if type_ in ("l3", "l2") and draw(st.booleans()):
            attributes.append(f"size={draw(st.integers(1, 64))}{draw(st.sampled_from(['kB', 'MiB', 'GB', '']))}")
        if type_ in ("package", "numa", "l3") and draw(st.booleans()):
            attributes.append(f"indexes={','.join(map(str, draw(st.permutations(range(total)))))}")
        if type_ == "pu":
            attributes += draw(_orders(totals))
        name = draw(st.sampled_from(NAMES.get(type_, [type_])))
        words.append(f"{name}:{count}" + (f"({' '.join(attributes)})" if attributes else ""))
        if not numa_level and type_ != "pu" and draw(st.integers(0, 3)) == 0:
            each = draw(st.integers(1, 2))
            nodes += each * total
            words += [f"[numa(memory={draw(st.integers(1, 9))}GB)]"] * each
    if nodes and draw(st.booleans()):
        at = max(at for at, word in enumerate(words) if word.startswith("["))
        numbers = ",".join(map(str, draw(st.permutations(range(nodes)))))
        words[at] = words[at].replace(")]", f" indexes={numbers})]")
    return " ".join(words)


@st.composite
def _orders(draw: st.DrawFn, totals: list[tuple[str, int]]) -> list[str]:
    """`indexes=` of hardware threads, in each of its forms, or none."""
    total = totals[-1][1]
    above = [name for name, _ in totals[:-1] if [name for name, _ in totals].count(name) == 1]
    form = draw(st.sampled_from(["none", "list", "named", "loops"]))
    if form == "list":
        return [f"indexes={','.join(map(str, draw(st.permutations(range(total)))))}"]
    if form == "named" and above:
        named = draw(st.lists(st.sampled_from(above), min_size=1, unique=True))
        return [f"indexes={':'.join(named)}"]
    if form == "loops" and total > 1:
        step, loops = 1, []
        while step < total:
            count = draw(st.sampled_from([n for n in range(2, total // step + 1) if total // step % n == 0]))
            loops.append(f"{step}*{count}")
            step *= count
        return [f"indexes={':'.join(draw(st.permutations(loops)))}"]
    return []


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(descriptions())
def test_any_description_gives_the_machine_that_hwloc_gives(text: str) -> None:
    told, expected = comparable(text)
    assert told == expected
