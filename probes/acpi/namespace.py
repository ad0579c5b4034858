r"""What `acpiexec` printed, as devices: routing tables, resources, and the values of a few names.

Device: \_SB.PCI0
Evaluating _CRS
[00] 16-Bit WORD Address Space Resource
Resource Type : Bus Number Range

\_SB_.PCI0._BBN                  returned AE_OK
Evaluation of \_SB_.PCI0._BBN returned object 0x7f9a88000df0, external buffer length 18
[Integer] = 0000000000000000
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

DEVICE = re.compile(r"^(?:- )?Device: (\S+)")
METHOD = re.compile(r"^Evaluating (_\w+)")
ITEM = re.compile(r"^\[([0-9A-F]{2,})\] (.+)$")
PROPERTY = re.compile(r"^ {2,}(\S.*?) : ?(.*)$")
VALUE_OF = re.compile(r"^Evaluation of (\S+)\.(_\w{3}) returned object")
INTEGER = re.compile(r"^\s+\[Integer\] = ([0-9A-F]+)")
STRING = re.compile(r'^\s+\[String\] Length [0-9A-F]+ = "(.*)"')

MOST = 100_000
"""Items read; the largest machines have some thousands."""


@dataclass(frozen=True)
class Item:
    """An entry of a list that a method returned: its kind, and its properties as they are printed."""

    kind: str
    properties: dict[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int | None:
        """Return a property that is a number; they are hexadecimal."""
        try:
            return int(self.properties.get(name, ""), 16)
        except ValueError:
            return None


@dataclass
class Device:
    """A device: lists by method, and values by name."""

    path: str
    lists: dict[str, list[Item]] = field(default_factory=dict)
    values: dict[str, list[int | str]] = field(default_factory=dict)

    def integer(self, name: str) -> int | None:
        """Return the value of a name that is an integer."""
        found = self.values.get(name, [])
        return found[0] if found and isinstance(found[0], int) else None


def normal(path: str) -> str:
    """Return a path without the underscores that fill names up to four characters (ACPI 6.5, 19.2.2)."""
    return ".".join(part.rstrip("_") or part for part in path.split("."))


def parent(path: str) -> str:
    """Return the path of the device above."""
    return path.rpartition(".")[0]


def read(text: str) -> dict[str, Device]:
    """Return the devices, by path."""
    devices: dict[str, Device] = {}
    items: list[Item] | None = None
    device: Device | None = None
    named: tuple[Device, str] | None = None
    left = MOST
    for line in text.splitlines():
        if found := DEVICE.match(line):
            device, items = _device(devices, found[1]), None
        elif (found := METHOD.match(line)) and device is not None:
            items = device.lists.setdefault(found[1], [])
        elif (found := ITEM.match(line)) and items is not None and left > 0:
            items.append(Item(found[2].strip()))
            left -= 1
        elif (found := PROPERTY.match(line)) and items:
            items[-1].properties.setdefault(found[1].strip(), found[2].strip())
        elif found := VALUE_OF.match(line):
            named, items = (_device(devices, found[1]), found[2]), None
        elif named is not None and (value := _value(line)) is not None:
            named[0].values.setdefault(named[1], []).append(value)
        elif not line.strip():
            named = None
    return devices


def _device(devices: dict[str, Device], path: str) -> Device:
    return devices.setdefault(normal(path), Device(normal(path)))


def _value(line: str) -> int | str | None:
    if found := INTEGER.match(line):
        return int(found[1], 16)
    found = STRING.match(line)
    return found[1] if found else None


def chain(devices: Mapping[str, Device], path: str) -> Iterator[Device]:
    """Yield a device and those above it that are known."""
    while path:
        if path in devices:
            yield devices[path]
        path = parent(path)
