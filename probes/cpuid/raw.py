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

from probes.cpuid.dump import CpuidDump
from probes.cpuid.registers import Registers
from probes.cpulist import LIMIT
from probes.fact import Problem
from probes.recorded import Recording
from probes.source import Files

HEADER = re.compile(r"^[ \t]*CPU(?:[ \t]+([0-9]{1,9}))?:[ \t]*$")

NUMBER = "0x([0-9a-fA-F]{1,8})"

LINE = re.compile(
    rf"^[ \t]*{NUMBER}(?:[ \t]+{NUMBER})?:[ \t]+eax={NUMBER}[ \t]+ebx={NUMBER}[ \t]+ecx={NUMBER}[ \t]+edx={NUMBER}[ \t]*$"
)


def recognises(text: str) -> bool:
    """Say whether text holds a line of registers in this form."""
    return any(LINE.match(line) for line in text.splitlines() if "eax=0x" in line)


def read(text: str, name: str) -> Recording:
    """Read a dump; what is wrong with it is told, and the rest counts."""
    cores: dict[int, dict[tuple[int, int], Registers]] = {}
    problems: list[Problem] = []
    entries: dict[tuple[int, int], Registers] | None = None
    unnumbered: dict[str, Iterator[int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := HEADER.match(line):
            core = int(header[1] or 0)
            if core >= LIMIT or core in cores:
                cause = f"processor {core} is there twice" if core in cores else f"processor {core} is beyond {LIMIT}"
                problems.append(Problem(f"{name}, line {number}", cause, "it is passed over"))
                entries = None
            else:
                entries, unnumbered = cores.setdefault(core, {}), {}
        elif entries is not None and (found := LINE.match(line)):
            leaf, stated, *values = found.groups()
            registers = Registers(*(int(value, 16) for value in values))
            repeated = int(stated, 16) if stated else next(unnumbered.setdefault(leaf, count()))
            entries.setdefault((int(leaf, 16), repeated), registers)
    cpuid = {core: CpuidDump(found) for core, found in cores.items() if found}
    return Recording(Files({}, cpuid=cpuid, name=name), tuple(problems))
