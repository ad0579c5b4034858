"""How objects of a level are numbered: `indexes=`, in the three forms that hwloc has.

* A list, a number for each object in the order of the description: `indexes=0,2,1,3`.
* Loops, the fastest first, each a step and how many: `indexes=4*2:1*4` gives objects 0 and 4 the numbers 0 and 1, objects 1 and 5 the
  numbers 2 and 3.
* Types of levels to go round, the fastest first: `indexes=package:core` numbers one in each package before the next core.

One loop over what is left may be missing at the end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from probes.cpulist import LIMIT
from probes.synthetic.description import DescriptionError, Level, Value
from probes.synthetic.types import read_type

_LOOP = re.compile(r"([0-9]{1,6})\*([0-9]{1,6})")


def numbers(text: str, given: Value | None, total: int, levels: Sequence[Level]) -> list[int]:
    """Return the numbers of `total` objects in the order of the description. `levels` may be named in loops. Raises DescriptionError."""
    if given is None:
        return list(range(total))
    if given.text[0].isalpha():
        loops = _named_loops(text, given, total, levels)
    elif "*" in given.text:
        loops = _written_loops(text, given)
    else:
        return _listed(text, given, total)
    covered = math.prod(count for _, count in loops)
    if covered != total and covered * min(step for step, _ in loops) == total:
        loops.append((1, total // covered))
        covered = total
    if covered != total:
        raise DescriptionError(
            text, given.place, f"these loops number {covered} objects, and there are {total}", "mend the loops"
        )
    found = [0] * total
    fastest = 1
    for step, count in loops:
        for position in range(total):
            found[position] += position // step % count * fastest
        fastest *= count
    if len(set(found)) < total:
        raise DescriptionError(text, given.place, "these loops give two objects the same number", "mend the loops")
    return found


def _listed(text: str, given: Value, total: int) -> list[int]:
    found: dict[int, None] = {}
    place = given.place
    parts = given.text.split(",")
    for part in parts:
        if not (part.isascii() and part.isdecimal()) or len(part) > 6 or int(part) >= LIMIT:
            raise DescriptionError(
                text, place, f"{part!r} is no number below {LIMIT}", "list numbers with commas between, like 0,2,1,3"
            )
        if int(part) in found:
            raise DescriptionError(text, place, f"two objects have the number {part}", "have each number once")
        found[int(part)] = None
        place += len(part) + 1
    if len(found) != total:
        raise DescriptionError(
            text, given.place, f"there are {len(found)} numbers for {total} objects", "list one for each object"
        )
    return list(found)


def _written_loops(text: str, given: Value) -> list[tuple[int, int]]:
    loops = []
    place = given.place
    for part in given.text.split(":"):
        found = _LOOP.fullmatch(part)
        if found is None or not int(found[1]) or not int(found[2]):
            raise DescriptionError(text, place, f"{part!r} is no loop", "write step*count, like 4*2:1*4")
        loops.append((int(found[1]), int(found[2])))
        place += len(part) + 1
    return loops


def _named_loops(text: str, given: Value, total: int, levels: Sequence[Level]) -> list[tuple[int, int]]:
    named: list[int] = []
    place = given.place
    for name in given.text.split(":"):
        at = _level_named(name, levels)
        if at is None or total % levels[at].total:
            raise DescriptionError(
                text, place, f"{name!r} is no level to go round here", "name levels above, like package:core"
            )
        if at in named:
            raise DescriptionError(text, place, f"{name!r} is there twice", "name each level once")
        named.append(at)
        place += len(name) + 1
    loops = []
    for at in named:
        above = max((levels[other].total for other in named if other < at), default=1)
        loops.append((total // levels[at].total, levels[at].total // above))
    return loops


def _level_named(name: str, levels: Sequence[Level]) -> int | None:
    """Return the first level of a type.

    Groups may be told apart by a number, which hwloc counts from the innermost; data caches and unified ones are not told apart.
    """
    type_ = read_type(name)
    if type_ is None:
        return None
    groups = sum(level.type.name == "group" for level in levels)
    for at, level in enumerate(levels):
        if level.type.name == "group":
            if type_.name == "group" and type_.depth in (None, level.type.depth or groups):
                return at
            groups -= level.type.depth is None
        elif level.type.name.removesuffix("d") == type_.name.removesuffix("d"):
            return at
    return None
