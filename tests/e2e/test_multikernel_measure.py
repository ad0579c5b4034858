"""`multikernel measure` and `multikernel heat-map`: what is measured reaches the SKB, files and pictures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from service_process import Service

MULTIKERNEL = str(Path(sys.executable).with_name("multikernel"))
two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="costs of the machine need two cores, and this process may use one only"
)


def run(*words: str | Path, status: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [MULTIKERNEL, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **environment},
    )
    assert done.returncode == status, done.stderr
    return done


@two_cores
def test_costs_are_told_to_the_skb_and_written_and_drawn(tmp_path: Path) -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    with Service(tmp_path / "data") as service:
        done = run(
            "measure", "--cores", "2", "--url", service.url, "--json",
            "--csv", tmp_path / "costs.csv", "--heat-map", tmp_path / "costs.svg",
        )  # fmt: skip
        found = json.loads(done.stdout)
        rows = found["pairs"]
        assert "Told the SKB" in done.stderr
        for name, field in (("message_rtt", "avg"), ("message_cost", "send")):
            facts = service.http.get(f"/v1/facts/{name}").json()["rows"]
            assert {(fact["from"], fact["to"]) for fact in facts} == {(first, second), (second, first)}
            for fact in facts:
                row = next(row for row in rows if (row["from"], row["to"]) == (fact["from"], fact["to"]))
                assert fact[field] == (row["round_trip"]["avg"] if name == "message_rtt" else row["send"])
    assert all(row["one_way"] == row["round_trip"]["median"] // 2 for row in rows)
    assert all(row["messages_per_second"] > 0 for row in rows)
    assert found["pair_time"]["worst"] == max(row["measured_for"] for row in rows)
    assert found["pair_time"]["promised"] == 10_000_000_000
    lines = (tmp_path / "costs.csv").read_text().splitlines()
    assert [len(line.split(",")) for line in lines] == [2, 2]
    ElementTree.parse(tmp_path / "costs.svg")
    run("heat-map", tmp_path / "costs.csv", "-o", tmp_path / "again.png", "--order", "number")
    assert (tmp_path / "again.png").read_bytes().startswith(b"\x89PNG")


def test_kernels_that_share_cores_are_shown_and_not_told_of() -> None:
    done = run("measure", "--cores", str(2 * len(os.sched_getaffinity(0))))
    assert "one way" in done.stdout or "One-way" in done.stdout
    assert "Measuring a pair took" in done.stdout
    assert "all kernels share cores" in done.stderr


def test_an_skb_that_was_named_and_does_not_answer_is_an_error(tmp_path: Path) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("costs of the machine need two cores, and this process may use one only")
    done = run("measure", "--cores", "2", "--url", "http://127.0.0.1:9", status=1)
    assert "no SKB answers at http://127.0.0.1:9" in " ".join(done.stderr.split())


def test_a_picture_that_cannot_be_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = run("measure", "--heat-map", tmp_path / "map.gif", status=1)
    assert ".svg or .png" in done.stderr
    (tmp_path / "odd.csv").write_text("1,2,3\n")
    done = run("heat-map", tmp_path / "odd.csv", "-o", tmp_path / "map.svg", status=1)
    assert "odd.csv" in done.stderr
