"""Synthetic machines against hwloc's own reading of the same descriptions."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.synthetic.survey import survey

LSTOPO = shutil.which("lstopo-no-graphics")

pytestmark = pytest.mark.skipif(LSTOPO is None, reason="lstopo-no-graphics (package hwloc-nox) is not installed")

CACHES = {"L1Cache": (1, "data"), "L1iCache": (1, "instruction"), "L2Cache": (2, "unified"), "L3Cache": (3, "unified")}


def described(text: str) -> dict[str, Any]:
    """What hwloc makes of a description: caches with sharers, threads of cores and packages, memory with what is near it."""
    result = subprocess.run(
        [str(LSTOPO), "-i", text, "--of", "xml", "--no-collapse"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    root = ElementTree.fromstring(result.stdout)
    found: dict[str, Any] = {"caches": [], "cores": set(), "packages": set(), "nodes": []}

    def threads(element: ElementTree.Element) -> frozenset[int]:
        return frozenset(int(each.get("os_index", "")) for each in element.iter("object") if each.get("type") == "PU")

    for element in root.iter("object"):
        kind = element.get("type", "")
        if kind in CACHES:
            found["caches"].append(
                (*CACHES[kind], int(element.get("cache_size", "0")), tuple(sorted(threads(element))))
            )
        elif kind in ("Core", "Package"):
            found["cores" if kind == "Core" else "packages"].add(threads(element))
        elif kind == "NUMANode":
            found["nodes"].append((int(element.get("os_index", "")), element.get("cpuset")))
    found["caches"].sort()
    found["nodes"].sort()
    found["threads"] = threads(root)
    return found


def ours(text: str) -> dict[str, Any]:
    rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for fact in survey(text).facts:
        rows[fact.name].append(fact.args)
    sharers: dict[int, list[int]] = defaultdict(list)
    for cache, core in rows["cache_shared"]:
        sharers[cache].append(core)
    cores: dict[tuple[int, int], set[int]] = defaultdict(set)
    packages: dict[int, set[int]] = defaultdict(set)
    for core, package, number, _ in rows["cpu_thread"]:
        cores[package, number].add(core)
        packages[package].add(core)
    return {
        "caches": sorted(
            (level, kind, size, tuple(sorted(sharers[cache]))) for cache, level, kind, size, *_ in rows["cache"]
        ),
        "cores": {frozenset(each) for each in cores.values()},
        "packages": {frozenset(each) for each in packages.values()},
        "nodes": sorted(number for number, _ in rows["numa_node"]),
        "threads": frozenset(core for core, *_ in rows["core"]),
    }


@st.composite
def descriptions(draw: st.DrawFn) -> str:
    counts = st.integers(1, 4)
    words = [f"package:{draw(counts)}"] if draw(st.booleans()) else []
    if draw(st.booleans()):
        words.append("[numa]")
    elif draw(st.booleans()):
        words.append(f"numa:{draw(counts)}")
    for cache in ("l3", "l2", "l1d", "l1i"):
        if draw(st.booleans()):
            size = draw(st.sampled_from(["", "(size=64kB)", "(size=1MiB)"]))
            words.append(f"{cache}:{draw(counts)}{size}")
    words.append(f"core:{draw(counts)}")
    threads = draw(counts)
    order = draw(st.sampled_from(["", "(indexes=core)", "(indexes=package:core)"]))
    if "package" in order and not words[0].startswith("package"):
        order = ""
    return " ".join([*words, f"pu:{threads}{order}"])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(descriptions())
def test_a_description_gives_the_machine_that_hwloc_gives(text: str) -> None:
    expected, told = described(text), ours(text)
    assert told["threads"] == expected["threads"]
    assert told["cores"] == expected["cores"]
    assert not expected["packages"] or told["packages"] == expected["packages"]
    assert told["caches"] == expected["caches"]
    assert told["nodes"] == [number for number, _ in expected["nodes"]]


@pytest.mark.parametrize("levels", range(1, 9))
def test_levels_without_types_are_those_of_hwloc(levels: int) -> None:
    text = " ".join(["2"] * levels)
    expected, told = described(text), ours(text)
    assert told["threads"] == expected["threads"]
    assert told["caches"] == expected["caches"]
    assert not expected["packages"] or told["packages"] == expected["packages"]


@pytest.mark.parametrize("order", ["4*2:1*4", "1*8", "2*4:1*2", "7,6,5,4,3,2,1,0"])
def test_orders_of_indexes_are_those_of_hwloc(order: str) -> None:
    text = f"package:2 core:2 pu:2(indexes={order})"
    assert ours(text)["cores"] == described(text)["cores"]
    assert ours(text)["packages"] == described(text)["packages"]
