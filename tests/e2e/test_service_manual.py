"""The manual of the API: its commands, in their order, give the answers that it shows."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

from service_process import Service

MANUAL = Path(__file__).parents[2] / "docs" / "api.md"
VARYING = {"seconds", "inferences"}


def examples() -> list[tuple[str, str]]:
    """Commands and the answers shown below them."""
    return re.findall(r"```console\n\$ (curl [^\n]*)\n(.*?)```", MANUAL.read_text(), re.DOTALL)


def ask(service: Service, command: str) -> str:
    """Do what curl would."""
    words = shlex.split(command.replace("$SKB_URL", ""))[1:]
    words.remove("-s")
    if "--json" in words:
        body = words.pop(words.index("--json") + 1)
        return service.ask("POST", words[0], content=body, headers={"Content-Type": "application/json"}).text
    return service.ask("GET", words[0]).text


def steady(value: Any) -> Any:
    """A value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: steady(part) for key, part in value.items() if key not in VARYING}
    return [steady(part) for part in value] if isinstance(value, list) else value


def test_every_command_of_the_manual_gives_the_answer_shown(tmp_path: Path) -> None:
    assert len(examples()) >= 15
    with Service(tmp_path) as service:
        for command, shown in examples():
            given = ask(service, command)
            if given.startswith("{"):
                assert steady(json.loads(given)) == steady(json.loads(shown)), command
            else:
                assert given.rstrip() == shown.rstrip(), command
