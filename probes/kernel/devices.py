"""The kernel's names for devices, and the PCI functions behind them: /sys/class/net, /sys/class/block.

A device's place in sysfs is its path through the machine, so the function behind it is the last one on that path: a
virtio disk sits below the function that carries it. Devices with no function on their path (loopback, loop, RAM disks,
bridges of interfaces) give no fact, nor do partitions, which are parts of a disk.
"""

from __future__ import annotations

from collections.abc import Iterator

from probes.fact import Compound, Fact, Survey
from probes.pci.sysfs import parse_address
from probes.reading import Reading
from probes.source import Source

NET, BLOCK, OLD_BLOCK = "/sys/class/net", "/sys/class/block", "/sys/block"

OTHERS = {"/sys/class/nvme": "nvme_controller", "/sys/class/infiniband": "infiniband_device"}
"""Classes that only some machines have."""


def probe(source: Source) -> Survey:
    """Read network interfaces, block devices, NVMe controllers and InfiniBand devices."""
    reading = Reading(source)
    block = BLOCK if reading.exists(BLOCK) else OLD_BLOCK
    facts = [*_facts(reading, NET, "net_interface"), *_facts(reading, block, "block_device")]
    for directory, name in OTHERS.items():
        if reading.exists(directory):
            facts += _facts(reading, directory, name)
    return Survey(tuple(facts), reading.problems())


def _facts(reading: Reading, directory: str, name: str) -> Iterator[Fact]:
    for device in reading.list(directory):
        path = f"{directory}/{device}"
        function = function_behind(reading, path)
        if function is not None and not reading.exists(f"{path}/partition"):
            yield Fact(name, (device, function))


def function_behind(reading: Reading, path: str) -> Compound | None:
    """Return the PCI function that a device of a class (`/sys/class/net/eth0`) is or is on, None if it is on none."""
    # Kernels before 2.6.2x have a directory with a link `device` here, later ones a link to the device's own directory.
    for way in (f"{path}/device", path):
        for part in reversed((reading.link(way) or "").split("/")):
            function = parse_address(part)
            if function is not None:
                return function
    return None
