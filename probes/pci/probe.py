"""PCI functions under /sys/bus/pci/devices.

Configuration space comes from `config`; what it cannot say comes from the kernel: the size of a base address register
(`resource`, since sizing writes to the register), the NUMA node, the driver, and the vendor and device of a virtual
function, which reads 0xffff there (SR-IOV 1.1, 3.4.1.1).

The base of a register is the processor's address, which is what `resource` holds and what memory facts use. It equals
the register on machines without address translation at the host bridge; without `resource` the register is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from probes.fact import Compound, Fact, Survey, addr
from probes.pci import classic, extended
from probes.pci.capabilities import CONFIG_SIZE, decode_capabilities
from probes.pci.config import (
    HEADER_SIZE,
    Bar,
    Header,
    decode_bars,
    decode_buses,
    decode_header,
    decode_interrupt,
)
from probes.pci.cxl import dvsec
from probes.pci.function import Decoder, Found, Function, Short
from probes.pci.sriov import sriov
from probes.pci.windows import decode_windows
from probes.reading import AS_ROOT, LOOK_AT_FILE, Reading
from probes.source import Source

DEVICES = "/sys/bus/pci/devices"
SLOTS = "/sys/bus/pci/slots"

BY_DEVICE = "the device or the recording is damaged; what could be read is used"

IO, MEMORY, PREFETCH, MEMORY_64, UNSET = 0x100, 0x200, 0x2000, 0x100000, 0x20000000
"""IORESOURCE flags of the kernel (include/linux/ioport.h); UNSET: it has a size and no address yet."""

ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])")


CLASSIC_DECODERS: Mapping[str, Decoder] = classic.DECODERS
EXTENDED_DECODERS: Mapping[str, Decoder] = {**extended.DECODERS, "sriov": sriov, "dvsec": dvsec}


class Resource(NamedTuple):
    """A line of `resource`."""

    start: int
    end: int
    flags: int


def parse_address(name: str) -> Compound | None:
    """Return the function that a directory of sysfs is called by (`0000:00:1f.3`), None if it is not one."""
    parts = ADDRESS.fullmatch(name)
    return addr(*(int(part, 16) for part in parts.groups())) if parts else None


def probe(source: Source) -> Survey:
    """Read every PCI function."""
    reading = Reading(source)
    facts: list[Fact] = []
    curtailed: list[str] = []
    for name in reading.list(DEVICES):
        function = parse_address(name)
        path = f"{DEVICES}/{name}"
        if function is None:
            reading.problem(path, "not the address of a PCI function", LOOK_AT_FILE)
            continue
        config = reading.bytes(f"{path}/config")
        header = decode_header(config) if config is not None else None
        if config is not None and header is None:
            reading.problem(f"{path}/config", f"only {len(config)} bytes, where a header has {HEADER_SIZE}", BY_DEVICE)
        if config is not None and header is not None:
            facts += _function_facts(reading, path, function, config, header)
            if header.has_capabilities and len(config) == HEADER_SIZE:
                curtailed.append(name)
        facts += _kernel_facts(reading, path, function)
    facts += _slot_facts(reading)
    if curtailed:
        reading.problem(DEVICES, f"capabilities of {len(curtailed)} functions are not readable", AS_ROOT)
    return Survey(tuple(facts), reading.problems())


def _function_facts(reading: Reading, path: str, function: Compound, config: bytes, header: Header) -> Iterator[Fact]:
    if not any(byte != 0xFF for byte in config[:HEADER_SIZE]):
        reading.problem(f"{path}/config", "reads all ones: the function does not answer", "wake it or plug it in again")
        return
    fields = header.fields
    vendor, device = fields["vendor"], fields["device"]
    if vendor == 0xFFFF:
        told = reading.number(f"{path}/vendor", 16), reading.number(f"{path}/device", 16)
        if told[0] is None or told[1] is None:
            reading.problem(f"{path}/config", "names no vendor, and sysfs neither", BY_DEVICE)
            return
        vendor, device = told[0], told[1]
    yield Fact(
        "device",
        (function, vendor, device, fields["class"], fields["sub_class"], fields["prog_if"], fields["revision"]),
    )
    if header.shape is None:
        reading.problem(f"{path}/config", f"header of unknown type {header.type:#04x}", BY_DEVICE)
        return
    yield from _bar_facts(reading, path, function, config, header.shape.bars)
    if header.shape.is_bridge:
        yield Fact("bridge", (function, *decode_buses(config)))
    described = Function(function, config, header.type, dict(_sizes(reading, path)))
    yield from _told_facts(reading, path, decode_windows(described))
    yield from _interrupt_facts(reading, path, function, config)
    if header.has_capabilities and len(config) > HEADER_SIZE:
        yield from _capability_facts(reading, path, described, header.shape.capability_pointer)


def _capability_facts(reading: Reading, path: str, function: Function, pointer: int) -> Iterator[Fact]:
    capabilities = decode_capabilities(function.config, pointer)
    for capability in capabilities.found:
        yield function.fact("pci_capability", capability.name, capability.offset)
        decoders = EXTENDED_DECODERS if capability.offset >= CONFIG_SIZE else CLASSIC_DECODERS
        decoder = decoders.get(capability.name)
        if decoder is not None:
            yield from _told_facts(reading, path, decoder(function, capability.offset))
    for wrong in capabilities.wrong:
        reading.problem(f"{path}/config", wrong, BY_DEVICE)


def _told_facts(reading: Reading, path: str, told: Iterator[Found]) -> Iterator[Fact]:
    """Yield the facts that a decoder tells; what is wrong becomes problems."""
    try:
        for found in told:
            if isinstance(found, Fact):
                yield found
            else:
                reading.problem(f"{path}/config", found, BY_DEVICE)
    except Short as short:
        reading.problem(f"{path}/config", str(short), BY_DEVICE)


def _sizes(reading: Reading, path: str) -> Iterator[tuple[int, int]]:
    """Yield bytes by line of `resource`, where they are told."""
    for number, resource in enumerate(_resources(reading, f"{path}/resource")):
        if resource.flags & (IO | MEMORY) and resource.end > resource.start:
            yield number, resource.end - resource.start + 1


def _interrupt_facts(reading: Reading, path: str, function: Compound, config: bytes) -> Iterator[Fact]:
    pin, line = decode_interrupt(config)
    if pin > 4:
        reading.problem(f"{path}/config", f"interrupt pin {pin}, where there are four", BY_DEVICE)
    elif pin:
        yield Fact("interrupt_pin", (function, "abcd"[pin - 1], line))


def _bar_facts(reading: Reading, path: str, function: Compound, config: bytes, count: int) -> Iterator[Fact]:
    registers: dict[int, Bar] = {}
    for found in decode_bars(config, count):
        if isinstance(found, Bar):
            registers[found.slot] = found
        else:
            reading.problem(f"{path}/config", found, BY_DEVICE)
    resources = _resources(reading, f"{path}/resource")[:count]
    for index in range(count):
        resource = resources[index] if index < len(resources) else Resource(0, 0, 0)
        register = registers.get(index)
        told = _told(index, resource) if resource.flags & (IO | MEMORY) else None
        bar = register or told
        if bar is not None:
            base = bar.base if told is None or resource.flags & UNSET else told.base
            size: int | str = resource.end - resource.start + 1 if resource.end > resource.start else "unknown"
            yield Fact("bar", (function, index, base, size, bar.space, bar.width, bar.prefetchable))


def _told(index: int, resource: Resource) -> Bar:
    if resource.flags & IO:
        return Bar(index, resource.start, "io", 32, 0)
    width = 64 if resource.flags & MEMORY_64 else 32
    return Bar(index, resource.start, "memory", width, int(bool(resource.flags & PREFETCH)))


def _resources(reading: Reading, path: str) -> list[Resource]:
    found = []
    for line in (reading.text(path) or "").splitlines():
        try:
            start, end, flags = (int(word, 16) for word in line.split())
        except ValueError:
            reading.problem(path, f"{line[:60]!r} is not start, end and flags", LOOK_AT_FILE)
            break
        found.append(Resource(max(start, 0), max(end, 0), flags))
    return found


def _slot_facts(reading: Reading) -> Iterator[Fact]:
    """Yield the slots that firmware names, and where they are: the address of one is that of its device, without a function."""
    for slot in reading.list(SLOTS):
        address = (reading.text(f"{SLOTS}/{slot}/address") or "").strip()
        device = parse_address(f"{address}.0")
        if device is not None:
            yield Fact("physical_slot", (slot, *device.args[:3]))


def _kernel_facts(reading: Reading, path: str, function: Compound) -> Iterator[Fact]:
    node = reading.number(f"{path}/numa_node")
    if node is not None and node >= 0:
        yield Fact("device_node", (function, node))
    group = (reading.link(f"{path}/iommu_group") or "").rpartition("/")[2]
    if group.isascii() and group.isdecimal():
        yield Fact("iommu_group", (int(group), function))
    # A link that a recording kept without its target tells the name all the same; what is no link leads to itself.
    driver = (reading.link(f"{path}/driver") or "driver").rpartition("/")[2]
    if driver != "driver":
        yield Fact("device_driver", (function, driver))
