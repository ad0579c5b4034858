"""The vocabulary of facts, as the rules declare it, and the check of every fact against it.

The declarations in `rules/schema/*.pl` are the only source: an engine reads them, and this is what it read.
"""

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct

from skb.errors import InvalidFact, UnknownFact

INTEGERS = {
    "integer": "an integer",
    "count": "a count (an integer from 0)",
    "core": "a core (an integer from 0)",
    "node": "a node (an integer from 0)",
    "bytes": "a size in bytes (an integer from 0)",
    "address": "an address (an integer from 0)",
    "ps": "a time in picoseconds (an integer from 0)",
    "mbs": "a bandwidth in MB/s (an integer from 0)",
    "mts": "a rate in MT/s (an integer from 0)",
}
ADDR = ("segment", "bus", "device", "function")


class Field(Struct, frozen=True):
    """An argument of a fact. `type` is the JSON form of its declared type."""

    name: str
    type: Any

    @property
    def words(self) -> str:
        """What a value must be."""
        return describe(self.type)


class Declaration(Struct, frozen=True):
    """A fact as it was declared."""

    name: str
    fields: tuple[Field, ...]
    doc: str
    key: tuple[str, ...]
    source: str

    @property
    def measured(self) -> bool:
        """Whether the multikernel says this, and not a probe."""
        return self.source.startswith("multikernel")

    @property
    def key_positions(self) -> tuple[int, ...]:
        """Where among the arguments those stand that identify a row."""
        return tuple(number for number, field in enumerate(self.fields) if field.name in self.key)

    @property
    def signature(self) -> str:
        """Give its name and fields, as people write them."""
        return f"{self.name}({', '.join(f'{field.name}: {describe(field.type)}' for field in self.fields)})"


class Vocabulary:
    """All declarations."""

    def __init__(self, declared: list[Any]) -> None:
        self._declarations = {
            name: Declaration(name, tuple(Field(*field) for field in fields), doc, tuple(key), source)
            for name, fields, doc, key, source in declared
        }
        self._decoders: dict[str, msgspec.json.Decoder[Any] | None] = {}

    def __iter__(self) -> Any:
        return iter(self._declarations.values())

    def __len__(self) -> int:
        return len(self._declarations)

    def keys(self) -> dict[str, tuple[int, ...]]:
        """Give for each fact where the arguments stand that identify a row."""
        return {name: declaration.key_positions for name, declaration in self._declarations.items()}

    def declaration(self, name: str) -> Declaration:
        """Give the declaration of a fact. Raises UnknownFact, with what may have been meant."""
        try:
            return self._declarations[name]
        except KeyError:
            near = difflib.get_close_matches(name, self._declarations, n=1)
            hint = f"did you mean {near[0]}?" if near else "GET /v1/facts lists those that are"
            raise UnknownFact(f"no fact {_short(name)} is declared; {hint}") from None

    def key(self, fact: Mapping[str, Any]) -> str:
        """Give what identifies the row that a fact is, as text."""
        declaration = self.declaration(fact["name"])
        values = [
            value
            for field, value in zip(declaration.fields, fact["args"], strict=True)
            if field.name in declaration.key
        ]
        return msgspec.json.encode([declaration.name, values], order="sorted").decode()

    def term(self, fact: object, *, pattern: bool = False) -> dict[str, Any]:
        """Check a fact in its JSON form; give the term for the engine. A `pattern` may have variables for arguments.

        Raises UnknownFact, or InvalidFact naming the argument and what was expected.
        """
        if not isinstance(fact, Mapping) or set(fact) != {"name", "args"} or not isinstance(fact["args"], list):
            raise InvalidFact(f'{_short(fact)} is no fact; a fact is {{"name": "core", "args": [0, 0, 1]}}')
        declaration = self.declaration(str(fact["name"]))
        arguments = fact["args"]
        if len(arguments) != len(declaration.fields):
            raise InvalidFact(
                f"{declaration.name} has {len(declaration.fields)} arguments, got {len(arguments)}: {declaration.signature}"
            )
        terms = []
        for number, (field, value) in enumerate(zip(declaration.fields, arguments, strict=True), start=1):
            if pattern and isinstance(value, dict) and set(value) == {"var"}:
                terms.append(value)
                continue
            if not fits(field.type, value):
                raise InvalidFact(
                    f"fact {declaration.name}/{len(arguments)}: argument {number} ({field.name}) must be "
                    f"{describe(field.type)}, got {_short(value)}"
                )
            terms.append(to_term(field.type, value))
        return {"f": declaration.name, "args": terms}

    def terms(self, declaration: Declaration, rows: bytes) -> bytes:
        """Check rows of arguments, in JSON; give them in the form that the engine makes terms of. Raises InvalidFact as `term` does."""
        name = declaration.name
        if name not in self._decoders:
            self._decoders[name] = _decoder(declaration)
        decoder = self._decoders[name]
        if decoder is not None:
            try:
                read = decoder.decode(rows)
            except msgspec.ValidationError:
                pass  # said better below
            else:
                return (
                    _with_texts(declaration, read)
                    if any(_holds_text(field.type) for field in declaration.fields)
                    else rows
                )
        found = (
            self.term({"name": name, "args": arguments})
            for arguments in msgspec.json.decode(rows, type=list[list[Any]])
        )
        return msgspec.json.encode([fact["args"] for fact in found])


