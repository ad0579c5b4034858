"""A source that remembers what it was asked and what it answered, failures included; and one that answers from that.

Whatever is asked twice is answered alike, so that the facts of the survey that was recorded, and those of its replay, are the same even
where the machine changes meanwhile.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, NoReturn, TypeVar

from probes.cpuid.dump import CpuidDump
from probes.cpuid.registers import Registers
from probes.source import Source, Uname, follow

Answer = TypeVar("Answer")


class Failure(NamedTuple):
    """What a question was answered with instead: a number of errno.h, and the reason in words."""

    number: int
    reason: str


@dataclass
class Answers:
    """What a machine answered, by path."""

    name: str
    uname: Uname
    files: dict[str, bytes] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    exists: dict[str, bool] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    """By question: `read /sys/x`."""
    cpuid: dict[int, CpuidDump] = field(default_factory=dict)


class _Known:
    """The part of a source that its answers hold from the start."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    @property
    def name(self) -> str:
        """What to call the machine where it has not recorded its host name."""
        return self.answers.name

    def uname(self) -> Uname:
        """Say what machine this is."""
        return self.answers.uname

    def cpuid_cores(self) -> tuple[int, ...]:
        """Return the cores whose CPUID can be asked for."""
        return tuple(sorted(self.answers.cpuid))

    def cpuid(self, core: int, leaf: int, subleaf: int) -> Registers | None:
        """Return what CPUID answers on a core."""
        dump = self.answers.cpuid.get(core)
        return dump.lookup(leaf, subleaf) if dump else None

    def cpuid_dump(self, core: int) -> CpuidDump | None:
        """Return all that CPUID answers on a core."""
        return self.answers.cpuid.get(core)


class Recorder(_Known):
    """Asks another source, and remembers. Probes may ask from several threads."""

    def __init__(self, source: Source) -> None:
        super().__init__(Answers(source.name, source.uname()))
        self._source = source
        self._turn = threading.RLock()
        for core in source.cpuid_cores():
            dump = source.cpuid_dump(core)
            if dump is not None:
                self.answers.cpuid[core] = dump

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return self._ask("read", path, self.answers.files, self._source.read)

    def list(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory."""
        return self._ask("list", path, self.answers.lists, self._source.list)

    def link(self, path: str) -> str:
        """Return `path` with every link in it followed."""
        return self._ask("link", path, self.answers.links, self._source.link)

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at `path`."""
        return self._ask("exists", path, self.answers.exists, self._source.exists)

    def take(self, path: str, depth: int) -> None:
        """Remember what is below a path, but behind no links: probes of later versions may ask for what today's do not."""
        with suppress(OSError):
            if self.link(path) != path:
                return
            names = self.list(path)
            if depth:
                for name in names:
                    self.take(f"{path}/{name}", depth - 1)
            return
        with suppress(OSError):
            self.read(path)

    def _ask(self, verb: str, path: str, known: dict[str, Answer], ask: Callable[[str], Answer]) -> Answer:
        with self._turn:
            if path not in known:
                question = f"{verb} {path}"
                if question in self.answers.failures:
                    _fail(self.answers.failures[question], path)
                try:
                    known[path] = ask(path)
                except OSError as error:
                    failure = Failure(error.errno or errno.EIO, error.strerror or str(error))
                    self.answers.failures[question] = failure
                    raise
            return known[path]


class Replay(_Known):
    """Answers as a machine did. What it was not asked is answered from the rest, as far as that tells."""

    def __init__(self, answers: Answers) -> None:
        super().__init__(answers)
        self._files = {self._resolved(path): content for path, content in answers.files.items()}
        self._lists = {self._resolved(path): names for path, names in answers.lists.items()}

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return self._answer("read", path, self.answers.files, self._files)

    def list(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory."""
        return self._answer("list", path, self.answers.lists, self._lists)

    def link(self, path: str) -> str:
        """Return `path` with every link in it followed."""
        if path in self.answers.links:
            return self.answers.links[path]
        self._fail_as_then("link", path)
        return follow(path, self._target)

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at `path`."""
        if path in self.answers.exists:
            return self.answers.exists[path]
        self._fail_as_then("exists", path)
        resolved = self._resolved(path)
        return resolved in self._files or resolved in self._lists

    def _answer(self, verb: str, path: str, known: dict[str, Answer], resolved: dict[str, Answer]) -> Answer:
        if path in known:
            return known[path]
        self._fail_as_then(verb, path)
        try:
            return resolved[self.link(path)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def _fail_as_then(self, verb: str, path: str) -> None:
        failure = self.answers.failures.get(f"{verb} {path}")
        if failure is not None:
            _fail(failure, path)

    def _resolved(self, path: str) -> str:
        try:
            return self.link(path)
        except OSError:
            return path

    def _target(self, path: str) -> str | None:
        target = self.answers.links.get(path)
        return None if target == path else target


def _fail(failure: Failure, path: str) -> NoReturn:
    raise OSError(failure.number, failure.reason, path)
