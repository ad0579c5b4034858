"""Rules that people teach: checked, tested, pushed, rolled back, removed, through the real service."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_process import Service, children, failing, until

from skb.client import Client, SkbProblem

FACTS = [
    fact
    for core in range(4)
    for fact in (
        {"name": "core", "args": [core, 2 * core, 1]},
        {"name": "cpu_thread", "args": [core, core // 2, core % 2, 0]},
    )
]

MATES = """/** <module> Where cores are */
:- module(mates, [package_mates/2]).
:- use_module(facts).
:- query(package_mates(+core: core, -mates: list(core)), [doc("Cores of the same package, in order.")]).

package_mates(Core, Mates) :-
    cpu_thread(Core, Package, _, _),
    findall(Mate, cpu_thread(Mate, Package, _, _), Found),
    sort(Found, Mates).
"""

MATES_TESTS = """:- use_module(library(plunit)).
:- use_module(mates).
:- use_module(testing).

:- begin_tests(mates).

two([cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_thread(2, 1, 0, 0)]).

test(those_of_the_package, Mates == [0, 1]) :-
    two(Facts),
    given(Facts, package_mates(1, Mates)).
test(none_for_a_core_that_is_not_there, fail) :-
    two(Facts),
    given(Facts, package_mates(7, _)).
test(later, blocked(not_yet)) :-
    fail.

:- end_tests(mates).
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("rules")) as running:
        with running.client() as client:
            client.update(FACTS)
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as found:
        yield found
        for module in found.rule_modules():
            if not module.installed:
                found.remove_rules(module.name)


def constant(name: str, value: int) -> str:
    return f":- module({name}, [{name}/1]).\n{name}({value}).\n"


def test_what_is_taught_answers_the_next_question(client: Client) -> None:
    pushed = client.push_rules("mates", MATES, MATES_TESTS)
    assert (pushed.queries, [(test.test, test.outcome) for test in pushed.tests]) == (
        ["package_mates"],
        [
            ("those_of_the_package", "passed"),
            ("none_for_a_core_that_is_not_there", "passed"),
            ("later", "blocked"),
        ],
    )
    assert client.query("package_mates(3, Mates)").solutions == [{"Mates": [2, 3]}]
    assert client.ask("package_mates", {"core": 0}).solutions == [{"mates": [0, 1]}]
    explained = client.explain("package_mates(0, Mates)")
    assert explained.proof[0].rule == "mates:package_mates/2, clause 1"
    assert explained.proof[0].because[0].goal == "cpu_thread(0, 0, 0, 0)"


def test_a_query_is_listed_with_what_it_takes_and_gives(client: Client) -> None:
    text = """:- module(levels, [level/3]).
:- query(level(+kind: oneof([data, unified]), +least: count, ?level: count), [doc("Levels of caches."), default(least, 1)]).
level(_, Least, Level) :- member(Level, [0, 1, 2, 3]), Level >= Least.
"""
    client.push_rules("levels", text)
    (query,) = [query for query in client.queries() if query.module == "levels"]
    assert (query.name, query.module, query.doc) == ("level", "levels", "Levels of caches.")
    assert [(each.name, each.mode, each.required, each.default) for each in query.parameters] == [
        ("kind", "in", True, None),
        ("least", "in", False, 1),
        ("level", "both", False, None),
    ]
    assert client.ask("level", {"kind": "data"}).solutions == [{"level": 1}, {"level": 2}, {"level": 3}]
    assert client.ask("level", {"kind": "data", "least": 3}).solutions == [{"level": 3}]
    assert client.ask("level", {"kind": "data", "level": 2}).solutions == [{}]
    assert client.ask("level", {"kind": "data", "level": 0}).solutions == []
    assert client.ask("level", {"kind": "data"}, limit=1).more


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "needs core: a core"),
        ({"core": "x"}, 'core must be a core (an integer from 0), got "x"'),
        ({"core": -1}, "core must be a core"),
        ({"core": 0, "mates": []}, "takes no parameter 'mates'"),
        ({"cores": 0}, "takes no parameter 'cores'; it takes core"),
    ],
)
def test_parameters_are_checked(client: Client, params: dict[str, Any], words: str) -> None:
    client.push_rules("mates", MATES)
    with pytest.raises(SkbProblem) as caught:
        client.ask("package_mates", params)
    assert (caught.value.status, caught.value.type) == (422, "/problems/invalid-request")
    assert words in caught.value.detail


