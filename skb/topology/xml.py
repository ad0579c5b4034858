"""XML as hwloc's own parser reads it: elements with attributes in double quotes, one a line, and no character that XML forbids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class Element:
    """An element: its attributes, those inside it, or its text."""

    tag: str
    attributes: dict[str, str | int] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def add(self, tag: str, **attributes: str | int) -> Element:
        """Put a new element inside and return it."""
        element = Element(tag, attributes)
        self.children.append(element)
        return element

    def info(self, name: str, value: str) -> None:
        """Annotate with a name and a value."""
        self.add("info", name=name, value=value)

    def lines(self, indent: str = "") -> Iterator[str]:
        """Write the element, a line for each one inside."""
        attributes = "".join(f' {name}="{escaped(value)}"' for name, value in self.attributes.items())
        if self.text:
            yield f"{indent}<{self.tag}{attributes}>{escaped(self.text)}</{self.tag}>"
        elif not self.children:
            yield f"{indent}<{self.tag}{attributes}/>"
        else:
            yield f"{indent}<{self.tag}{attributes}>"
            for child in self.children:
                yield from child.lines(indent + "  ")
            yield f"{indent}</{self.tag}>"


def escaped(value: str | int) -> str:
    """Write a value so that it can stand in an attribute or between tags; characters that XML has no way to write are dropped."""
    return "".join(_ESCAPES.get(letter, letter) for letter in _FORBIDDEN.sub("", str(value)))
