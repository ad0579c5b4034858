"""hwloc's synthetic descriptions, read: `pack:2 [numa(memory=16GB)] l3:2 core:4 pu:2(indexes=core:pack)`.

A description lists levels from the machine down, each with how many objects one of the level above has. Types are written as in
`probes.synthetic.types`; without any type, levels have those that hwloc gives them. Memory in brackets hangs off each object of the level
before it, or off the machine; a `numa` level among the others is as memory off a group of its own. Attributes stand in parentheses behind a
level, with spaces between: `size=` of a cache, `memory=` and `memorysidecachesize=` of a NUMA node, `indexes=` of either.

Syntax as hwloc 2.9 has it ("Synthetic topologies" in its manual). What hwloc passes over in silence (indexes that do not fit, a package
inside a core) is an error here, and every error knows its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from probes.synthetic.types import NAMES, WIDE_TO_NARROW, Type, read_type, untyped

MOST_THREADS = 65_536
"""Hardware threads of a machine that is described."""

MOST_NODES = 1024
"""NUMA nodes; no more can Linux be built for (CONFIG_NODES_SHIFT of 10)."""

MOST_LEVELS = 127
"""As many as hwloc has."""

UNITS = {
    "": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}
"""As hwloc reads them: 1 kB are 1000 bytes."""

ONLY_ONCE = ("package", "die", "numa", "core", "pu")

OF_CACHES = ("size", "indexes")
OF_MEMORY = ("memory", "memorysidecachesize", "indexes")
"""Attributes; like hwloc, any level but a cache may have those of memory, and only NUMA nodes use them."""

_NUMBER = re.compile(r"0x[0-9a-f]{1,8}|[0-9]{1,10}", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9_-]+", re.IGNORECASE)
_SIZE = re.compile(r"(0x[0-9a-f]{1,15}|[0-9]{1,18})([a-z]*)")


class DescriptionError(ValueError):
    """A description that cannot be read: what is wrong, and at which character."""

    def __init__(self, text: str, place: int, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.text, self.place, self.cause, self.remedy = text, place, cause, remedy

    def pointed(self) -> str:
        """Show the place: what is wrong, the description, and a caret below the place."""
        shown = "".join(letter if letter.isprintable() else " " for letter in self.text)
        return f"{self}\n  {shown}\n  {' ' * self.place}^"


@dataclass(frozen=True)
class Value:
    """What is written behind the `=` of an attribute, and where."""

    text: str
    place: int


@dataclass(frozen=True)
class Memory:
    """Memory that hangs off each object of a level."""

    size: int | None
    side_cache: int | None
    indexes: Value | None
    place: int


@dataclass(frozen=True)
class Level:
    """Objects of one type: how many each object above has, how many there are in all, and the memory that hangs off each."""

    type: Type
    arity: int
    total: int
    size: int | None
    indexes: Value | None
    memories: tuple[Memory, ...]
    place: int


@dataclass(frozen=True)
class Description:
    """Levels from below the machine down to the hardware threads, and memory that hangs off the machine itself."""

    text: str
    levels: tuple[Level, ...]
    memories: tuple[Memory, ...]


@dataclass(frozen=True)
class _Word:
    """A level or memory as it is written. A place is where a part begins."""

    name: str
    name_place: int
    count: int
    attributes: Mapping[str, Value]
    bracket: bool


def parse(text: str) -> Description:
    """Read a description. Raises DescriptionError."""
    words = list(_words(text))
    written = [word for word in words if not word.bracket]
    if not written:
        raise DescriptionError(text, len(text), "there are no levels", 'write one like "pack:2 core:4 pu:2"')
    if len(written) > MOST_LEVELS:
        raise DescriptionError(
            text, written[MOST_LEVELS].name_place, f"more than {MOST_LEVELS} levels", "leave some out"
        )
    types = _types(text, written)
    beneath: list[list[Memory]] = [[]]
    for word in words:
        if word.bracket:
            beneath[-1].append(_memory(text, word))
        else:
            beneath.append([])
    if Type("numa") in types and (bracket := next((word for word in words if word.bracket), None)):
        cause = "NUMA nodes are both a level and in brackets"
        raise DescriptionError(text, bracket.name_place, cause, "write all of them in brackets, or one level of them")
    levels: list[Level] = []
    total, nodes = 1, len(beneath[0])
    for word, type_, memories in zip(written, types, beneath[1:], strict=True):
        total *= word.count
        nodes += total * len(memories) + (total if type_.name == "numa" else 0)
        if total > MOST_THREADS:
            raise DescriptionError(text, word.name_place, f"that makes over {MOST_THREADS} objects", "have fewer")
        if nodes > MOST_NODES:
            raise DescriptionError(text, word.name_place, f"that makes over {MOST_NODES} NUMA nodes", "have fewer")
        levels.append(_level(text, word, type_, total, tuple(memories)))
    return Description(text, tuple(levels), tuple(beneath[0]))


def _words(text: str) -> Iterator[_Word]:
    """Cut a description into what stands between spaces, brackets and parentheses."""
    place = _after_spaces(text, 0)
    if text[place : place + 1] == "(":  # attributes of the machine, of which hwloc uses none
        _, place = _attributes(text, place, OF_MEMORY)
    while (place := _after_spaces(text, place)) < len(text):
        if text[place] == "[":
            word, place = _bracket(text, place)
        else:
            word, place = _counted(text, place)
        yield word


def _after_spaces(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _counted(text: str, start: int) -> tuple[_Word, int]:
    """Read `type:count(attributes)`, or a count alone."""
    name, place = "", start
    if not text[start].isdecimal():
        name = _name(text, start)
        if not name:
            raise DescriptionError(
                text, start, f"{text[start]!r} begins no level", "write a type and a number, like core:4"
            )
        place += len(name)
        if text[place : place + 1] != ":":
            raise DescriptionError(text, place, f"no number of objects behind {name!r}", f"write one, like {name}:2")
        place = _after_spaces(text, place + 1)
    digits = _NUMBER.match(text, place)
    if digits is None:
        raise DescriptionError(text, place, "here a number of objects is missing", "write one, like core:4")
    count = int(digits[0], 16 if digits[0][:2].lower() == "0x" else 10)
    if count == 0:
        raise DescriptionError(text, place, "a level has no objects", "have one at least")
    place = digits.end()
    attributes: Mapping[str, Value] = {}
    if text[place : place + 1] == "(":
        type_ = read_type(name)
        of_cache = type_ is not None and type_.is_cache
        attributes, place = _attributes(text, place, OF_CACHES if of_cache else OF_MEMORY)
    if place < len(text) and not text[place].isspace() and text[place] != "[":
        raise DescriptionError(text, place, f"{text[place]!r} does not belong here", "put a space between levels")
    return _Word(name, start, count, attributes, bracket=False), place


def _bracket(text: str, start: int) -> tuple[_Word, int]:
    """Read `[numa(attributes)]`."""
    name = _name(text, start + 1)
    type_ = read_type(name)
    if type_ is None or type_.name != "numa":
        raise DescriptionError(text, start + 1, f"{name!r} is no memory", "write [numa] or [numa(memory=16GB)]")
    place = _after_spaces(text, start + 1 + len(name))
    attributes: Mapping[str, Value] = {}
    if text[place : place + 1] == "(":
        attributes, place = _attributes(text, place, OF_MEMORY)
        place = _after_spaces(text, place)
    if text[place : place + 1] != "]":
        raise DescriptionError(text, min(place, len(text)), "the bracket is not closed", "write ] behind the memory")
    return _Word(name, start + 1, 1, attributes, bracket=True), place + 1


def _name(text: str, place: int) -> str:
    found = _NAME.match(text, place)
    return found[0].lower() if found else ""


def _attributes(text: str, start: int, allowed: Sequence[str]) -> tuple[dict[str, Value], int]:
    """Read attributes from their opening parenthesis on; return them and where they end."""
    end = text.find(")", start)
    if end < 0:
        raise DescriptionError(text, start, "the parenthesis is not closed", "write ) behind the attributes")
    found: dict[str, Value] = {}
    place = start + 1
    for part in text[place:end].split(" "):
        if part:
            name, equals, value = part.partition("=")
            if name not in allowed or not equals:
                raise DescriptionError(
                    text, place, f"{part!r} is no attribute of this", f"attributes are {', '.join(allowed)}"
                )
            if not value:
                raise DescriptionError(text, place + len(part), f"{name} has no value", f"write it behind the {name}=")
            if name in found:
                raise DescriptionError(text, place, f"{name} is there twice", "leave one out")
            found[name] = Value(value.lower(), place + len(name) + 1)
        place += len(part) + 1
    return found, end + 1


def _types(text: str, words: Sequence[_Word]) -> tuple[Type, ...]:
    """Return the types of levels, as written or, where none is, as hwloc gives them out."""
    if not any(word.name for word in words):
        return untyped(len(words))
    types: list[Type] = []
    for word in words:
        last = word is words[-1]
        type_ = read_type(word.name) if word.name else Type("pu") if last else None
        if type_ is None:
            cause = f"{word.name!r} is no type" if word.name else "this level has no type, and others have"
            raise DescriptionError(text, word.name_place, cause, f"types are {NAMES}")
        _check_order(text, word, type_, types)
        if (type_.name == "pu") != last:
            cause = f"the last level is {type_.name}" if last else "pu is not the last level"
            raise DescriptionError(text, word.name_place, cause, "end the description with one level of pu, like pu:2")
        types.append(type_)
    return tuple(types)


def _check_order(text: str, word: _Word, type_: Type, above: Sequence[Type]) -> None:
    if type_.name in ONLY_ONCE and type_ in above:
        raise DescriptionError(text, word.name_place, f"{type_.name} is there twice", "leave one out")
    if type_.name in WIDE_TO_NARROW:
        narrower = WIDE_TO_NARROW[WIDE_TO_NARROW.index(type_.name) + 1 :]
        inside = next((other.name for other in above if other.name in narrower), None)
        if inside is not None:
            raise DescriptionError(
                text, word.name_place, f"a {type_.name} inside a {inside}", f"put {type_.name} before {inside}"
            )


def _level(text: str, word: _Word, type_: Type, total: int, memories: tuple[Memory, ...]) -> Level:
    size = _size(text, word, "memory" if type_.name == "numa" else "size")
    if type_.name == "numa":
        side_cache = _size(text, word, "memorysidecachesize")
        memories = (Memory(size, side_cache, word.attributes.get("indexes"), word.name_place), *memories)
    return Level(type_, word.count, total, size, word.attributes.get("indexes"), memories, word.name_place)


def _memory(text: str, word: _Word) -> Memory:
    size, side_cache = _size(text, word, "memory"), _size(text, word, "memorysidecachesize")
    return Memory(size, side_cache, word.attributes.get("indexes"), word.name_place)


def _size(text: str, word: _Word, name: str) -> int | None:
    value = word.attributes.get(name)
    if value is None:
        return None
    found = _SIZE.fullmatch(value.text)
    if found is None or found[2] not in UNITS:
        raise DescriptionError(text, value.place, f"{value.text!r} is no size", "write one like 256kB or 16GiB")
    return int(found[1], 16 if found[1].startswith("0x") else 10) * UNITS[found[2]]
