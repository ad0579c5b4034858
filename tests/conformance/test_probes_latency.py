"""Latencies that other programs measured on real machines, against the same matrices in plain form."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from conftest import Compare
from probes_recorded import DATA, groups, rows
from probes_vocabulary import violations

from probes.fact import Survey
from probes.foreign import core_to_core, mctop, nsend
from probes.machine import read

LATENCY = DATA / "latency"

FORMATS = {"core_to_core": core_to_core, "mctop": mctop, "nsend": nsend}

ROUNDED = 10
"""Picoseconds: the plain matrices have two decimals of a nanosecond, so that a round trip is within 10 ps."""


def entries(part: str) -> list[Any]:
    """Matrices whose raw file's name has this in it, or one parameter that skips with the reason."""
    index = LATENCY / "index.json"
    if not index.is_file():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"no latencies of real machines in {LATENCY}"))]
    listed = json.loads(index.read_text())["entries"]
    return [pytest.param(entry, id=entry["file"]) for entry in listed if part in entry["raw"]]


def matrix(entry: dict[str, Any]) -> list[list[float]]:
    with (LATENCY / entry["file"]).open(newline="") as file:
        return [[float(cell) for cell in row] for row in csv.reader(file)]


def round_trips(found: Survey) -> dict[tuple[int, int], int]:
    return {(sender, receiver): average for sender, receiver, average, *_ in rows(found)["message_rtt"]}


@pytest.mark.parametrize("entry", entries("nviennot"))
def test_a_matrix_of_core_to_core_latency_gives_round_trips_of_twice_its_cells(
    entry: dict[str, Any], compare: Compare
) -> None:
    found = read(LATENCY / entry["raw"])
    assert not found.problems
    assert not violations(found.facts)
    expected = {
        (row, column): round(2000 * cell)
        for row, cells in enumerate(matrix(entry))
        for column, cell in enumerate(cells)
        if row != column
    }
    told = {
        pair: expected[pair] if abs(average - expected.get(pair, -1)) <= ROUNDED else average
        for pair, average in round_trips(found).items()
    }
    compare("round trips, core-to-core-latency", entry["file"], told, expected)
    assert {core for core, *_ in rows(found)["core"]} == set(range(entry["cpus"]))


@pytest.mark.parametrize("entry", entries(".mct"))
def test_an_mctop_description_gives_round_trips_of_twice_its_cycles_over_the_clock(
    entry: dict[str, Any], compare: Compare
) -> None:
    found = read(LATENCY / entry["raw"], "mctop:2GHz")
    assert not found.problems
    assert not violations(found.facts)
    expected = {
        (row, column): round(cycles * 2 * 500)
        for row, cells in enumerate(matrix(entry))
        for column, cycles in enumerate(cells)
        if row != column
    }
    compare("round trips, MCTOP", entry["file"], round_trips(found), expected)


@pytest.mark.parametrize("entry", entries(".mct"))
def test_an_mctop_description_gives_the_sockets_cores_and_memory_that_it_measured(
    entry: dict[str, Any], compare: Compare
) -> None:
    found = rows(read(LATENCY / entry["raw"], "mctop:2GHz"))
    extra = json.loads((LATENCY / entry["extra"]).read_text())
    places = found["cpu_thread"]
    told: dict[Any, Any] = {
        "threads": len(places),
        "sockets": len({package for _, package, _, _ in places}),
        "cores of each": {len(cores) for cores in _cores_by_package(places).values()},
        "threads of each": {1 + max(thread for *_, thread in places)},
    }
    expected: dict[Any, Any] = {
        "threads": entry["cpus"],
        "sockets": entry["sockets"],
        "cores of each": {entry["cores_per_socket"]},
        "threads of each": {entry["smt"]},
    }
    for context, latencies in enumerate(extra.get("mem_latency_cycles_[hwc][node]") or []):
        expected |= {("memory", context, node): cycles * 500 for node, cycles in enumerate(latencies) if cycles}
    told |= {("memory", context, node): latency for context, node, latency, _ in found["memory_access"]}
    compare("sockets, cores and memory, MCTOP", entry["file"], told, expected)
    for level, count, sizes in entry.get("groups_by_level", []):
        if count == entry["sockets"] and count > 1:
            assert {len(group) for group in groups((package, at) for at, package, _, _ in places)} == set(sizes), level


def _cores_by_package(places: list[tuple[Any, ...]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for _, package, core, _ in places:
        found[package].add(core)
    return found


def test_files_of_nsend_that_lie_together_give_round_trips_and_costs(tmp_path: Path, compare: Compare) -> None:
    raw = sorted((LATENCY / "raw").glob("smelt-*.txt"))
    if not raw:
        pytest.skip(f"no latencies of real machines in {LATENCY}")
    for file in raw:
        (tmp_path / file.name).symlink_to(file)
    found = read(tmp_path, "nsend:2494MHz")
    assert not found.problems
    assert not violations(found.facts)
    by_name = rows(found)
    told: dict[Any, Any] = {}
    for sender, receiver, average, deviation, *_ in by_name["message_rtt"]:
        told["rtt", sender, receiver] = _cycles(average)
        told["rtt.stderr", sender, receiver] = _cycles(deviation)
    for sender, receiver, send, receive in by_name["message_cost"]:
        told["send", sender, receiver] = _cycles(send)
        told["receive", sender, receiver] = _cycles(receive)
    expected = {}
    for what in ("rtt", "rtt.stderr", "send", "receive"):
        cells = matrix({"file": f"smelt-e5v2-2x10-{what}.csv"})
        expected |= {
            (what, row, column): cell
            for row, line in enumerate(cells)
            for column, cell in enumerate(line)
            if row != column
        }
    near = {
        key: expected[key] if key in expected and abs(told[key] - expected[key]) <= 0.06 else told[key] for key in told
    }
    compare("round trips and costs, n-send", "smelt-e5v2-2x10", near, expected)


def _cycles(ps: int) -> float:
    return ps * 2494 / 1e6


@pytest.mark.parametrize("entry", entries("."))
def test_no_other_format_claims_a_file_of_latencies(entry: dict[str, Any]) -> None:
    head = (LATENCY / entry["raw"]).read_text()[: 1 << 16]
    claimed = [name for name, each in FORMATS.items() if each.recognises(head)]
    expected = "nsend" if "smelt" in entry["raw"] else "mctop" if entry["raw"].endswith(".mct") else "core_to_core"
    assert claimed == [expected]
