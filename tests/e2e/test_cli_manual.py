"""The manuals of the command line and of the client: their commands give what they show, their programs run, every example works."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from service_process import Service

from skb.cli.examples import EXAMPLES
from skb.cli.reference import BEGIN
from skb.client import Client

DOCS = Path(__file__).parents[2] / "docs"
SKB = str(Path(sys.executable).with_name("skb"))

PARTS = (
    ("record", "probe", "synth", "load", "machines"),
    ("facts", "query", "explain"),
    ("place", "tree", "routes", "topology"),
    ("optimize", "pci-plan", "ask"),
    ("doctor", "token create", "token list", "token revoke"),
)
"""Commands whose examples are run in this order; the parts have nothing to do with each other."""
ELSEWHERE = ("serve", "watch")
"""They have no end; `test_commands_without_an_end_say_what_they_have_at_once` runs them."""
TAUGHT = ("rules",)
"""They need modules of rules; the tests of teaching run them."""


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "skb"
    return subprocess.run(
        [SKB, *words[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **environment},
    )


def steady(text: str) -> str:
    """A text without what differs from run to run."""
    text = re.sub(r'\d+\.\d+ s\b|"(seconds|inferences|[a-z]*_ms)": [\d.e-]+', "...", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_every_command_of_the_manual_gives_what_it_shows(tmp_path: Path) -> None:
    prose = (DOCS / "cli.md").read_text().partition(BEGIN)[0]
    blocks = re.findall(r"```console\n(.*?)```", prose, re.DOTALL)
    examples = [part.partition("\n") for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert len(examples) >= 10
    for command, _, shown in examples:
        done = run(command, tmp_path)
        assert steady(done.stderr + done.stdout) == steady(shown), command


def test_every_example_is_run() -> None:
    run_here = {name for part in PARTS for name in part}
    assert {name for name in EXAMPLES if name.split()[0] not in TAUGHT} == {*run_here, *ELSEWHERE}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[0])
def test_every_example_works(tmp_path: Path, part: tuple[str, ...]) -> None:
    (tmp_path / "traffic.csv").write_text("0,5\n5,0\n")
    (tmp_path / "distance.csv").write_text("0,3,9\n3,0,9\n9,9,0\n")
    (tmp_path / "latency.csv").write_text("0\n40,0\n110.5,110.5,0\n")
    (tmp_path / "model.pl").write_text(
        "Model = [x in 0..9, named(least, x #> 3)], Objective = minimize(x), (Most = 2 ; true)"
    )
    (tmp_path / "devices.json").write_text(
        '{"windows": [{"low": 2147483648, "high": 2415919103}], "bars": [{"function": "00:02.0", "size": 65536}]}'
    )
    with Service(tmp_path / "data", "--probe") as service:
        with service.client() as client:
            client.update([{"name": "numa_core", "args": [0, 0]}])
        setup = EXAMPLES["synth"][0]
        assert run(setup, tmp_path).returncode == 0
        for command in (command for name in part for command in EXAMPLES[name]):
            if "place traffic.csv" in command and "--from" not in command and (os.cpu_count() or 1) < 2:
                continue  # two dispatchers need two cores
            done = run(command, tmp_path, SKB_URL=service.url, XDG_DATA_HOME=str(tmp_path / "home"))
            assert done.returncode == 0, (command, done.stderr)
            if "--json" not in command:
                continue
            try:
                json.loads(done.stdout)
            except json.JSONDecodeError:
                assert [json.loads(line) for line in done.stdout.splitlines()], command


def test_commands_without_an_end_say_what_they_have_at_once(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    serving = subprocess.Popen(
        [SKB, *shlex.split(EXAMPLES["serve"][1])[1:]], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert serving.stdout is not None
        url = json.loads(serving.stdout.readline())["url"]
        watching = subprocess.Popen(
            [SKB, *shlex.split(EXAMPLES["watch"][1].replace("--since 3", "--since 0"))[1:]],
            stdout=subprocess.PIPE,
            text=True,
            env={**environment, "SKB_URL": url},
        )
        try:
            with Client(url) as client:
                client.update([{"name": "numa_node", "args": [0, 4096]}])
            assert watching.stdout is not None
            change = json.loads(watching.stdout.readline())
            assert change["assert"] == [{"name": "numa_node", "args": [0, 4096]}]
        finally:
            watching.kill()
            watching.communicate()
    finally:
        serving.terminate()
        serving.communicate()


@pytest.mark.parametrize("number", range(3))
def test_every_program_of_the_clients_manual_runs(tmp_path: Path, number: int) -> None:
    programs = re.findall(r"```python\n(.*?)```", (DOCS / "client.md").read_text(), re.DOTALL)
    assert len(programs) == 3
    with Service(tmp_path) as service:
        exec(
            compile(programs[number], f"client.md, program {number}", "exec"), {"url": service.url, "asyncio": asyncio}
        )
