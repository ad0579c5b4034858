"""Commands that ask no service: probe, record.

They are to be quick, so they are read by argparse: what the other commands are read by takes longer to load than probing takes.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from json import JSONEncoder
from pathlib import Path
from typing import Any, NoReturn

SUBJECTS = ("all", "acpi", "pci", "cpuid", "memory", "devices")


def run(arguments: Sequence[str]) -> None:
    """Run the command that the first argument names. Raises RecordingError, OSError."""
    COMMANDS[arguments[0]](arguments[1:])


def _parser(name: str, command: Callable[..., None]) -> argparse.ArgumentParser:
    description = (command.__doc__ or "").strip()
    return argparse.ArgumentParser(prog=f"skb {name}", description=description, allow_abbrev=False)


def probe(arguments: Sequence[str]) -> None:
    """Print the facts of this machine, or of a recorded one; what could not be read is said on standard error.

    The exit status is 0 if anything could be read, else 1.
    """
    parser = _parser("probe", probe)
    parser.add_argument("subject", nargs="?", choices=SUBJECTS, default="all", help="what to probe (default: all)")
    parser.add_argument("--from", dest="path", type=Path, metavar="PATH", help=_FROM)
    parser.add_argument(
        "--format", default="auto", metavar="FORMAT", help="of what is at PATH, if its content does not tell"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON lines; so it is when the output is no terminal")
    form.add_argument("--prolog", action="store_true", help="print Prolog text")
    given = parser.parse_args(arguments)
    from probes.machine import live, read, survey  # decoders are loaded where they are used

    subjects = None if given.subject == "all" else (given.subject,)
    with _progress(f"probing {given.path or 'this machine'}"):
        found = read(given.path, given.format, subjects) if given.path else survey(live(), subjects)
    say_problems(found.problems)
    if not found.facts:
        of = "" if subjects is None else f" of {given.subject}"
        fail(f"{given.path or 'this machine'}: nothing could be read{of}")
    write_facts(found.facts, json=given.json, prolog=given.prolog)


_FROM = "a bundle, or another tool's dump, folder or archive (default: this machine)"


def record(arguments: Sequence[str]) -> None:
    """Record what this machine says of itself, for `skb probe --from` elsewhere: the bytes, not only the facts."""
    parser = _parser("record", record)
    parser.add_argument("path", type=Path, metavar="FILE", help="the file to write, like machine.tar.zst")
    parser.add_argument(
        "--anonymous",
        action="store_true",
        help="leave out host name, serial numbers, UUIDs and addresses of network cards",
    )
    parser.add_argument("--force", action="store_true", help="replace the file if there is one")
    given = parser.parse_args(arguments)
    path: Path = given.path
    if not given.force and path.exists():
        fail(f"{path} exists; choose another name, or replace it with --force")
    from importlib.metadata import version  # takes longer to load than probing to run

    from probes.machine import live, survey
    from probes.recorded import bundle
    from probes.recorded.anonymous import anonymised

    with _progress("recording this machine"):
        answers, found = bundle.record(live(), survey)
        manifest = {"program": f"multikernel-skb {version('multikernel-skb')}", "anonymous": given.anonymous}
        size = bundle.write(anonymised(answers) if given.anonymous else answers, path, manifest, replace=given.force)
    say_problems(found.problems)
    _say(f"{path}: {size:,} bytes; {len(answers.files)} files, which give {len(found.facts)} facts")


def synth(arguments: Sequence[str]) -> None:
    """Print the facts of a machine that is not there."""
    from skb.cli.synth import synth as run_synth

    run_synth(arguments)


COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {"probe": probe, "record": record, "synth": synth}


def say_problems(problems: Iterable[Any]) -> None:
    """Say what could not be read: one line each, or with a little colour on a terminal."""
    said = list(problems)
    if not said:
        return
    if not sys.stderr.isatty():
        for problem in said:
            _say(f"skb: {problem}")
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    for problem in said:
        line = Text("skb: ", style="dim")
        line.append(problem.place, style="bold yellow").append(f": {problem.cause}; ").append(
            problem.remedy, style="dim"
        )
        console.print(line, soft_wrap=True)


def write_facts(facts: Iterable[Any], *, json: bool, prolog: bool, output: Path | None = None) -> None:
    """Print facts, or write them to a file: for people on a terminal, unless they ask for something else; for programs as JSON lines."""
    from probes.fact import to_json

    if not json and not prolog and output is None and sys.stdout.isatty():
        from rich.console import Console

        from skb.cli import show

        show.probed([to_json(fact) for fact in facts], Console())
        return
    if prolog:
        from skb.cli import prolog_text

        text = "".join(f"{line}\n" for line in prolog_text.lines(map(to_json, facts))).encode()
    else:
        encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        text = "".join(f"{encode(to_json(fact))}\n" for fact in facts).encode()
    if output is not None:
        output.write_bytes(text)
        return
    sys.stdout.buffer.write(text)
    sys.stdout.flush()


def fail(message: str) -> NoReturn:
    """End the command with one message."""
    _say(f"skb: {message}")
    sys.exit(1)


def _say(message: str) -> None:
    print(message, file=sys.stderr)  # noqa: T201  # this is the terminal


@contextmanager
def _progress(what: str) -> Iterator[None]:
    """Show that something goes on, on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
