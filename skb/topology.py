"""The machine as a tree, in the two forms that people and programs read: nested JSON objects, and indented text.

`rules/topology.pl` says what contains what and answers with one term of `object(Type, Id, Attributes, Children)`. This
module takes that term in the JSON form that all answers have and knows nothing of Prolog or of the machine. The text
resembles lstopo's console, because that is what people who read such trees are used to: chains of parts that contain
one thing each stand on one line, and threads stand beside their physical core.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Tree: TypeAlias = dict[str, Json]

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class TopologyError(ValueError):
    """The term is no topology: the message says where in it, and what was expected there."""


def tree(term: Json) -> Tree:
    """Turn `object(Type, Id, Attributes, Children)` in JSON form into `{type, id, attributes, children}`.

    PCI addresses become `0000:00:1f.3` and PCI buses `0000:00`, as Linux writes them.
    """
    return _tree(term, "topology")


def text(machine: Tree) -> str:
    """Render a tree made by `tree` as indented lines."""
    return "\n".join(_lines(machine, "")) + "\n"


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


def _tree(term: Json, place: str) -> Tree:
    kind, name, attributes, children = _arguments(term, "object", 4, place)
    if not (isinstance(kind, str) and isinstance(attributes, list) and isinstance(children, list)):
        raise TopologyError(
            f"{place}: object has {kind!r} as type; give object(Type, Id, [Name-Value...], [object...])"
        )
    place = f"{place}/{kind}"
    pairs = [_arguments(pair, "-", 2, place) for pair in attributes]
    return {
        "type": kind,
        "id": _identity(name, place),
        "attributes": {str(key): value for key, value in pairs},
        "children": [_tree(child, place) for child in children],
    }


def _arguments(term: Json, functor: str, arity: int, place: str) -> list[Json]:
    if isinstance(term, dict) and term.get("f") == functor:
        arguments = term.get("args")
        if isinstance(arguments, list) and len(arguments) == arity:
            return arguments
    raise TopologyError(f"{place}: has {str(term)[:80]} where {functor}/{arity} was expected; see rules/topology.pl")


def _identity(name: Json, place: str) -> Json:
    if not isinstance(name, dict):
        return name
    arguments = name.get("args")
    numbers = [number for number in arguments if isinstance(number, int)] if isinstance(arguments, list) else []
    if name.get("f") == "addr" and len(numbers) == 4:
        return "{:04x}:{:02x}:{:02x}.{:x}".format(*numbers)
    if name.get("f") == "bus" and len(numbers) == 2:
        return "{:04x}:{:02x}".format(*numbers)
    raise TopologyError(f"{place}: has {str(name)[:80]} as id; give a number, a name, addr/4 or bus/2")


def _children(part: Tree) -> list[Tree]:
    children = part["children"]
    return [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []


def _attributes(part: Tree) -> dict[str, Json]:
    attributes = part["attributes"]
    return attributes if isinstance(attributes, dict) else {}


def _cores(part: Tree) -> Iterator[int]:
    if part["type"] == "core" and isinstance(part["id"], int):
        yield part["id"]
    for child in _children(part):
        yield from _cores(child)


def _lines(part: Tree, indent: str) -> Iterator[str]:
    chain = [part]
    while chain[-1]["type"] in _JOINED and len(_children(chain[-1])) == 1:
        chain += _children(chain[-1])
    below = _children(chain[-1])
    line = " + ".join(_label(link) for link in chain)
    if below and chain[-1]["type"] == "physical_core":
        line += ": " + ", ".join(_label(thread) for thread in below)
        below = []
    elif chain[-1]["type"] not in _PCI and (cores := list(_cores(chain[-1]))) and chain[-1]["type"] != "core":
        line += f" [cores {ranges(cores)}]" if len(cores) > 1 else f" [core {cores[0]}]"
    yield indent + line
    for child in below:
        yield from _lines(child, indent + "  ")


def _label(part: Tree) -> str:
    kind, name, attributes = str(part["type"]), part["id"], _attributes(part)
    described = [
        text for text in (_DESCRIBED[key](value) for key, value in attributes.items() if key in _DESCRIBED) if text
    ]
    if kind == "cache":
        letter = {"data": "d", "instruction": "i"}.get(str(attributes.get("kind")), "")
        heading = f"L{attributes.get('level')}{letter}"
    elif kind in _PCI:
        heading = f"{_HEADINGS[kind]} {name}"
        described = [*_pci(attributes), *described]
    else:
        heading = f"{_HEADINGS.get(kind, kind)} {name}"
    return f"{heading} ({', '.join(described)})" if described else heading


def _pci(attributes: dict[str, Json]) -> Iterator[str]:
    vendor, device = attributes.get("vendor"), attributes.get("device")
    if isinstance(vendor, int) and isinstance(device, int):
        yield f"{vendor:04x}:{device:04x}"
    major, minor = attributes.get("class"), attributes.get("sub_class")
    if isinstance(major, int) and isinstance(minor, int):
        yield f"class {major:02x}{minor:02x}"
    first, last = attributes.get("secondary"), attributes.get("subordinate")
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
_PCI = {"pci_bus", "bridge", "device"}
_JOINED = {"package", "die", "node", "cache"}
_DESCRIBED: dict[str, Callable[[Json], str]] = {
    "memory": lambda value: size(value) if isinstance(value, int) else "",
    "size": lambda value: size(value) if isinstance(value, int) else "",
    "os": str,
    "name": lambda value: re.sub(
        r"\s+", " ", " ".join(map(str, value)) if isinstance(value, list) else str(value)
    ).strip(),
    "driver": lambda value: f"driver {value}",
    "online": lambda value: "" if value else "offline",
    "virtual_cores": lambda value: _list(value, lambda cores: f"also kernels {ranges(cores)}"),
    "cores": lambda value: _list(value, lambda cores: f"claims cores {ranges(cores)}"),
}
