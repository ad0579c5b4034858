"""The types that levels of a description have: how they are written, and which ones levels of numbers alone stand for.

hwloc reads them by hwloc_obj_type_sscanf (hwloc 2.9): in either case, and shortened to two letters at least.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NAMES = "package, die, group, numa, l5 to l1, l3i to l1i, core and pu"

_CACHE = re.compile(r"l([1-5])([diu]?)(?:c(?:a(?:c(?:he?)?)?)?)?")
_GROUP = re.compile(r"gr(?:ou?)?p?([0-9]{0,4})")

_WORDS = (
    ("package", "package"),
    ("socket", "package"),
    ("numanode", "numa"),
    ("node", "numa"),
    ("die", "die"),
    ("core", "core"),
    ("pu", "pu"),
)

_INSTRUCTION_LEVELS = 3
"""hwloc has no instruction caches beyond."""

WIDE_TO_NARROW = ("package", "die", "core", "pu")
"""What a processor consists of; none of these has a wider one inside."""


class Type(NamedTuple):
    """A type of level: `package`, `numa`, `die`, `group`, `core`, `pu`, or a cache such as `l2`, `l1d`, `l1i`."""

    name: str
    depth: int | None = None
    """Of a group: the number behind it, where one is written."""

    @property
    def is_cache(self) -> bool:
        """Whether it is a cache."""
        return self.name[0] == "l"


def read_type(text: str) -> Type | None:
    """Read the name of a type, in lower case; None if it is none."""
    if found := _CACHE.fullmatch(text):
        level, kind = int(found[1]), found[2]
        if kind == "i" and level > _INSTRUCTION_LEVELS:
            return None
        return Type(f"l{level}{kind}".removesuffix("u"))
    if found := _GROUP.fullmatch(text):
        return Type("group", int(found[1]) if found[1] else None)
    return next((Type(name) for word, name in _WORDS if len(text) >= 2 and word.startswith(text)), None)


def untyped(count: int) -> tuple[Type, ...]:
    """Return the types of so many levels that are numbers alone, as hwloc gives them out.

    The last are the hardware threads. The others become, as far as there are levels for it: a NUMA node, a package, a core, up to four
    caches, and groups.
    """
    caches = {6: ("l2",), 7: ("l2", "l1d"), 8: ("l3", "l2", "l1d")}.get(
        count + 1, ("l3", "l2", "l1d", "l1i") if count > 7 else ()
    )
    middle = [
        *(["package"] if count >= 3 else []),
        *(["numa"] if count >= 2 else []),
        *caches,
        *(["core"] if count >= 4 else []),
    ]
    groups = ["group"] * (count - 1 - len(middle))
    return tuple(Type(name) for name in (*groups, *middle, "pu"))
