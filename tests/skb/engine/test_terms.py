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

Solve = Callable[..., Any]


@pytest.fixture(scope="module")
def solve() -> Iterator[Solve]:
    """Solve a goal in one engine: gives the values of its variables in its only solution."""

    async def empty(_: Pool) -> int:
        """There are no facts."""
        return 0

    pool = Pool(empty, 1)

    async def ask(goal: str, **params: Any) -> dict[str, Any]:
        request = {
            "f": "solve",
            "args": [{"string": goal}, [list(param) for param in params.items()], 10, 0, 10**9],
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
    [None, {}, {"a": 1}, {"f": "x"}, {"f": 1, "args": []}, {"f": "x", "args": 1}, {"string": 1}, {"float": "x"}]
    + [{"rational": text} for text in ("", "-", "1r", "r2", "1r2r3", "1.5", "X", "a", "0x10", "1 ", "--1", "1r-2")],
)
def test_what_is_no_term_is_refused(solve: Solve, value: Any) -> None:
    with pytest.raises(InvalidRequest):
        solve("Y = X", X=value)


@pytest.mark.parametrize("goal", ["X = _{a: 1}", "atom_codes(X, [0xdfff])", "X is 10 ** 4301", "X = f(X)"])
def test_an_answer_without_a_form_is_refused(solve: Solve, goal: str) -> None:
    with pytest.raises(GoalError):
        solve(goal)
