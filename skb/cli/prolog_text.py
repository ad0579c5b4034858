"""Facts as Prolog text, which any Prolog can consult."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from typing import Any

from skb.rules import rules_directory

_DECLARATION = re.compile(r":-\s*fact\((\w+)\((.*?)\),\s*\[", re.DOTALL)
_PLAIN_ATOM = re.compile(r"[a-z][A-Za-z0-9_]*")


def lines(facts: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Give a clause for each fact, in JSON form. Texts are strings where their fields are declared so, and atoms elsewhere.

    Facts of one name stand together, as Prolog wants them.
    """
    texts = _texts()
    by_name: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for fact in facts:
        by_name.setdefault((fact["name"], len(fact["args"])), []).append(fact)
    for fact in chain.from_iterable(by_name.values()):
        strings = texts.get(fact["name"], frozenset())
        arguments = ", ".join(_term(value, string=number in strings) for number, value in enumerate(fact["args"]))
        yield f"{_atom(fact['name'])}({arguments})." if arguments else f"{_atom(fact['name'])}."


@cache
def _texts() -> Mapping[str, frozenset[int]]:
    """Which arguments of which facts are texts, read from the declarations; Prolog would take longer to start than all else here."""
    found = {}
    for path in (rules_directory() / "schema").glob("*.pl"):
        for name, fields in _DECLARATION.findall(path.read_text()):
            types = [field.partition(":")[2].strip() for field in _split(fields)]
            found[name] = frozenset(number for number, type_ in enumerate(types) if re.search(r"\btext\b", type_))
    return found


def _split(fields: str) -> list[str]:
    """Split at the commas that are in no parentheses."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(fields):
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append(fields[start:place])
            start = place + 1
    return [*parts, fields[start:]]


def _term(value: Any, *, string: bool = False) -> str:
    match value:
        case int():
            return str(value)
        case str():
            return _quoted(value, '"') if string else _atom(value)
        case {"f": name, "args": arguments}:
            return f"{_atom(name)}({', '.join(_term(argument, string=string) for argument in arguments)})"
        case list():
            return f"[{', '.join(_term(element, string=string) for element in value)}]"
    raise TypeError(f"{value!r} is no argument of a fact")


def _atom(name: str) -> str:
    return name if _PLAIN_ATOM.fullmatch(name) else _quoted(name, "'")


def _quoted(text: str, quote: str) -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n").replace("\t", "\\t")
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):x}\\", escaped)
    return f"{quote}{escaped}{quote}"
