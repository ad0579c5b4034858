"""PCI functions under /sys/bus/pci/devices.

Configuration space comes from `config`; what it cannot say comes from the kernel: the size of a base address register (`resource`, since
sizing writes to the register), the NUMA node, the driver, and the vendor and device of a virtual function, which reads 0xffff there (PCI
Express 6.0, 9.3.4.1.1). Where the kernel does not name a virtual function, the SR-IOV capability of its physical function does.

The base of a register is the processor's address, which is what `resource` holds and what memory facts use. It equals the register on
machines without address translation at the host bridge; without `resource` the register is shown. Windows of bridges are bus addresses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from probes.fact import Compound, Fact, Survey, Term, addr
from probes.pci.bars import Bar, Rom
from probes.pci.capabilities import PCI_EXPRESS
from probes.pci.config import CONFIG_SIZE, HEADER_SIZE, UNKNOWN
from probes.pci.decoders import FACTS
from probes.pci.function import Decoding, Pin, decode_function
from probes.pci.header import Header, decode_header
from probes.pci.sriov import Numbering, Sriov, VfBar, virtual_functions
from probes.pci.sysfs import (
    DEVICES,
    NO_RESOURCE,
    ROM,
    UNSET,
    VF_BARS,
    Resource,
    identity,
    kernel_facts,
    named_by_link,
    parse_address,
    register_of,
    resources,
    slots,
)
from probes.reading import AS_ROOT, LOOK_AT_FILE, Reading
from probes.source import Source

BY_DEVICE = "the device or the recording is damaged; what could be read is used"
WITH_EXTENDED = "run as root or record with `lspci -xxxx`, or accept that these facts are missing"
WITH_PHYSICAL = "record the physical function, too, or take its name from elsewhere; the device is shown as it reads"


class Function(NamedTuple):
    """A function that the kernel lists: its address, its directory, its configuration space as far as it could be read."""

    address: Compound
    path: str
    config: bytes | None
    header: Header | None
    decoding: Decoding | None


class Virtual(NamedTuple):
    """What a physical function tells of a virtual one."""

    physical: Compound
    vendor: int
    device: int


def probe(source: Source) -> Survey:
    """Read every PCI function."""
    reading = Reading(source)
    functions = tuple(_functions(reading))
    virtual = dict(_virtual(functions))
    facts: list[Fact] = []
    for function in functions:
        facts += _function_facts(reading, function, virtual)
        facts += kernel_facts(reading, function.path, function.address)
    facts += slots(reading, (function.address for function in functions))
    _tell_what_is_missing(reading, functions)
    return Survey(tuple(facts), reading.problems())


def _functions(reading: Reading) -> Iterator[Function]:
    seen = set()
    for name in reading.list(DEVICES):
        path = f"{DEVICES}/{name}"
        address = parse_address(name)
        if address is None:
            reading.problem(path, "not the address of a PCI function", LOOK_AT_FILE)
            continue
        if address in seen:
            reading.problem(path, "a function that is there already under another name", LOOK_AT_FILE)
            continue
        seen.add(address)
        place = f"{path}/config"
        config = reading.bytes(place)
        header = decode_header(config) if config is not None else None
        decoding = None
        if config is not None and header is None:
            reading.problem(place, f"only {len(config)} bytes, where a header has {HEADER_SIZE}", BY_DEVICE)
        elif config is not None and header is not None:
            if config.count(0xFF, 0, HEADER_SIZE) == HEADER_SIZE:
                cause = "reads all ones: the function does not answer"
                reading.problem(place, cause, "wake it or plug it in again")
                header = None
            else:
                decoding = decode_function(config, header)
                for wrong in decoding.wrong:
                    reading.problem(place, wrong, BY_DEVICE)
        yield Function(address, path, config, header, decoding)


def _tell_what_is_missing(reading: Reading, functions: Sequence[Function]) -> None:
    """Note capabilities that exist and could not be read, once for all functions."""
    capable = [
        function for function in functions if function.config and function.header and function.header.has_capabilities
    ]
    count = sum(len(function.config or b"") == HEADER_SIZE for function in capable)
    if count:
        reading.problem(DEVICES, f"capabilities of {count} functions are not readable", AS_ROOT)
    count = sum(
        len(function.config or b"") == CONFIG_SIZE
        and function.decoding is not None
        and any(capability.id == PCI_EXPRESS for capability in function.decoding.capabilities)
        for function in capable
    )
    if count:
        reading.problem(DEVICES, f"extended capabilities of {count} functions are not readable", WITH_EXTENDED)


def _virtual(functions: Sequence[Function]) -> Iterator[tuple[Compound, Virtual]]:
    """Yield the virtual functions that physical ones tell of and that are there."""
    there = {function.address for function in functions}
    for function in functions:
        if function.decoding is None or function.header is None:
            continue
        found = {type(record): record for record in function.decoding.records}
        sriov, numbering = found.get(Sriov), found.get(Numbering)
        if not isinstance(sriov, Sriov) or not isinstance(numbering, Numbering):
            continue
        segment, bus, device, number = cast("tuple[int, int, int, int]", function.address.args)
        told = Virtual(function.address, function.header.fields["vendor"], numbering.device)
        for routing in virtual_functions(bus << 8 | device << 3 | number, numbering, sriov.active):
            address = addr(segment, routing >> 8, routing >> 3 & 0x1F, routing & 7)
            if address in there and address != function.address:
                yield address, told


def _function_facts(reading: Reading, function: Function, virtual: Mapping[Compound, Virtual]) -> Iterator[Fact]:
    address, path = function.address, function.path
    if function.header is None:
        if function.config is None:
            yield from _facts_without_config(reading, function)
        return
    fields = function.header.fields
    name = fields["vendor"], fields["device"]
    physical = None
    if fields["vendor"] == 0xFFFF:
        known = virtual.get(address)
        told = identity(reading, path) or (known and (known.vendor, known.device))
        if told is None:
            cause = "names no vendor; it looks like a virtual function, and nothing tells of which device"
            reading.problem(f"{path}/config", cause, WITH_PHYSICAL)
        name = told or name
        link = named_by_link(reading, f"{path}/physfn")
        physical = (parse_address(link) if link else None) or (known and known.physical)
    yield Fact("device", (address, *name, fields["class"], fields["sub_class"], fields["prog_if"], fields["revision"]))
    if physical is not None:
        yield Fact("virtual_function", (address, physical))
    if function.decoding is not None:
        yield from _decoded_facts(reading, function, function.decoding)


def _facts_without_config(reading: Reading, function: Function) -> Iterator[Fact]:
    """Yield what the kernel's own files say of a function whose configuration space was not recorded."""
    name = identity(reading, function.path)
    code = reading.number(f"{function.path}/class", 16)
    revision = reading.number(f"{function.path}/revision", 16)
    if name is None or code is None or revision is None or not (0 <= code < 1 << 24 and 0 <= revision < 1 << 8):
        return
    kind = (code >> 16 & 0xFF, code >> 8 & 0xFF, code & 0xFF)
    yield Fact("device", (function.address, *name, *kind, revision))
    yield from _bar_facts(function.address, {}, resources(reading, f"{function.path}/resource"), 6)


