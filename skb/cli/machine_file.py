"""A machine to look at, from a file or folder, in the form that facts travel in."""

from pathlib import Path
from typing import Any

from probes.fact import Problem, to_json
from probes.machine import read
from probes.recorded import RecordingError


def read_machine(path: Path) -> tuple[list[dict[str, Any]], tuple[Problem, ...]]:
    """Read a machine; return its facts in JSON form and what could not be read. Raises RecordingError."""
    found = read(path)
    if not found.facts:
        cause = found.problems[0].cause if found.problems else "holds nothing that is known"
        raise RecordingError(str(path), cause, "give the recording of a machine")
    return [to_json(fact) for fact in found.facts], found.problems
