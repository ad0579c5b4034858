"""Taking from a recording what tells one machine from another of its kind: host name, serial numbers, addresses of network cards.

What is taken is replaced by as many zeros, so that everything else stays where it is, and the facts that do not hold such things
stay what they were. Of firmware's tables those that some probe reads are kept; of others, which may hold licences, addresses and serial
numbers in places that nobody here knows, the header is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from probes.acpi.probe import DECODERS
from probes.pci.capabilities import FIRST_EXTENDED, decode_capabilities
from probes.pci.header import decode_header
from probes.recorded.recorder import Answers
from probes.source import Uname

NAME = "machine"

LEFT_OUT = (
    "host name",
    "serial numbers",
    "UUIDs",
    "addresses of network cards",
    "names of disks and controllers in the world",
    "what ACPI tables hold that no probe reads",
)
"""What `anonymised` leaves out, for the manifest."""

HOST_NAME = re.compile(r"/(?:etc/hostname|proc/sys/kernel/(?:hostname|domainname)|proc/hwloc-nofile-info)")
"""Files in which the host name stands among other things, or alone."""

IDENTIFYING = re.compile(
    r"/sys/(?:class|devices/virtual)/dmi/id/\w*(?:serial|uuid|asset_tag)\w*"
    r"|/sys/firmware/dmi/.*"
    r"|/sys/.*/(?:serial|serial_number|serial_no|wwid|wwn|nguid|eui|uuid|unique_id|hostnqn|hostid|subsysnqn|node_name|port_name|guid|node_guid"
    r"|sys_image_guid|address|permaddr|broadcast|phys_port_id|phys_switch_id|vpd|vpd_pg80|vpd_pg83|device_id)"
    r"|/etc/machine-id|/proc/sys/kernel/random/boot_id"
)
"""Files that hold nothing else."""

NOT_IDENTIFYING = re.compile(r"/sys/bus/pci/slots/.*|/sys/devices/system/.*")
"""There an `address` is a place, and a cache's `id` a number of its own."""

CPU_SERIAL = re.compile(rb"^(Serial\s*:).*$", re.MULTILINE)
"""Of a board, in /proc/cpuinfo on Arm."""

MAC_NAME = re.compile(r"(?<![0-9A-Za-z])(en|wl|ww)x[0-9a-f]{12}(?![0-9A-Za-z])")
"""Names that systemd makes of the address of a card."""

MAC = re.compile(rb"(?<![0-9A-Fa-f:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Fa-f:])")
UUID = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Fa-f])")

SERIAL_LEAF = 3
"""CPUID leaf with the serial number of a Pentium III (SDM volume 2A, CPUID)."""

DEVICE_SERIAL_NUMBER = 0x0003
"""Extended capability (PCI Express 6.0, 7.9.3)."""

TABLES = "/sys/firmware/acpi/tables/"
TABLES_KEPT = frozenset(DECODERS) | {"DSDT", "SSDT", "FACS", "RSDT", "XSDT", "RSD "}
TABLE_HEADER = 36
CHECKSUM = 9
"""Header of a table, and the byte that makes its sum zero (ACPI 6.5, 5.2.6)."""


def anonymised(answers: Answers) -> Answers:
    """Give answers without what identifies the machine."""
    rename = _renamer()
    return replace(
        answers,
        name=NAME,
        uname=Uname(NAME if answers.uname.nodename else "", answers.uname.machine, answers.uname.system),
        files={
            rename(path): _without_names(path, without_identity(path, content), answers.uname.nodename, rename)
            for path, content in answers.files.items()
        },
        lists={rename(path): tuple(map(rename, names)) for path, names in answers.lists.items()},
        links={rename(path): rename(target) for path, target in answers.links.items()},
        exists={rename(path): there for path, there in answers.exists.items()},
        failures={rename(question): failure for question, failure in answers.failures.items()},
        cpuid={
            core: replace(dump, entries={key: value for key, value in dump.entries.items() if key[0] != SERIAL_LEAF})
            for core, dump in answers.cpuid.items()
        },
    )


def without_identity(path: str, content: bytes) -> bytes:
    """Give the content of a file with zeros for what identifies the machine."""
    if path.startswith(TABLES):
        return without_body(content)
    if path.endswith("/config") and "/pci" in path:
        return without_serial_number(content)
    if IDENTIFYING.fullmatch(path) and not NOT_IDENTIFYING.fullmatch(path):
        return re.sub(rb"[0-9A-Za-z\x80-\xff]", b"0", content)
    if path == "/proc/cpuinfo":
        return CPU_SERIAL.sub(lambda found: found[1] + b" 0", content)
    return UUID.sub(_zeros, MAC.sub(_zeros, content))


def without_body(table: bytes) -> bytes:
    """Give a table that no probe reads with zeros behind its header, and a checksum that is as right as it was."""
    if table[:4].decode("latin-1") in TABLES_KEPT or len(table) <= TABLE_HEADER:
        return table
    emptied = bytearray(table[:TABLE_HEADER]) + bytes(len(table) - TABLE_HEADER)
    emptied[CHECKSUM] = (emptied[CHECKSUM] + sum(table[TABLE_HEADER:])) & 0xFF
    return bytes(emptied)


def without_serial_number(config: bytes) -> bytes:
    """Give configuration space with zeros for the device's serial number, and for what was last read of its vital product data."""
    blanked = bytearray(config)
    for start, size in _secrets(config):
        blanked[start : start + size] = bytes(len(config[start : start + size]))
    return bytes(blanked)


def _secrets(config: bytes) -> Iterator[tuple[int, int]]:
    """Yield where they stand. The extended list is followed whatever else the configuration space says."""
    header = decode_header(config)
    if header is not None and header.shape is not None:
        for capability in decode_capabilities(config, header.shape.capability_pointer).found:
            if capability.name == "vpd":
                yield capability.offset + 4, 4
    offset, seen = FIRST_EXTENDED, set[int]()
    while FIRST_EXTENDED <= offset < len(config) and offset not in seen:
        seen.add(offset)
        link = int.from_bytes(config[offset : offset + 4], "little")
        if link & 0xFFFF == DEVICE_SERIAL_NUMBER:
            yield offset + 4, 8
        offset = link >> 20


def _without_names(path: str, content: bytes, host: str, rename: Callable[[str], str]) -> bytes:
    """Replace the host name where it stands by itself, and names that are made of addresses anywhere."""
    if host and HOST_NAME.fullmatch(path):
        content = content.replace(host.encode(), NAME.encode())
    if b"x" not in content or not path.startswith(("/proc/", "/sys/class/", "/sys/devices/")):
        return content
    return rename(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _zeros(found: re.Match[bytes]) -> bytes:
    return re.sub(rb"[0-9A-Za-z]", b"0", found[0])


def _renamer() -> Callable[[str], str]:
    """Give a function that replaces names made of addresses, each by one of its own."""
    names: dict[str, str] = {}

    def rename(text: str) -> str:
        return MAC_NAME.sub(lambda found: names.setdefault(found[0], f"{found[1]}x{len(names):012x}"), text)

    return rename
