"""Opening what was recorded of a machine, whatever its form: which that is, its content says.

Forms that hold what the machine itself says become sources, for all probes; forms that hold what another program concluded become facts.
Each form's module is loaded when content may be of that form, and not before.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from probes.fact import Problem, Survey
from probes.recorded import Recording, RecordingError, bundle, tree
from probes.recorded.compressed import Stream, beginning, read_all
from probes.recorded.tar import BLOCK, Contents, is_tar, read_tar
from probes.source import read_bounded

HEAD = 64 * 1024
"""Characters of a text from which its form must be clear."""

FILE_LIMIT = 256 << 20
"""Bytes of a file that is opened, and of all files of a folder together."""

CONTENT_LIMIT = 64 << 20
"""Bytes of a text or of tables, decompressed."""

MOST_FILES = 10_000
"""Of a folder that is no tree of the kernel's."""

FOLDER_DEPTH = 2

STANDARD_INPUT = Path("-")

Opened = Recording | Survey


class Reader(Protocol):
    """What the module of a form of text has."""

    def recognises(self, text: str) -> bool:
        """Say whether text is of the form, from its beginning."""

    def read(self, text: str, name: str, *clock: float | None) -> Opened:
        """Read text of the form. One that counts in cycles takes a clock, in MHz."""


class Pairwise(Protocol):
    """What the module of n-send figures has besides: they come in three files."""

    def read_files(self, texts: Mapping[str, str], clock: float | None) -> Survey:
        """Read files that belong together, by name."""


class Tables(Protocol):
    """What the module of raw ACPI tables has."""

    def is_table(self, content: bytes) -> bool:
        """Say whether content begins as a table does."""

    def from_tables(self, files: Mapping[str, bytes], name: str) -> Recording:
        """Give the source of tables in files."""


@dataclass(frozen=True)
class TextFormat:
    """A form of text: the module that reads it, and what it is to a user."""

    module: str
    what: str
    cycles: bool = False
    """Whether it counts in cycles, and so may be told a clock."""

    def load(self) -> Reader:
        """Give the module."""
        return cast("Reader", import_module(self.module))


TEXTS: Mapping[str, TextFormat] = {
    "lspci": TextFormat("probes.pci.lspci", "lspci -xxx or -xxxx"),
    "acpidump": TextFormat("probes.acpi.dump", "acpidump"),
    "cpuid-raw": TextFormat("probes.cpuid.raw", "cpuid --raw"),
    "instlatx64": TextFormat("probes.cpuid.instlatx64", "a CPUID dump of InstLatX64 or AIDA64"),
    "hwloc-xml": TextFormat("probes.foreign.hwloc_xml", "hwloc's XML"),
    "mctop": TextFormat("probes.foreign.mctop", "an MCTOP description", cycles=True),
    "nsend": TextFormat("probes.foreign.nsend", "pairwise n-send figures", cycles=True),
    "core-to-core": TextFormat("probes.foreign.core_to_core", "a matrix of core-to-core-latency, in CSV"),
    "facts": TextFormat("probes.recorded.facts", "facts as JSON lines"),
}
"""By the name that `--format` takes. The order counts: the first that recognises a text has it."""

PAIRWISE = "nsend"

FORMATS: tuple[str, ...] = ("auto", "bundle", "machine", "acpi", *TEXTS)
"""`machine` is a tree with `sys` and `proc`, or with CPUID by core, as hwloc's gatherers make them; `acpi` raw tables."""


class _Given(NamedTuple):
    """What is to be opened: the machine's name where it does not say, the place that errors name, the form that it shall have."""

    name: str
    place: str
    form: str
    clock: float | None = None

    def may_be(self, form: str) -> bool:
        """Say whether it is to be looked at as of a form."""
        return self.form in ("auto", form)

    def error(self, cause: str) -> RecordingError:
        """Give the error for what is of no form that it may have."""
        if self.form != "auto":
            return RecordingError(self.place, f"is not {_WHAT[self.form]}", "leave --format out, or give the right one")
        return RecordingError(self.place, cause, f"understood are {'; '.join(_WHAT.values())}")


_WHAT: Mapping[str, str] = {
    "machine": "a folder or archive with sys/ and proc/ (hwloc-gather-topology) or with pu0, pu1, ... (hwloc-gather-cpuid)",
    "acpi": "ACPI tables, a file or a folder of them",
    "bundle": "a bundle (skb record)",
    **{name: text.what for name, text in TEXTS.items()},
}


def open_recording(path: Path, form: str = "auto") -> Opened:
    """Open a file, an archive or a folder; `-` is standard input. Raises RecordingError, with place, cause and remedy."""
    given = _given(_name(path), "standard input" if path == STANDARD_INPUT else str(path), form)
    try:
        if path != STANDARD_INPUT and path.is_dir():
            return _open_folder(path, given)
        content = _read(path)
    except OSError as error:
        remedy = "give a file or folder that there is"
        if isinstance(error, PermissionError):
            remedy = "read it as somebody who may, or change its mode"
        raise RecordingError(given.place, f"cannot be read: {error.strerror}", remedy) from None
    return _open_content(content, given)


def open_content(content: bytes, name: str, place: str, form: str = "auto") -> Opened:
    """Open the content of a file. `name` is the machine's, where it does not say; `place` is named in errors. Raises RecordingError."""
    return _open_content(content, _given(name, place, form))


