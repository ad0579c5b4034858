"""Lines of a text dump, and the processors that they tell of.

What a dump may claim is bounded here, once for every format: of a line so much is looked at as registers can take, a
processor has no more entries than it can have leaves, and what is wrong with a thousand processors is one problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from probes.cpuid.dump import ENTRIES_AT_MOST, CpuidDump
from probes.cpuid.registers import Registers
from probes.fact import Problem
from probes.recorded import Recording
from probes.source import Files

LINE = re.compile(r"[^\r\n]+")

PROCESSORS_AT_MOST = 8192
"""As many as Linux can be built for (NR_CPUS)."""

LINE_AT_MOST = 512
"""Characters of a line to look at; the longest that tells something has some 150."""


def lines(text: str, word: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that hold a word, each with the offset at which it begins."""
    for found in LINE.finditer(text):
        line = text[found.start() : min(found.end(), found.start() + LINE_AT_MOST)]
        if word in line:
            yield found.start(), line


class Processors:
    """The processors of a dump, as far as it has been read. Lives as long as the reading."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._cores: dict[int, dict[tuple[int, int], Registers]] = {}
        self._entries: dict[tuple[int, int], Registers] | None = None
        self._next = 0
        self._wrong: dict[str, tuple[int, int, int]] = {}

    def begin(self, offset: int, core: int | None = None) -> None:
        """Begin a processor: the one with this number, or the one after the last."""
        number = self._next if core is None else core
        self._entries = {}
        if number >= PROCESSORS_AT_MOST:
            self._note(f"is beyond {PROCESSORS_AT_MOST}", offset, number)
        elif self._cores.get(number):
            self._note("is there twice", offset, number)
        else:
            self._cores[number] = self._entries
            self._next = number + 1

    def has(self, leaf: int) -> bool | None:
        """Say whether the processor that was begun has a leaf; None if none was begun."""
        return None if self._entries is None else (leaf, 0) in self._entries

    def add(self, leaf: int, subleaf: int, registers: Registers) -> None:
        """Add an entry to the processor that was begun. The first of several for the same leaf and subleaf counts."""
        if self._entries is not None and len(self._entries) < ENTRIES_AT_MOST:
            self._entries.setdefault((leaf, subleaf), registers)

    def recording(self) -> Recording:
        """Return what was read."""
        cpuid = {core: CpuidDump(entries) for core, entries in self._cores.items() if entries}
        return Recording(Files({}, cpuid=cpuid, name=self._name), tuple(self._problems()))

    def _note(self, cause: str, offset: int, core: int) -> None:
        first, number, others = self._wrong.get(cause, (offset, core, -1))
        self._wrong[cause] = first, number, others + 1

    def _problems(self) -> Iterator[Problem]:
        for cause, (offset, core, others) in self._wrong.items():
            line = self._text.count("\n", 0, offset) + 1
            more = f", and so are {others} more" if others else ""
            remedy = "the first counts" if cause == "is there twice" else "it is passed over"
            yield Problem(f"{self._name}, line {line}", f"processor {core} {cause}{more}", remedy)
