"""How firmware wires interrupts: the flags that MADT, GTDT and others share."""

from __future__ import annotations

from collections.abc import Mapping

POLARITY: Mapping[int, str] = {0: "bus", 1: "high", 3: "low"}
TRIGGER: Mapping[int, str] = {0: "bus", 1: "edge", 3: "level"}
"""MPS INTI flags, bits 0-1 and 2-3 (ACPI 6.5, table 5.26); 2 is reserved in both."""


UNKNOWN = "unknown"


def inti(flags: int) -> tuple[str, str]:
    """Return polarity and trigger of MPS INTI flags; one that is reserved is unknown."""
    return POLARITY.get(flags & 3, UNKNOWN), TRIGGER.get(flags >> 2 & 3, UNKNOWN)


def trigger_of(flags: int, bit: int) -> str:
    """Return the trigger that a mode bit states: 1 is edge."""
    return "edge" if flags >> bit & 1 else "level"
