"""Which processor a core of Arm is: its main ID register (MIDR), which the kernel shows.

Linux for AArch64 shows the register as it is (`/sys/devices/system/cpu/cpu*/regs/identification/midr_el1`), and every
Linux for Arm its fields in /proc/cpuinfo: for each core, or before version 3.8 once for all.

Arm Architecture Reference Manual (DDI 0487), D24.2.122, "MIDR_EL1": implementer, variant, architecture, part, revision.
Implementers are those of the table there and of Linux's arch/arm64/include/asm/cputype.h; parts are named by the
technical reference manual of each core, "MIDR_EL1" or "Main ID Register".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from probes.cores import Identity
from probes.reading import Reading

REGISTER = "/sys/devices/system/cpu/cpu{}/regs/identification/midr_el1"

IMPLEMENTERS: Mapping[int, str] = {
    0x41: "ARM",
    0x42: "Broadcom",
    0x43: "Cavium",
    0x44: "DEC",
    0x46: "Fujitsu",
    0x48: "HiSilicon",
    0x49: "Infineon",
    0x4D: "Freescale",
    0x4E: "NVIDIA",
    0x50: "APM",
    0x51: "Qualcomm",
    0x53: "Samsung",
    0x56: "Marvell",
    0x61: "Apple",
    0x66: "Faraday",
    0x69: "Intel",
    0x6D: "Microsoft",
    0x70: "Phytium",
    0xC0: "Ampere",
}

ARM, HISILICON = 0x41, 0x48

PARTS: Mapping[tuple[int, int], str] = {
    **{
        (ARM, part): name
        for part, name in {
            0xC05: "Cortex-A5",
            0xC07: "Cortex-A7",
            0xC08: "Cortex-A8",
            0xC09: "Cortex-A9",
            0xC0D: "Cortex-A12",
            0xC0E: "Cortex-A17",
            0xC0F: "Cortex-A15",
            0xD01: "Cortex-A32",
            0xD02: "Cortex-A34",
            0xD03: "Cortex-A53",
            0xD04: "Cortex-A35",
            0xD05: "Cortex-A55",
            0xD06: "Cortex-A65",
            0xD07: "Cortex-A57",
            0xD08: "Cortex-A72",
            0xD09: "Cortex-A73",
            0xD0A: "Cortex-A75",
            0xD0B: "Cortex-A76",
            0xD0C: "Neoverse-N1",
            0xD0D: "Cortex-A77",
            0xD0E: "Cortex-A76AE",
            0xD40: "Neoverse-V1",
            0xD41: "Cortex-A78",
            0xD42: "Cortex-A78AE",
            0xD43: "Cortex-A65AE",
            0xD44: "Cortex-X1",
            0xD46: "Cortex-A510",
            0xD47: "Cortex-A710",
            0xD48: "Cortex-X2",
            0xD49: "Neoverse-N2",
            0xD4A: "Neoverse-E1",
            0xD4B: "Cortex-A78C",
            0xD4C: "Cortex-X1C",
            0xD4D: "Cortex-A715",
            0xD4E: "Cortex-X3",
            0xD4F: "Neoverse-V2",
            0xD80: "Cortex-A520",
            0xD81: "Cortex-A720",
            0xD82: "Cortex-X4",
            0xD84: "Neoverse-V3",
            0xD85: "Cortex-X925",
            0xD87: "Cortex-A725",
            0xD8E: "Neoverse-N3",
        }.items()
    },
    (0x42, 0x516): "ThunderX2",
    (0x43, 0x0A1): "ThunderX",
    (0x43, 0x0AF): "ThunderX2",
    (0x46, 0x001): "A64FX",
    (HISILICON, 0xD01): "TaiShan-v110",
    (0x4E, 0x003): "Denver-2",
    (0x4E, 0x004): "Carmel",
    (0x50, 0x000): "X-Gene",
    (0x51, 0xC00): "Falkor",
    (0xC0, 0xAC3): "Ampere-1",
    (0xC0, 0xAC4): "Ampere-1a",
}

ARCHITECTURES: Mapping[int, int] = {1: 4, 2: 4, 3: 5, 4: 5, 5: 5, 6: 5, 7: 6}
"""Versions of the architecture by the register's field; 0xF leaves them to other registers."""

FIELDS = ("CPU implementer", "CPU variant", "CPU part", "CPU revision")


class Midr(NamedTuple):
    """The register's fields; the architecture is its version, 0 where that is not told."""

    implementer: int
    variant: int
    architecture: int
    part: int
    revision: int


def identities(
    reading: Reading,
    cores: Collection[int],
    processors: Mapping[int, Mapping[str, str]],
    known: Mapping[int, Identity],
) -> dict[int, Identity]:
    """Return what the register says of each core that has one, added to what is known of it."""
    shared = _shared(reading) if any("CPU part" not in fields for fields in processors.values()) else {}
    found: dict[int, Identity] = {}
    for core in cores:
        fields = {**shared, **processors.get(core, {})}
        register = _register(reading.text(REGISTER.format(core)), fields) or _noted(fields)
        if register is None:
            continue
        before = known.get(core, Identity())
        found[core] = replace(
            before,
            vendor=IMPLEMENTERS.get(register.implementer, f"{register.implementer:#04x}"),
            version=(register.architecture, register.part, register.variant << 4 | register.revision),
            brand=PARTS.get((register.implementer, register.part), before.brand),
            features=before.features or frozenset(fields.get("Features", "").split()),
        )
    return found


def _register(text: str | None, fields: Mapping[str, str]) -> Midr | None:
    value = _number(text or "")
    if value is None or not value >> 24 & 0xFF:
        return None
    stated = value >> 16 & 0xF
    # The file is AArch64's alone, and that begins with version 8.
    architecture = _architecture(fields) or 8 if stated == 0xF else ARCHITECTURES.get(stated, 0)
    return Midr(value >> 24 & 0xFF, value >> 20 & 0xF, architecture, value >> 4 & 0xFFF, value & 0xF)


def _noted(fields: Mapping[str, str]) -> Midr | None:
    implementer, variant, part, revision = (_number(fields.get(name, "")) for name in FIELDS)
    if not implementer or variant is None or part is None or revision is None:
        return None
    return Midr(implementer & 0xFF, variant & 0xF, _architecture(fields), part & 0xFFF, revision & 0xF)


def _architecture(fields: Mapping[str, str]) -> int:
    """Return the version: `7`, `5TEJ`, or `AArch64`, which kernels before 3.19 said."""
    stated = fields.get("CPU architecture", "")
    if stated == "AArch64":
        return 8
    version = re.match(r"[0-9]{1,2}", stated)
    return int(version[0]) if version else 0


def _shared(reading: Reading) -> Mapping[str, str]:
    """Return the fields that /proc/cpuinfo states once for all cores, in a block without a processor."""
    for block in (reading.text("/proc/cpuinfo") or "").split("\n\n"):
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        if "CPU part" in fields and "processor" not in fields:
            return fields
    return {}


def _number(text: str) -> int | None:
    match = re.fullmatch(r"0[xX]([0-9a-fA-F]{1,16})|([0-9]{1,18})", text.strip())
    if match is None:
        return None
    return int(match[1], 16) if match[1] else int(match[2])
