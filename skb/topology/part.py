"""A part of a machine in JSON form, `{type, id, attributes, children}`, and how its numbers are written for people."""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Tree: TypeAlias = dict[str, Json]

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
PCI = {"pci_bus", "bridge", "device"}
"""Types of parts that hold no cores."""


def children(part: Tree) -> list[Tree]:
    """Return the parts directly inside."""
    inside = part["children"]
    return [child for child in inside if isinstance(child, dict)] if isinstance(inside, list) else []


def attributes(part: Tree) -> dict[str, Json]:
    """Return what is said of a part."""
    said = part["attributes"]
    return said if isinstance(said, dict) else {}


def cores(part: Tree) -> Iterator[int]:
    """Yield the cores inside a part, at any depth."""
    if part["type"] == "core" and isinstance(part["id"], int):
        yield part["id"]
    for child in children(part):
        yield from cores(child)


def size(value: int) -> str:
    """Write a number of bytes in the largest unit of which there is at least one."""
    power = min(max(value.bit_length() - 1, 0) // 10, len(UNITS) - 1)
    return f"{f'{value / 1024**power:.2f}'.rstrip('0').rstrip('.')} {UNITS[power]}"


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers as Linux writes lists of CPUs: `0-3,8`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}-{last}" if first != last else f"{first}" for first, last in runs)
