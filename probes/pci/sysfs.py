"""What the kernel knows of a PCI function beside its configuration space: sizes, node, driver, group, slot.

Linux, Documentation/ABI/testing/sysfs-bus-pci; flags of resources are those of include/linux/ioport.h.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from probes.fact import Compound, Fact, Term, addr
from probes.pci.bars import Bar
from probes.reading import LOOK_AT_FILE, Reading

DEVICES = "/sys/bus/pci/devices"
SLOTS = "/sys/bus/pci/slots"

IO, MEMORY, PREFETCH, MEMORY_64, UNSET = 0x100, 0x200, 0x2000, 0x100000, 0x20000000
"""Flags of a resource; UNSET: it has a size and no address yet."""

ROM, VF_BARS = 6, 7
"""Lines of `resource`: six base address registers, the expansion ROM, then those of virtual functions (include/linux/pci.h)."""

ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])")
SLOT_ADDRESS = re.compile(r"([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])(?:\.[0-7])?")
NUMBER = re.compile(r"[0-9]{1,9}")


class Resource(NamedTuple):
    """A line of `resource`."""

    start: int
    end: int
    flags: int

    @property
    def size(self) -> int:
        """Bytes; 0 where there is nothing."""
        return self.end - self.start + 1 if self.end > self.start else 0


NO_RESOURCE = Resource(0, 0, 0)


def parse_address(name: str) -> Compound | None:
    """Return the function that a directory of sysfs is called by (`0000:00:1f.3`), None if it is not one."""
    parts = ADDRESS.fullmatch(name)
    return addr(*(int(part, 16) for part in parts.groups())) if parts else None


def resources(reading: Reading, path: str) -> list[Resource]:
    """Return the lines of `resource`."""
    found = []
    for line in (reading.text(path) or "").splitlines():
        try:
            start, end, flags = (int(word, 16) for word in line.split())
        except ValueError:
            start = -1
            end = flags = 0
        if not all(0 <= number < 1 << 64 for number in (start, end, flags)):
            reading.problem(path, f"{line[:60]!r} is not start, end and flags", LOOK_AT_FILE)
            break
        found.append(Resource(start, end, flags))
    return found


def register_of(index: int, resource: Resource) -> Bar | None:
    """Return the base address register as the kernel tells it, None if it tells nothing of it."""
    if resource.flags & IO:
        return Bar(index, resource.start, "io", 32, 0)
    if not resource.flags & MEMORY:
        return None
    width = 64 if resource.flags & MEMORY_64 else 32
    return Bar(index, resource.start, "memory", width, int(bool(resource.flags & PREFETCH)))


def identity(reading: Reading, path: str) -> tuple[int, int] | None:
    """Return vendor and device as the kernel tells them."""
    vendor, device = (reading.number(f"{path}/{name}", 16) for name in ("vendor", "device"))
    if vendor is None or device is None or not (0 <= vendor <= 0xFFFF and 0 <= device <= 0xFFFF):
        return None
    return vendor, device


def named_by_link(reading: Reading, path: str) -> str | None:
    """Return the last part of where a link leads: a name, though its target may not have been recorded. What is no link leads to itself."""
    own = path.rpartition("/")[2]
    name = (reading.link(path) or own).rpartition("/")[2]
    return None if name == own else name


def kernel_facts(reading: Reading, path: str, function: Compound) -> Iterator[Fact]:
    """Yield what the kernel decided about a function."""
    node = reading.number(f"{path}/numa_node")
    if node is not None and node >= 0:
        yield Fact("device_node", (function, node))
    driver = named_by_link(reading, f"{path}/driver")
    if driver is not None:
        yield Fact("device_driver", (function, driver))
    group = named_by_link(reading, f"{path}/iommu_group")
    if group is not None and NUMBER.fullmatch(group):
        yield Fact("iommu_group", (int(group), function))


def slots(reading: Reading, functions: Iterable[Compound]) -> Iterator[Fact]:
    """Yield the functions in physical slots. The kernel tells a slot's address without a function: all of the device's are in it."""
    by_device: dict[tuple[Term, ...], list[Compound]] = {}
    for function in functions:
        by_device.setdefault(function.args[:3], []).append(function)
    told = set()
    for name in reading.list(SLOTS):
        parts = SLOT_ADDRESS.fullmatch(reading.text(f"{SLOTS}/{name}/address") or "")
        if parts is None:
            continue
        for function in by_device.get(tuple(int(part, 16) for part in parts.groups()), ()):
            if function in told:
                reading.problem(f"{SLOTS}/{name}", "the device is in another slot already", LOOK_AT_FILE)
                break
            told.add(function)
            yield Fact("physical_slot", (function, name))
