"""Types of fields: what fits, what does not, and how it is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.errors import InvalidFact, UnknownFact
from skb.vocabulary import INTEGERS, Vocabulary, describe, fits, to_term

ONEOF = {"f": "oneof", "args": [["high", "low"]]}
OR = {"f": "or", "args": ["count", {"f": "oneof", "args": [["unknown"]]}]}
TEXT_OR = {"f": "or", "args": ["text", "count"]}
LIST = {"f": "list", "args": ["core"]}
TEXTS = {"f": "list", "args": ["text"]}
ADDR = {"f": "addr", "args": [0, 0, 31, 3]}
FROM_0 = sorted(set(INTEGERS) - {"integer"})

NEVER = [None, True, False, 1.0, {"var": "_"}, {"a": 1}, {"f": "addr", "args": [0, 0, 31]}]

FITTING: list[tuple[Any, list[Any], list[Any]]] = [
    ("integer", [0, -1, 2**200], ["1", [1]]),
    *((name, [0, 1, 2**70], [-1, "1"]) for name in FROM_0),
    ("flag", [0, 1], [2, -1, "0"]),
    ("atom", ["", "a", "A b", "😀"], [1, ["a"], "\ud800"]),
    ("text", ["", "a"], [1, "a\udfff"]),
    ("addr", [ADDR], ["0000:00:1f.3", {"f": "address", "args": [0, 0, 0, 0]}, {"f": "addr", "args": [0, 0, 0, -1]}]),
    (ONEOF, ["high", "low"], ["High", "", 0]),
    (OR, [0, 5, "unknown"], [-1, "known"]),
    (LIST, [[], [0, 1]], [0, [-1], ["a"], [[0]]]),
]


@pytest.mark.parametrize(("type_", "good", "bad"), FITTING, ids=str)
def test_a_value_fits_its_type_and_no_other_does(type_: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not fits(type_, value)] == []
    assert [value for value in bad + NEVER if fits(type_, value)] == []


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("core", "a core (an integer from 0)"),
        ("flag", "0 or 1"),
        (ONEOF, "one of high, low"),
        (OR, "a count (an integer from 0), or one of unknown"),
        (LIST, "a list, each a core (an integer from 0)"),
    ],
    ids=str,
)
def test_a_type_is_described_in_words(type_: Any, words: str) -> None:
    assert describe(type_) == words


@pytest.mark.parametrize("type_", [type_ for type_, _, _ in FITTING], ids=str)
def test_every_type_has_words(type_: Any) -> None:
    assert describe(type_)


@pytest.mark.parametrize(
    ("type_", "value", "term"),
    [
        ("text", "a", {"string": "a"}),
        ("atom", "a", "a"),
        ("core", 1, 1),
        ("addr", ADDR, ADDR),
        (TEXTS, ["a", "b"], [{"string": "a"}, {"string": "b"}]),
        (TEXT_OR, "a", {"string": "a"}),
        (TEXT_OR, 1, 1),
        (OR, "unknown", "unknown"),
    ],
)
def test_texts_become_strings_and_names_stay_atoms(type_: Any, value: Any, term: Any) -> None:
    assert to_term(type_, value) == term


@given(st.from_type(object) | st.recursive(st.none() | st.integers() | st.text(), st.lists))
def test_any_value_fits_or_not_without_an_error(value: object) -> None:
    assert [fits(type_, value) for type_, _, _ in FITTING]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(
        [
            ["core", [["core", "core"], ["apic_id", OR], ["online", "flag"]], "A core.", ["core"], "CPUID"],
            ["cpu_name", [["core", "core"], ["brand", "text"]], "Brand.", ["core"], "CPUID"],
            ["kernel", [["core", "core"]], "Kernel.", ["core"], "multikernel"],
        ]
    )


def test_a_fact_becomes_a_term(vocabulary: Vocabulary) -> None:
    assert vocabulary.term({"name": "cpu_name", "args": [0, "B"]}) == {"f": "cpu_name", "args": [0, {"string": "B"}]}


def test_a_pattern_may_have_variables_and_a_fact_may_not(vocabulary: Vocabulary) -> None:
    pattern = {"name": "core", "args": [{"var": "_"}, 0, {"var": "X"}]}
    assert vocabulary.term(pattern, pattern=True) == {"f": "core", "args": [{"var": "_"}, 0, {"var": "X"}]}
    with pytest.raises(InvalidFact, match=r"argument 1 \(core\)"):
        vocabulary.term(pattern)


def test_a_wrong_argument_is_named_with_what_was_expected(vocabulary: Vocabulary) -> None:
    with pytest.raises(InvalidFact) as caught:
        vocabulary.term({"name": "core", "args": [0, "x", 1]})
    assert caught.value.detail == (
        'fact core/3: argument 2 (apic_id) must be a count (an integer from 0), or one of unknown, got "x"'
    )


def test_a_long_value_is_cut_in_the_message(vocabulary: Vocabulary) -> None:
    with pytest.raises(InvalidFact) as caught:
        vocabulary.term({"name": "core", "args": ["x" * 10_000, 0, 1]})
    assert len(caught.value.detail) < 250


@pytest.mark.parametrize(("name", "hint"), [("cores", "did you mean core?"), ("zzz", "GET /v1/facts lists")])
def test_an_unknown_fact_is_answered_with_a_hint(vocabulary: Vocabulary, name: str, hint: str) -> None:
    with pytest.raises(UnknownFact) as caught:
        vocabulary.term({"name": name, "args": []})
    assert hint in caught.value.detail


def test_the_key_of_a_fact_is_that_of_all_its_versions(vocabulary: Vocabulary) -> None:
    keys = {vocabulary.key({"name": "core", "args": [7, apic, 1]}) for apic in (1, 2, "unknown")}
    assert len(keys) == 1
    assert vocabulary.key({"name": "core", "args": [8, 1, 1]}) not in keys


def test_what_the_multikernel_says_is_measured(vocabulary: Vocabulary) -> None:
    assert [declaration.name for declaration in vocabulary if declaration.measured] == ["kernel"]
