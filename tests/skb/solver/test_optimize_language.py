"""What is no model, and how it is said; what a model's names are called."""

import pickle
import re
from typing import Any

import pytest
from optimize_models import c

from skb.solver.language import read
from skb.solver.optimization import ModelError, Options, easy, optimize, options_of
from skb.solver.terms import Compound, key_of, term_of, text_of

X = c("in", "x", c("..", 0, 3))


def named(constraint: Any) -> list[Any]:
    return [X, c("named", "a", constraint)]


DEEP: Any = "x"
for _ in range(3000):
    DEEP = c("+", DEEP, 1)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("x", "model: is no list of declarations and constraints"),
        ([], "model: declares no variables; begin with one, like x in 0..9"),
        ([X, X], "item 2 of the model, x in 0..3: x is declared twice"),
        ([c("in", "x", c("..", 3, 0))], "item 1 of the model, x in 3..0: the domain 3..0 is empty"),
        ([c("in", "x", c("..", "inf", 0))], "item 1 of the model, x in inf..0: inf is no integer"),
        ([c("in", "x", c("..", 0, 2**61))], "x in 0..2305843009213693952: 2305843009213693952 is beyond 2^60"),
        ([X, c("#>", "x", "z")], "item 2 of the model, x #> z: z is not declared"),
        (named(c("#>", "x", "z")), "constraint a: z is not declared"),
        ([X, c("named", 1, "x")], "1 is no name for a constraint"),
        (named(c("foo", "x")), "constraint a: foo(x) is no constraint"),
        (named("x"), "constraint a: x is used as a truth value, and its domain is not within 0..1"),
        (named(c("#\\/", 1, c("all_different", ["x"]))), "constraint a: all_different/1 is no part of a formula"),
        (named(c("all_different", "x")), "constraint a: x is no list"),
        (named(c("element", "x", [], 1)), "constraint a: the list is empty"),
        (named(c("table", ["x"], [[1, 2]])), "constraint a: [x] and [1, 2] are not of the same length"),
        (named(c("sum", ["x"], "<", 1)), "constraint a: < is no comparison"),
        (named(c("cumulative", [c("task", 1, 2, 3)])), "is no task(Start, Duration, End, Need, Name)"),
        (named(c("cumulative", [], ["limit"])), "its options are [limit(Limit)], not [limit]"),
        (named(c("disjoint2", [c("r", 1, 2, 3)])), "is no rectangle F(X, Width, Y, Height)"),
        (named(c("global_cardinality", ["x"], [c("-", 1, 1), c("-", 1, 2)])), "a value has two counts"),
        (named(c("#=", c("max", []), 1)), "an empty list has no least or greatest element"),
        (named(c("#>", c("*", 2**40, c("*", 2**40, "x")), 2)), "may exceed 2^60"),
        (named(c("#>", 1.5, "x")), "1.5 is no term of a model"),
        (named(c("#>", {"var": "_1"}, "x")), "'_1' is a Prolog variable"),
        (named(c("#>", {"string": "x"}, "x")), '"x" is a string; names are atoms'),
        (named({"name": "core", "args": [0]}), "is no term"),
        (named(c("#>", DEEP, 0)), "is nested too deeply"),
    ],
)
def test_what_is_no_model_is_one_error_with_its_place(model: Any, words: str) -> None:
    with pytest.raises(ModelError, match=re.escape(words)) as caught:
        optimize(model)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # it comes from another process


@pytest.mark.parametrize(
    ("objective", "options", "words"),
    [
        (c("minimize", "z"), {}, "objective: z is not declared"),
        (c("smallest", "x"), {}, "objective: smallest(x) is none; there are"),
        ("satisfy", {"seconds": 0.0}, "option seconds: must be a number over 0 and up to 600, not 0.0"),
        ("satisfy", {"hint": {"z": 1}}, "option hint: z is not declared"),
        ("satisfy", {"hint": {"x": 2**61}}, "option hint: 2305843009213693952 is beyond 2^60"),
        ("satisfy", {"all_optimal": -1}, "option all_optimal: must be an integer from 0 to 100000, not -1"),
        ("satisfy", {"backend": "abacus"}, "option backend: must be auto, clpfd or cpsat, not 'abacus'"),
    ],
)
def test_objectives_and_options_are_checked(objective: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=re.escape(words)):
        optimize([X], objective, Options(**options))


def test_options_of_goals_are_read() -> None:
    terms = [
        c("seconds", 2.5),
        c("hint", [c("=", c("core", 1), 4)]),
        c("explain_infeasible", "true"),
        c("backend", "cpsat"),
        c("all_optimal", 7),
    ]
    options = {"seconds": 2.5, "hint": {"core(1)": 4}, "explain_infeasible": True, "backend": "cpsat", "all_optimal": 7}
    assert options_of(terms) == options
    for wrong in ([c("second", 1)], [c("all_optimal", "all")], "x", [c("hint", ["x"])], [1.5]):
        with pytest.raises(ModelError, match="option"):
            options_of(wrong)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x", "x"),
        ("Big x", "Big x"),
        (c("core", 0, -1), "core(0, -1)"),
        (c("f", "Big", "it's", c("g", "[]")), r"f('Big', 'it\'s', g('[]'))"),
    ],
)
def test_answers_call_names_as_prolog_writes_them(name: Any, text: str) -> None:
    assert key_of(term_of(name)) == text


def test_names_that_are_written_alike_are_refused() -> None:
    with pytest.raises(ModelError, match="two names of variables are written alike"):
        optimize([c("ins", ["f(1)", c("f", 1)], c("..", 0, 1))])


def test_operators_are_written_between_their_operands() -> None:
    term = Compound("#=<", (Compound("+", ("x", Compound("*", (2, "y")))), 3))
    assert text_of(term) == "(x + (2 * y)) #=< 3"


def test_domains_are_joined_where_they_meet() -> None:
    model = read([c("in", "x", c("\\/", c("\\/", 5, c("..", 0, 2)), c("\\/", 3, c("..", 1, 1))))])
    assert model.domains["x"] == ((0, 3), (5, 5))


def test_a_model_is_easy_while_its_variables_have_few_assignments() -> None:
    assert easy(read([c("ins", ["a", "b", "c", "d"], c("..", 1, 4))]))
    assert not easy(read([c("ins", ["a", "b", "c", "d"], c("..", 1, 5))]))