def test_a_device_may_be_named_as_people_do(client: Client) -> None:
    text = """:- module(bus, [bus_of/2]).
:- query(bus_of(+device: addr, -bus: count), [doc("The bus of a device.")]).
bus_of(addr(_, Bus, _, _), Bus).
"""
    client.push_rules("bus", text)
    assert client.ask("bus_of", {"device": "0000:1f:03.0"}).solutions == [{"bus": 31}]
    assert client.ask("bus_of", {"device": {"f": "addr", "args": [0, 7, 0, 0]}}).solutions == [{"bus": 7}]


def test_a_rule_that_gives_what_it_did_not_declare_is_told(client: Client) -> None:
    text = """:- module(liar, [lie/1]).
:- query(lie(-core: core), [doc("A core.")]).
lie(four).
"""
    client.push_rules("liar", text)
    with pytest.raises(SkbProblem, match=r'the rule liar:lie gave "four" for core, which it declares as a core'):
        client.ask("lie")


def test_a_misspelt_query_is_suggested(client: Client) -> None:
    client.push_rules("mates", MATES)
    with pytest.raises(SkbProblem, match="did you mean package_mates"):
        client.ask("package_mate", {"core": 0})


PROBLEMS = [
    ("a(X) :- .", 3, 9, "Syntax error"),
    ("a(X) :- core(X, _, _).\nb(1) :- c(", 4, 11, "Syntax error"),
    ("a(X) :- cores(X).", 3, 1, "there is no predicate cores/1"),
    ("a(X) :- core(X).", 3, 1, "the fact core has 3 arguments: core, apic_id, online"),
    ("a(X) :- core_(X, _, _).", 3, 1, "did you mean core/3?"),
    ('a(X) :- core(X, "two", _).', 3, 1, "argument 2 (apic_id) is never"),
    ("a(X) :- device(addr(0, X), _, _, _, _, _, _).", 3, 1, "argument 1 (addr) is never addr(0,_)"),
    ("b(1).", 1, 1, "a/1 is exported, and not defined"),
    ("a(1).\ncore(1, 2, 3).", 4, 1, "core/3 is a fact"),
    ("a(1).\natom_length(1, 2).", 4, 1, "No permission to modify static procedure"),
    ("a(1).\n:- query(a(-x: core), []).", 4, 1, "has no doc"),
    ('a(1).\n:- query(a(-x: cores), [doc("x")]).', 4, 1, "cores is no type"),
    ('a(1).\n:- query(b(-x: core), [doc("x")]).\nb(1).', 1, 1, "b/1 is not exported"),
    ('a(1).\n:- query(a(+x: core), [doc("x"), default(x, y)]).', 1, 1, "the default y of x is not of type core"),
    ("a(X) :- call(X).", 3, 1, "calls a variable"),
    ("a(1).\n:- dynamic b/1.", 4, 1, "rules keep no state of their own"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), PROBLEMS)
def test_what_is_wrong_is_told_with_its_place(client: Client, text: str, line: int, column: int, words: str) -> None:
    module = f":- module(wrong, [a/1]).\n% Second line.\n{text}\n"
    found = client.check_rules("wrong", module)
    assert not found.ok
    assert [(line, column)] == [
        (problem.line, problem.column) for problem in found.problems if words in problem.message
    ][:1], found.problems
    with pytest.raises(SkbProblem) as caught:
        client.push_rules("wrong", module)
    assert caught.value.type == "/problems/rules-refused"
    assert any(words in problem["message"] for problem in caught.value.document["problems"])
    assert "wrong" not in [each.name for each in client.rule_modules()]


