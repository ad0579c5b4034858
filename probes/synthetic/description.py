"""hwloc's synthetic descriptions, read: `pack:2 [numa(memory=16GB)] l3:2 core:4 pu:2(indexes=core:pack)`.

A description lists levels from the machine down, each with how many objects one of the level above has. Types are written as hwloc does
(`package` or any beginning of it from `pack` on, `numa`, `l2`, `l1i`, ...). Without any type, levels have those that hwloc gives them.
Memory in brackets hangs off the level before it; a `numa` level among the others does the same to a group of its own.
Attributes stand in parentheses behind a level: `size=`, `memory=`, `memorysidecachesize=`, `indexes=`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_OBJECTS = 65_536
"""Hardware threads of a machine that is described."""

MOST_LEVELS = 32

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

ATTRIBUTES = ("size", "memory", "memorysidecachesize", "indexes", "cpukind", "subtype")

UNTYPED: tuple[tuple[str, ...], ...] = (
    ("pu",),
    ("numa", "pu"),
    ("package", "numa", "pu"),
    ("package", "numa", "core", "pu"),
    ("package", "numa", "l2", "core", "pu"),
    ("package", "numa", "l2", "l1d", "core", "pu"),
    ("package", "numa", "l3", "l2", "l1d", "core", "pu"),
    ("package", "numa", "l3", "l2", "l1d", "l1i", "core", "pu"),
)
"""The types that levels of numbers alone have, by how many there are."""

CACHE = re.compile(r"l([1-5])([dui]?)(?:cache)?")
GROUP = re.compile(r"gr(?:o|ou|oup)?[0-9]*")

LEVEL = re.compile(r"(?:([a-z][a-z0-9]*):)?([0-9]{1,6})")
MEMORY = re.compile(r"([a-z]+)(?::([0-9]{1,6}))?")
SIZE = re.compile(r"([0-9]{1,18})([a-z]*)")


class DescriptionError(ValueError):
    """A description that cannot be read: what is wrong, and at which character."""

    def __init__(self, text: str, place: int, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.text, self.place, self.cause, self.remedy = text, place, cause, remedy

    def pointed(self) -> str:
        """Show the place: the description, a caret below it, and what is wrong."""
        return f"{self.text}\n{' ' * self.place}^ {self}"


@dataclass(frozen=True)
class Memory:
    """Memory that hangs off each object of a level."""

    count: int
    size: int | None
    side_cache: int | None
    indexes: str | None
    place: int


@dataclass
class Level:
    """Objects of one type: how many each object above has, and how many there are in all."""

    type: str
    arity: int
    total: int
    size: int | None
    indexes: str | None
    place: int
    memories: list[Memory] = field(default_factory=list)


@dataclass(frozen=True)
class Description:
    """Levels from below the machine down to the hardware threads, and memory that hangs off the machine itself."""

    text: str
    levels: tuple[Level, ...]
    memories: tuple[Memory, ...]

    def level(self, type_: str) -> Level | None:
        """Return the level of a type, if there is one."""
        return next((level for level in self.levels if level.type == type_), None)


@dataclass(frozen=True)
class _Word:
    """A level as it is written: what stands before its parentheses, its attributes, whether it is in brackets."""

    text: str
    attributes: dict[str, str]
    memory: bool
    place: int


def parse(text: str) -> Description:
    """Read a description. Raises DescriptionError."""
    words = list(_words(text))
    numbers = [word for word in words if not word.memory]
    if not numbers:
        raise DescriptionError(text, 0, "there are no levels", 'write one like "pack:2 core:4 pu:2"')
    if len(numbers) > MOST_LEVELS:
        raise DescriptionError(text, numbers[MOST_LEVELS].place, f"more than {MOST_LEVELS} levels", "leave some out")
    types = _types(text, numbers)
    levels: list[Level] = []
    memories: list[Memory] = []
    total = 1
    for word in words:
        if word.memory:
            (levels[-1].memories if levels else memories).append(_memory(text, word))
            continue
        found = LEVEL.fullmatch(word.text)
        assert found is not None
        arity = int(found[2])
        total *= arity
        if not arity or total > MOST_OBJECTS:
            cause = (
                "a level has no objects"
                if not arity
                else f"that makes {total} objects, and {MOST_OBJECTS} are too many"
            )
            raise DescriptionError(text, word.place, cause, "change the number")
        type_ = types[len(levels)]
        size = _size(text, word, "memory" if type_ == "numa" else "size")
        levels.append(Level(type_, arity, total, size, word.attributes.get("indexes"), word.place))
    return Description(text, tuple(levels), tuple(memories))


def _words(text: str) -> Iterator[_Word]:
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        memory = text[place] == "["
        start = place + 1 if memory else place
        end = start
        while end < len(text) and not text[end].isspace() and text[end] not in "([])":
            end += 1
        word, attributes = text[start:end].lower(), {}
        if end < len(text) and text[end] == "(":
            close = text.find(")", end)
            if close < 0:
                raise DescriptionError(text, end, "the parenthesis is not closed", "write ) behind the attributes")
            attributes = dict(_attributes(text, end + 1, close))
            end = close + 1
        if memory:
            if end >= len(text) or text[end] != "]":
                raise DescriptionError(text, place, "the bracket is not closed", "write ] behind the memory")
            end += 1
        elif end < len(text) and text[end] in "])":
            raise DescriptionError(text, end, f"{text[end]} closes nothing", "leave it out")
        if word or not attributes:
            yield _Word(word, attributes, memory, start)
        place = end


def _attributes(text: str, start: int, end: int) -> Iterator[tuple[str, str]]:
    place = start
    for part in text[start:end].split(" "):
        if part:
            name, equals, value = part.partition("=")
            if name.lower() not in ATTRIBUTES or not equals or not value:
                raise DescriptionError(
                    text, place, f"{part!r} is no attribute", f"attributes are {', '.join(ATTRIBUTES)}"
                )
            yield name.lower(), value.lower()
        place += len(part) + 1


def _types(text: str, words: list[_Word]) -> tuple[str, ...]:
    found = [LEVEL.fullmatch(word.text) for word in words]
    for word, match in zip(words, found, strict=True):
        if match is None:
            raise DescriptionError(
                text, word.place, f"{word.text!r} is no level", "write a type and a number, like core:4"
            )
    typed = [match[1] for match in found if match is not None]
    if not any(typed):
        if len(typed) > len(UNTYPED):
            raise DescriptionError(
                text, words[len(UNTYPED)].place, "so many levels need types", "write them, like pack:2 core:4 pu:2"
            )
        return UNTYPED[len(typed) - 1]
    types = []
    for word, name in zip(words, typed, strict=True):
        type_ = _type(name) if name else None
        if type_ is None:
            cause = f"{name!r} is no type" if name else "this level has no type, and others do"
            raise DescriptionError(
                text, word.place, cause, "types are package, numa, die, group, l5 to l1, l3i to l1i, core and pu"
            )
        if type_ != "group" and type_ in types:
            raise DescriptionError(text, word.place, f"{type_} is there twice", "leave one out")
        types.append(type_)
    if "pu" in types[:-1]:
        raise DescriptionError(text, words[types.index("pu")].place, "pu is not the last level", "put it at the end")
    if types[-1] != "pu":
        raise DescriptionError(text, words[-1].place, f"the last level is {types[-1]}", "end with one like pu:2")
    return tuple(types)


def _type(name: str) -> str | None:
    if found := CACHE.fullmatch(name):
        level, kind = int(found[1]), found[2]
        if kind == "i" and level > 3:
            return None
        return f"l{level}{kind or ('d' if level == 1 else '')}".removesuffix("u")
    if len(name) >= 4 and ("package".startswith(name) or name == "socket"):
        return "package"
    if (len(name) >= 4 and "numanode".startswith(name)) or name == "node":
        return "numa"
    if GROUP.fullmatch(name):
        return "group"
    if len(name) >= 2 and "core".startswith(name):
        return "core"
    return name if name in ("die", "pu") else None


def _memory(text: str, word: _Word) -> Memory:
    found = MEMORY.fullmatch(word.text)
    if found is None or _type(found[1]) != "numa" or found[2] == "0":
        raise DescriptionError(text, word.place, f"{word.text!r} is no memory", "write [numa] or [numa(memory=16GB)]")
    return Memory(
        int(found[2] or 1),
        _size(text, word, "memory"),
        _size(text, word, "memorysidecachesize"),
        word.attributes.get("indexes"),
        word.place,
    )


def _size(text: str, word: _Word, name: str) -> int | None:
    value = word.attributes.get(name)
    if value is None:
        return None
    found = SIZE.fullmatch(value)
    if found is None or found[2] not in UNITS:
        raise DescriptionError(text, word.place, f"{value!r} is no size", "write one like 256kB or 16GiB")
    return int(found[1]) * UNITS[found[2]]


def indexes(description: Description, given: str | None, type_: str, total: int, place: int) -> list[int]:
    """Return the operating system's numbers of objects, in the order in which they are described. Raises DescriptionError.

    `given` is a list (`0,2,1,3`), steps and counts (`4*2:1*4`), or types to go round first (`pack:core`).
    """
    text = description.text
    if given is None:
        return list(range(total))
    if "," in given or given.isdecimal():
        listed = [int(part) if part.isdecimal() and len(part) < 10 else -1 for part in given.split(",")]
        if len(listed) < total or min(listed) < 0 or len(set(listed[:total])) < total:
            raise DescriptionError(
                text, place, f"indexes are not {total} different numbers", "list one for each object"
            )
        return listed[:total]
    loops = (
        _typed_loops(description, given, type_, total, place)
        if given[0].isalpha()
        else _loops(text, given, total, place)
    )
    product = 1
    numbers = [0] * total
    for step, count in loops:
        for position in range(total):
            numbers[position] += position // step % count * product
        product *= count
    if product < total and total % product == 0:  # what no loop goes round comes last
        for position in range(total):
            numbers[position] += position % (total // product) * product
    if sorted(numbers) != list(range(total)):
        raise DescriptionError(text, place, f"indexes do not give each of {total} objects a number", "mend the loops")
    return numbers


def _loops(text: str, given: str, total: int, place: int) -> list[tuple[int, int]]:
    loops = []
    for part in given.split(":"):
        step, _, count = part.partition("*")
        if not (step.isdecimal() and count.isdecimal() and 0 < int(step) <= total and 0 < int(count) <= total):
            raise DescriptionError(text, place, f"{part!r} is no loop of indexes", "write step*count, like 4*2:1*4")
        loops.append((int(step), int(count)))
    return loops


def _typed_loops(description: Description, given: str, type_: str, total: int, place: int) -> list[tuple[int, int]]:
    named: list[Level] = []
    for name in given.split(":"):
        level = description.level(_type(name) or "")
        if level is None or level.total > total or total % level.total or level in named:
            raise DescriptionError(
                description.text, place, f"{name!r} is no level above {type_}", "name levels above, each once"
            )
        named.append(level)
    order = {id(level): at for at, level in enumerate(description.levels)}
    loops = []
    for level in named:
        above = max((other.total for other in named if order[id(other)] < order[id(level)]), default=1)
        loops.append((total // level.total, level.total // above))
    return loops
