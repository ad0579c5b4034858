"""The text of `lspci -x`, `-xxx` or `-xxxx`, read as the machine it was taken on.

A function begins with a line of its address, with or without a domain, and whatever lspci calls it; its configuration space is the lines of
an offset and sixteen bytes. Between the two stands what `-v` adds. Most of that repeats the bytes and is not read; what the kernel alone
knows (sizes of registers, NUMA node, driver, IOMMU group, slot, the identity of a virtual function) becomes the files of sysfs that lspci
took it from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from probes.fact import Problem
from probes.pci.bars import Bar, decode_bars, decode_rom
from probes.pci.config import EXTENDED_SIZE
from probes.pci.header import decode_header
from probes.pci.sysfs import DEVICES, IO, MEMORY, MEMORY_64, PREFETCH, ROM, SLOTS
from probes.recorded import Recording
from probes.source import Files

SLOT = re.compile(r"(?:([0-9a-fA-F]{4,8}):)?([0-9a-fA-F]{2}:[01][0-9a-fA-F]\.[0-7])(?=\s|$)", re.ASCII)
ROW = re.compile(r"([0-9a-fA-F]{2,3}): ?((?:[0-9a-fA-F]{2}(?:\s+|$)){1,16})$", re.ASCII)
ROW_LIKE = re.compile(r"[0-9a-fA-F]{2,3}:(?:\s|$)", re.ASCII)

RECOGNISED_SLOT = re.compile(rf"^{SLOT.pattern}", re.MULTILINE | re.ASCII)
RECOGNISED_ROW = re.compile(r"^00: [0-9a-fA-F]{2}(?: [0-9a-fA-F]{2}){15}\s*$", re.MULTILINE | re.ASCII)

IDENTITY = re.compile(r"(?:\[|: )([0-9a-f]{4}):([0-9a-f]{4})\]?(?: \(|$)")
"""Vendor and device at the end of a function's line: in brackets from `-nn`, after the class from `-n`."""

REGION = re.compile(
    r"\tRegion ([0-5]): (?:I/O ports at ([0-9a-f]+)|Memory at ([0-9a-f]+) \((64-bit|[^,]*), (non-)?prefetchable\))"
    r"(?=.*?\[size=(\d+)([KMGT]?)\])",
    re.ASCII,
)
EXPANSION_ROM = re.compile(r"\tExpansion ROM at ([0-9a-f]+)(?=.*?\[size=(\d+)([KMGT]?)\])", re.ASCII)
KERNEL = re.compile(
    r"\t(NUMA node|IOMMU group|Physical Slot|Kernel driver in use): ?([^/\s](?:[^/]*[^/\s])?)\s*$", re.ASCII
)

UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
LINES_OF_RESOURCE = 7

LOOK_AT_TEXT = "take the dump again with `lspci -xxxx`; what could be read is used"


@dataclass
class _Function:
    """A function while its text is read."""

    name: str
    config: bytearray = field(default_factory=bytearray)
    vendor_device: tuple[str, str] | None = None
    resources: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    kernel: dict[str, str] = field(default_factory=dict)


def recognises(text: str) -> bool:
    """Say whether a text begins as lspci's dump of configuration space does."""
    return RECOGNISED_SLOT.search(text) is not None and RECOGNISED_ROW.search(text) is not None


def read(text: str, name: str) -> Recording:
    """Return the dump as a source. `name` is what to call it in problems."""
    functions: dict[str, _Function] = {}
    wrong: dict[str, list[str]] = {}
    current: _Function | None = None
    broken = ""
    for number, line in enumerate(text.split("\n"), 1):
        place = f"{name}, line {number}"
        if start := SLOT.match(line):
            slot = f"{int(start[1] or '0', 16):04x}:{start[2].lower()}"
            current, broken = _Function(slot), ""
            if slot in functions:
                wrong.setdefault("a function that is there already; the first counts", []).append(f"{place}, {slot}")
            else:
                functions[slot] = current
            if told := IDENTITY.search(line.rstrip()):
                current.vendor_device = told[1], told[2]
        elif ROW_LIKE.match(line):
            cause = "bytes before the first function" if current is None else _row(current, line)
            if cause and cause != broken:  # what follows a line that is missing does not fit either, and is told once
                wrong.setdefault(cause, []).append(f"{place}, {current.name}" if current else place)
                broken = cause
        elif current is not None and line.startswith("\t"):
            _annotation(current, line)
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for function in functions.values():
        files |= dict(_files(function))
        links |= dict(_links(function))
    problems = [
        Problem(first + (f" and {len(others)} more" if others else ""), cause, LOOK_AT_TEXT)
        for cause, (first, *others) in wrong.items()
    ]
    if not any(function.config for function in functions.values()):
        problems.append(Problem(name, "no configuration space in it", "take the dump with `lspci -xxxx`"))
    return Recording(Files(files, links=links, name=name), tuple(problems))


