"""JSON Schemas say what the service takes, and nothing else."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.api import schemas
from skb.vocabulary import Declaration, Field, fits

SIMPLE = ["integer", "count", "core", "bytes", "ps", "flag", "atom", "text", "addr", "number", "any"]

types = st.recursive(
    st.sampled_from(SIMPLE)
    | st.lists(st.sampled_from(["high", "low", "unknown"]), min_size=1, max_size=3, unique=True).map(
        lambda names: {"f": "oneof", "args": [names]}
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: {"f": "or", "args": list(pair)}),
        st.tuples(inner, inner).map(lambda pair: {"f": "pair", "args": list(pair)}),
        inner.map(lambda element: {"f": "list", "args": [element]}),
    ),
    max_leaves=4,
)

leaves = (
    st.integers(-2, 3)
    | st.sampled_from(["high", "low", "unknown", "", "x"])
    | st.booleans()
    | st.none()
    | st.sampled_from([0.5, -1.5])
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(st.sampled_from(["addr", "-"]), st.lists(inner, max_size=4)).map(
            lambda term: {"f": term[0], "args": term[1]}
        ),
        st.just({"f": "addr", "args": [0, 0, 31, 3]}),
        st.dictionaries(st.sampled_from(["f", "args", "var"]), inner, max_size=2),
    ),
    max_leaves=8,
)


def of(type_: Any) -> st.SearchStrategy[Any]:
    """Values of a type, so that not nearly all are refused."""
    match type_:
        case "flag":
            return st.sampled_from([0, 1])
        case "atom" | "text":
            return st.text(max_size=3)
        case "addr":
            return st.lists(st.integers(0, 9), min_size=4, max_size=4).map(lambda args: {"f": "addr", "args": args})
        case "any" | "number":
            return st.integers()
        case {"f": "oneof", "args": [names]}:
            return st.sampled_from(names)
        case {"f": "or", "args": [one, other]}:
            return of(one) | of(other)
        case {"f": "list", "args": [element]}:
            return st.lists(of(element), max_size=3)
        case {"f": "pair", "args": [one, other]}:
            return st.tuples(of(one), of(other)).map(lambda pair: {"f": "-", "args": list(pair)})
        case _:
            return st.integers(0, 2**70)


@given(st.data(), types)
def test_a_schema_takes_what_the_check_takes(data: st.DataObject, type_: Any) -> None:
    value = data.draw(of(type_) | values)
    valid = jsonschema.Draft202012Validator(schemas.of_type(type_)).is_valid(value)
    assert valid == fits(type_, value), (type_, value)


@given(types)
def test_a_schema_is_one(type_: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.of_type(type_))


DECLARATION = Declaration(
    "bar",
    (Field("addr", "addr"), Field("index", "count"), Field("space", {"f": "oneof", "args": [["memory", "io"]]})),
    "A BAR.",
    ("addr", "index"),
    "PCI",
)
ADDR = {"f": "addr", "args": [0, 0, 1, 0]}


@pytest.mark.parametrize(
    ("row", "valid"),
    [
        ({"addr": ADDR, "index": 0, "space": "io"}, True),
        ({"addr": ADDR, "index": 0, "space": "ports"}, False),
        ({"addr": ADDR, "index": 0}, False),
        ({"addr": ADDR, "index": 0, "space": "io", "more": 1}, False),
        ({"addr": {"f": "addr", "args": [0, 0, 1]}, "index": 0, "space": "io"}, False),
    ],
)
def test_rows_and_facts_are_objects_and_terms(row: dict[str, Any], valid: bool) -> None:
    assert jsonschema.Draft202012Validator(schemas.row(DECLARATION)).is_valid(row) == valid
    fact = {"name": "bar", "args": list(row.values())}
    assert jsonschema.Draft202012Validator(schemas.fact(DECLARATION)).is_valid(fact) == valid
    assert schemas.row(DECLARATION)["x-key"] == ["addr", "index"]
