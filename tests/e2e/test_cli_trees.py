"""`skb tree` and `skb routes` for matrices in files: no service, no machine."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from test_cli_matrices import answer, skb, write

SIZE = 8
LATENCY = [[0 if a == b else 20 if a // 4 == b // 4 else 95 for b in range(SIZE)] for a in range(SIZE)]


@pytest.fixture
def latency(tmp_path: Path) -> Path:
    return write(tmp_path / "l.csv", LATENCY)


def cores(found: Any) -> set[int]:
    return {int(core) for core in found["children"]}


def test_members_relays_and_limits_are_kept(latency: Path) -> None:
    found = answer("tree", "--latency", latency, "--root", 1, "--members", "1,4-6", "--relays", "0", "--max-degree", 1)
    assert {1, 4, 5, 6} <= cores(found) <= {0, 1, 4, 5, 6}
    assert max(map(len, found["children"].values())) == 1
    assert (found["status"], found["cost_ps"]) == ("optimal", 95_000 + 2 * 20_000)


def test_a_reduction_and_a_shape(latency: Path) -> None:
    gathered = answer("tree", "0", "--latency", latency, "--reduce")
    star = answer("tree", "0", "--latency", latency, "--reduce", "--shape", "star")
    assert gathered["shapes"]["star"] == star["cost_ps"] > gathered["cost_ps"]
    assert len(star["children"]["0"]) == SIZE - 1


def test_several_roots(latency: Path) -> None:
    found = answer("tree", "--latency", latency, "--roots", "0,4")
    assert set(found["by_root"]) == {"0", "4"}
    assert found["cost_ps"] == max(seen["cost_ps"] for seen in found["by_root"].values())
    weighted = answer("tree", "--latency", latency, "--roots", "0,4", "--weights", "2,1")
    costs = {root: seen["cost_ps"] for root, seen in weighted["by_root"].items()}
    assert weighted["cost_ps"] == 2 * costs["0"] + costs["4"]


def test_routes_of_a_matrix(latency: Path, tmp_path: Path) -> None:
    traffic = write(tmp_path / "t.csv", [[int(abs(a - b) == 4) for b in range(4)] for a in range(4)])
    found = answer("routes", "--latency", latency, "--max-neighbours", 2, "--cores", "0-3,6")
    assert found["cores"] == [0, 1, 2, 3, 6]
    for start, end in itertools.permutations(found["cores"], 2):
        passed = [start]
        while passed[-1] != end:
            passed.append(found["next_hop"][str(passed[-1])][str(end)])
            assert len(set(passed)) == len(passed)
    assert answer("routes", "-k", 2, "--latency", latency, "--cores", "0-3", "--traffic", traffic)["cost"] == 0


def test_people_get_tables(latency: Path) -> None:
    shown = skb("tree", "0", "--latency", latency).stdout
    assert "this tree takes" in shown
    assert "binomial" in shown
    shown = skb("routes", "-k", "2", "--latency", latency).stdout
    assert "worst path" in shown
    assert "channels to" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tree", "--root", "0", "--members", "1-3"], "root is 0, which is not among the members"),
        (["tree", "--root", "0", "--members", "0,99"], "members[1] is 99, which is no row"),
        (["tree", "--root", "0", "--max-degree", "0"], "Invalid value for '--max-degree'"),
        (["tree", "--root", "0", "--max-degree", "1", "--max-depth", "3"], "max_degree 1 and max_depth 3 let a tree"),
        (["tree", "--root", "0", "--shape", "star", "--max-degree", "2"], "shape star is beyond the limits"),
        (["tree", "--root", "0", "--roots", "1,2"], "name one core"),
        (["tree", "--roots", "1,99"], "--roots 99"),
        (["tree", "--roots", "1,2", "--weights", "1"], "for each of the 2 roots"),
        (["tree", "--roots", "1,2", "--weights", "x"], "write weights like 3,1"),
        (["tree", "--root", "0", "--weights", "1"], "--weights go with --roots"),
        (["tree", "--root", "0", "--members", "a-b"], "write it like 0-3,8"),
        (["routes", "-k", "0"], "Invalid value for '--max-neighbours'"),
        (["routes", "-k", "1"], "max_neighbours is 1, by which 8 cores stay apart in pairs"),
        (["routes", "-k", "2", "--cores", "0,88"], "--members 88"),
        (["routes", "-k", "2", "--cores", "0,0"], "names a core twice"),
    ],
)
def test_nonsense_is_refused_with_the_constraint_named(latency: Path, words: list[str], message: str) -> None:
    done = skb(*words, "--latency", latency, "--json")
    assert done.returncode == 2
    assert not done.stdout
    said = " ".join(done.stderr.replace("│", " ").split())
    assert " ".join(message.split()) in said.replace("\\n", " "), said
    if said.startswith("{"):
        assert json.loads(done.stderr)["detail"]
