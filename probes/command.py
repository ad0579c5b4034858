"""What `python -m probes` and `skb probe` have in common: which machine is asked for what, and facts as lines."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from json.encoder import encode_basestring
from pathlib import Path

from probes.fact import Compound, Fact, Survey, Term

SUBJECTS = ("all", "acpi", "pci", "cpuid", "memory", "devices")


def add_arguments(parser: ArgumentParser) -> None:
    """Add what both commands take."""
    parser.add_argument("subject", nargs="?", choices=SUBJECTS, default="all", help="what to probe (default: all)")
    parser.add_argument(
        "--from",
        dest="path",
        type=Path,
        metavar="PATH",
        help="a bundle, or another tool's dump, folder or archive; - is standard input (default: this machine)",
    )
    parser.add_argument(
        "--format", default="auto", metavar="FORMAT", help="of what is at PATH, if its content does not tell"
    )


def check(given: Namespace, parser: ArgumentParser) -> None:
    """End the program with a message if the arguments are wrong."""
    if given.format == "auto":
        return
    from probes.recorded import (
        RecordingError,  # forms are known where recordings are read, which most probing does not do
    )
    from probes.recorded.formats import check_form

    try:
        check_form(given.format)
    except RecordingError as error:
        parser.error(f"--{error}")
    if given.path is None:
        parser.error("--format is of a recording; name it with --from")


def find(given: Namespace, began: Callable[[str], object] = lambda _: None) -> Survey:
    """Survey the machine that is asked for, and call `began` with each part of that. Raises RecordingError, OSError."""
    from probes.machine import live, read, survey  # decoders are loaded when the arguments are known to be right

    subjects = None if given.subject == "all" else (given.subject,)
    if given.path is None:
        return survey(live(), subjects, began)
    began(str(given.path))
    return read(given.path, given.format, subjects, began)


def parts(given: Namespace) -> int:
    """Say how many parts `find` has."""
    return (len(SUBJECTS) - 1 if given.subject == "all" else 1) + (given.path is not None)


def nothing_found(given: Namespace, found: Survey) -> str:
    """Say that nothing was found of what was asked for; nothing if something was."""
    asked = given.path or "this machine"
    if given.subject == "all":
        return "" if found.facts else f"{asked}: nothing could be read"
    if any(fact.name != "machine" for fact in found.facts):
        return ""
    return f"{asked}: nothing could be read of {given.subject}"


def json_lines(facts: Iterable[Fact]) -> bytes:
    """Give facts in the form that they travel in, one a line. Large machines have many, so this makes no objects in between."""
    text = "".join([f'{{"name": "{fact.name}", "args": {_json_array(fact.args)}}}\n' for fact in facts])
    # A name of the kernel's may be any bytes; those that are no text become escapes, which JSON has.
    return text.encode("utf-8", "backslashreplace")


def _json_array(terms: Sequence[Term]) -> str:
    return f"[{', '.join([_json(term) for term in terms])}]"


def _json(term: Term) -> str:
    if isinstance(term, int):
        return str(term)
    if isinstance(term, str):
        return encode_basestring(term)
    if isinstance(term, Compound):
        return f'{{"f": {encode_basestring(term.functor)}, "args": {_json_array(term.args)}}}'
    return _json_array(term)
