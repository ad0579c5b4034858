"""`skb synth` as a user runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RULES = Path(__file__).resolve().parents[2] / "rules"


def skb(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from skb.cli import main; sys.argv[0] = 'skb'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def facts(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_description_prints_json_lines_and_nothing_else() -> None:
    done = skb("synth", "pack:2 core:2 pu:2", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    names = {fact["name"] for fact in facts(done.stdout)}
    assert {"core", "cpu_thread", "numa_node", "numa_core", "message_rtt", "message_cost", "apic"} <= names


def test_what_is_written_to_a_file_is_read_as_a_machine(tmp_path: Path) -> None:
    file = tmp_path / "machine.jsonl"
    done = skb("synth", "barrelfish-4x4", "--name", "square", "--output", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    again = skb("probe", "--from", str(file), "--json")
    assert again.returncode == 0
    assert sorted(again.stdout.splitlines()) == sorted(file.read_text().splitlines())
    assert {"name": "machine", "args": ["square", "x86_64", "synthetic"]} in facts(again.stdout)


def test_a_wrong_description_is_shown_with_a_caret() -> None:
    done = skb("synth", "pack:2 cre:2 pu:2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:] == ["  pack:2 cre:2 pu:2", "         ^"]


def test_wrong_latencies_are_shown_with_a_caret() -> None:
    done = skb("synth", "2 2", "--latency", "core:1ns l9:2ns")
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == ["  core:1ns l9:2ns", "           ^"]


def test_the_machines_that_are_known_are_listed() -> None:
    done = skb("synth", "--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        f"barrelfish-{each}" for each in ("2x4", "2x2", "4x4", "8x4")
    ]


def test_a_call_without_a_description_is_wrong() -> None:
    done = skb("synth")
    assert done.returncode == 2
    assert "--list" in done.stderr


def test_measured_latencies_of_other_cores_end_in_one_message(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text(",\n1,\n")
    done = skb("synth", "core:4 pu:1", "--latency", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed")
def test_the_rules_take_latencies_of_a_synthetic_machine_for_measured(tmp_path: Path) -> None:
    file = tmp_path / "machine.pl"
    done = skb("synth", "barrelfish-8x4", "--prolog", "--output", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    goal = (
        "use_module(facts), use_module(costs), "
        f"setup_call_cleanup(open('{file}', read, S), "
        "(repeat, read_term(S, T, []), (T == end_of_file -> ! ; assertz(facts:T), fail)), close(S)), "
        "core_distance([0, 1, 4, 28], D, Source), print(Source-D), nl, halt"
    )
    answer = subprocess.run(
        ["swipl", "-q", "-g", goal], cwd=RULES, capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.strip() == (
        "measured-[[0,269000,306500,309000],[269000,0,306500,309000],[306500,306500,0,309000],[309000,309000,309000,0]]"
    )
