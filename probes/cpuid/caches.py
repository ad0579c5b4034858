"""Caches and translation lookaside buffers of a hardware thread, from whichever leaves describe them best.

| caches | buffers | read by |
|---|---|---|
| 4, with AMD 0x8000001D | 0x18 | `probes.cpuid.deterministic` |
| 2 | 2 | `probes.cpuid.descriptors` |
| 0x80000005, 0x80000006 | 0x80000005, 0x80000006, 0x80000019 | `probes.cpuid.legacy` |

The first row that has any counts alone: later rows repeat it with less, and where a vendor answers leaf 2 for software
that knows no other, wrongly. The last two rows say nothing of sharing; the manuals of their time do: first and second
level belong to the core, the third to the package, or to the node where a package has two.
"""

from __future__ import annotations

from probes.cpuid import descriptors, deterministic, legacy
from probes.cpuid.deterministic import SharedCache, Tlb
from probes.cpuid.registers import Lookup


def caches(cpuid: Lookup) -> tuple[SharedCache, ...]:
    """Return the caches of a hardware thread, none where no leaf describes them."""
    return deterministic.caches(cpuid) or descriptors.caches(cpuid) or legacy.caches(cpuid)


def tlbs(cpuid: Lookup) -> tuple[Tlb, ...]:
    """Return the buffers of a hardware thread, none where no leaf describes them."""
    found = tuple(deterministic.tlbs(cpuid)) or descriptors.tlbs(cpuid) or legacy.tlbs(cpuid)
    return tuple(dict.fromkeys(found))
