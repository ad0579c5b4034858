"""PCI functions under /sys/bus/pci/devices.

Configuration space comes from `config`; what it cannot say comes from the kernel: the size of a base address register (`resource`, since
sizing writes to the register), the NUMA node, the driver, and the vendor and device of a virtual function, which reads 0xffff there (PCI
Express 6.0, 9.3.4.1.1). Where the kernel does not name a virtual function, the SR-IOV capability of its physical function does.

The base of a register is the processor's address, which is what `resource` holds and what memory facts use. It equals the register on
machines without address translation at the host bridge; without `resource` the register is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from probes.fact import Compound, Fact, Survey, Term
from probes.pci.bars import Bar, decode_bars, decode_rom
from probes.pci.bridges import decode_buses, decode_cardbus_windows, decode_windows
from probes.pci.capabilities import PCI_EXPRESS, decode_capabilities
from probes.pci.config import CONFIG_SIZE, HEADER_SIZE, UNKNOWN
from probes.pci.decoders import decode_capability, fact_of
from probes.pci.header import CARDBUS_BRIDGE, PCI_BRIDGE, Header, decode_header, decode_interrupt, decode_subsystem
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

__all__ = ["DEVICES", "parse_address", "probe"]

BY_DEVICE = "the device or the recording is damaged; what could be read is used"
WITH_EXTENDED = "run as root, or record with `lspci -xxxx`, or accept that these facts are missing"


class Function(NamedTuple):
    """A function: its address, its directory, what it is called there."""

    address: Compound
    path: str
    name: str


class Virtual(NamedTuple):
    """A virtual function, known by its physical one."""

    physical: Compound
    vendor: int
    device: int


class _Probe:
    """One run over all functions."""

    def __init__(self, source: Source) -> None:
        self.reading = Reading(source)
        self.without_capabilities: list[str] = []
        self.without_extended: list[str] = []
        self.virtual: dict[Compound, Virtual] = {}

    def survey(self) -> Survey:
        reading = self.reading
        functions = tuple(self._functions())
        configs = {function: reading.bytes(f"{function.path}/config") for function in functions}
        facts: dict[Function, list[Fact]] = {}
        later = []
        for function in functions:  # physical functions first: they name the virtual ones
            config = configs[function]
            if config is not None and config[:2] == b"\xff\xff":
                later.append(function)
            else:
                facts[function] = [*self._facts(function, config)]
        for function in later:
            facts[function] = [*self._facts(function, configs[function])]
        by_device: dict[tuple[int, int, int], list[Compound]] = {}
        for function in functions:
            segment, bus, device, _ = function.address.args
            assert isinstance(segment, int) and isinstance(bus, int) and isinstance(device, int)
            by_device.setdefault((segment, bus, device), []).append(function.address)
        told = [fact for function in functions for fact in facts[function]]
        told += slots(reading, by_device)
        if self.without_capabilities:
            count = len(self.without_capabilities)
            reading.problem(DEVICES, f"capabilities of {count} functions are not readable", AS_ROOT)
        if self.without_extended:
            count = len(self.without_extended)
            reading.problem(DEVICES, f"extended capabilities of {count} functions are not readable", WITH_EXTENDED)
        return Survey(tuple(told), reading.problems())
