"""CPUID as InstLatX64, AIDA64 and EVEREST print it.

    ------[ CPUID Registers / Logical CPU #0 ]------

    CPUID 00000004: FC004121-02C0003F-0000003F-00000000 [SL 00] [L1D: 48 KB]

A line holds a leaf and the four registers; the subleaf stands in the comment, in hexadecimal. Twenty years of programs
vary it: a tab or spaces instead of the colon, spaces instead of dashes, no subleaf. A leaf that is repeated without one
is its next subleaf, but for leaf 0xD, whose empty subleaves are left out, so that the order does not tell.

A processor begins with a header that holds its number (`[ Logical CPU #0 ]`, `CPUID Registers (CPU #1):`,
`CPU#000 AffMask: 0x1`), or at leaf 0, then numbered from the one before. Everything else of such files (other registers,
names, the program's own view of packages and cores, which is wrong for processors that it did not know) is passed over.
"""

from __future__ import annotations

import re

from probes.cpuid.dump import CpuidDump
from probes.cpuid.registers import Registers
from probes.cpulist import LIMIT
from probes.fact import Problem
from probes.recorded import Recording
from probes.source import Files

WORD = "[0-9A-Fa-f]{8}"

LINE = re.compile(
    rf"^[ \t]*CPUID[ \t]+({WORD})[ \t]*:?[ \t]*({WORD})[- \t]+({WORD})[- \t]+({WORD})[- \t]+({WORD})\b(?:.*?\[SL ([0-9A-Fa-f]{{2}})\])?"
)

HEADERS = (
    re.compile(r"^[ \t]*-+\[[^\]]*?Logical CPU #([0-9]{1,9})[^\]]*\]-+"),
    re.compile(r"^[ \t]*CPUID Registers[ \t]*\(CPU[ \t]*#([0-9]{1,9})[^)]*\)"),
    re.compile(r"^[ \t]*CPU[ \t]*#([0-9]{1,9})[ \t]+Aff[a-z]*Mask", re.IGNORECASE),
)

UNORDERED = 0xD
"""The leaf whose lines do not come subleaf by subleaf."""


def recognises(text: str) -> bool:
    """Say whether text holds a line of registers in this form."""
    return any(LINE.match(line) for line in text.splitlines() if "CPUID" in line)


def read(text: str, name: str) -> Recording:
    """Read a dump; what is wrong with it is told, and the rest counts."""
    reader = _Reader(name)
    for number, line in enumerate(text.splitlines(), 1):
        if "CPU" in line:
            reader.line(number, line)
    cpuid = {core: CpuidDump(entries) for core, entries in reader.cores.items() if entries}
    return Recording(Files({}, cpuid=cpuid, name=name), tuple(reader.problems))


class _Reader:
    """The processors read so far. Lives as long as one dump is read."""

    def __init__(self, name: str) -> None:
        self.cores: dict[int, dict[tuple[int, int], Registers]] = {}
        self.problems: list[Problem] = []
        self._name = name
        self._entries: dict[tuple[int, int], Registers] | None = None
        self._repeated: dict[int, int] = {}
        self._next = 0

    def line(self, number: int, line: str) -> None:
        found = LINE.match(line)
        if found is None:
            self._header(number, line)
            return
        leaf, *values = (int(word, 16) for word in found.groups()[:5])
        if leaf == 0 and (self._entries is None or (0, 0) in self._entries):
            self._begin(number, self._next)
        if self._entries is not None:
            self._add(leaf, found[6], Registers(*values))

    def _header(self, number: int, line: str) -> None:
        for header in HEADERS:
            if found := header.match(line):
                self._begin(number, int(found[1]))
                return

    def _begin(self, number: int, core: int) -> None:
        place = f"{self._name}, line {number}"
        self._entries = None
        self._repeated = {}
        if core >= LIMIT:
            self.problems.append(Problem(place, f"processor {core} is beyond {LIMIT}", "it is passed over"))
        elif self.cores.get(core):
            self.problems.append(Problem(place, f"processor {core} is there twice", "the first counts"))
            self._entries = {}
        else:
            self._entries = self.cores[core] = {}
            self._next = core + 1

    def _add(self, leaf: int, stated: str | None, registers: Registers) -> None:
        assert self._entries is not None
        subleaf = int(stated, 16) if stated else 0
        if stated is None:
            subleaf = self._repeated.get(leaf, 0)
            self._repeated[leaf] = subleaf + 1
            if subleaf and leaf == UNORDERED:
                return
        self._entries.setdefault((leaf, subleaf), registers)
