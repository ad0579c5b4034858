"""The manual of rules: its files are written, its commands run in their order, and each says what is shown."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from service_process import Service

MANUAL = Path(__file__).parents[2] / "docs" / "rules.md"

BLOCK = re.compile(r"```(prolog|console) ?(\S*)\n(.*?)```", re.DOTALL)


def test_every_command_of_the_manual_says_what_is_shown(tmp_path: Path) -> None:
    with Service(tmp_path / "data") as service:
        environment = {**os.environ, "SKB_URL": service.url, "COLUMNS": "160"}
        ran = 0
        for kind, name, text in BLOCK.findall(MANUAL.read_text()):
            if kind == "prolog":
                (tmp_path / name).write_text(text)
                continue
            for command, shown in re.findall(r"^\$ skb (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                done = subprocess.run(
                    [sys.executable, "-m", "skb", *shlex.split(command)],
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                    timeout=60,
                )
                assert done.stdout == shown, command
                ran += 1
        assert ran >= 12
