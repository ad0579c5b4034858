"""One function's configuration space, decoded whole: header, capabilities and every record that they hold. Pure: bytes in, records out."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from probes.pci.allocation import Subsystem
from probes.pci.bars import decode_bars, decode_rom
from probes.pci.bridges import decode_buses, decode_cardbus_windows, decode_windows
from probes.pci.capabilities import FIRST_EXTENDED, NO_CAPABILITIES, Capability, decode_capabilities
from probes.pci.config import CONFIG_SIZE, HEADER_SIZE, Decoded
from probes.pci.decoders import DECODERS, EXTENDED_DECODERS, FACTS
from probes.pci.header import CARDBUS_BRIDGE, PCI_BRIDGE, Header, decode_interrupt, decode_subsystem


class Pin(NamedTuple):
    """The legacy interrupt: pin and line."""

    pin: str
    line: int


class Decoding(NamedTuple):
    """What a configuration space holds, and in words what is wrong with it."""

    records: tuple[tuple[object, ...], ...]
    capabilities: tuple[Capability, ...]
    wrong: tuple[str, ...]


def decode_function(config: bytes, header: Header) -> Decoding:
    """Decode what follows the header that was read from `config`. Of two records for one row the first counts."""
    shape = header.shape
    if shape is None:
        return Decoding((), (), (f"header of unknown type {header.type:#04x}",))
    lists = NO_CAPABILITIES
    if header.has_capabilities and len(config) > HEADER_SIZE:
        lists = decode_capabilities(config, shape.capability_pointer)
    records: list[tuple[object, ...]] = []
    wrong: list[str] = [*lists.wrong]
    keys = set()
    for found in (*_header_records(config, header), *_capability_records(config, lists.found)):
        if isinstance(found, str):
            wrong.append(found)
            continue
        fact = FACTS.get(type(found))
        if fact is not None:
            key = (fact.name, *found[: fact.key])
            if key in keys:
                wrong.append(f"{fact.name} is told twice; what came first counts")
                continue
            keys.add(key)
        records.append(found)
    return Decoding(tuple(records), lists.found, tuple(dict.fromkeys(wrong)))


def _header_records(config: bytes, header: Header) -> Decoded:
    shape = header.shape
    assert shape is not None, "the caller looked"
    yield from decode_bars(config, shape.bars)
    rom = decode_rom(config, shape.rom) if shape.rom is not None else None
    if rom is not None:
        yield rom
    subsystem = decode_subsystem(config, header.type)
    if subsystem is not None:
        yield Subsystem(*subsystem)
    if header.type in (PCI_BRIDGE, CARDBUS_BRIDGE):
        yield decode_buses(config)
        yield from decode_windows(config) if header.type == PCI_BRIDGE else decode_cardbus_windows(config)
    pin, line = decode_interrupt(config)
    if pin > 4:
        yield f"interrupt pin {pin}, where there are four"
    elif pin:
        yield Pin("abcd"[pin - 1], line)


def _capability_records(config: bytes, found: tuple[Capability, ...]) -> Decoded:
    offsets = sorted(capability.offset for capability in found)
    for capability in found:
        extended = capability.offset >= FIRST_EXTENDED
        decoder = (EXTENDED_DECODERS if extended else DECODERS).get(capability.name)
        if decoder is None:
            continue
        space = config if extended else config[:CONFIG_SIZE]
        following = bisect_right(offsets, capability.offset)
        end = offsets[following] if following < len(offsets) else len(space)
        yield from decoder(space, capability.offset, min(end, len(space)))
