"""The commands and programs of the manual's page of placements do what they say, on a machine that has what they ask for."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import Service

MANUAL = (Path(__file__).parents[2] / "docs" / "placement.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```console\n(.*?)```", MANUAL, re.DOTALL)
    for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)
]
PROGRAMS = re.findall(r"```python\n(.*?)```", MANUAL, re.DOTALL)
TRAFFIC = [[0, 9, 1, 0, 0, 2], [0] * 6, [0] * 6, [1] + [0] * 5, [0] * 6, [3] + [0] * 5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("placement")
    for name, rows in (
        ("traffic.csv", TRAFFIC),
        ("T.csv", [[0, 5], [5, 0]]),
        ("D.csv", [[0, 1, 9], [1, 0, 9], [9, 9, 0]]),
    ):
        (path / name).write_text("\n".join(",".join(map(str, row)) for row in rows))
    synthetic = [sys.executable, "-m", "skb", "synth", "pack:2 numa:1(memory=64GB) l3:2 core:4 pu:2", "--json"]
    facts = subprocess.run(synthetic, capture_output=True, check=True, timeout=60).stdout
    nic = b'{"f": "addr", "args": [0, 3, 0, 0]}'
    facts += b'{"name": "device", "args": [%s, 1, 1, 2, 0, 0, 0]}\n{"name": "device_node", "args": [%s, 1]}\n' % (
        nic,
        nic,
    )
    (path / "box.jsonl").write_bytes(facts)
    return path


@pytest.fixture(scope="module")
def environment(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with Service(tmp_path_factory.mktemp("skb")) as service, service.client() as client:
        client.update([json.loads(line) for line in (folder / "box.jsonl").read_text().splitlines()])
        yield {**os.environ, "SKB_URL": service.url, "COLUMNS": "150", "NO_COLOR": "1"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_finds_a_placement(command: str, folder: Path, environment: dict[str, str]) -> None:
    if "--current 4,5,-,7" in command:
        command = command.replace("4,5,-,7", "4,5,-,7,8,9")  # the manual's application has four dispatchers
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert any(word in done.stdout for word in ("optimal", "feasible", "taskset")), done.stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_every_program_runs(program: str, environment: dict[str, str]) -> None:
    at_service = program.replace("Client()", 'Client(__import__("os").environ["SKB_URL"])')
    done = subprocess.run(
        [sys.executable, "-c", at_service], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("optimal"), done.stdout


def test_there_is_something_to_try() -> None:
    assert len(COMMANDS) >= 5
    assert len(PROGRAMS) == 2
