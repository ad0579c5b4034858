"""The text of `lspci -xxx` and `lspci -xxxx`: configuration space in hexadecimal, whatever else stands between.

    0000:3b:00.0 Ethernet controller: ...
    00: 86 80 72 15 06 04 10 00 02 00 00 02 08 00 80 00

A slot's domain may be missing, or have four or eight digits. Bytes count only where they follow each other from 0 on.
"""

from __future__ import annotations

import re

from probes.fact import Problem
from probes.pci.probe import DEVICES
from probes.recorded import Recording
from probes.source import Files

SLOT = re.compile(r"^(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}):([01][0-9a-fA-F])\.([0-7])(?:[ \t]|$)")

BYTES = re.compile(r"^[ \t]*([0-9a-fA-F]{2,3}):((?:[ \t]+[0-9a-fA-F]{2}){1,16})[ \t]*$")

HEADER_SIZE = 64


def recognises(text: str) -> bool:
    """Say whether text has a slot, and bytes of it from 0 on."""
    slot = False
    for line in text.splitlines():
        if SLOT.match(line):
            slot = True
        elif slot and (found := BYTES.match(line)) and int(found[1], 16) == 0:
            return True
    return False


def read(text: str, name: str) -> Recording:
    """Read the text; what is wrong with it is told, and the rest counts."""
    functions: dict[str, bytearray] = {}
    problems: list[Problem] = []
    config: bytearray | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if slot := SLOT.match(line):
            segment, bus, device, function = slot.groups()
            address = f"{int(segment or '0', 16):04x}:{bus}:{device}.{function}".lower()
            if address in functions:
                problems.append(Problem(f"{name}, line {number}", f"{address} is there twice", "the first counts"))
                config = None
            else:
                config = functions[address] = bytearray()
        elif config is not None and (found := BYTES.match(line)):
            if int(found[1], 16) == len(config):
                config += bytes.fromhex(found[2])
            elif int(found[1], 16) > len(config):
                cause = f"offset {found[1]} follows {len(config):#x} bytes"
                problems.append(Problem(f"{name}, line {number}", cause, "the rest of this function is passed over"))
                config = None
    for address, content in functions.items():
        if not content:
            problems.append(Problem(f"{name}: {address}", "no bytes of it are there", "use lspci -xxx as root"))
    files = {f"{DEVICES}/{address}/config": bytes(content) for address, content in functions.items() if content}
    return Recording(Files(files, name=name), tuple(problems))
