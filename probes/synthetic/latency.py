"""What messages cost on a machine that is described: by the smallest part that two hardware threads have in common.

A latency is one-way, from the sender's first instruction to the receiver's last; a round trip is twice as long, and of a latency 22 % keep
the sender busy (see `probes.foreign.latencies`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from probes.fact import Fact
from probes.foreign.latencies import one_way_facts
from probes.synthetic.description import DescriptionError
from probes.synthetic.machine import Synthetic
from probes.synthetic.types import read_type

DEFAULTS: Mapping[str, int] = {
    "core": 8_000,
    "l1": 8_000,
    "l2": 20_000,
    "l3": 40_000,
    "l4": 60_000,
    "l5": 60_000,
    "die": 80_000,
    "group": 90_000,
    "numa": 95_000,
    "package": 100_000,
    "machine": 140_000,
}
"""Picoseconds by the type of the smallest part in common, from narrow to wide.

Rounded from medians that core-to-core-latency measured: 7.4 to 10.1 ns in a core, 24 to 26 ns in an L3 of Zen 2 and 3, 32 to 48 ns in one
of Xeons, 96 to 117 ns between the L3s of a package of Zen 2 and 3, 114 to 141 ns between two packages of Xeons. The other types lie between
their neighbours. docs/synthetic.md names the machines.
"""

_ITEM = re.compile(r"([a-z][a-z0-9]*):([0-9]{1,9}(?:\.[0-9]{1,9})?)(ps|ns|us)")

_PS = {"ps": 1, "ns": 1000, "us": 1_000_000}

Distance = Callable[[int, int], int]
"""Latency in picoseconds between the threads at two positions."""


def parse(text: str) -> dict[str, int]:
    """Read latencies by type of level: `core:10ns l3:40ns machine:130ns`; commas may separate them too. Raises DescriptionError.

    `pu` may be given and says nothing, since a thread sends itself no messages.
    """
    given: dict[str, int] = {}
    for found in re.finditer(r"[^\s,]+", text):
        word, place = found[0].lower(), found.start()
        item = _ITEM.fullmatch(word)
        name = _level_named(item[1]) if item else None
        if item is None or name is None:
            types = f"types are pu, {', '.join(DEFAULTS)}; units are ps, ns and us"
            remedy = f"write type:time like l3:40ns, or give a file that there is; {types}"
            raise DescriptionError(text, place, f"{word!r} is no latency of a level", remedy)
        if name in given:
            raise DescriptionError(text, place, f"{name} is there twice", "leave one out")
        given[name] = round(float(item[2]) * _PS[item[3]])
    return given


def _level_named(text: str) -> str | None:
    if len(text) >= 2 and "machine".startswith(text):
        return "machine"
    type_ = read_type(text)
    if type_ is None or type_.depth is not None:
        return None
    name = type_.name[:2] if type_.is_cache else type_.name
    return name if name in DEFAULTS or name == "pu" else None


def by_level(machine: Synthetic, given: Mapping[str, int]) -> Distance:
    """Return the latency between two threads by the smallest part that they have in common.

    A part whose type is not given takes the default, but is no faster than a narrower part and no slower than a wider one that is given.
    """
    names = _parts_by_width(machine)
    told = {width: next((given[name] for name in types if name in given), None) for width, types in names.items()}
    levels: list[tuple[int, int]] = []
    for width, types in sorted(names.items()):
        latency = told[width]
        if latency is None:
            least = max((found for _, found in levels), default=0)
            most = min((found for wider, found in told.items() if wider > width and found is not None), default=None)
            latency = max(DEFAULTS[types[0]], least)
            latency = latency if most is None else min(latency, most)
        levels.append((width, latency))

    def between(one: int, other: int) -> int:
        for width, latency in levels:
            if one // width == other // width:
                return latency
        raise AssertionError("two threads of one machine have nothing in common")

    return between


def _parts_by_width(machine: Synthetic) -> dict[int, list[str]]:
    """Return the types of parts by how many threads they have, the narrower type first where two have the same."""
    found: dict[int, list[str]] = {}
    for part in reversed(machine.parts[:-1]):
        name = part.type.name[:2] if part.type.is_cache else part.type.name
        if name != "numa":
            found.setdefault(part.width, []).append(name)
    whole = len(machine.cores)
    if machine.home_width < whole or machine.part("package") is None:
        same = found.setdefault(machine.home_width, [])
        same.insert(next((at for at, name in enumerate(same) if name in ("package", "group")), len(same)), "numa")
    found.setdefault(whole, []).append("machine")
    return found


def message_facts(machine: Synthetic, between: Distance) -> Iterator[Fact]:
    """Yield what messages cost between all threads."""
    pairs: dict[tuple[int, int], float] = {}
    for one, sender in enumerate(machine.cores):
        for other in range(one + 1, len(machine.cores)):
            receiver = machine.cores[other]
            pairs[sender, receiver] = pairs[receiver, sender] = between(one, other)
    return one_way_facts(pairs, 1)