def test_all_that_cannot_be_read_is_told_at_once(client: Client) -> None:
    found = client.check_rules("many", ":- module(many, [a/1]).\na(X :- b.\na(2).\nb(]).\n:- shell(ls).\n")
    assert [problem.line for problem in found.problems if problem.severity == "error"] == [2, 4, 5]


def test_warnings_do_not_keep_rules_from_being_taught(client: Client) -> None:
    pushed = client.push_rules("loose", ":- module(loose, [a/1]).\na(X) :- core(X, Y, _).\nb(1).\na(7).\n")
    assert [(problem.severity, problem.line) for problem in pushed.problems] == [("warning", 2), ("warning", 4)]
    assert client.query("a(7)").solutions == [{}]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("costs", "module of this installation"),
        ("facts", "module of this installation"),
        ("lists", "module of Prolog's"),
        ("user", "module of Prolog's"),
        ("query", "module of Prolog's"),
        ("plunit", "module of Prolog's"),
        ("Big", "no name of a module"),
        ("a" * 70, "no name of a module"),
        ("a-b", "no name of a module"),
    ],
)
def test_names_of_others_are_not_taken(client: Client, name: str, words: str) -> None:
    with pytest.raises(SkbProblem, match=words):
        client.push_rules(name, f":- module('{name}', [a/1]).\na(1).\n")


def test_a_text_of_another_module_is_refused(client: Client) -> None:
    with pytest.raises(SkbProblem, match="the text is module other, and should be mine"):
        client.push_rules("mine", constant("other", 1))


def test_what_fails_its_tests_changes_nothing(client: Client) -> None:
    client.push_rules("mates", MATES, MATES_TESTS)
    wrong = MATES.replace("sort(Found, Mates)", "Mates = [Core|Found]")
    with pytest.raises(SkbProblem, match="Expected: \\[0,1\\] Got: \\[1,0,1\\]") as caught:
        client.push_rules("mates", wrong, MATES_TESTS)
    assert [test["outcome"] for test in caught.value.document["tests"]] == ["failed", "passed", "blocked"]
    assert client.ask("package_mates", {"core": 0}).solutions == [{"mates": [0, 1]}]
    client.push_rules("mates", wrong, MATES_TESTS, untested=True)
    assert client.ask("package_mates", {"core": 0}).solutions == [{"mates": [0, 0, 1]}]


def test_tests_say_what_went_wrong(client: Client) -> None:
    tests = """:- begin_tests(mates).
test(choice) :- member(_, [1, 2]).
test(boom) :- atom_length(_, _).
test(no) :- fail.
test(assertion) :- assertion(1 == 2).
test(each, [forall(member(X, [1, 2])), true(X == 1)]).
test(each, [forall(member(X, [1, 2])), true(X == 1)]) :- true.
test(setup, [setup(fail)]) :- true.
test(throws, throws(ball)) :- throw(ball).
test(all, all(X == [1, 2])) :- member(X, [1, 2]).
:- end_tests(mates).
"""
    without_body = tests.replace("test(each, [forall(member(X, [1, 2])), true(X == 1)]).\n", "")
    found = client.test_rules("mates", MATES, without_body)
    outcomes = {test.test: (test.outcome, test.message) for test in found.tests}
    assert not found.ok
    assert "choice point" in outcomes["choice"][1]
    assert "not sufficiently instantiated" in outcomes["boom"][1]
    assert outcomes["no"] == ("failed", "failed")
    assert "1==2" in outcomes["assertion"][1]
    assert outcomes["each"][0] == "failed"
    assert outcomes["setup"][0] == "failed"
    assert outcomes["throws"] == ("passed", "")
    assert outcomes["all"] == ("passed", "")
    broken = client.test_rules("mates", MATES, tests)
    assert not broken.ok
    assert broken.tests == []
    assert broken.problems[0].line == 6


