"""The benchmarks as they are run: a table, JSON, and reasons for peers that are not there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import peers
import pytest

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="needs two cores, and this process may use one only"
)


def run(script: str, *words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "COLUMNS": "120", "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_urpc_prints_promises_beside_their_limits_and_writes_json(tmp_path: Path) -> None:
    printed = run("bench_urpc.py", "--rounds", "2", "--scale", "0.02", "--no-peers", "--json", tmp_path / "urpc.json")
    assert "C: round trip" in printed
    assert "<= 1.15" in printed
    assert "mpi4py: not available: left out by --no-peers" in printed
    report = json.loads((tmp_path / "urpc.json").read_text())
    goals = {outcome["goal"]["this"]: outcome for outcome in report["outcomes"]}
    assert goals["mpi4py"]["met"] is None
    assert goals["channel_c"]["ratio"] > 0


def test_crossover_prints_where_curves_cross_and_draws_them(tmp_path: Path) -> None:
    printed = run(
        "bench_crossover.py", "--rounds", "1", "--output", tmp_path / "c.json", "--picture", tmp_path / "c.svg"
    )
    assert "cheaper than" in printed
    assert json.loads((tmp_path / "c.json").read_text())["points"]
    assert "MCS lock" in (tmp_path / "c.svg").read_text()


def test_peers_that_cannot_be_installed_say_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "peers.txt").write_text("no such package\n")
    monkeypatch.setattr(peers, "WANTED", tmp_path / "peers.txt")
    monkeypatch.setattr(peers, "ENVIRONMENT", tmp_path / "environment")
    with peers.started() as (running, missing):
        assert not running
        assert missing.keys() == {"mpi4py", "iceoryx2"}
        assert all("could not be installed" in reason for reason in missing.values())


def test_peers_that_end_at_once_say_their_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "STARTING", 0.5)
    end = [sys.executable, "-c", "import sys; sys.exit('no such transport')"]
    with pytest.raises(peers.Unavailable, match="no such transport"), peers._peer("odd", tmp_path, [end, end]):
        pytest.fail("it did not start")


def test_two_ends_play_ping_pong_when_told(tmp_path: Path) -> None:
    """The protocol of peers, with two ends over a pipe that any Python has."""
    source = """
import os, sys
sys.path.insert(0, sys.argv[3])
from peer_end import serve
role = int(sys.argv[1])
out, into = (os.open(path, os.O_RDWR) for path in (sys.argv[4:6] if role == 0 else sys.argv[5:3:-1]))
serve(role, sys.argv[2], lambda: os.write(out, b"x"), lambda: os.read(into, 1))
"""
    fifos = [tmp_path / "there", tmp_path / "back"]
    for fifo in fifos:
        os.mkfifo(fifo)
    first, second = sorted(os.sched_getaffinity(0))[:2]
    commands = [
        [sys.executable, "-c", source, str(role), str(tmp_path / "odd"), str(BENCH), *map(str, fifos)]
        for role in (0, 1)
    ]
    with peers._peer("odd", tmp_path, commands) as peer:
        assert peer.round_trip((first, second), 50) > 0
        assert peer.round_trip((first, second), 20) > 0
