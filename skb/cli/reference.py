"""The reference of the command line, in Markdown, from the commands themselves: `python -m skb.cli.reference` prints it.

`docs/cli.md` ends with it, and a test holds the two against each other.
"""

import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Iterator
from typing import Any

BEGIN = "<!-- from here on: python -m skb.cli.reference -->"


def reference() -> str:
    """Give the text."""
    from typer.main import get_command

    from skb.cli.main import app

    parts = [BEGIN, ""]
    for path, command in walk(get_command(app)):
        parts += _section(path, command)
    return "\n".join(parts).rstrip() + "\n"


def walk(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Give every command below a group with its name, like `token create`."""
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from walk(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _section(path: str, command: Any) -> Iterator[str]:
    from skb.cli import offline
    from skb.cli.examples import EXAMPLES

    yield f"## skb {path}"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    yield "```console"
    yield from (f"$ {example}" for example in EXAMPLES.get(path, ()))
    yield "```"
    yield ""
    yield "| option | is |"
    yield "|---|---|"
    rows = _argparse_rows(offline.PARSERS[path]()) if path in offline.PARSERS else _rows(command)
    yield from (f"| `{name}` | {words.replace('|', chr(92) + '|')} |" for name, words in rows)
    yield ""


def _rows(command: Any) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if parameter.name == "help":
            continue
        words = " ".join((getattr(parameter, "help", None) or "").split())
        if getattr(parameter, "envvar", None):
            words += f" Also from `{parameter.envvar}`."
        if parameter.param_type_name == "argument":
            name = parameter.name.rstrip("_").upper()
            yield name if parameter.required else f"[{name}]", words
            continue
        default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
        if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
            words += f" Default: {getattr(default, 'value', default)}."
        yield ", ".join([*parameter.opts, *parameter.secondary_opts]), words


def _argparse_rows(parser: ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.help in (None, SUPPRESS) or action.dest == "help":
            continue
        name = ", ".join(action.option_strings) or str(action.metavar or action.dest).upper()
        words = " ".join((action.help or "").split())
        yield name if action.option_strings or action.nargs != "?" else f"[{name}]", words[:1].upper() + words[1:] + "."


if __name__ == "__main__":
    sys.stdout.write(reference())