def test_tests_that_do_not_end_are_cut_off(client: Client) -> None:
    tests = ":- begin_tests(m).\ntest(a) :- repeat, fail.\n:- end_tests(m).\n"
    with pytest.raises(SkbProblem) as caught:
        client.test_rules("mates", MATES, tests, timeout_ms=300)
    assert caught.value.type == "/problems/limit-exceeded"
    assert client.query("true").solutions == [{}]


def test_versions_are_kept_and_returned_to(client: Client) -> None:
    for number in (1, 2, 3):
        assert client.push_rules("numbers", constant("numbers", number)).version == number
    assert client.query("numbers(X)").solutions == [{"X": 3}]
    assert client.rollback_rules("numbers").version == 2
    assert client.query("numbers(X)").solutions == [{"X": 2}]
    assert client.push_rules("numbers", constant("numbers", 4)).version == 4
    assert client.rollback_rules("numbers").version == 2
    assert client.rollback_rules("numbers").version == 1
    with pytest.raises(SkbProblem, match="no version of numbers before 1"):
        client.rollback_rules("numbers")
    assert client.query("numbers(X)").solutions == [{"X": 1}]
    found = client.rules("numbers")
    assert [(each.version, each.current) for each in found.versions] == [
        (1, True),
        (2, False),
        (3, False),
        (4, False),
    ]
    assert client.rules("numbers", 3).text == constant("numbers", 3)
    with pytest.raises(SkbProblem, match="no version 9"):
        client.rules("numbers", 9)


def test_what_was_removed_can_be_had_back(client: Client) -> None:
    client.push_rules("gone", constant("gone", 1))
    client.remove_rules("gone")
    with pytest.raises(SkbProblem, match="no predicate gone/1"):
        client.query("gone(X)")
    with pytest.raises(SkbProblem, match="no module 'gone'"):
        client.rules("gone")
    assert client.rollback_rules("gone").version == 1
    assert client.query("gone(X)").solutions == [{"X": 1}]


def test_a_push_can_demand_the_version_that_it_replaces(client: Client) -> None:
    assert client.push_rules("count", constant("count", 1), if_version=0).version == 1
    with pytest.raises(SkbProblem) as caught:
        client.push_rules("count", constant("count", 2), if_version=0)
    assert (caught.value.status, caught.value.type) == (409, "/problems/rules-conflict")
    assert client.push_rules("count", constant("count", 2), if_version=1).version == 2


def test_modules_may_build_on_each_other(client: Client) -> None:
    client.push_rules("base", constant("base", 5))
    above = ":- module(above, [twice/1]).\n:- use_module(base).\ntwice(Y) :- base(X), Y is 2 * X.\n"
    client.push_rules("above", above)
    assert client.query("twice(X)").solutions == [{"X": 10}]
    with pytest.raises(SkbProblem, match="module above calls base/1"):
        client.remove_rules("base")
    with pytest.raises(SkbProblem, match="module above calls base/1, which is not there any more"):
        client.push_rules("base", ":- module(base, [other/1]).\nother(1).\n")
    client.push_rules("base", constant("base", 6))
    assert client.query("twice(X)").solutions == [{"X": 12}]
    client.remove_rules("above")
    client.remove_rules("base")


def test_two_modules_do_not_offer_the_same(client: Client) -> None:
    client.push_rules("first", ":- module(first, [shared/1]).\nshared(1).\n")
    with pytest.raises(SkbProblem, match="shared/1 is there already, from module first"):
        client.push_rules("second", ":- module(second, [shared/1]).\nshared(2).\n")


