"""JSON to terms and back, through a real engine process."""

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skb.engine.pool import Pool
from skb.engine.process import encode
from skb.errors import GoalError, InvalidRequest

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    NUMBER | TEXT,
    lambda below: (
        st.lists(below, max_size=4)
        | st.builds(lambda name, args: {"f": name, "args": args}, TEXT, st.lists(below, max_size=3))
    ),
    max_leaves=20,
)

KEY = st.integers(-(2**31), 2**31) | TEXT
EXACT = st.recursive(
    NUMBER
    | TEXT
    | st.builds(lambda text: {"string": text}, TEXT)
    | st.sampled_from([{"float": "inf"}, {"float": "nan"}, {"rational": "1r3"}]),
    lambda below: (
        st.lists(below, max_size=4)
        | st.builds(lambda name, args: {"f": name, "args": args}, TEXT, st.lists(below, max_size=3))
        | st.builds(
            lambda tag, pairs: {"dict": tag, "pairs": [list(pair) for pair in pairs.items()]},
            st.none() | TEXT,
            st.dictionaries(KEY, below, max_size=3),
        )
    ),
    max_leaves=20,
)
"""All that can be said exactly, but variables."""

Solve = Callable[..., Any]


@pytest.fixture(scope="module")
def solve() -> Iterator[Solve]:
    """Solve a goal in one engine: gives the values of its variables in its only solution."""

    async def empty(_: Pool) -> int:
        """There are no facts."""
        return 0

    pool = Pool(empty, 1)

    async def ask(goal: str, exact: bool = False, **params: Any) -> dict[str, Any]:
        request = {
            "f": "solve",
            "args": [{"string": goal}, [list(param) for param in params.items()], 10, 0, 10**9, exact],
        }
        arguments, _ = await pool.ask(encode(request))
        names, rows, _, _ = [msgspec.json.decode(argument) for argument in arguments]
        (row,) = rows
        return dict(zip(names, row, strict=True))

    with asyncio.Runner() as runner:
        yield lambda goal, **params: runner.run(ask(goal, **params))
        runner.run(pool.close())


@settings(max_examples=150, deadline=None)
@given(VALUE)
@example(2**63)
@example(-(2**63) - 1)
@example(1e10)
@example(-0.0)
@example('\x00\x1f\x7f\u2028\uffff\U0010ffff"\\/')
@example([[], "[]", {"f": "[]", "args": []}, {"f": "", "args": [""]}])
def test_a_value_comes_back_equal_and_of_its_type(solve: Solve, value: Any) -> None:
    back = solve("Y = X", X=value)["Y"]
    assert back == value
    assert repr(back) == repr(value)  # 1 and 1.0, 0.0 and -0.0 are different


@settings(max_examples=150, deadline=None)
@given(EXACT)
def test_an_exact_answer_given_back_is_the_same_term(solve: Solve, value: Any) -> None:
    back = solve("Y = X", exact=True, X=value)["Y"]
    assert canonical(back) == canonical(value)
    assert solve("X =@= Y, Z = 1", X=value, Y=back)["Z"] == 1


def canonical(value: Any) -> Any:
    """A value with the pairs of dicts in one order: they have none."""
    if isinstance(value, list):
        return [canonical(part) for part in value]
    if not isinstance(value, dict):
        return (type(value).__name__, value)
    if "dict" in value:
        return {"dict": value["dict"], "pairs": sorted(repr(canonical(pair)) for pair in value["pairs"])}
    return {key: canonical(part) for key, part in value.items()}


def test_variables_are_shared_in_both_directions(solve: Solve) -> None:
    pair = [{"var": "A"}, {"var": "B"}, {"var": "A"}, {"var": "_"}, {"var": "_"}]
    back = solve("X = Y", X=pair)["Y"]
    assert [part["var"] for part in back] == ["_1", "_2", "_1", "_3", "_4"]
    assert solve("X = [1|_], Y = X", X=pair)["Y"][2] == 1
    assert solve("X = Y, Z = done", X={"var": "Q"}, Y={"var": "Q"})["Z"] == "done"


def test_a_partial_list_keeps_its_tail(solve: Solve) -> None:
    back = solve("X = [a, b|T], Y = T")
    assert back["X"] == {"f": "[|]", "args": ["a", {"f": "[|]", "args": ["b", back["Y"]]}]}
    assert solve("Z = X", X=back["X"])["Z"] == back["X"]