def check_form(form: str) -> float | None:
    """Give the clock, in MHz, that a form is told (`mctop:2.4GHz`), if it is. Raises RecordingError for a form that there is not."""
    kind, colon, clock = form.partition(":")
    if kind not in FORMATS:
        raise RecordingError(f"format {form}", "there is no such format", f"formats are {', '.join(FORMATS)}")
    if not colon:
        return None
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)(GHz|MHz)", clock)
    value = float(found[1]) * (1000 if found[2] == "GHz" else 1) if found else 0.0
    if not value or kind not in TEXTS or not TEXTS[kind].cycles:
        with_clock = ", ".join(f"{name}:2400MHz" for name, text in TEXTS.items() if text.cycles)
        raise RecordingError(f"format {form}", "is no format with a clock", f"write one like {with_clock}")
    return value


def _given(name: str, place: str, form: str) -> _Given:
    return _Given(name, place, form.partition(":")[0], check_form(form))


def _name(path: Path) -> str:
    name = path.name or path.resolve().name
    for suffix in (".zst", ".xz", ".bz2", ".gz", ".tbz2", ".txz", ".tgz", ".tar", ".txt", ".xml"):
        name = name.removesuffix(suffix)
    return name.strip(".-") or "machine"


def _read(path: Path) -> bytes:
    """Read a file, or to its end what is no regular file: whoever names a pipe wants what comes out of it."""
    if path != STANDARD_INPUT and stat.S_ISREG(path.stat().st_mode):
        return read_bounded(str(path), FILE_LIMIT)
    descriptor = os.dup(sys.stdin.fileno()) if path == STANDARD_INPUT else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123  # a descriptor has no path
        content = file.read(FILE_LIMIT + 1)
    if len(content) > FILE_LIMIT:
        raise OSError(0, f"larger than {FILE_LIMIT >> 20} MiB")
    return content


def _open_content(content: bytes, given: _Given) -> Opened:
    if not content:
        raise RecordingError(given.place, "the file is empty", "record the machine anew")
    if is_tar(beginning(content, given.place, BLOCK)):
        return _open_archive(read_tar(Stream(content, given.place), given.place), given)
    head = beginning(content, given.place, HEAD)
    if given.may_be("acpi") and _tables().is_table(head):
        tables = {given.name: read_all(content, given.place, CONTENT_LIMIT)}
        return _tables().from_tables(tables, given.name)
    if given.form == "auto" and _text_form(head, given) is None:
        raise given.error("is of no form that is known")
    return _open_text(read_all(content, given.place, CONTENT_LIMIT), given)


def _open_archive(contents: Contents, given: _Given) -> Opened:
    if given.may_be("bundle") and bundle.MANIFEST in contents.files and bundle.ANSWERS in contents.files:
        return bundle.read(contents, given.place)
    if given.may_be("machine") and (found := tree.in_archive(contents, given.name, given.place)) is not None:
        return found
    return _open_files(contents, given)


def _open_folder(path: Path, given: _Given) -> Opened:
    if given.may_be("machine") and (found := tree.in_folder(path, given.name)) is not None:
        return found
    return _open_files(_files(path, given.place), given)


def _files(path: Path, place: str) -> Contents:
    """Read the files of a folder. Raises RecordingError if there are none or too many, OSError."""
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    left = FILE_LIMIT
    for base, folders, names in os.walk(path):
        folders.sort()
        if base.count("/") - str(path).count("/") >= FOLDER_DEPTH:
            folders.clear()
        for name in sorted(names):
            file = Path(base, name)
            if len(files) >= MOST_FILES:
                raise RecordingError(place, f"holds more than {MOST_FILES} files", "give the folder of one machine")
            try:
                content = read_bounded(str(file), left)
            except OSError as error:
                problems.append(Problem(str(file), f"cannot be read: {error.strerror}", "it is passed over"))
                continue
            files[str(file.relative_to(path))] = content
            left -= len(content)
    return Contents(files, {}, tuple(problems))


def _open_files(contents: Contents, given: _Given) -> Opened:
    """Open files that are no tree: tables of ACPI, or one file of some form, whatever is beside it."""
    tables = {}
    if given.may_be("acpi"):
        tables = {path: content for path, content in contents.files.items() if _tables().is_table(content)}
    if tables:
        recording = _tables().from_tables(tables, given.name)
        return recording._replace(problems=(*contents.problems, *recording.problems))
    texts = {path: form for path, content in contents.files.items() if content and (form := _text_form(content, given))}
    if not texts:
        raise given.error("holds nothing that is known" if contents.files else "holds no files")
    opened: Opened
    if set(texts.values()) == {TEXTS[PAIRWISE]}:
        figures = {path: _decode(contents.files[path]) for path in texts}
        opened = cast("Pairwise", import_module(TEXTS[PAIRWISE].module)).read_files(figures, given.clock)
    elif len(texts) == 1:
        ((path, form),) = texts.items()
        opened = _read_text(form, contents.files[path], Path(path).name, given)
    else:
        first, second, *_ = sorted(texts)
        raise RecordingError(given.place, f"holds several recordings: {first}, {second} ...", "give one of them")
    return opened._replace(problems=(*contents.problems, *opened.problems)) if isinstance(opened, Recording) else opened


def _open_text(content: bytes, given: _Given) -> Opened:
    form = _text_form(content, given)
    if form is None:
        raise given.error("is of no form that is known")
    return _read_text(form, content, Path(given.place).name, given)


def _read_text(form: TextFormat, content: bytes, name: str, given: _Given) -> Opened:
    return form.load().read(_decode(content), name, *((given.clock,) if form.cycles else ()))


def _text_form(content: bytes, given: _Given) -> TextFormat | None:
    """Say of what form a text is. One that the user names is looked for in the whole of it."""
    text = _decode(content if given.form in TEXTS else content[:HEAD])
    forms = (form for name, form in TEXTS.items() if given.may_be(name))
    return next((form for form in forms if form.load().recognises(text)), None)


def _decode(content: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    return content.decode("utf-8", "replace")


def _tables() -> Tables:
    return cast("Tables", import_module("probes.acpi.dump"))
