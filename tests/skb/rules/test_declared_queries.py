"""Declared queries: parameters in, solutions out, by type."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from skb.errors import GoalError, InvalidRequest, UnknownQuery
from skb.rules.queries import DeclaredQuery, declared, named
from skb.vocabulary import describe, fits, to_term

LIST = {"f": "list", "args": ["addr"]}
PAIR = {"f": "pair", "args": ["core", "text"]}


def query(*parameters: list[Any], defaults: list[list[Any]] | None = None) -> DeclaredQuery:
    return declared([["near", "locality", list(parameters), "Near.", defaults or []]])["near"]


def test_a_query_is_written_as_people_write_it() -> None:
    found = query(["in", "device", "addr"], ["out", "cores", "core"], ["both", "how", "any"])
    assert found.signature == "near(+device, -cores, ?how)"
    assert found.goal == "near(P0, P1, P2)"
    assert query().goal == "near"


def test_values_become_bindings_of_the_goal() -> None:
    found = query(["in", "name", "text"], ["in", "kind", "atom"], ["in", "level", "count"], defaults=[["level", 3]])
    assert found.bindings({"name": "x", "kind": "y"}) == {"P0": {"string": "x"}, "P1": "y", "P2": 3}
    with pytest.raises(InvalidRequest, match="near needs kind: a name"):
        found.bindings({"name": "x"})
    with pytest.raises(InvalidRequest, match="takes no parameter 'colour'; it takes name, kind, level"):
        found.bindings({"colour": "red"})


@pytest.mark.parametrize(
    ("type_", "given", "term"),
    [
        ("addr", "0000:1f:00.3", {"f": "addr", "args": [0, 31, 0, 3]}),
        (LIST, ["0:0:1.0", {"f": "addr", "args": [0, 0, 2, 0]}], [{"f": "addr", "args": [0, 0, n, 0]} for n in (1, 2)]),
        ({"f": "or", "args": ["addr", "count"]}, "0:0:1.0", {"f": "addr", "args": [0, 0, 1, 0]}),
        ({"f": "or", "args": ["addr", "count"]}, 4, 4),
        (PAIR, {"f": "-", "args": [1, "x"]}, {"f": "-", "args": [1, {"string": "x"}]}),
        ("any", {"f": "anything", "args": [[]]}, {"f": "anything", "args": [[]]}),
        ("number", 2.5, 2.5),
    ],
)
def test_values_are_read_by_type(type_: Any, given: Any, term: Any) -> None:
    assert query(["in", "value", type_]).bindings({"value": given}) == {"P0": term}


@pytest.mark.parametrize(
    ("type_", "given"),
    [
        ("addr", "0:0:1"),
        ("addr", "x:y:z.w"),
        ("number", "2"),
        ("number", True),
        (PAIR, [1, "x"]),
        (PAIR, {"f": "-", "args": ["x", 1]}),
    ],
)
def test_values_of_other_types_are_refused(type_: Any, given: Any) -> None:
    with pytest.raises(InvalidRequest, match="near: value must be"):
        query(["in", "value", type_]).bindings({"value": given})


def test_solutions_are_by_parameter_and_of_their_types() -> None:
    found = query(["in", "core", "core"], ["out", "near", {"f": "list", "args": ["core"]}], ["both", "how", "atom"])
    solution = {"P1": msgspec.Raw(b"[1,2]"), "P2": msgspec.Raw(b'"l3"')}
    assert msgspec.json.decode(msgspec.json.encode(found.answer(solution))) == {"near": [1, 2], "how": "l3"}
    with pytest.raises(GoalError, match=r'the rule locality:near gave \["x"\] for near, which it declares as a list'):
        found.answer(solution | {"P1": msgspec.Raw(b'["x"]')})


def test_a_query_is_found_by_name_or_suggested() -> None:
    queries = declared([["near", "m", [], "x", []], ["far", "m", [], "x", []]])
    assert list(queries) == ["far", "near"]
    assert named(queries, "far").name == "far"
    with pytest.raises(UnknownQuery, match="did you mean near"):
        named(queries, "nears")


def test_types_of_queries_are_described() -> None:
    assert describe(PAIR).startswith("a pair (One - Other)")
    assert (describe("any"), describe("number")) == ("any value", "a number")
    assert to_term("any", [1]) == [1]
    assert fits("any", None)
