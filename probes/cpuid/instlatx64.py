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

from probes.cpuid.lines import Processors, lines
from probes.cpuid.registers import Registers
from probes.recorded import Recording

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
    return any(LINE.match(line) for _, line in lines(text, "CPUID"))


def read(text: str, name: str) -> Recording:
    """Read a dump; what is wrong with it is told, and the rest counts."""
    processors = Processors(text, name)
    repeated: dict[int, int] = {}
    for offset, line in lines(text, "CPU"):
        if header := next(filter(None, (header.match(line) for header in HEADERS)), None):
            processors.begin(offset, int(header[1]))
            repeated = {}
        elif found := LINE.match(line):
            leaf, *values = (int(word, 16) for word in found.groups()[:5])
            if leaf == 0 and processors.has(0) is not False:
                processors.begin(offset)
                repeated = {}
            if found[6]:
                processors.add(leaf, int(found[6], 16), Registers(*values))
                continue
            subleaf = repeated.get(leaf, 0)
            repeated[leaf] = subleaf + 1
            if not subleaf or leaf != UNORDERED:
                processors.add(leaf, subleaf, Registers(*values))
    return processors.recording()
