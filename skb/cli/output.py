"""What the commands that ask no service write: facts on standard output, everything else on standard error.

Rich is loaded where it writes to a terminal only, and there not before it has something to say: loading it takes as long as probing.
"""

import json
import os
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from probes import command
from probes.fact import Fact, Problem, to_json

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 0.3
"""Seconds after which it is shown that something goes on."""


def add_form(parser: ArgumentParser) -> None:
    """Add the forms that facts may be asked for in."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON lines; so it is when the output is no terminal")
    form.add_argument("--prolog", action="store_true", help="print Prolog text")


def write_facts(facts: Sequence[Fact], given: Namespace) -> None:
    """Print facts: for people on a terminal, unless they ask for something else; for programs as JSON lines.

    With an option `output`, they go into that file.
    """
    if (path := getattr(given, "output", None)) is not None:
        path.write_bytes(_prolog(facts) if given.prolog else command.json_lines(facts))
        return
    try:
        if given.prolog:
            sys.stdout.buffer.write(_prolog(facts))
        elif given.json or not sys.stdout.isatty():
            sys.stdout.buffer.write(command.json_lines(facts))
        else:
            from rich.console import Console

            from skb.cli import show

            show.probed([to_json(fact) for fact in facts], Console())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough
        _discard_output()
    except OSError as error:
        _discard_output()
        fail(f"standard output: {error.strerror}; not all facts were written")


def _prolog(facts: Sequence[Fact]) -> bytes:
    from skb.cli import prolog_text  # few ask for it

    lines = "".join(f"{line}\n" for line in prolog_text.lines(map(to_json, facts)))
    return lines.encode("utf-8", "backslashreplace")


def _discard_output() -> None:
    # The interpreter flushes standard output once more when it ends; let that go nowhere rather than fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_problems(problems: Iterable[Problem]) -> None:
    """Say what could not be read: one line each, with a little colour on a terminal."""
    said = list(problems)
    if not said:
        return
    if not sys.stderr.isatty():
        for problem in said:
            say(f"skb: {problem}")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    for problem in said:
        line = Text().append("skb: ", style="dim").append(problem.place, style="bold yellow")
        line.append(f": {problem.cause}; ")
        console.print(line.append(problem.remedy, style="dim"), soft_wrap=True)


def say(message: str) -> None:
    """Write a line to standard error."""
    print(message, file=sys.stderr)  # noqa: T201  # this is the terminal


def fail(message: str) -> NoReturn:
    """End the command with one message, with --json as a problem document."""
    say_error({"type": "about:blank", "title": "The command failed", "detail": message}, message)
    sys.exit(1)


def say_error(document: Mapping[str, Any], message: str) -> None:
    """Say what is wrong: for people a line, for programs (--json) a problem document (RFC 9457) on a line."""
    say(json.dumps(document) if "--json" in sys.argv else f"skb: {message}")


def write_json(value: Any) -> None:
    """Print a JSON document."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def write_answer(value: object) -> None:
    """Print what the service answered, or a dataclass, as a JSON document."""
    import msgspec

    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    sys.stdout.flush()


class Bar:
    """A bar that shows how far a command has come: on a terminal, and if that takes long enough to wonder."""

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self._begun = -1
        self._what = ""
        self._shown: Progress | None = None
        self._turn = threading.Lock()
        self._timer = threading.Timer(PATIENCE, self._show)
        self._timer.daemon = True

    def __enter__(self) -> "Bar":
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._turn:
            self._parts = 0
            if self._shown is not None:
                self._shown.stop()

    def begin(self, what: str) -> None:
        """Note that the next part begins."""
        with self._turn:
            self._begun += 1
            self._what = what
            self._draw()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        shown = Progress(console=Console(stderr=True), transient=True)
        shown.add_task(self._what, total=self._parts)
        with self._turn:
            if self._parts:
                self._shown = shown
                self._draw()
                shown.start()

    def _draw(self) -> None:
        if self._shown is not None:
            self._shown.update(self._shown.task_ids[0], description=self._what, completed=self._begun)