def test_tables_follow_the_facts(client: Client) -> None:
    text = """:- module(paths, [path/2]).
:- table path/2.
path(A, B) :- numa_core(A, B).
path(A, B) :- path(A, C), numa_core(C, B).
"""
    client.push_rules("paths", text)
    goal = "aggregate_all(bag(B), path(0, B), Bs), msort(Bs, Sorted)"
    client.update([{"name": "numa_core", "args": [0, 1]}, {"name": "numa_core", "args": [1, 2]}])
    assert client.query(goal).solutions[0]["Sorted"] == [1, 2]
    client.update([{"name": "numa_core", "args": [2, 3]}])
    assert client.query(goal).solutions[0]["Sorted"] == [1, 2, 3]
    client.update(retract=[{"name": "numa_core", "args": [{"var": "_"}, {"var": "_"}]}])
    assert client.query(goal).solutions[0]["Sorted"] == []


def test_operators_and_quotes_stay_in_their_module(client: Client) -> None:
    text = """:- module(ops, [codes/1, arrow/2]).
:- set_prolog_flag(double_quotes, codes).
:- op(700, xfx, ==>>).
codes("ab").
pair(1 ==>> 2).
arrow(A, B) :- pair(A ==>> B).
"""
    client.push_rules("ops", text)
    assert client.query("codes(X)").solutions == [{"X": [97, 98]}]
    assert client.query("arrow(A, B)").solutions == [{"A": 1, "B": 2}]
    assert client.query('X = "ab", string(X)').solutions == [{"X": "ab"}]
    with pytest.raises(SkbProblem) as caught:
        client.query("X = (1 ==>> 2)")
    assert caught.value.type == "/problems/prolog-syntax"


def test_what_is_taught_holds_for_every_machine(service: Service, client: Client) -> None:
    facts = b"".join(json.dumps(fact).encode() + b"\n" for fact in FACTS[:2])
    client.load("small", facts)
    with Client(service.url, machine="small") as small:
        assert small.query("core(0, _, _)").solutions == [{}]  # its engines are there already
        client.push_rules("mates", MATES)
        assert small.ask("package_mates", {"core": 0}).solutions == [{"mates": [0]}]
        assert small.rules("mates").version == client.rules("mates").version
    client.drop("small")


def test_while_rules_are_pushed_every_answer_is_of_one_version(service: Service, client: Client) -> None:
    """And no question fails, however many are asked."""
    client.push_rules("now", ":- module(now, [now/2]).\nnow(0, 0).\n")
    stop = threading.Event()
    wrong: list[object] = []

    def ask() -> None:
        last = 0
        with service.client() as own:
            while not stop.is_set():
                (solution,) = own.query("now(A, B)").solutions
                if solution["A"] != solution["B"] or solution["A"] < last:
                    wrong.append(solution)
                last = solution["A"]

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 15):
        client.push_rules("now", f":- module(now, [now/2]).\nnow({number}, {number}).\n")
        assert client.query("now(A, _)").solutions == [{"A": number}]
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_goals_that_are_under_way_are_answered_by_what_they_began_with(service: Service, client: Client) -> None:
    client.push_rules("slow", ":- module(slow, [slow/1]).\nslow(X) :- numlist(1, 1500000, L), sum_list(L, _), X = 1.\n")
    answers: list[object] = []

    def ask() -> None:
        with service.client() as own:
            answers.append(own.query("slow(X)", timeout_ms=60_000).solutions)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.15)
    client.push_rules("slow", ":- module(slow, [slow/1]).\nslow(2).\n")
    thread.join()
    assert answers in ([[{"X": 1}]], [[{"X": 2}]])
    assert client.query("slow(X)").solutions == [{"X": 2}]


