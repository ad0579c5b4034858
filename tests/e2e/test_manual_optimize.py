"""The manual of optimisation: its files are written, its commands run in their order, its Python too, and each says what is shown."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from service_process import Service

MANUAL = Path(__file__).parents[2] / "docs" / "optimize.md"
BLOCK = re.compile(r"```(prolog|console|python) ?(\S*)\n(.*?)```", re.DOTALL)


def steady(value: Any) -> Any:
    """A value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: steady(part) for key, part in value.items() if key not in ("seconds", "inferences")}
    return [steady(part) for part in value] if isinstance(value, list) else value


def skb(command: str, folder: Path, url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "skb", *shlex.split(command)],
        cwd=folder,
        env={**os.environ, "SKB_URL": url, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def test_every_command_of_the_manual_says_what_is_shown(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        ran = 0
        for kind, name, text in BLOCK.findall(MANUAL.read_text()):
            if kind == "prolog":
                (tmp_path / name).write_text(text)
            if kind == "python":
                with service.client() as client:
                    exec(text, {"skb": client})
                ran += 1
            for command, shown in re.findall(
                r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text if kind == "console" else "", re.MULTILINE
            ):
                if command.startswith("skb "):
                    assert skb(command.removeprefix("skb "), tmp_path, service.url) == shown, command
                else:
                    url, body = re.fullmatch(r"curl -s \$SKB_URL(\S+) --json '(.*)'", command).groups()  # type: ignore[union-attr]
                    assert steady(service.ask("POST", url, json=json.loads(body)).json()) == steady(json.loads(shown))
                ran += 1
        assert ran >= 11
