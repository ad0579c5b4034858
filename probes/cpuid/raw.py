"""CPUID as the tool `cpuid` prints it with `--raw`.

    CPU 0:
       0x00000004 0x01: eax=0x3c004122 ebx=0x01c0003f ecx=0x0000003f edx=0x00000000

With `--one-cpu` the header is `CPU:`, and the processor counts as 0. Old versions leave out the subleaf; a leaf that is
then repeated is its next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from probes.cpuid.lines import Processors, lines
from probes.cpuid.registers import Registers
from probes.recorded import Recording

HEADER = re.compile(r"^[ \t]*CPU(?:[ \t]+([0-9]{1,9}))?:[ \t]*$")

NUMBER = "0x([0-9a-fA-F]{1,8})"

LINE = re.compile(
    rf"^[ \t]*{NUMBER}(?:[ \t]+{NUMBER})?:[ \t]+eax={NUMBER}[ \t]+ebx={NUMBER}[ \t]+ecx={NUMBER}[ \t]+edx={NUMBER}[ \t]*$"
)


def recognises(text: str) -> bool:
    """Say whether text holds a line of registers in this form."""
    return any(LINE.match(line) for _, line in lines(text, "eax=0x"))


def read(text: str, name: str) -> Recording:
    """Read a dump; what is wrong with it is told, and the rest counts."""
    processors = Processors(text, name)
    unnumbered: dict[str, Iterator[int]] = {}
    for offset, line in lines(text, ":"):
        if header := HEADER.match(line):
            processors.begin(offset, int(header[1] or 0))
            unnumbered = {}
        elif found := LINE.match(line):
            leaf, stated, *values = found.groups()
            subleaf = int(stated, 16) if stated else next(unnumbered.setdefault(leaf, count()))
            processors.add(int(leaf, 16), subleaf, Registers(*(int(value, 16) for value in values)))
    return processors.recording()
