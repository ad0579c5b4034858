"""Configuration spaces made of capabilities whose fields hold arbitrary values, and their dump as `lspci -F` reads it.

No recorded machine has every structure, nor every value in it. The lists are always whole; what the capabilities hold is random, but for
fields where a value is reserved: there lspci and we may differ in how we say so.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from itertools import pairwise

Body = Callable[[random.Random], bytes]


def noise(count: int) -> Body:
    """A body that is all random."""
    return lambda chance: chance.randbytes(count)


def _msi(chance: random.Random) -> bytes:
    control = chance.getrandbits(16) & ~0x7E | chance.randrange(6) << 1 | chance.randrange(6) << 4
    return struct.pack("<H", control) + chance.randbytes(20)


def _msix(chance: random.Random) -> bytes:
    table, pba = (chance.getrandbits(29) << 3 | chance.randrange(6) for _ in range(2))
    return struct.pack("<HII", chance.getrandbits(16), table, pba)


def _express(chance: random.Random) -> bytes:
    port = chance.choice([0, 1, 4, 5, 6, 7, 8, 9, 10])
    flags = chance.getrandbits(16) & ~0xFF | port << 4 | chance.choice([1, 2])
    devcap = chance.getrandbits(32) & ~7 | chance.randrange(6)
    devctl = chance.getrandbits(16) & ~0x70E0 | chance.randrange(6) << 5 | chance.randrange(6) << 12
    widths = [chance.choice([0, 1, 2, 4, 8, 12, 16, 32]) << 4 for _ in range(2)]
    lnkcap = chance.getrandbits(32) & ~0x3FF | widths[0] | chance.randrange(1, 7)
    lnksta = chance.getrandbits(16) & ~0x3FF | widths[1] | chance.randrange(7)
    link = struct.pack("<IHH", lnkcap, chance.getrandbits(16), lnksta)
    return struct.pack("<HIHH", flags, devcap, devctl, chance.getrandbits(16)) + link + chance.randbytes(40)


def _aer(chance: random.Random) -> bytes:
    return chance.randbytes(0x44)


def _dpc(chance: random.Random) -> bytes:
    control = chance.getrandbits(16) & ~3 | chance.randrange(3)
    return struct.pack("<HHH", chance.getrandbits(16), control, chance.getrandbits(16)) + chance.randbytes(6)


def _pasid(chance: random.Random) -> bytes:
    return struct.pack("<HH", chance.getrandbits(16) & ~0x1F00 | chance.randrange(21) << 8, chance.getrandbits(16))


def _rebar(chance: random.Random) -> bytes:
    slots = chance.sample(range(6), chance.randrange(1, 7))
    entries = ((chance.getrandbits(28) << 4, slot | len(slots) << 5 | chance.randrange(20) << 8) for slot in slots)
    return b"".join(struct.pack("<II", *entry) for entry in entries)


def _sriov(chance: random.Random) -> bytes:
    head = chance.randbytes(4) + struct.pack("<HH", chance.getrandbits(16), chance.getrandbits(16))
    total = chance.randrange(1, 256)
    counts = struct.pack("<HHHBx", total, total, chance.randrange(total + 1), chance.randrange(256))
    places = chance.randbytes(8) + struct.pack("<II", chance.getrandbits(32), 1 << chance.randrange(16))
    bars = struct.pack("<6I", *(chance.getrandbits(28) << 4 | chance.choice([0, 4, 8, 12]) for _ in range(5)), 0)
    return head + counts + places + bars + chance.randbytes(4)


def _dvsec(vendor: int, number: int, fill: Body) -> Body:
    def body(chance: random.Random) -> bytes:
        rest = fill(chance)
        return struct.pack("<HHH", vendor, chance.randrange(1, 3) | len(rest) + 10 << 4, number) + rest

    return body


def _cxl_device(chance: random.Random) -> bytes:
    capability = chance.getrandbits(16) & ~0x30 | chance.randrange(3) << 4 | 6
    ranges = b""
    for _ in range(2):
        base, size = chance.randrange(1 << 20), chance.randrange(1, 1 << 12)
        words = (size >> 4, (size & 0xF) << 28 | chance.randrange(3) << 2 | 3, base >> 4, (base & 0xF) << 28)
        ranges += struct.pack("<4I", *words)
    return struct.pack("<H", capability) + chance.randbytes(12) + ranges


def _locator(chance: random.Random) -> bytes:
    blocks = (
        (chance.randrange(6) | chance.randrange(1, 4) << 8 | chance.getrandbits(16) << 16, chance.getrandbits(20))
        for _ in range(3)
    )
    return bytes(2) + b"".join(struct.pack("<II", *block) for block in blocks)


CONVENTIONAL: Mapping[int, Body] = {0x01: noise(6), 0x03: noise(6), 0x05: _msi, 0x11: _msix, 0x10: _express}

EXTENDED: Mapping[str, tuple[int, Body]] = {
    "aer": (0x01, _aer),
    "acs": (0x0D, noise(4)),
    "ari": (0x0E, noise(4)),
    "ats": (0x0F, noise(4)),
    "sriov": (0x10, _sriov),
    "pri": (0x13, noise(12)),
    "rebar": (0x15, _rebar),
    "pasid": (0x1B, _pasid),
    "dpc": (0x1D, _dpc),
    "vf_rebar": (0x24, _rebar),
    "doe": (0x2E, noise(20)),
    "dvsec": (0x23, _dvsec(0x8086, 0x23, noise(10))),
    "cxl_device": (0x23, _dvsec(0x1E98, 0, _cxl_device)),
    "cxl_locator": (0x23, _dvsec(0x1E98, 8, _locator)),
    "cxl_flex_bus": (0x23, _dvsec(0x1E98, 7, noise(22))),
}


def capabilities(space: bytearray, chance: random.Random, pointer: int) -> None:
    """Fill both lists of capabilities of a configuration space."""
    place, link = 0x50, pointer
    for number in chance.sample(sorted(CONVENTIONAL), len(CONVENTIONAL)):
        body = CONVENTIONAL[number](chance)
        space[link], space[place] = place, number
        space[place + 2 : place + 2 + len(body)] = body
        link, place = place + 1, place + 2 + len(body) + 3 & ~3
    place = 0x100
    wanted = [*chance.sample(sorted(EXTENDED), len(EXTENDED)), ""]
    for name, following in pairwise(wanted):
        number, fill = EXTENDED[name]
        body = fill(chance)
        after = place + 4 + len(body) + 3 & ~3
        struct.pack_into("<I", space, place, number | 1 << 16 | (after if following else 0) << 20)
        space[place + 4 : place + 4 + len(body)] = body
        place = after


def function(header_type: int, chance: random.Random) -> bytes:
    """4096 bytes of a function with a header of a type and every capability."""
    space = bytearray(4096)
    kinds = {0: (0x02, 0x00, 0x00), 1: (0x06, 0x04, 0x00), 2: (0x06, 0x07, 0x00)}
    base, sub, interface = kinds[header_type]
    ids = (chance.randrange(1, 0xFFFF), chance.randrange(1, 0xFFFF))
    head = (*ids, chance.getrandbits(10), 0x10, chance.randrange(256), interface, sub, base, 16, 0, header_type, 0)
    struct.pack_into("<HHHHBBBBBBBB", space, 0, *head)
    if header_type == 0:
        bars = (chance.getrandbits(20) << 12 | chance.choice([0, 8]), chance.getrandbits(12) << 4 | 1)
        wide = (chance.getrandbits(20) << 12 | 0xC, chance.getrandbits(20) << 4)
        rom = chance.getrandbits(21) << 11 | chance.randrange(2)
        struct.pack_into("<6I", space, 0x10, *bars, *wide, 0, 0)
        struct.pack_into("<HHI", space, 0x2C, *(chance.randrange(1, 0xFFFF) for _ in range(2)), rom)
    else:
        struct.pack_into("<4B", space, 0x18, 0, *sorted(chance.randrange(1, 256) for _ in range(2)), 0)
        (_bridge if header_type == 1 else _cardbus)(space, chance)
    space[0x3C:0x3E] = bytes([chance.randrange(1, 255), chance.randrange(1, 5)])
    capabilities(space, chance, 0x14 if header_type == 2 else 0x34)
    return bytes(space)


def _bridge(space: bytearray, chance: random.Random) -> None:
    struct.pack_into("<I", space, 0x10, chance.getrandbits(20) << 12)
    wide = chance.randrange(2)
    ends = [chance.randrange(16) << 4 | wide for _ in range(2)]
    struct.pack_into("<BB", space, 0x1C, *ends)
    memory = [chance.getrandbits(12) << 4 for _ in range(2)]
    prefetchable = [chance.getrandbits(12) << 4 | wide for _ in range(2)]
    struct.pack_into("<4H", space, 0x20, *memory, *prefetchable)
    struct.pack_into("<IIHH", space, 0x28, *(chance.getrandbits(4) for _ in range(4)))
    struct.pack_into("<I", space, 0x38, chance.getrandbits(21) << 11 | chance.randrange(2))


def _cardbus(space: bytearray, chance: random.Random) -> None:
    struct.pack_into("<I", space, 0x10, chance.getrandbits(20) << 12)
    struct.pack_into("<4I", space, 0x1C, *(chance.getrandbits(20) << 12 for _ in range(4)))
    wide = chance.randrange(2)
    struct.pack_into("<4I", space, 0x2C, *(chance.getrandbits(14) << 2 | wide for _ in range(4)))
    struct.pack_into("<H", space, 0x3E, chance.getrandbits(2) << 8)
    struct.pack_into("<HH", space, 0x40, *(chance.randrange(1, 0xFFFF) for _ in range(2)))


def dump(spaces: Mapping[str, bytes]) -> str:
    """The text of `lspci -xxxx` of functions by slot."""
    lines = []
    for slot, space in spaces.items():
        lines.append(f"{slot} Class 0000: Device 0000:0000")
        lines += (f"{at:02x}: {space[at : at + 16].hex(' ')}" for at in range(0, len(space), 16))
        lines.append("")
    return "\n".join(lines)
