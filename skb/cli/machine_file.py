"""A machine to look at, from a file or folder, in the form that facts travel in."""

from pathlib import Path
from typing import Any

from probes.fact import Problem, Survey, to_json
from probes.foreign import hwloc_xml
from probes.machine import survey
from probes.recorded import RecordingError
from probes.source import READ_LIMIT, Tree

FORMATS = "a folder with sys/ and proc/, or an hwloc XML file"


def read_machine(path: Path) -> tuple[list[dict[str, Any]], tuple[Problem, ...]]:
    """Read a machine; return its facts in JSON form and what could not be read. Raises RecordingError and OSError."""
    found = survey(Tree(path)) if path.is_dir() else _read_file(path)
    if not found.facts:
        cause = found.problems[0].cause if found.problems else "holds nothing that is known"
        raise RecordingError(str(path), cause, f"give {FORMATS}")
    return [to_json(fact) for fact in found.facts], found.problems


def _read_file(path: Path) -> Survey:
    with path.open("rb") as file:
        content = file.read(READ_LIMIT + 1)
    if len(content) > READ_LIMIT:
        raise RecordingError(str(path), f"is larger than {READ_LIMIT} bytes", f"give {FORMATS}")
    text = content.decode("utf-8", "replace")
    if not hwloc_xml.recognises(text):
        raise RecordingError(str(path), "is of no format that is known", f"give {FORMATS}")
    return hwloc_xml.read(text, path.stem)