def _row(function: _Function, line: str) -> str:
    """Add a line of bytes; return in words what is wrong with it."""
    row = ROW.match(line)
    if row is None:
        return "a line of bytes is damaged; it and what follows are left out"
    offset, content = int(row[1], 16), bytes.fromhex(row[2])
    if offset != len(function.config) or offset + len(content) > EXTENDED_SIZE:
        return "bytes do not follow those before; they are left out"
    function.config += content
    return ""


def _annotation(function: _Function, line: str) -> None:
    """Note what only the kernel knows."""
    if region := REGION.match(line):
        if region[2]:
            base, flags = int(region[2], 16), IO
        else:
            wide = MEMORY_64 if region[4] == "64-bit" else 0
            base, flags = int(region[3], 16), MEMORY | wide | (0 if region[5] else PREFETCH)
        function.resources.setdefault(int(region[1]), (base, _size(region[6], region[7]), flags))
    elif rom := EXPANSION_ROM.match(line):
        function.resources.setdefault(ROM, (int(rom[1], 16), _size(rom[2], rom[3]), MEMORY))
    elif told := KERNEL.match(line):
        function.kernel.setdefault(told[1], told[2])


def _size(number: str, unit: str) -> int:
    return int(number[:20]) << UNITS[unit]


def _files(function: _Function) -> Iterator[tuple[str, bytes]]:
    path = f"{DEVICES}/{function.name}"
    if function.config:
        yield f"{path}/config", bytes(function.config)
    if function.vendor_device is not None:
        for file, number in zip(("vendor", "device"), function.vendor_device, strict=True):
            yield f"{path}/{file}", f"0x{number}\n".encode()
    resources = dict(_resources(function))
    if resources:
        lines = (resources.get(index, (0, 0, 0)) for index in range(LINES_OF_RESOURCE))
        text = "".join(f"{base:#x} {base + size - 1 if size else 0:#x} {flags:#x}\n" for base, size, flags in lines)
        yield f"{path}/resource", text.encode()
    if "NUMA node" in function.kernel:
        yield f"{path}/numa_node", f"{function.kernel['NUMA node']}\n".encode()
    if "Physical Slot" in function.kernel:
        yield f"{SLOTS}/{function.kernel['Physical Slot']}/address", f"{function.name[:-2]}\n".encode()


def _resources(function: _Function) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Yield what `-v` told of registers that hold the address it told: only that is sure to be the bytes' register."""
    header = decode_header(bytes(function.config)) if function.resources else None
    if header is None or header.shape is None:
        return
    registers = decode_bars(bytes(function.config), header.shape.bars)
    bases = {register.slot: register.base for register in registers if isinstance(register, Bar)}
    rom = decode_rom(bytes(function.config), header.shape.rom) if header.shape.rom is not None else None
    if rom is not None:
        bases[ROM] = rom.base
    for index, resource in function.resources.items():
        if bases.get(index) == resource[0]:
            yield index, resource


def _links(function: _Function) -> Iterator[tuple[str, str]]:
    path = f"{DEVICES}/{function.name}"
    if "Kernel driver in use" in function.kernel:
        yield f"{path}/driver", f"/sys/bus/pci/drivers/{function.kernel['Kernel driver in use']}"
    if "IOMMU group" in function.kernel:
        yield f"{path}/iommu_group", f"/sys/kernel/iommu_groups/{function.kernel['IOMMU group']}"