ESCAPES = [
    ":- initialization(shell('touch {mark}')).",
    ":- shell('touch {mark}').",
    "?- shell('touch {mark}').",
    ":- if(shell('touch {mark}')).\na(2).\n:- endif.",
    ":- use_module(library(process)).",
    ":- use_module(library(filesex)).",
    ":- use_module(library(socket)).",
    ":- use_module('/etc/passwd').",
    ":- ensure_loaded(library(shell)).",
    ":- include('/etc/passwd').",
    ":- consult('/etc/passwd').",
    ":- load_files('/etc/passwd', []).",
    ":- use_foreign_library('/lib/x86_64-linux-gnu/libc.so.6').",
    ":- set_prolog_flag(double_quotes, codes), shell('touch {mark}').",
    ":- set_prolog_flag(access_level, system).",
    ":- multifile user:portray/1.",
    ":- dynamic(user:portray/1).",
    ":- module(second, []).",
    ":- op(700, xfx, user:(=>>)).",
    ":- reexport(library(shell)).",
    ":- thread_create(true, _).",
    ":- discontiguous(user:foo/1).",
    ":- table(user:foo/1).",
    ":- meta_predicate(system:call(?)).",
    "user:portray(_) :- shell('touch {mark}').",
    "system:foo(1).",
    "facts:core(9, 9, 9).",
    "term_expansion(_, _) :- shell('touch {mark}').",
    "goal_expansion(_, _) :- shell('touch {mark}').",
    "term_expansion(_, _, _, _).",
    "attr_unify_hook(_, _) :- shell('touch {mark}').",
    "portray(_) :- shell('touch {mark}').",
    "message_hook(_, _, _) :- shell('touch {mark}').",
    "core(1, 2, 3).",
    "call(_) :- true.",
    "X :- true.",
    "3 :- true.",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_loading_rules_does_nothing_but_define_them(client: Client, tmp_path: Path, text: str) -> None:
    mark = tmp_path / "mark"
    module = f":- module(escape, [a/1]).\na(1).\n{text.replace('{mark}', str(mark))}\nb(1).\n"
    found = client.check_rules("escape", module)
    assert not found.ok, found
    with pytest.raises(SkbProblem):
        client.push_rules("escape", module)
    assert not mark.exists()


CALLS = [
    "shell('touch {mark}')",
    "open('{mark}', write, S), close(S)",
    "assertz(core(9, 9, 9))",
    "assertz(facts:core(9, 9, 9))",
    "retractall(core(_, _, _))",
    "nb_setval(key, 1)",
    "thread_create(true, _)",
    "X = shell('touch {mark}'), call(X)",
    "member(X, [shell('touch {mark}')]), X",
    "findall(_, shell('touch {mark}'), _)",
    "catch(shell('touch {mark}'), _, true)",
    "setof(X, shell('touch {mark}'), _)",
    "system:shell('touch {mark}')",
    "engine:interrupt(_)",
    'teaching:teach(a, "x", _)',
    "G =.. [shell, 'touch {mark}'], G",
    "read_term(X, [])",
    "consult('/etc/passwd')",
    "use_module(library(process))",
    "getenv('PATH', _)",
    "load_files(x, [])",
    "given([core(9, 9, 9)], true)",
    'query(x(-y: core), [doc("x")])',
    "b_setval(x, 1)",
    "prolog_load_context(directory, _)",
    "halt",
]


@pytest.mark.parametrize("goal", CALLS)
def test_rules_may_call_what_goals_may(client: Client, tmp_path: Path, goal: str) -> None:
    """Directly, and behind a predicate that is not exported."""
    mark = tmp_path / "mark"
    body = goal.replace("{mark}", str(mark))
    for text in (f"a :- {body}.", f"a :- b.\nb :- c(1).\nc(_) :- {body}."):
        module = f":- module(escape, [a/0]).\n{text}\n"
        assert not client.check_rules("escape", module).ok
        with pytest.raises(SkbProblem):
            client.push_rules("escape", module)
        tests = f":- begin_tests(escape).\ntest(x) :- {body}.\n:- end_tests(escape).\n"
        if not goal.startswith("given"):
            assert client.test_rules("fine", constant("fine", 1), tests).tests == []
    assert not mark.exists()
    assert client.query("core(0, X, _)").solutions == [{"X": 0}]


@pytest.mark.parametrize(
    "text",
    [
        ":- begin_tests(t).\ntest(x, [setup(shell('touch {mark}'))]) :- true.\n:- end_tests(t).\n",
        ":- begin_tests(t).\ntest(x, [cleanup(shell('touch {mark}'))]) :- true.\n:- end_tests(t).\n",
        ":- begin_tests(t).\ntest(x, [condition(shell('touch {mark}'))]) :- true.\n:- end_tests(t).\n",
        ":- begin_tests(t).\ntest(x, [forall(shell('touch {mark}'))]) :- true.\n:- end_tests(t).\n",
        ":- begin_tests(t).\ntest(x, [true(shell('touch {mark}'))]) :- true.\n:- end_tests(t).\n",
        ":- begin_tests(t, [setup(shell('touch {mark}'))]).\ntest(x) :- true.\n:- end_tests(t).\n",
        ":- begin_tests(t).\ntest(x) :- helper.\nhelper :- shell('touch {mark}').\n:- end_tests(t).\n",
        ":- begin_tests(t).\ntest(x) :- given([], shell('touch {mark}')).\n:- end_tests(t).\n",
        ":- begin_tests(t).\n'unit body'(_, _) :- shell('touch {mark}').\ntest(x) :- true.\n:- end_tests(t).\n",
        ":- shell('touch {mark}').\n:- begin_tests(t).\ntest(x) :- true.\n:- end_tests(t).\n",
        ":- begin_tests(t).\n:- shell('touch {mark}').\ntest(x) :- true.\n:- end_tests(t).\n",
        ":- use_module(library(process)).\n",
    ],
)
def test_tests_do_nothing_that_rules_may_not(client: Client, tmp_path: Path, text: str) -> None:
    mark = tmp_path / "mark"
    found = client.test_rules("fine", constant("fine", 1), text.replace("{mark}", str(mark)))
    assert not found.ok or found.tests == []
    assert not mark.exists()


def test_a_test_imagines_a_machine_and_leaves_the_real_one_alone(client: Client) -> None:
    tests = """:- begin_tests(fine).
test(imagined, C == 8) :-
    imagined_machine(shape(2, 2, 2, 1), Facts),
    given(Facts, aggregate_all(count, core(_, _, _), C)).
test(unknown, error(existence_error(fact, _))) :- given([nonsense(1)], true).
:- end_tests(fine).
"""
    found = client.test_rules("fine", constant("fine", 1), tests)
    assert [(test.test, test.outcome) for test in found.tests] == [("imagined", "passed"), ("unknown", "passed")]
    assert client.query("aggregate_all(count, core(_, _, _), N)").solutions == [{"N": 4}]


def test_what_was_taught_survives_kill_9_and_is_there_at_the_next_start(tmp_path: Path) -> None:
    with Service(tmp_path) as first, first.client() as client:
        client.update(FACTS)
        client.push_rules("mates", MATES, MATES_TESTS)
        client.push_rules("one", constant("one", 1))
        client.push_rules("one", constant("one", 2))
        client.rollback_rules("one")
        first.end(signal.SIGKILL)
    with Service(tmp_path) as second, second.client() as client:
        assert client.ask("package_mates", {"core": 0}).solutions == [{"mates": [0, 1]}]
        assert client.query("one(X)").solutions == [{"X": 1}]
        assert client.rules("mates").tests == MATES_TESTS
        assert client.push_rules("one", constant("one", 3)).version == 3


def test_an_engine_that_is_replaced_knows_the_rules(service: Service, client: Client) -> None:
    client.push_rules("again", constant("again", 7))
    assert client.query("again(X)").solutions == [{"X": 7}]
    for pid in children(service.process.pid, b"skb.engine.worker"):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    until(lambda: again(client) == [{"X": 7}])


def again(client: Client) -> object:
    try:
        return client.query("again(X)").solutions
    except SkbProblem as problem:  # while engines are replaced
        return problem.type


def test_damaged_rules_are_refused_at_the_start(tmp_path: Path) -> None:
    with Service(tmp_path) as running, running.client() as client:
        client.push_rules("one", constant("one", 1))
    with sqlite3.connect(tmp_path / "rules" / "rules.sqlite") as database:
        database.execute("UPDATE version SET text = replace(text, '1', '2')")
    database.close()
    done = failing("--port", "0", "--no-probe", "--data", str(tmp_path))
    assert done.returncode == 1
    assert "version 1 of one has a wrong checksum" in done.stderr


def test_rules_that_no_longer_load_do_not_keep_the_service_from_starting(tmp_path: Path) -> None:
    """Another version of Prolog may refuse what this one took."""
    with Service(tmp_path) as running, running.client() as client:
        client.push_rules("one", constant("one", 1))
        client.push_rules("two", constant("two", 2))
    from skb.rules import versions

    with sqlite3.connect(tmp_path / "rules" / "rules.sqlite") as database:
        row = database.execute(
            "SELECT module, version, time, tests, before FROM version WHERE module = 'one'"
        ).fetchone()
        module, version, pushed, tests, before = row
        broken = versions.Version(module, version, pushed, ":- module(one, [one/1]).\none(X :- .\n", tests, before)
        database.execute(
            "UPDATE version SET text = ?, checksum = ? WHERE module = 'one'", (broken.text, versions._checksum(broken))
        )
    database.close()
    with Service(tmp_path) as running, running.client() as client:
        assert client.query("two(X)").solutions == [{"X": 2}]
        with pytest.raises(SkbProblem, match="no predicate one/1"):
            client.query("one(X)")
        client.push_rules("one", constant("one", 3))
        assert client.query("one(X)").solutions == [{"X": 3}]
        _, words = running.end(signal.SIGTERM)
        assert "rules one cannot be loaded" in words


def skb(service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skb", *words, "--url", service.url],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_rules_are_taught_from_the_command_line(service: Service, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "mates.pl"
    path.write_text(MATES)
    path.with_suffix(".plt").write_text(MATES_TESTS)
    done = skb(service, "rules", "check", str(path))
    assert done.returncode == 0
    assert "queries: package_mates" in done.stdout
    done = skb(service, "rules", "test", str(path))
    assert (done.returncode, done.stdout) == (0, "tests: 2 passed, 1 blocked\n")
    done = skb(service, "rules", "push", str(path))
    assert done.returncode == 0
    assert "answers now; skb ask package_mates asks it" in done.stdout
    done = skb(service, "ask", "package_mates", "core=3", "--json")
    assert json.loads(done.stdout)["solutions"] == [{"mates": [2, 3]}]
    assert "Cores of the same package" in skb(service, "ask").stdout
    assert "Where cores are" in skb(service, "rules", "list").stdout
    assert skb(service, "rules", "show", "mates").stdout == MATES
    path.write_text(MATES.replace("sort(", "sorted("))
    done = skb(service, "rules", "check", str(path))
    assert done.returncode == 1
    assert f"{path}:6:1: error: there is no predicate sorted/2" in done.stderr
    done = skb(service, "rules", "push", str(path))
    assert done.returncode == 1
    assert "was not taught" in done.stderr
    path.write_text(MATES.replace("sort(Found, Mates)", "Mates = Found"))
    assert skb(service, "rules", "push", str(path)).returncode == 0
    assert "current" in skb(service, "rules", "versions", "mates").stdout
    assert "version" in skb(service, "rules", "rollback", "mates").stdout
    assert skb(service, "rules", "remove", "mates").returncode == 0
    assert skb(service, "ask", "package_mates", "core=3").returncode == 1
    no_tests = tmp_path / "alone.pl"
    no_tests.write_text(constant("alone", 1))
    done = skb(service, "rules", "test", str(no_tests))
    assert done.returncode == 2
    assert "alone.plt is missing" in done.stderr.replace("\n", " ").replace("│", "") or "is missing" in done.stderr
