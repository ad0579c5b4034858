"""Taking from a recording what tells one machine from another of its kind: host name, serial numbers, addresses of network cards.

What is taken is replaced by as many zeros, so that everything else stays where it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from probes.recorded.recorder import Answers
from probes.source import Uname

NAME = "machine"

IDENTIFYING = re.compile(
    r"/(?:sys/(?:class|devices/virtual)/dmi/id/\w*(?:serial|uuid|asset_tag)\w*"
    r"|.*/(?:serial|serial_number|wwid|wwn|nguid|eui|uuid|address|addr_assign_type|permanent_address|phys_port_id|phys_switch_id|vpd|unique_id)"
    r"|etc/(?:hostname|machine-id)|proc/sys/kernel/(?:hostname|domainname)|sys/firmware/acpi/tables/(?:MSDM|SLIC)\d*)"
)
"""Files that hold nothing else."""

NOT_IDENTIFYING = re.compile(r"/sys/bus/pci/slots/.*")
"""A slot's `address` is where it is."""

MAC_NAME = re.compile(r"\b(enx|wlx|wwx)[0-9a-f]{12}\b")
"""Names that systemd makes of the address of a card."""

UUID = re.compile(rb"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")

DEVICE_SERIAL_NUMBER = 0x0003
"""Extended capability of PCI Express (Base 5.0, 7.9.3)."""

SERIAL_LEAF = 3
"""CPUID leaf with the serial number of a Pentium III."""


def anonymised(answers: Answers) -> Answers:
    """Give answers without what identifies the machine."""
    rename = _renamer()
    host = answers.uname.nodename

    def content(path: str, value: bytes) -> bytes:
        if IDENTIFYING.fullmatch(path) and not NOT_IDENTIFYING.fullmatch(path):
            return re.sub(rb"[0-9A-Za-z]", b"0", value)
        if path.endswith("/config") and "/pci" in path:
            return without_serial_number(value)
        if path.startswith(("/proc/", "/nvml/")) or path.endswith("/uevent"):
            value = UUID.sub(lambda found: re.sub(rb"[0-9a-fA-F]", b"0", found[0]), value)
            value = rename(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if host and len(host) > 2 and path.startswith(("/proc/", "/etc/")):
            value = value.replace(host.encode(), NAME.encode())
        return value

    return replace(
        answers,
        name=NAME,
        uname=Uname(NAME if host else "", answers.uname.machine, answers.uname.system),
        files={rename(path): content(path, value) for path, value in answers.files.items()},
        lists={rename(path): tuple(rename(name) for name in names) for path, names in answers.lists.items()},
        links={rename(path): rename(target) for path, target in answers.links.items()},
        exists={rename(path): there for path, there in answers.exists.items()},
        failures={rename(question): number for question, number in answers.failures.items()},
        cpuid={
            core: replace(dump, entries={key: value for key, value in dump.entries.items() if key[0] != SERIAL_LEAF})
            for core, dump in answers.cpuid.items()
        },
    )


def without_serial_number(config: bytes) -> bytes:
    """Give configuration space with zeros for the device's serial number."""
    offset, seen = 0x100, set[int]()
    while 0x100 <= offset <= len(config) - 12 and offset not in seen:
        seen.add(offset)
        header = int.from_bytes(config[offset : offset + 4], "little")
        if header & 0xFFFF == DEVICE_SERIAL_NUMBER:
            return config[: offset + 4] + bytes(8) + config[offset + 12 :]
        offset = header >> 20
    return config


def _renamer() -> Callable[[str], str]:
    """Give a function that replaces names made of addresses, each by one of its own."""
    names: dict[str, str] = {}

    def rename(text: str) -> str:
        if "x" not in text:
            return text
        return MAC_NAME.sub(lambda found: names.setdefault(found[0], f"{found[1]}{len(names):012x}"), text)

    return rename
