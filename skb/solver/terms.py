"""Prolog terms in JSON form, as Python values that can be told apart, looked up and written."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Compound:
    """A compound term."""

    f: str
    args: tuple["Term", ...]


Term = int | str | Compound | tuple["Term", ...]
"""An integer, an atom, a compound term, a list."""


class Wrong(Exception):
    """What is wrong somewhere in an item; whoever knows the item says where."""


_BETWEEN = {
    *("#=", "#\\=", "#<", "#>", "#=<", "#>=", "#\\", "#/\\", "#\\/", "#==>", "#<==", "#<==>"),
    *("+", "-", "*", "=", "\\/", "in", "ins"),
}
"""What is written between its two operands."""


def term_of(value: Any) -> Term:
    """Read a term in JSON form. Raises Wrong for values that are none, or that models have no use for."""
    match value:
        case bool() | float() | None:
            raise Wrong(f"{value!r} is no term of a model; there are integers, names, lists and compound terms")
        case int() | str():
            return value
        case list() | tuple():
            return tuple(term_of(element) for element in value)
        case {"f": str(name), "args": [_, *_] as arguments} if len(value) == 2:
            return Compound(name, tuple(term_of(argument) for argument in arguments))
        case {"var": name}:
            raise Wrong(
                f"{name!r} is a Prolog variable; variables of a model in JSON have names, which are strings or compound terms"
            )
        case {"string": text}:
            raise Wrong(f'"{_shortened(str(text))}" is a string; names are atoms')
    raise Wrong(f'{_shortened(repr(value))} is no term; a compound one is {{"f": name, "args": [...]}}')


def json_of(term: Term) -> Any:
    """Give the JSON form of a term."""
    match term:
        case Compound():
            return {"f": term.f, "args": [json_of(argument) for argument in term.args]}
        case tuple():
            return [json_of(element) for element in term]
    return term


def key_of(name: Term) -> str:
    """Give the text by which answers call a name: an atom as it is, a compound term as Prolog writes it."""
    return name if isinstance(name, str) else text_of(name)


def text_of(term: Term) -> str:
    """Write a term as Prolog would."""
    match term:
        case int():
            return str(term)
        case str():
            return _atom(term)
        case Compound("..", (low, high)):
            return f"{_operand(low)}..{_operand(high)}"
        case Compound(name, (left, right)) if name in _BETWEEN:
            return f"{_operand(left)} {name} {_operand(right)}"
        case Compound(name, arguments):
            return f"{_atom(name)}({', '.join(map(text_of, arguments))})"
    return f"[{', '.join(map(text_of, term))}]"


def _operand(term: Term) -> str:
    text = text_of(term)
    return f"({text})" if isinstance(term, Compound) and len(term.args) == 2 and term.f in _BETWEEN else text


def _atom(name: str) -> str:
    if re.fullmatch(r"[a-z]\w*", name, re.ASCII) or re.fullmatch(r"[-+*/\\^<>=~:.?@#&$]+", name):
        return name
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def short(term: Term) -> str:
    """Write a term in words that fit a message."""
    return _shortened(text_of(term))
