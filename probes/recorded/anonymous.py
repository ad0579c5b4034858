"""Taking from a recording what tells one machine from another of its kind: host name, serial numbers, addresses of network cards.

What is taken is replaced by as many zeros, so that everything else stays where it is, and the facts that do not hold such things
stay what they were. Of firmware's tables those that some probe reads are kept; of others, which may hold licences, addresses and serial
numbers in places that nobody here knows, the header is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from probes.acpi.probe import DECODERS
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
UUID = re.compile(rb"(?<![0-9A-Fa-f-])[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Fa-f-])")

SERIAL_LEAF = 3
"""CPUID leaf with the serial number of a Pentium III (SDM volume 2A, CPUID)."""

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


def _todo() -> None: ...
