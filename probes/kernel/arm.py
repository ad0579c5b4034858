"""Arm processors by the number that they carry: MIDR_EL1 (Arm Architecture Reference Manual, D19.2.68), or its parts in /proc/cpuinfo.

Names of implementers and parts are those that Arm's documentation and the makers' manuals give to the numbers; a number that has no name
here is told as a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from probes.reading import Reading

CPUS = "/sys/devices/system/cpu"
CPUINFO = "/proc/cpuinfo"

IMPLEMENTERS: Mapping[int, str] = {
    0x41: "ARM",
    0x42: "Broadcom",
    0x43: "Cavium",
    0x44: "DEC",
    0x46: "Fujitsu",
    0x48: "HiSilicon",
    0x49: "Infineon",
    0x4D: "Motorola",
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

PARTS: Mapping[tuple[int, int], str] = {
    (0x41, 0x920): "ARM920T",
    (0x41, 0x926): "ARM926EJ-S",
    (0x41, 0xB36): "ARM1136",
    (0x41, 0xB76): "ARM1176",
    (0x41, 0xC05): "Cortex-A5",
    (0x41, 0xC07): "Cortex-A7",
    (0x41, 0xC08): "Cortex-A8",
    (0x41, 0xC09): "Cortex-A9",
    (0x41, 0xC0D): "Cortex-A17",
    (0x41, 0xC0E): "Cortex-A17",
    (0x41, 0xC0F): "Cortex-A15",
    (0x41, 0xD01): "Cortex-A32",
    (0x41, 0xD02): "Cortex-A34",
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD06): "Cortex-A65",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD0E): "Cortex-A76AE",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4A): "Neoverse-E1",
    (0x41, 0xD4B): "Cortex-A78C",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4E): "Cortex-X3",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD82): "Cortex-X4",
    (0x41, 0xD84): "Neoverse-V3",
    (0x41, 0xD85): "Cortex-X925",
    (0x41, 0xD87): "Cortex-A725",
    (0x41, 0xD8E): "Neoverse-N3",
    (0x42, 0x516): "ThunderX2",
    (0x43, 0x0A1): "ThunderX",
    (0x43, 0x0AF): "ThunderX2",
    (0x43, 0x0B8): "ThunderX3",
    (0x46, 0x001): "A64FX",
    (0x48, 0xD01): "Kunpeng-920",
    (0x48, 0xD40): "Cortex-A76",
    (0x4E, 0x000): "Denver",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
    (0x4E, 0x010): "Olympus",
    (0x50, 0x000): "X-Gene",
    (0x51, 0x001): "Oryon",
    (0x51, 0x800): "Kryo-2xx-Gold",
    (0x51, 0x801): "Kryo-2xx-Silver",
    (0x51, 0x802): "Kryo-3xx-Gold",
    (0x51, 0x803): "Kryo-3xx-Silver",
    (0x51, 0x804): "Kryo-4xx-Gold",
    (0x51, 0x805): "Kryo-4xx-Silver",
    (0x51, 0xC00): "Falkor",
    (0x51, 0xC01): "Saphira",
    (0x61, 0x022): "Icestorm-M1",
    (0x61, 0x023): "Firestorm-M1",
    (0x61, 0x024): "Icestorm-M1-Pro",
    (0x61, 0x025): "Firestorm-M1-Pro",
    (0x61, 0x028): "Icestorm-M1-Max",
    (0x61, 0x029): "Firestorm-M1-Max",
    (0x61, 0x032): "Blizzard-M2",
    (0x61, 0x033): "Avalanche-M2",
    (0x6D, 0xD49): "Azure-Cobalt-100",
    (0x70, 0x660): "FTC660",
    (0x70, 0x661): "FTC661",
    (0x70, 0x662): "FTC662",
    (0x70, 0x663): "FTC663",
    (0xC0, 0xAC3): "Ampere-1",
    (0xC0, 0xAC4): "Ampere-1a",
}

FIELDS = re.compile(r"^(processor|CPU (?:implementer|variant|part|revision))\s*:\s*(\S+)", re.MULTILINE)


class Midr(NamedTuple):
    """The parts of the register that say what a processor is."""

    implementer: int
    variant: int
    part: int
    revision: int

    @property
    def vendor(self) -> str:
        """The implementer's name, or its number."""
        return IMPLEMENTERS.get(self.implementer, f"{self.implementer:#04x}")

    @property
    def name(self) -> str:
        """The part's name, or its number."""
        return PARTS.get((self.implementer, self.part), f"part {self.part:#05x}")


def midrs(reading: Reading, online: Collection[int]) -> dict[int, Midr]:
    """Return the register of each core, as far as it is known."""
    found: dict[int, Midr] = {}
    for core in online:
        path = f"{CPUS}/cpu{core}/regs/identification/midr_el1"
        value = reading.number(path, 16) if reading.exists(path) else None
        if value:
            found[core] = Midr(value >> 24 & 0xFF, value >> 20 & 0xF, value >> 4 & 0xFFF, value & 0xF)
    if len(found) < len(online):
        listed = dict(_listed(reading.text(CPUINFO) or ""))
        found |= {core: listed[core] for core in online if core in listed and core not in found}
    return found


def _listed(text: str) -> Iterator[tuple[int, Midr]]:
    """Yield what /proc/cpuinfo tells of each core. Old kernels list the cores first, and then once what all of them are."""
    cores: list[int] = []
    told: dict[str, int] = {}
    for key, value in FIELDS.findall(text):
        try:
            number = int(value, 0)
        except ValueError:
            continue
        if key == "processor":
            if told:
                cores, told = [], {}
            cores.append(number)
            continue
        told[key.removeprefix("CPU ")] = number
        if set(told) == {"implementer", "variant", "part", "revision"}:
            midr = Midr(told["implementer"] & 0xFF, told["variant"] & 0xF, told["part"] & 0xFFF, told["revision"] & 0xF)
            yield from ((core, midr) for core in cores)
