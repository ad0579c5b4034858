"""Commands that read, where no service is: answered about this machine or a recording, with nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from service_process import children, until

NOWHERE = "import sys, skb.cli, skb.client.exchange as e; e.URL = 'http://127.0.0.1:1'; sys.exit(skb.cli.main())"
"""The command, with a port for the service that nobody is at, whatever else runs on this machine."""

HINT = "answered from a probe of this machine"


def start(folder: Path, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    folder.joinpath("tmp").mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SKB_")}
    return subprocess.Popen(
        [sys.executable, "-c", NOWHERE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
        env={**kept, "TMPDIR": str(folder / "tmp"), "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )


def skb(folder: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(folder, *arguments, **environment)
    output, words = process.communicate(timeout=120)
    assert list((folder / "tmp").iterdir()) == []
    return subprocess.CompletedProcess(process.args, process.returncode, output, words)


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.jsonl"
    assert skb(tmp_path, "synth", "pack:2 core:2 pu:1", "--output", path).returncode == 0
    return path


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_questions_about_this_machine(tmp_path: Path) -> None:
    cores = os.sysconf("SC_NPROCESSORS_CONF")
    done = skb(tmp_path, "query", "core(Core, _, _)", "--json")
    assert {row["Core"] for row in answer(done)["solutions"]} == set(range(cores))
    (line,) = done.stderr.splitlines()
    assert HINT in line
    assert "`skb serve` starts one" in line
    assert answer(skb(tmp_path, "topology", "--json"))["type"] == "machine"
    assert [known["name"] for known in answer(skb(tmp_path, "machines", "--json"))] == ["local"]


def test_questions_about_a_recording(tmp_path: Path, red: Path) -> None:
    traffic = tmp_path / "traffic.csv"
    traffic.write_text("0,5\n5,0\n")
    done = skb(tmp_path, "facts", "cpu_thread", "package=1", "--from", red, "--json")
    assert [row["core"] for row in answer(done)] == [2, 3]
    assert done.stderr == f"skb: answered from {red}, without a service\n"
    assert len(answer(skb(tmp_path, "query", "core(C, _, _)", "--from", red, "--json"))["solutions"]) == 4
    assert answer(skb(tmp_path, "explain", "core(3, _, _)", "--from", red, "--json"))["holds"]
    assert answer(skb(tmp_path, "tree", "0", "--from", red, "--json"))["root"] == 0
    placed = answer(skb(tmp_path, "place", traffic, "--from", red, "--cores", "1-3", "--json"))["assignment"]
    assert sorted(placed) == [2, 3]  # those that share a package


def test_no_solution_is_status_1_here_too(tmp_path: Path, red: Path) -> None:
    assert skb(tmp_path, "query", "core(99, _, _)", "--from", red).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["facts", "cpu_tread"], "did you mean cpu_thread/4?"),
        (["facts", "core", "onlin=1"], "did you mean online?"),
        (["query", "cpu_tread(C, _, _, _)"], "did you mean cpu_thread/4?"),
        (["query", "true", "-m", "locl"], "did you mean local?"),
        (["query", "core("], "line 1, column"),
    ],
)
def test_problems_are_those_of_the_service(tmp_path: Path, red: Path, arguments: list[str], words: str) -> None:
    done = skb(tmp_path, *arguments, "--from", red)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr.splitlines()[-1]
    document = json.loads(skb(tmp_path, *arguments, "--from", red, "--json").stderr.splitlines()[-1])
    assert document["type"].startswith("/problems/")


@pytest.mark.parametrize("arguments", [["load", "other", "red.jsonl"], ["machines", "--drop", "other"], ["watch"]])
def test_what_needs_a_service_says_so(tmp_path: Path, red: Path, arguments: list[str]) -> None:
    done = skb(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "no SKB answers" in line
    assert "`skb serve`" in line


@pytest.mark.parametrize("named", ["flag", "environment"])
def test_a_service_that_was_named_is_never_replaced(tmp_path: Path, named: str) -> None:
    flag, environment = (
        (["--url", "http://127.0.0.1:1"], {}) if named == "flag" else ([], {"SKB_URL": "http://127.0.0.1:1"})
    )
    done = skb(tmp_path, "query", "true", *flag, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert HINT not in done.stderr
    assert "no SKB answers" in done.stderr


def test_a_recording_that_is_none_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\x00noise")
    done = skb(tmp_path, "query", "true", "--from", "noise")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("skb: noise: ")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("when", ["starting", "solving"])
def test_whoever_interrupts_gets_everything_back(tmp_path: Path, number: int, status: int, when: str) -> None:
    process = start(tmp_path, "query", "repeat, fail", "--timeout-ms", "100000")
    assert process.stderr is not None
    if when == "solving":
        assert HINT in process.stderr.readline()
    else:
        until(lambda: list((tmp_path / "tmp").iterdir()))
    below = children(process.pid)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    output, words = process.communicate(timeout=60)
    assert (process.returncode, output, words) == (status, "", "")
    assert list((tmp_path / "tmp").iterdir()) == []
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))


def test_reading_commands_load_no_service_where_one_answers() -> None:
    """What takes long to load is loaded where it is used."""
    code = "import sys, skb.cli.main; print([n for n in ('fastapi', 'uvicorn', 'ortools', 'numpy', 'probes.machine') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