def _decoded_facts(reading: Reading, function: Function, decoding: Decoding) -> Iterator[Fact]:
    address = function.address
    shape = function.header.shape if function.header is not None else None
    told = resources(reading, f"{function.path}/resource")
    if shape is not None:
        registers = {record.slot: record for record in decoding.records if isinstance(record, Bar)}
        yield from _bar_facts(address, registers, told, shape.bars)
        if shape.rom is not None:
            rom = next((record for record in decoding.records if isinstance(record, Rom)), None)
            yield from _rom_facts(address, rom, _at(told, ROM))
    for record in decoding.records:
        fact = FACTS.get(type(record))
        if fact is not None:
            yield Fact(fact.name, (address, *cast("tuple[Term, ...]", record)))
        elif isinstance(record, Pin):
            yield Fact("interrupt_pin", (address, *record))
    total = next((record.total for record in decoding.records if isinstance(record, Sriov)), 0)
    for record in decoding.records:
        if isinstance(record, VfBar):
            # The kernel's range is that of all virtual functions there can be, one after the other.
            share = _at(told, VF_BARS + record.slot).size // total if total else 0
            yield Fact("vf_bar", (address, record.slot, record.base, share or UNKNOWN, *record[2:]))
    for capability in decoding.capabilities:
        yield Fact("pci_capability", (address, capability.name, capability.offset))


def _at(told: Sequence[Resource], index: int) -> Resource:
    return told[index] if index < len(told) else NO_RESOURCE


def _bar_facts(address: Compound, registers: Mapping[int, Bar], told: Sequence[Resource], count: int) -> Iterator[Fact]:
    for index in range(count):
        resource = _at(told, index)
        by_kernel = register_of(index, resource)
        bar = registers.get(index) or by_kernel
        if bar is not None:
            base = bar.base if by_kernel is None or resource.flags & UNSET else by_kernel.base
            size = resource.size or UNKNOWN
            yield Fact("bar", (address, index, base, size, bar.space, bar.width, bar.prefetchable))


def _rom_facts(address: Compound, rom: Rom | None, resource: Resource) -> Iterator[Fact]:
    if rom is None and not resource.size:
        return
    base = rom.base if rom is not None and (not resource.size or resource.flags & UNSET) else resource.start
    yield Fact("expansion_rom", (address, base, resource.size or UNKNOWN, rom.enabled if rom is not None else 0))
