"""An hwloc XML file as objects: what stands in it, before anybody says what it means.

The parser builds its tree element by element, so that a file that ends early, or breaks off in the middle, still gives what stood before.
Entities are refused (hwloc writes none but the predefined five), nothing outside the file is ever opened, and elements, depth and sets are
bounded. Versions 1 (no `version` attribute, `hwloc.dtd`), 2 and 3 differ in names and numbers only; those differences end here where they
are a matter of spelling, and in `hwloc_xml` and its neighbours where they are a matter of meaning.

Format: hwloc 1.11, 2.x and 3.x, `hwloc.dtd`, `hwloc2.dtd` and the manual's chapters on XML import, object attributes and bitmaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from probes.fact import Problem

ELEMENT_LIMIT = 100_000
"""Elements of a file; a machine of 2,048 hardware threads with 1,000 devices has under 30,000."""

LIMIT = 8192
"""Numbers of PUs and nodes are below; it is the most that Linux can be built for."""

DEPTH_LIMIT = 64
"""Elements inside each other; bridges and packages together come to under 40 in real machines."""

TEXT_LIMIT = 2 * 1024 * 1024
"""Characters of all matrices: 512 nodes have 262,144 distances of up to seven characters with the space."""

_WORDS = LIMIT // 32

REMEDY = "write the file again with `lstopo FILE.xml`"

_OLD_TYPES = {"Socket": "Package", "Node": "NUMANode", "System": "Machine", "Proc": "PU", "OS_Dev": "OSDev"}


@dataclass(slots=True)
class Element:
    """One element of the file. `cores` are those of the PUs inside it, as bits; they are filled in once the file has ended."""

    tag: str
    type: str
    attributes: dict[str, str]
    parent: Element | None
    children: list[Element] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    cores: int = 0

    def objects(self) -> Iterator[Element]:
        """Yield the objects directly inside."""
        return (child for child in self.children if child.tag == "object")

    def infos(self) -> Iterator[tuple[str, str]]:
        """Yield the pairs of name and value that the object is annotated with."""
        for child in self.children:
            if child.tag == "info" and child.attributes.get("name"):
                yield child.attributes["name"], child.attributes.get("value", "")

    def number(self, name: str) -> int | None:
        """Return an attribute that is a count; None if there is none, or it is none."""
        text = self.attributes.get(name, "")
        value = int(text) if text.isdecimal() and len(text) < 21 else None
        return None if value in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) and name == "os_index" else value

    def within(self, kind: str) -> Element | None:
        """Return the nearest object of a type that this one is inside."""
        above = self.parent
        while above is not None and above.type != kind:
            above = above.parent
        return above


@dataclass(frozen=True)
class Document:
    """A file that was read: its version, its elements below <topology>, every object in the order of the file, and what was wrong."""

    version: int
    root: Element
    top: tuple[Element, ...]
    objects: tuple[Element, ...]
    problems: tuple[Problem, ...]


class _Refused(Exception):
    """The file asks for something that no hwloc file needs."""


class _Builder:
    """Makes elements of what the parser reports."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._entity
        self.topology: Element | None = None
        self._open: list[Element] = []
        self._elements = 0
        self._characters_left = TEXT_LIMIT

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > ELEMENT_LIMIT:
            raise _Refused(f"more than {ELEMENT_LIMIT} elements")
        if len(self._open) >= DEPTH_LIMIT:
            raise _Refused(f"more than {DEPTH_LIMIT} elements inside each other")
        kind = attributes.get("type", "") if tag == "object" else ""
        parent = self._open[-1] if self._open else None
        element = Element(tag, _OLD_TYPES.get(kind, kind), attributes, parent)
        if parent is None:
            self.topology = element
        elif tag not in ("userdata", "support"):
            parent.children.append(element)
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        if self._open and self._open[-1].tag in ("indexes", "u64values"):
            self._characters_left -= len(text)
            if self._characters_left < 0:
                raise _Refused(f"matrices of more than {TEXT_LIMIT} characters")
            self._open[-1].text.append(text)

    def _entity(self, name: str, *_rest: object) -> None:
        raise _Refused(f"entity {name!r} is declared")


def parse(text: str, name: str) -> Document | Problem:
    """Read a file; a Problem if there is not even a machine in it."""
    builder = _Builder()
    problems = []
    try:
        builder.parser.Parse(text.encode("utf-8", "replace"), True)
    except (expat.ExpatError, _Refused) as error:
        place = f"{name}, line {builder.parser.CurrentLineNumber}, byte {max(builder.parser.CurrentByteIndex, 0)}"
        cause = expat.errors.messages.get(error.code, "") if isinstance(error, expat.ExpatError) else str(error)
        problems.append(Problem(place, f"the file cannot be read on: {cause}", f"what stood before counts; {REMEDY}"))
    topology = builder.topology
    if topology is None or topology.tag not in ("topology", "root"):
        return problems[0] if problems else Problem(name, "holds no <topology>", REMEDY)
    root = next(topology.objects(), None)
    if root is None:
        return problems[0] if problems else Problem(name, "holds no object", REMEDY)
    objects = tuple(_walk(root))
    if ignored := _place_cores(objects):
        cause = f"{ignored} PUs have no number below {LIMIT} of their own"
        problems.append(Problem(name, cause, f"they are left out; {REMEDY}"))
    major = topology.attributes.get("version", "1").partition(".")[0]
    version = int(major) if major.isdecimal() and len(major) < 4 else 1
    top = tuple(child for child in topology.children if child is not root)
    return Document(version, root, top, objects, tuple(problems))


def bits(text: str) -> int:
    """Return a set as hwloc writes it: words of 32 bits with commas between, the highest first; empty words are 0, `0xf...f` is all."""
    endless = text.startswith("0xf...f")
    words = text.removeprefix("0xf...f").rsplit(",", _WORDS)[-_WORDS:]
    words = [
        word.strip().removeprefix("0x").removeprefix("0X")
        for word in (words[1:] if endless and len(words) < _WORDS else words)
    ]
    value = 0
    if any(len(word) > 8 or not all(digit in "0123456789abcdefABCDEF" for digit in word) for word in words):
        raise ValueError(f"{text[:40]!r} is no set of numbers")
    if words:
        value = int("0" + "".join(word.zfill(8) for word in words), 16)
    if endless:
        value |= ((1 << LIMIT) - 1) >> (32 * len(words)) << (32 * len(words))
    return value & ((1 << LIMIT) - 1)


def numbers(value: int) -> list[int]:
    """Return the members of a set, in order."""
    text = bin(value)[:1:-1]
    found = []
    position = text.find("1")
    while position >= 0:
        found.append(position)
        position = text.find("1", position + 1)
    return found


def _walk(root: Element) -> Iterator[Element]:
    todo = [root]
    while todo:
        element = todo.pop()
        yield element
        todo += [child for child in reversed(element.children) if child.tag == "object"]


def _place_cores(objects: tuple[Element, ...]) -> int:
    """Give every object the cores of the PUs inside it; return how many PUs do not count."""
    seen = ignored = 0
    for element in reversed(objects):  # children come before their parents
        if element.type == "PU":
            number = element.number("os_index")
            if number is None or number >= LIMIT or seen >> number & 1:
                element.type = ""
                ignored += 1
            else:
                element.cores = 1 << number
                seen |= element.cores
        if element.parent is not None:
            element.parent.cores |= element.cores
    return ignored