def test_constraints_that_are_left_are_told(solve: Solve) -> None:
    back = solve("X #> 3, X #< 9, dif(Y, a)")
    assert back["X"] == {"var": "_1", "constraints": ["X in 4..8".replace("X", "_1")]}
    assert back["Y"] == {"var": "_2", "constraints": ["dif(_2, a)"]}
    back = solve("X #= Y + 1")
    assert any("_1" in text and "_2" in text for text in back["X"]["constraints"])
    assert solve("Z = X", X=back["X"])["Z"] == {"var": "_1"}  # constraints are told, not taken


def test_what_is_cyclic_is_told_as_text(solve: Solve) -> None:
    assert solve("X = f(X), Y = 1") == {"X": {"cyclic": "@(A,[A=f(A)])"}, "Y": 1}


def test_an_integer_of_any_size_comes_and_goes(solve: Solve) -> None:
    back = solve("X is 10 ** 5000")["X"]
    assert back == {"integer": "1" + "0" * 5000}
    assert solve("Y is X // 10 ** 4999", X=back)["Y"] == 10


@settings(max_examples=50, deadline=None)
@given(TEXT)
def test_a_string_and_an_atom_are_told_apart_and_read_alike(solve: Solve, text: str) -> None:
    assert solve("string(X), atom(Y), Z = X", X={"string": text}, Y=text)["Z"] == text


@settings(max_examples=50, deadline=None)
@given(st.fractions())
def test_rationals_come_back_in_lowest_terms(solve: Solve, fraction: Any) -> None:
    number = f"{fraction.numerator}r{fraction.denominator}"
    expected = fraction.numerator if fraction.denominator == 1 else {"rational": number}
    assert solve("rational(X), Y = X", X={"rational": number})["Y"] == expected


@pytest.mark.parametrize("name", ["inf", "-inf", "nan"])
def test_floats_that_json_has_not_have_a_form(solve: Solve, name: str) -> None:
    assert solve("float(X), Y = X", X={"float": name})["Y"] == {"float": name}
    assert not math.isfinite(float(name))


def test_a_long_list_is_no_deep_term(solve: Solve) -> None:
    value = list(range(200_000))
    assert solve("Y = X", X=value)["Y"] == value


def test_a_long_text_is_whole(solve: Solve) -> None:
    text = "äß😀\n" * 100_000
    assert solve("Y = X", X=text)["Y"] == text


def test_a_wide_term_is_whole(solve: Solve) -> None:
    term = {"f": "wide", "args": list(range(10_000))}
    assert solve("Y = X", X=term)["Y"] == term


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = {"f": "s", "args": [value]}
    return value


def test_a_term_may_be_deep_and_not_deeper(solve: Solve) -> None:
    assert solve("Y = X", X=nested(190))["Y"] == nested(190)
    with pytest.raises(InvalidRequest, match="nested deeper than 200 levels"):
        solve("Y = X", X=nested(210))
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        solve("Y = X", X=nested(100_000))
    with pytest.raises(GoalError, match="nested deeper than 200 levels"):
        solve("numlist(1, 300, L), foldl([_, A, f(A)]>>true, L, x, X)")
    assert solve("Y = X", X=1)["Y"] == 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {"a": 1},
        {"var": 1},
        {"cyclic": "x"},
        {"blob": "x"},
        {"dict": 1, "pairs": []},
        {"dict": "a", "pairs": [1]},
    ]
    + [
        {"dict": None, "pairs": [["a", 1], ["a", 2]]},
        {"dict": None, "pairs": [[{"f": "x", "args": [1]}, 1]]},
        {"f": "x"},
        {"f": 1, "args": []},
        {"f": "x", "args": 1},
        {"string": 1},
        {"float": "x"},
    ]
    + [{"rational": text} for text in ("", "-", "1r", "r2", "1r2r3", "1.5", "X", "a", "0x10", "1 ", "--1", "1r-2")],
)
def test_what_is_no_term_is_refused(solve: Solve, value: Any) -> None:
    with pytest.raises(InvalidRequest):
        solve("Y = X", X=value)


@pytest.mark.parametrize("goal", ["atom_codes(X, [0xdfff])", "numlist(1, 300, L), foldl([_, A, f(A)]>>true, L, x, X)"])
def test_an_answer_without_a_form_is_refused(solve: Solve, goal: str) -> None:
    with pytest.raises(GoalError):
        solve(goal)
