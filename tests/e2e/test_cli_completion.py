"""What the shell is told when Tab is pressed, in the words that each shell asks and is answered in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from service_process import Service

SKB = str(Path(sys.executable).with_name("skb"))


def complete(shell: str, line: str, url: str) -> list[str]:
    """The names that a shell would offer at the end of a line."""
    given = {
        "bash": {"_SKB_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))},
        "zsh": {"_SKB_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line},
        "fish": {
            "_SKB_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]
    done = subprocess.run(
        [SKB], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **given, "SKB_URL": url}
    )
    assert done.stderr == ""
    if shell == "zsh":
        return re.findall(r'"([^"]+)":"', done.stdout) or re.findall(r'"([^"]+)"', done.stdout)
    return [name.split("\t")[0] for name in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_names_of_commands_facts_fields_and_options(shell: str) -> None:
    nobody = "http://127.0.0.1:1"
    assert complete(shell, "skb topo", nobody) == ["topology"]
    assert complete(shell, "skb facts cpu_th", nobody) == ["cpu_thread"]
    assert "message_rtt" in complete(shell, "skb watch message_", nobody)
    assert complete(shell, "skb query --time", nobody) == ["--timeout-ms"]


def test_fields_of_the_fact_before() -> None:
    assert complete("bash", "skb facts core on", "http://127.0.0.1:1") == ["online="]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_machines_are_those_of_the_service_or_the_local_one(shell: str, tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        with service.client() as client:
            client.load("red", b'{"name": "core", "args": [0, 0, 1]}\n')
        assert complete(shell, "skb query -m r", service.url) == ["red"]
    assert complete(shell, "skb query -m l", service.url) == ["local"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    done = subprocess.run(
        [SKB],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "_SKB_COMPLETE": f"source_{shell}"},
    )
    assert done.returncode == 0
    assert f"complete_{shell}" in done.stdout


def test_bash_itself_completes(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = subprocess.run(
        [SKB],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "_SKB_COMPLETE": "source_bash"},
    )
    path = tmp_path / "completion"
    path.write_text(
        f"{script.stdout}\nCOMP_WORDS=(skb facts cpu_th)\nCOMP_CWORD=2\n_skb_completion {SKB}\necho ${{COMPREPLY[@]}}\n"
    )
    done = subprocess.run([bash, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.stderr) == (["cpu_thread"], "")
