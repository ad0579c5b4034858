"""Configuration spaces for the tests of the PCI probe: a header, lists of capabilities, and the survey of one function."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from probes.fact import Survey, addr
from probes.pci.probe import probe
from probes.pci.sysfs import DEVICES
from probes.source import Files

HERE = addr(0, 0x3B, 0x1F, 3)
PATH = f"{DEVICES}/0000:3b:1f.3"

EXPRESS = (0x10, struct.pack("<HIHHIHH", 0x0002, 0, 0, 0, 0x43, 0, 0x42) + bytes(40))
"""An endpoint's PCI Express capability, without which there is no second list."""


def header(header_type: int = 0, **at: bytes) -> bytearray:
    """64 bytes of a function 8086:1234; `at` places bytes, by hexadecimal offset (`x10=...`)."""
    space = bytearray(64)
    space[:16] = struct.pack("<HHHHBBBBBBBB", 0x8086, 0x1234, 0, 0, 7, 2, 8, 1, 0, 0, header_type, 0)
    for offset, value in at.items():
        start = int(offset[1:], 16)
        space[start : start + len(value)] = value
    return space


def space(
    capabilities: Sequence[tuple[int, bytes]] = (),
    extended: Sequence[tuple[int, bytes]] = (),
    header_type: int = 0,
    **at: bytes,
) -> bytes:
    """A configuration space with capabilities, each a number and what follows its link; extended ones come with PCI Express."""
    config = header(header_type, **at).ljust(4096 if extended else 256, b"\0")
    listed = (
        (EXPRESS, *capabilities) if extended and not any(number == 0x10 for number, _ in capabilities) else capabilities
    )
    place, link = 0x40, 0x14 if header_type == 2 else 0x34
    for number, body in listed:
        config[6] |= 0x10
        config[link], config[place] = place, number
        config[place + 2 : place + 2 + len(body)] = body
        link, place = place + 1, place + 2 + len(body) + 3 & ~3
    place = 0x100
    for index, (number, body) in enumerate(extended, 1):
        after = place + 4 + len(body) + 3 & ~3
        struct.pack_into("<I", config, place, number | 1 << 16 | (after if index < len(extended) else 0) << 20)
        config[place + 4 : place + 4 + len(body)] = body
        place = after
    return bytes(config)


def survey(config: bytes | None, links: Mapping[str, str] | None = None, **files: bytes) -> Survey:
    """Survey one function with files beside its configuration space."""
    content = {f"{PATH}/{name}": value for name, value in files.items()}
    if config is not None:
        content[f"{PATH}/config"] = config
    return probe(Files(content, links=links))


def rows(found: Survey, name: str) -> list[tuple[object, ...]]:
    """The rows of a fact, without the function."""
    return [fact.args[1:] for fact in found.facts if fact.name == name]


def causes(found: Survey) -> list[str]:
    """What is wrong, in words."""
    return [problem.cause for problem in found.problems]
