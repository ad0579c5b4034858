"""The machine as indented lines.

The text resembles lstopo's console, because that is what people who read such trees are used to: chains of parts that contain
one thing each stand on one line, and threads stand beside their physical core.
"""

import re
from collections.abc import Callable, Iterator

from skb.topology.part import PCI, Json, Tree, attributes, children, cores, ranges, size


def text(machine: Tree) -> str:
    """Render a tree as indented lines."""
    return "\n".join(_lines(machine, "")) + "\n"


def _lines(part: Tree, indent: str) -> Iterator[str]:
    chain = [part]
    while chain[-1]["type"] in JOINED and len(children(chain[-1])) == 1:
        chain += children(chain[-1])
    below = children(chain[-1])
    line = " + ".join(label(link) for link in chain)
    if below and chain[-1]["type"] == "physical_core":
        line += ": " + ", ".join(label(thread) for thread in below)
        below = []
    elif chain[-1]["type"] not in PCI and (inside := list(cores(chain[-1]))) and chain[-1]["type"] != "core":
        line += f" [cores {ranges(inside)}]" if len(inside) > 1 else f" [core {inside[0]}]"
    yield indent + line
    for child in below:
        yield from _lines(child, indent + "  ")


def label(part: Tree) -> str:
    """Say in a few words what a part is."""
    heading, described = description(part)
    return f"{heading} ({', '.join(described)})" if described else heading


def description(part: Tree) -> tuple[str, list[str]]:
    """Return what a part is called, and what is worth saying of it."""
    kind, name, said = str(part["type"]), part["id"], attributes(part)
    described = [
        words for words in (_DESCRIBED[key](value) for key, value in said.items() if key in _DESCRIBED) if words
    ]
    if kind == "cache":
        letter = {"data": "d", "instruction": "i"}.get(str(said.get("kind")), "")
        return f"L{said.get('level')}{letter}", described
    if kind in PCI:
        return f"{_HEADINGS[kind]} {name}", [*_pci(said), *described]
    if kind == "group":
        return str(said.get("label") or f"Group {name}"), described
    return f"{_HEADINGS.get(kind, kind)} {name}", described


def _pci(said: dict[str, Json]) -> Iterator[str]:
    vendor, device = said.get("vendor"), said.get("device")
    if isinstance(vendor, int) and isinstance(device, int):
        yield f"{vendor:04x}:{device:04x}"
    major, minor = said.get("class"), said.get("sub_class")
    if isinstance(major, int) and isinstance(minor, int):
        yield f"class {major:02x}{minor:02x}"
    first, last = said.get("secondary"), said.get("subordinate")
    if isinstance(first, int) and isinstance(last, int):
        yield f"buses {first:02x}-{last:02x}"


def _list(value: Json, describe: Callable[[list[int]], str]) -> str:
    return describe([item for item in value if isinstance(item, int)]) if isinstance(value, list) else ""


_HEADINGS = {
    "machine": "Machine",
    "package": "Package",
    "die": "Die",
    "node": "Node",
    "physical_core": "Physical core",
    "core": "core",
    "pci_bus": "PCI bus",
    "bridge": "Bridge",
    "device": "Device",
}
JOINED = {"package", "die", "group", "node", "cache"}
"""Types of parts that share a line, or a box, with the one part that they hold."""

_DESCRIBED: dict[str, Callable[[Json], str]] = {
    "memory": lambda value: size(value) if isinstance(value, int) else "",
    "memory_kind": str,
    "size": lambda value: size(value) if isinstance(value, int) else "",
    "os": lambda value: "" if value == "unknown" else str(value),
    "name": lambda value: re.sub(
        r"\s+", " ", " ".join(map(str, value)) if isinstance(value, list) else str(value)
    ).strip(),
    "driver": lambda value: f"driver {value}",
    "online": lambda value: "" if value else "offline",
    "virtual_cores": lambda value: _list(value, lambda kernels: f"also kernels {ranges(kernels)}"),
    "cores": lambda value: _list(value, lambda claimed: f"claims cores {ranges(claimed)}"),
}
