"""The declared vocabulary of facts, and whether a fact keeps to it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from probes.fact import Compound, Fact

RULES = Path(__file__).resolve().parents[2] / "rules"

DUMP = """
:- use_module(facts).
:- use_module(schema).
:- use_module(library(http/json)).

as_json(Type, Name) :- atom(Type), !, atom_string(Type, Name).
as_json(List, Items) :- is_list(List), !, maplist(as_json, List, Items).
as_json(Type, _{f: Name, args: Args}) :-
    Type =.. [Functor|Inner], atom_string(Functor, Name), maplist(as_json, Inner, Args).

field(Name-Type, [Text, Json]) :- atom_string(Name, Text), as_json(Type, Json).

:- forall(declared(Name, _, Fields, Options),
          ( maplist(field, Fields, Shown), memberchk(key(Key), Options),
            json_write_dict(current_output, _{name: Name, fields: Shown, key: Key}, [width(0)]), nl )).
"""


@dataclass(frozen=True)
class Declaration:
    """Fields with their types, and the positions of those that are the key."""

    types: tuple[Any, ...]
    key: tuple[int, ...]


@cache
def declarations() -> dict[str, Declaration]:
    """Every fact that is declared, as Prolog itself reads the declarations."""
    if shutil.which("swipl") is None:
        pytest.skip("swipl, which reads the declarations of facts, is not installed")
    lines = subprocess.run(
        ["swipl", "-q", "-g", "halt", "-s", "/dev/stdin"],
        cwd=RULES,
        input=DUMP,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    found = {}
    for line in lines:
        entry = json.loads(line)
        names = [name for name, _ in entry["fields"]]
        found[entry["name"]] = Declaration(
            tuple(kind for _, kind in entry["fields"]), tuple(names.index(name) for name in entry["key"])
        )
    return found


def violations(facts: Iterable[Fact]) -> list[str]:
    """What is wrong with facts: undeclared, ill-typed, or a second row for a key."""
    declared = declarations()
    wrong = []
    keys: dict[tuple[Any, ...], Fact] = {}
    for fact in facts:
        declaration = declared.get(fact.name)
        if declaration is None:
            wrong.append(f"{fact} is not declared")
        elif len(fact.args) != len(declaration.types):
            wrong.append(f"{fact} has {len(fact.args)} arguments, where {len(declaration.types)} are declared")
        elif not all(map(fits, declaration.types, fact.args)):
            wrong.append(f"{fact} does not fit {declaration.types}")
        else:
            first = keys.setdefault((fact.name, *(fact.args[position] for position in declaration.key)), fact)
            if first is not fact:
                wrong.append(f"{fact} has the key of {first}")
    return wrong


def fits(kind: Any, value: Any) -> bool:
    """Whether a value has a declared type."""
    if isinstance(kind, dict):
        if kind["f"] == "oneof":
            return value in kind["args"][0]
        if kind["f"] == "or":
            return any(fits(choice, value) for choice in kind["args"])
        assert kind["f"] == "list", kind
        is_list = isinstance(value, tuple) and not isinstance(value, Compound)
        return is_list and all(fits(kind["args"][0], item) for item in value)
    if kind == "addr":
        return (
            isinstance(value, Compound)
            and value.functor == "addr"
            and len(value.args) == 4
            and all(isinstance(part, int) and part >= 0 for part in value.args)
        )
    if kind in ("atom", "text"):
        return isinstance(value, str)
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return kind == "integer" or (value in (0, 1) if kind == "flag" else value >= 0)
