"""Facts as JSON lines: `{"name": "core", "args": [0, 0, 1]}`, as `skb probe --json` prints them."""

from __future__ import annotations

import json
from typing import Any

from probes.fact import Compound, Fact, Problem, Survey, Term

MOST_PROBLEMS = 20
"""Lines that are told to be no facts; the others are counted."""


def recognises(text: str) -> bool:
    """Say whether the first line is a fact."""
    line = text.lstrip().partition("\n")[0]
    if not line.startswith("{") or '"name"' not in line or '"args"' not in line:
        return False
    try:
        _fact(json.loads(line))
    except (ValueError, TypeError, KeyError, RecursionError):
        return False
    return True


def read(text: str, name: str) -> Survey:
    """Read facts; a line that is none is told, and the rest counts. Whether they are declared is for whoever takes them to say."""
    facts: list[Fact] = []
    problems: list[Problem] = []
    wrong = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            facts.append(_fact(json.loads(line)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            wrong += 1
            if wrong <= MOST_PROBLEMS:
                cause = f"is no fact: {error or type(error).__name__}"
                problems.append(
                    Problem(f"{name}, line {number}", cause, 'write {"name": ..., "args": [...]} on each line')
                )
    if wrong > MOST_PROBLEMS:
        problems.append(Problem(name, f"{wrong - MOST_PROBLEMS} more lines are no facts", "mend them, and load again"))
    return Survey(tuple(facts), tuple(problems))


def _fact(value: Any) -> Fact:
    if not isinstance(value, dict) or set(value) != {"name", "args"}:
        raise ValueError("its members must be name and args")
    if not isinstance(value["name"], str) or not isinstance(value["args"], list):
        raise TypeError("name is a string, and args an array")
    return Fact(value["name"], tuple(_term(argument) for argument in value["args"]))


def _term(value: Any) -> Term:
    if isinstance(value, bool):
        raise TypeError("an argument is a number, a string, a list or a compound")
    if isinstance(value, int | str):
        return value
    if isinstance(value, list):
        return tuple(_term(part) for part in value)
    if (
        isinstance(value, dict)
        and set(value) == {"f", "args"}
        and isinstance(value["f"], str)
        and isinstance(value["args"], list)
    ):
        return Compound(value["f"], tuple(_term(part) for part in value["args"]))
    raise TypeError("an argument is a number, a string, a list or a compound")