class _Text(Struct, gc=False):
    string: str


def _with_texts(declaration: Declaration, rows: list[tuple[Any, ...]]) -> bytes:
    columns = list(zip(*rows, strict=True))
    for number, field in enumerate(declaration.fields):
        if field.type == "text" and columns:
            columns[number] = tuple(map(_Text, columns[number]))
    return msgspec.json.encode(list(zip(*columns, strict=True)))


_Natural = Annotated[int, msgspec.Meta(ge=0)]


class _Addr(Struct, tag_field="f", tag="addr", forbid_unknown_fields=True, gc=False):
    args: tuple[_Natural, _Natural, _Natural, _Natural]


def _decoder(declaration: Declaration) -> msgspec.json.Decoder[Any] | None:
    """Give what reads rows in one step, if there is one for these types. What it takes is also taken by `fits`."""
    if any(_holds_text(field.type) and field.type != "text" for field in declaration.fields):
        return None  # which values become strings depends on each
    try:
        return msgspec.json.Decoder(list[tuple[tuple(_shape(field.type) for field in declaration.fields)]])  # type: ignore[misc]
    except TypeError:
        return None


def _shape(type_: Any) -> Any:
    """Give the Python type for values of a declared type. Raises TypeError (here, or when it is used) if there is none."""
    match type_:
        case "integer":
            return int
        case "flag":
            return Literal[0, 1]
        case "atom" | "text":
            return str
        case "addr":
            return _Addr
        case {"f": "oneof", "args": [names]}:
            return Literal[tuple(names)]
        case {"f": "or", "args": [one, other]}:
            return _shape(one) | _shape(other)
        case {"f": "list", "args": [element]}:
            return list[_shape(element)]  # type: ignore[misc]
        case _:
            return _Natural


def _holds_text(type_: Any) -> bool:
    return type_ == "text" or (isinstance(type_, dict) and any(map(_holds_text, type_["args"])))


def fits(type_: Any, value: object) -> bool:
    """Whether a value, in its JSON form, is of a declared type."""
    match type_:
        case "integer":
            return _is_integer(value)
        case "flag":
            return _is_integer(value) and value in (0, 1)
        case "atom" | "text":
            return _is_text(value)
        case "addr":
            return (
                isinstance(value, dict)
                and set(value) == {"f", "args"}
                and value["f"] == "addr"
                and isinstance(value["args"], list)
                and len(value["args"]) == len(ADDR)
                and all(_is_integer(part) and part >= 0 for part in value["args"])
            )
        case {"f": "oneof", "args": [names]}:
            return isinstance(value, str) and value in names
        case {"f": "or", "args": [one, other]}:
            return fits(one, value) or fits(other, value)
        case {"f": "list", "args": [element]}:
            return isinstance(value, list) and all(fits(element, part) for part in value)
        case "any":
            return True
        case "number":
            return _is_integer(value) or isinstance(value, float)
        case {"f": "pair", "args": [one, other]}:
            return (
                isinstance(value, dict)
                and set(value) == {"f", "args"}
                and value["f"] == "-"
                and isinstance(value["args"], list)
                and len(value["args"]) == 2
                and fits(one, value["args"][0])
                and fits(other, value["args"][1])
            )
        case _:
            return _is_integer(value) and isinstance(value, int) and value >= 0


def to_term(type_: Any, value: Any) -> Any:
    """Give a value of a declared type the form that the engine makes a term of: texts become strings, all other names atoms."""
    match type_:
        case "text":
            return {"string": value}
        case {"f": "list", "args": [element]}:
            return [to_term(element, part) for part in value]
        case {"f": "or", "args": [one, other]}:
            return to_term(one if fits(one, value) else other, value)
        case {"f": "pair", "args": [one, other]}:
            return {"f": "-", "args": [to_term(one, value["args"][0]), to_term(other, value["args"][1])]}
        case _:
            return value


def describe(type_: Any) -> str:
    """Say a declared type in words."""
    match type_:
        case "flag":
            return "0 or 1"
        case "atom":
            return "a name (a string)"
        case "text":
            return "a string"
        case "addr":
            return "a PCI address: addr(Segment, Bus, Device, Function)"
        case {"f": "oneof", "args": [names]}:
            return f"one of {', '.join(names)}"
        case {"f": "or", "args": [one, other]}:
            return f"{describe(one)}, or {describe(other)}"
        case {"f": "list", "args": [element]}:
            return f"a list, each {describe(element)}"
        case "any":
            return "any value"
        case "number":
            return "a number"
        case {"f": "pair", "args": [one, other]}:
            return f"a pair (One - Other), of {describe(one)}, and {describe(other)}"
        case _:
            return INTEGERS[type_]


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    """Whether it is Unicode: JSON can spell halves of surrogate pairs, which nothing else can hold."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _short(value: object) -> str:
    """Write a value as it was given: in JSON."""
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
