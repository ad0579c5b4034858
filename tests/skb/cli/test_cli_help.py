"""Every command has --json, help for every option, and an example; the reference in the manual is what the commands say."""

import os
import re
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from skb.cli import offline
from skb.cli.complete import vocabulary
from skb.cli.examples import EXAMPLES
from skb.cli.main import app
from skb.cli.reference import BEGIN, reference, walk

COMMANDS = dict(walk(get_command(app)))
MANUAL = Path(__file__).parents[3] / "docs" / "cli.md"


def options(path: str) -> set[str]:
    if path in offline.PARSERS:
        return set(offline.PARSERS[path]()._option_string_actions)
    return {option for parameter in COMMANDS[path].params for option in parameter.opts}


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_answers_in_json(path: str) -> None:
    assert "--json" in options(path)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help_with_an_example(path: str) -> None:
    done = CliRunner().invoke(app, [*path.split(), "--help"], env={**os.environ, "COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0
    assert EXAMPLES[path]
    shown = " ".join(done.stdout.split())
    for example in EXAMPLES[path]:
        assert example.startswith(f"skb {path}")
        assert example in shown


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in offline.PARSERS])
def test_every_option_says_what_it_is(path: str) -> None:
    for parameter in COMMANDS[path].params:
        assert getattr(parameter, "help", None), f"{path}: {parameter.name}"


@pytest.mark.parametrize("path", offline.PARSERS)
def test_every_option_of_the_quick_commands_says_what_it_is(path: str) -> None:
    for action in offline.PARSERS[path]()._actions:
        assert action.help, f"{path}: {action.dest}"


def test_the_manual_ends_with_what_the_commands_say() -> None:
    """`python -m skb.cli.reference` prints what has to stand there."""
    _, begin, rest = MANUAL.read_text().partition(BEGIN)
    assert begin + rest == reference()


@pytest.mark.parametrize("wrong", ["qery", "topologi", "prob", "machine"])
def test_a_misspelt_command_is_recognised(wrong: str) -> None:
    done = CliRunner().invoke(app, [wrong], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "Did you mean" in done.output


def test_a_misspelt_option_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    done = CliRunner().invoke(app, ["query", "true", "--limt", "3"], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert "--limit" in done.output
    with pytest.raises(SystemExit, match="2"):
        offline.run(["probe", "--jsn"])
    assert "did you mean --json?" in capsys.readouterr().err


def test_the_vocabulary_of_the_shell_has_every_declaration() -> None:
    """Read from their text, as any tool would, they are as many as the text has."""
    schema = Path(__file__).parents[3] / "rules" / "schema"
    declared = {
        name for path in schema.glob("*.pl") for name in re.findall(r"^:- fact\((\w+)", path.read_text(), re.MULTILINE)
    }
    found = {name: (fields, doc) for name, fields, doc in vocabulary()}
    assert set(found) == declared
    assert all(fields and doc for fields, doc in found.values())
    assert found["core"][0] == ["core", "apic_id", "online"]
