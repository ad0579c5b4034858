"""Declared queries: what they take, what they give, and how they are asked.

A rule module declares them (`rules/queries.pl`); here a request's parameters are checked against the declaration, and what the rule gives
as well: whoever asks by name may rely on the types.
"""

import difflib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec
from msgspec import Struct

from skb.errors import GoalError, InvalidRequest, UnknownQuery
from skb.vocabulary import describe, fits, to_term

Mode = Literal["in", "out", "both"]
"""Given; answered; given or else answered."""


class Parameter(Struct, frozen=True):
    """A parameter of a query. `type` is the JSON form of its declared type."""

    mode: Mode
    name: str
    type: Any

    @property
    def words(self) -> str:
        """What a value must be."""
        return describe(self.type)


class DeclaredQuery(Struct, frozen=True):
    """A query as its module declared it."""

    name: str
    module: str
    parameters: tuple[Parameter, ...]
    doc: str
    defaults: dict[str, Any]

    @property
    def signature(self) -> str:
        """Give its name and parameters, as people write them."""
        signs = {"in": "+", "out": "-", "both": "?"}
        listed = ", ".join(f"{signs[each.mode]}{each.name}" for each in self.parameters)
        return f"{self.name}({listed})"

    @property
    def goal(self) -> str:
        """The goal that is solved, with a variable for each parameter."""
        variables = ", ".join(map(_variable, range(len(self.parameters))))
        return f"{self.name}({variables})" if self.parameters else self.name

    def bindings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Give the values of the goal's variables. Raises InvalidRequest for what is missing, unknown, or of another type."""
        names = [parameter.name for parameter in self.parameters if parameter.mode != "out"]
        for name in given:
            if name not in names:
                raise InvalidRequest(
                    f"{self.name} takes no parameter {name[:64]!r}; it takes {', '.join(names) or 'none'}"
                )
        found = {}
        for number, parameter in enumerate(self.parameters):
            if parameter.name in given:
                found[_variable(number)] = self._term(parameter, given[parameter.name])
            elif parameter.name in self.defaults:
                found[_variable(number)] = to_term(parameter.type, self.defaults[parameter.name])
            elif parameter.mode == "in":
                raise InvalidRequest(f"{self.name} needs {parameter.name}: {parameter.words}")
        return found

    def answer(self, solution: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
        """Give a solution by the names of parameters. Raises GoalError if a value is not of its type."""
        found = {}
        for number, parameter in enumerate(self.parameters):
            if (raw := solution.get(_variable(number))) is None:
                continue
            value = msgspec.json.decode(raw)
            if not fits(parameter.type, value):
                shown = bytes(raw)[:80].decode(errors="replace")
                raise GoalError(
                    f"the rule {self.module}:{self.name} gave {shown} for {parameter.name}, which it declares as {parameter.words}; "
                    "mend the rule, or its declaration"
                )
            found[parameter.name] = raw
        return found

    def _term(self, parameter: Parameter, value: Any) -> Any:
        value = _addresses(parameter.type, value)
        if not fits(parameter.type, value):
            shown = msgspec.json.encode(value)[:80].decode(errors="replace")
            raise InvalidRequest(f"{self.name}: {parameter.name} must be {parameter.words}, got {shown}")
        return to_term(parameter.type, value)


def declared(found: list[Any]) -> dict[str, DeclaredQuery]:
    """Give the queries that an engine says are declared, by name."""
    return {
        name: DeclaredQuery(name, module, tuple(Parameter(*each) for each in parameters), doc, dict(defaults))
        for name, module, parameters, doc, defaults in sorted(found)
    }


def named(queries: Mapping[str, DeclaredQuery], name: str) -> DeclaredQuery:
    """Give the query of a name. Raises UnknownQuery, with what may have been meant."""
    if (query := queries.get(name)) is not None:
        return query
    near = difflib.get_close_matches(name, queries, n=1)
    hint = f"did you mean {near[0]}?" if near else "GET /v1/queries lists those that are"
    raise UnknownQuery(f"no query {name[:64]!r} is declared; {hint}")


def _variable(number: int) -> str:
    return f"P{number}"


def _addresses(type_: Any, value: Any) -> Any:
    """Read PCI addresses as people write them (0000:00:1f.3) where such is wanted."""
    match type_:
        case "addr" if isinstance(value, str):
            with suppress(ValueError):
                segment, bus, rest = value.split(":")
                device, function = rest.split(".")
                return {"f": "addr", "args": [int(part, 16) for part in (segment, bus, device, function)]}
        case {"f": "list", "args": [element]} if isinstance(value, list):
            return [_addresses(element, part) for part in value]
        case {"f": "or", "args": [one, other]}:
            return next(
                (read for read in (_addresses(one, value), _addresses(other, value)) if fits(type_, read)), value
            )
    return value
