"""Opening what was recorded of a machine, whatever its form: which that is, its content says.

Forms that hold what the machine itself says become sources, for all probes; forms that hold what another program concluded become facts.
Each form's module is loaded when content looks as if it were that form, and not before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from probes.fact import Survey
from probes.recorded import Recording, RecordingError, archive, bundle
from probes.source import Tree, read_bounded

HEAD = 64 * 1024
"""Characters of a text from which its form must be clear."""

LARGEST_TEXT = 64 * 1024 * 1024

FILE_LIMIT = 256 * 1024 * 1024
"""Bytes of a file that is opened."""

Opened = Recording | Survey


@dataclass(frozen=True)
class TextFormat:
    """A form of text: the module that knows it has `recognises(text)` and `read(text, name)`."""

    module: str
    what: str
    cycles: bool = False
    """Whether it counts in cycles, and so may be told a clock."""

    def load(self) -> ModuleType:
        """Give the module."""
        return import_module(self.module)


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

FORMATS: tuple[str, ...] = ("auto", "bundle", "machine", "acpi", *TEXTS)
"""`machine` is a tree with `sys` and `proc`, or with CPUID by core, as hwloc's gatherers make them; `acpi` raw tables."""


def open_recording(path: Path, format_: str = "auto") -> Opened:
    """Open a file, an archive or a folder. Raises RecordingError, with place, cause and remedy."""
    _check(format_)
    name = path.name.partition(".")[0] or "machine"
    try:
        if path.is_dir():
            found = _folder(path, name, format_)
        else:
            found = open_content(read_bounded(str(path), FILE_LIMIT), name, str(path), format_)
    except OSError as error:
        raise RecordingError(str(path), f"cannot be read: {error.strerror}", "give a file or folder that can") from None
    return found


def _check(format_: str) -> None:
    kind, colon, clock = format_.partition(":")
    if kind not in FORMATS:
        raise RecordingError(f"--format {format_}", "there is no such format", f"formats are {', '.join(FORMATS)}")
    if colon and (_clock(clock) is None or kind not in TEXTS or not TEXTS[kind].cycles):
        with_clock = ", ".join(f"{each}:2400MHz" for each, text in TEXTS.items() if text.cycles)
        raise RecordingError(f"--format {format_}", "is no format with a clock", f"write one like {with_clock}")


def _clock(text: str) -> float | None:
    """Return a clock in MHz: `2.4GHz`, `2400MHz`; None if it is none."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,9})?)(GHz|MHz)", text)
    value = float(found[1]) * (1000 if found[2] == "GHz" else 1) if found else 0.0
    return value or None


def _read_text(kind: str, text: str, name: str, clock: float | None) -> Opened:
    module = TEXTS[kind].load()
    opened: Opened = module.read(text, name, clock) if TEXTS[kind].cycles else module.read(text, name)
    return opened


def open_content(content: bytes, name: str, place: str, format_: str = "auto") -> Opened:
    """Open the content of a file. `name` is the machine's, where it does not say; `place` is named in errors. Raises RecordingError."""
    if not content:
        raise RecordingError(place, "the file is empty", "record the machine anew")
    content = archive.unpack(content, place)
    if archive.is_tar(content):
        return _archive(content, name, place, format_)
    if format_ in ("auto", "acpi"):
        tables = _acpi()
        if tables.is_table(content):
            recording: Recording = tables.from_tables({name: content}, name)
            return recording
    return _text(content, name, place, format_)


def _archive(content: bytes, name: str, place: str, format_: str) -> Opened:
    contents = archive.read_tar(content, place)
    if format_ in ("auto", "bundle") and bundle.MANIFEST in contents.files:
        return bundle.read(contents, place)
    if format_ in ("auto", "machine") and (found := archive.machine(contents, name)) is not None:
        return found
    return _some_files(contents.files, name, place, format_)


def _folder(path: Path, name: str, format_: str) -> Opened:
    if format_ in ("auto", "machine"):
        for root in (path, *_only_folders(path)):
            if (root / "sys").is_dir() or (root / "proc").is_dir() or (root / "cpuid").is_dir():
                return Recording(Tree(_file_system(root)), ())
    files: dict[str, bytes] = {}
    left = FILE_LIMIT
    for base, folders, names in os.walk(path):
        folders.sort()
        if base.count("/") - str(path).count("/") >= 2:
            folders.clear()
        for each in sorted(names):
            file = Path(base) / each
            if file.is_file():
                files[str(file.relative_to(path))] = read_bounded(str(file), left)
                left -= len(files[str(file.relative_to(path))])
    if not files:
        raise RecordingError(str(path), "the folder holds no files", "give one that holds a recording")
    if format_ in ("auto", "machine"):
        found = archive.machine(archive.Contents(files, {}, ()), name)
        if found is not None:
            return found
    return _some_files(files, name, str(path), format_)


def _only_folders(path: Path) -> list[Path]:
    inside = [entry for entry in path.iterdir() if entry.is_dir()]
    return inside if len(inside) == 1 else []


def _file_system(root: Path) -> Path:
    return root / "fsroot" if (root / "fsroot").is_dir() else root


def _some_files(files: Mapping[str, bytes], name: str, place: str, format_: str) -> Opened:
    """Files that are no tree: tables of ACPI, or a single file of some form beside others that say nothing."""
    tables = _acpi()
    found = {path: content for path, content in files.items() if tables.is_table(content)}
    if format_ in ("auto", "acpi") and found:
        recording: Recording = tables.from_tables(found, name)
        return recording
    if len(files) == 1:
        ((_, content),) = files.items()
        return open_content(content, name, place, format_)
    if format_.partition(":")[0] in ("auto", "nsend"):
        nsend = TEXTS["nsend"].load()
        texts = {
            path: content.decode("utf-8", "replace") for path, content in files.items() if len(content) < LARGEST_TEXT
        }
        pairwise = {path: text for path, text in texts.items() if nsend.recognises(text[:HEAD])}
        if pairwise:
            survey: Survey = nsend.read_files(pairwise, _clock(format_.partition(":")[2]))
            return survey
    raise RecordingError(place, "holds nothing that is known", _understood())


def _text(content: bytes, name: str, place: str, format_: str) -> Opened:
    text = content.decode("utf-8", "replace")
    kind, _, clock = format_.partition(":")
    called = Path(place).name or name
    if kind in TEXTS:
        return _read_text(kind, text, called, _clock(clock))
    if kind != "auto":
        raise RecordingError(place, f"is no {format_}", "leave --format out, or give the right one")
    head = text[:HEAD]
    for kind, each in TEXTS.items():
        recognises: Callable[[str], bool] = each.load().recognises
        if recognises(head):
            return _read_text(kind, text, called, None)
    raise RecordingError(place, "is of no form that is known", _understood())


def _understood() -> str:
    forms = ["a folder or archive with sys/ and proc/ (hwloc-gather-topology)", "pu<N> files (hwloc-gather-cpuid)"]
    forms += ["raw ACPI tables", "a bundle (skb record)", *(each.what for each in TEXTS.values())]
    return f"understood are: {'; '.join(forms)}"


def _acpi() -> ModuleType:
    return import_module("probes.acpi.dump")
