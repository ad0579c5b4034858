"""One probe's reading of a source: what is absent is None, what may not be read is noted.

Most files that a probe asks for are absent on some machine or kernel, and that is no fault; a file that is there and
cannot be read is one, and the user can often mend it. Refusals in one directory are told together: a user without root
should see one line about the ACPI tables, not twenty. So is one fault that many files have.
"""

from __future__ import annotations

import os

from probes.fact import Problem
from probes.source import Source

AS_ROOT = "run as root, or accept that these facts are missing"
LOOK_AT_FILE = "look at the file; facts that depend on it are missing"


class Reading:
    """Reads files of a source and notes what could not be read. Lives as long as the run of one probe."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._denied: dict[str, list[str]] = {}
        self._problems: list[Problem] = []

    def bytes(self, path: str) -> bytes | None:
        """Return a file's content, or None."""
        try:
            return self.source.read(path)
        except OSError as error:
            self._note(path, error)
            return None

    def text(self, path: str) -> str | None:
        """Return a file's content as text without space around it, or None."""
        content = self.bytes(path)
        # Some kernels (5.16) end the text of sysfs files with a zero byte.
        return None if content is None else content.split(b"\0")[0].decode("utf-8", "replace").strip()

    def number(self, path: str, base: int = 10) -> int | None:
        """Return the integer that a file holds, or None."""
        text = self.text(path)
        if not text:
            return None
        try:
            return int(text, base)
        except ValueError:
            self.problem(path, f"{text[:40]!r} is not a number", LOOK_AT_FILE)
            return None

    def list(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory; none where there is no directory."""
        try:
            return self.source.list(path)
        except OSError as error:
            self._note(path, error)
            return ()

    def link(self, path: str) -> str | None:
        """Return where a path leads, or None if that is a loop."""
        try:
            return self.source.link(path)
        except OSError as error:
            self._note(path, error)
            return None

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory."""
        try:
            return self.source.exists(path)
        except OSError as error:
            self._note(path, error)
            return False

    def problem(self, place: str, cause: str, remedy: str) -> None:
        """Note a problem that the probe found itself."""
        self._problems.append(Problem(place, cause, remedy))

    def problems(self) -> tuple[Problem, ...]:
        """Return what was noted, refusals by directory first; what is wrong in many places is told once."""
        refused = (
            Problem(directory, f"permission denied for {', '.join(names)}", AS_ROOT)
            for directory, names in self._denied.items()
        )
        places: dict[tuple[str, str], list[str]] = {}
        for problem in self._problems:
            places.setdefault((problem.cause, problem.remedy), []).append(problem.place)
        found = (
            Problem(first + (f" and {len(others)} more" if others else ""), cause, remedy)
            for (cause, remedy), (first, *others) in places.items()
        )
        return (*refused, *found)

    def _note(self, path: str, error: OSError) -> None:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return
        if isinstance(error, PermissionError):
            directory, _, name = path.rpartition("/")
            self._denied.setdefault(directory, []).append(name)
            return
        reason = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
        self.problem(path, reason, LOOK_AT_FILE)
