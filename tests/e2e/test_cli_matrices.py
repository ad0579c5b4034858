"""Placements and trees for matrices in files: no service, no machine."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def skb(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skb", *map(str, words)], capture_output=True, text=True, timeout=100, check=False
    )


def answer(*words: str | Path) -> Any:
    done = skb(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write(path: Path, rows: list[list[Any]], between: str = ",") -> Path:
    path.write_text("".join(between.join(map(str, row)) + "\n" for row in rows))
    return path


def cost(distance: list[list[int]], traffic: list[list[int]], cores: tuple[int, ...] | list[int]) -> int:
    return sum(traffic[a][b] * distance[x][y] for a, x in enumerate(cores) for b, y in enumerate(cores))


@pytest.mark.parametrize("between", [",", ";", " ", "\t"])
def test_a_placement_is_the_best_of_all(tmp_path: Path, between: str) -> None:
    chance = random.Random(between)
    distance = [[0 if a == b else chance.randrange(1, 50) for b in range(6)] for a in range(6)]
    traffic = [[0 if a == b else chance.randrange(9) for b in range(5)] for a in range(5)]
    found = answer(
        "place",
        "--distance",
        write(tmp_path / "d.csv", distance, between),
        "--traffic",
        write(tmp_path / "t.csv", traffic, between),
    )
    best = min(cost(distance, traffic, cores) for cores in itertools.permutations(range(6), 5))
    assert (found["cost"], found["bound"], found["status"]) == (best, best, "optimal")
    assert cost(distance, traffic, found["assignment"]) == best


def completion(children: dict[str, list[int]], latency: list[list[float]], root: int) -> int:
    """When the last core has received, by the definition."""
    times = {root: 0}
    waiting = [root]
    while waiting:
        core = waiting.pop()
        now = times[core]
        for child in children[str(core)]:
            whole = round(latency[core][child] * 1000)
            send = whole * 22 // 100
            now += send
            times[child] = now + whole - send
            waiting.append(child)
    assert sorted(times) == list(range(len(latency)))
    return max(times.values())


def test_a_tree_reaches_all_in_the_time_that_it_says(tmp_path: Path) -> None:
    latency = [[0 if a == b else 20.5 if a // 4 == b // 4 else 95.25 for b in range(8)] for a in range(8)]
    found = answer("tree", "--latency", write(tmp_path / "l.csv", latency), "--root", 3)
    assert found["root"] == 3
    assert completion(found["children"], latency, 3) == found["cost_ps"]
    assert found["bound_ps"] <= found["cost_ps"]


@pytest.mark.parametrize(
    "rows",
    [
        [["0"], ["40", "0"], ["110.5", "90", "0"]],
        [["0", "", ""], ["40", "0", ""], ["110.5", "90", "0"]],
        [["", "40", "110.5"], ["", "", "90"], ["", "", ""]],
    ],
)
def test_a_triangle_is_as_good_as_a_square(tmp_path: Path, rows: list[list[str]]) -> None:
    square = [[0, 40, 110.5], [40, 0, 90], [110.5, 90, 0]]
    one = answer("tree", "--latency", write(tmp_path / "l.csv", rows), "--root", 0)
    other = answer("tree", "--latency", write(tmp_path / "s.csv", square), "--root", 0)
    del one["seconds"], other["seconds"]
    assert one == other


def test_what_was_measured_apart_counts(tmp_path: Path) -> None:
    latency = write(tmp_path / "l.csv", [[0, 100], [100, 0]])
    send, receive = write(tmp_path / "s.csv", [[0, 7], [7, 0]]), write(tmp_path / "r.csv", [[0, 30], [30, 0]])
    assert answer("tree", "--latency", latency, "--root", 0)["cost_ps"] == 100_000
    assert answer("tree", "--latency", latency, "--root", 0, "--send", send, "--receive", receive)["cost_ps"] == 37_000


@pytest.mark.parametrize(
    ("command", "content", "words"),
    [
        ("place", "0,1\n1,0,2\n", "row 2 has 3 numbers"),
        ("place", "0,x\n1,0\n", "line 1, column 2: 'x' is no integer"),
        ("place", "0,-1\n1,0\n", "-1 is less than nothing"),
        ("place", "0,1.5\n1,0\n", "'1.5' is no integer"),
        ("place", "\n# nothing\n", "has no numbers"),
        ("tree", "0,1\n1,nan\n2,3\n", "nan is no time"),
        ("tree", "0,-4\n-4,0\n", "-4 is no time in ns"),
        ("tree", "0,,3\n,0,\n3,,0\n", "nothing tells the latency between cores 0 and 1"),
        ("tree", "0,1,2,3\n", "a square or a triangle is needed"),
        ("tree", "0\n", "--root 1: "),
    ],
)
def test_nonsense_gets_one_error_with_its_place(tmp_path: Path, command: str, content: str, words: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(content)
    if command == "place":
        done = skb("place", "--distance", path, "--traffic", write(tmp_path / "t.csv", [[0]]))
    else:
        done = skb("tree", "--latency", path, "--root", 1)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_options_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    matrix = write(tmp_path / "m.csv", [[0, 1], [1, 0]])
    for words in (
        ["place"],
        ["place", matrix, "--traffic", matrix],
        ["place", matrix, "--distance", matrix, "--avoid", "1"],
        ["tree"],
        ["tree", "0", "--root", "0"],
        ["tree", "0", "--latency", matrix, "--send", matrix],
        ["tree", "0", "--send", matrix, "--receive", matrix],
    ):
        assert skb(*words).returncode == 2, words


@pytest.mark.skipif(not (DATA / "latency").is_dir(), reason=f"the recorded matrices are not at {DATA}")
def test_every_recorded_matrix_has_a_tree() -> None:
    for path in sorted((DATA / "latency").glob("*.csv")):
        if len(path.read_text().splitlines()) <= 32:
            found = answer("tree", "--latency", path, "--root", 0, "--seconds", "0.2")
            assert 0 < found["bound_ps"] <= found["cost_ps"], path.name
