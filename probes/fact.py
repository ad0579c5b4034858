"""Facts and problems: the two things a probe yields.

A fact is a ground term of the vocabulary in `rules/schema`; here it is plain data, so that a probe can be read, tested
and printed without Prolog. Whether a string is an atom or a text is the vocabulary's business, not the probe's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Term: TypeAlias = "int | str | Compound | tuple[Term, ...]"
"""A ground term; a plain tuple is a list."""


class Compound(NamedTuple):
    """A compound term, such as `addr(0, 0, 31, 3)`."""

    functor: str
    args: tuple[Term, ...]


class Fact(NamedTuple):
    """One row of what is known of a machine."""

    name: str
    args: tuple[Term, ...]


@dataclass(frozen=True)
class Problem:
    """Something that could not be read, or that contradicts itself, and what to do about it."""

    place: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.cause}; {self.remedy}"


@dataclass(frozen=True)
class Survey:
    """What a probe found, and what it could not find."""

    facts: tuple[Fact, ...] = ()
    problems: tuple[Problem, ...] = ()


def merge(surveys: Iterable[Survey]) -> Survey:
    """Join surveys into one, in order."""
    parts = tuple(surveys)
    return Survey(
        tuple(fact for part in parts for fact in part.facts),
        tuple(problem for part in parts for problem in part.problems),
    )


def addr(segment: int, bus: int, device: int, function: int) -> Compound:
    """Return the term that names a PCI function."""
    return Compound("addr", (segment, bus, device, function))


def to_json(fact: Fact) -> dict[str, object]:
    """Return the JSON form of a fact: `{"name": "core", "args": [0, 0, 1]}`."""
    return {"name": fact.name, "args": [_term_to_json(arg) for arg in fact.args]}


def _term_to_json(term: Term) -> object:
    if isinstance(term, Compound):
        return {"f": term.functor, "args": [_term_to_json(arg) for arg in term.args]}
    if isinstance(term, tuple):
        return [_term_to_json(item) for item in term]
    return term
