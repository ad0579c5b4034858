"""CPUID of one core, recorded: written down from the instruction, or read from a file.

A recording is a list of entries, each with the inputs that matter for it. The file form is that of hwloc-gather-cpuid:

    # mask e[abcd]x => e[abcd]x
    5 4 0 1 0 => fc004122 3c0003f 3f 0

MASK has bit 0 where eax matters and bit 2 where ecx does; then the four inputs eax, ebx, ecx, edx and the four outputs,
all in hexadecimal. Lines that are not of that form are passed over: a recording cut short still tells what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from probes.cpuid.registers import HYPERVISOR_RANGE, RANGES, Registers, bits, highest_leaf

SUBLEAVES = {
    0x4: 16,
    0x7: 4,
    0xB: 8,
    0xD: 16,
    0xF: 2,
    0x10: 4,
    0x12: 4,
    0x14: 2,
    0x17: 4,
    0x18: 16,
    0x1D: 2,
    0x1E: 2,
    0x1F: 8,
    0x24: 2,
    0x8000001D: 16,
    0x80000020: 4,
    0x80000026: 8,
}
"""How many subleaves to write down of the leaves that have them; more than any processor is known to fill."""

MOST_LEAVES = 0x100
"""Leaves to write down of one range at most, whatever its first leaf claims."""

ENTRIES_AT_MOST = 4096
"""Entries of one core to read; a recording of every leaf that the manuals define has some 150."""

WHOLE_LEAF = -1
"""Subleaf of an entry that holds for every subleaf."""


@dataclass(frozen=True)
class CpuidDump:
    """What CPUID answered on one core."""

    entries: Mapping[tuple[int, int], Registers]

    def lookup(self, leaf: int, subleaf: int) -> Registers | None:
        """Return what was recorded, None if nothing was."""
        found = self.entries.get((leaf, subleaf))
        # An entry without a subleaf, of a leaf that has them, was taken with ECX zero.
        return found or (self.entries.get((leaf, WHOLE_LEAF)) if not subleaf or leaf not in SUBLEAVES else None)


def write_pu(dump: CpuidDump) -> str:
    """Write the file form."""
    lines = ["# mask e[abcd]x => e[abcd]x"]
    for (leaf, subleaf), found in dump.entries.items():
        mask, ecx = (1, 0) if subleaf == WHOLE_LEAF else (5, subleaf)
        lines.append(f"{mask} {leaf:x} 0 {ecx:x} 0 => {found.eax:x} {found.ebx:x} {found.ecx:x} {found.edx:x}")
    return "\n".join(lines) + "\n"


def record(execute: Callable[[int, int], Registers | None]) -> CpuidDump:
    """Write down what the instruction answers on the core this runs on."""
    entries: dict[tuple[int, int], Registers] = {}
    for first in RANGES:
        highest = highest_leaf(execute, first)
        if first == HYPERVISOR_RANGE:
            # Only a guest has the range; old hypervisors leave its highest leaf zero (KVM's documentation, cpuid.rst).
            features = execute(1, 0)
            guest = features is not None and bits(features.ecx, 31, 31)
            highest = highest or first if guest else None
        for leaf in range(first, min(first - 1 if highest is None else highest, first + MOST_LEAVES) + 1):
            if leaf not in SUBLEAVES:
                answer = execute(leaf, 0)
                if answer is not None:
                    entries[leaf, WHOLE_LEAF] = answer
            for subleaf in range(SUBLEAVES.get(leaf, 0)):
                answer = execute(leaf, subleaf)
                if answer is not None:
                    entries[leaf, subleaf] = answer
    return CpuidDump(entries)


def parse_pu(text: str) -> CpuidDump:
    """Read the file form; the first of several entries for the same inputs counts, and the first ENTRIES_AT_MOST."""
    entries: dict[tuple[int, int], Registers] = {}
    for line in text.splitlines():
        entry = _parse_line(line)
        if entry is not None:
            entries.setdefault(*entry)
            if len(entries) == ENTRIES_AT_MOST:
                break
    return CpuidDump(entries)


@lru_cache(maxsize=4096)  # the cores of a machine write the same lines, but for those with an APIC id
def _parse_line(line: str) -> tuple[tuple[int, int], Registers] | None:
    inputs, arrow, outputs = line.partition("=>")
    if not arrow or line.startswith("#"):
        return None
    try:
        mask, eax, _, ecx, _ = (int(word, 16) for word in inputs.split())
        registers = Registers(*(int(word, 16) & 0xFFFFFFFF for word in outputs.split()))
    except (ValueError, TypeError):
        return None
    return ((eax, ecx if mask & 4 else WHOLE_LEAF), registers) if mask & 1 else None
