"""Message-signaled interrupts, power management.

PCI Local Bus Specification 3.0, 6.8 (MSI and MSI-X); PCI Power Management Interface Specification 1.2, 3.2.
"""

from __future__ import annotations

from typing import NamedTuple

from probes.layout import layout
from probes.pci.config import Decoded, bits, cut, flag

MSI = layout("MSI capability", "PCI 3.0, 6.8.1", "id B, next B, control H")
MSIX = layout("MSI-X capability", "PCI 3.0, 6.8.2", "id B, next B, control H, table I, pba I")
POWER = layout("power management capability", "PCI PM 1.2, 3.2", "id B, next B, capabilities H, status H")

POWER_STATES = ("d0", "d1", "d2", "d3hot", "d3cold")


class Msi(NamedTuple):
    """Vectors that the function can use."""

    vectors: int


class MsiState(NamedTuple):
    """Whether MSI is on, how many vectors were granted, the width of its address, whether vectors can be masked."""

    enabled: int
    granted: int
    width: int
    maskable: int


class Msix(NamedTuple):
    """Vectors that the function can use."""

    vectors: int


class MsixState(NamedTuple):
    """Whether MSI-X is on, and whether all of its vectors are masked."""

    enabled: int
    masked: int


class MsixTable(NamedTuple):
    """Where table and pending bits are: index of the base address register, offset from its base."""

    bar: int
    offset: int
    pba_bar: int
    pba_offset: int


class Power(NamedTuple):
    """Version, the state that the function is in, those it has, and those from which it can wake the machine."""

    version: int
    state: str
    states: tuple[str, ...]
    wakes_from: tuple[str, ...]


def decode_msi(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the MSI capability at `offset`."""
    fields = MSI.read(config, offset)
    if fields is None:
        yield cut(MSI, offset)
        return
    control = fields["control"]
    capable, granted = bits(control, 3, 1), bits(control, 6, 4)
    if capable > 5 or granted > 5:
        yield f"the MSI capability at {offset:#04x} has a reserved number of vectors"
        return
    yield Msi(1 << capable)
    yield MsiState(flag(control, 0), 1 << granted, 64 if flag(control, 7) else 32, flag(control, 8))


def decode_msix(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the MSI-X capability at `offset`."""
    fields = MSIX.read(config, offset)
    if fields is None:
        yield cut(MSIX, offset)
        return
    control, table, pba = fields["control"], fields["table"], fields["pba"]
    yield Msix(bits(control, 10, 0) + 1)
    yield MsixState(flag(control, 15), flag(control, 14))
    if (table & 7) > 5 or (pba & 7) > 5:
        yield f"the MSI-X capability at {offset:#04x} puts its table behind a base address register that there is not"
        return
    yield MsixTable(table & 7, table & ~7, pba & 7, pba & ~7)


def decode_power(config: bytes, offset: int, _end: int) -> Decoded:
    """Decode the power management capability at `offset`."""
    fields = POWER.read(config, offset)
    if fields is None:
        yield cut(POWER, offset)
        return
    capabilities, status = fields["capabilities"], fields["status"]
    states = (
        "d0",
        *(name for bit, name in ((9, "d1"), (10, "d2")) if flag(capabilities, bit)),
        "d3hot",
    )
    wakes = tuple(name for bit, name in enumerate(POWER_STATES) if flag(capabilities, 11 + bit))
    yield Power(bits(capabilities, 2, 0), POWER_STATES[bits(status, 1, 0)], states, wakes)
