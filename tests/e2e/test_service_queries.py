"""Goals and facts through the real service: what is answered, what is refused, and what survives it."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from service_process import Service, alive, cpu_seconds, until

FACTS = [{"name": "core", "args": [core, core * 2, 1]} for core in range(4)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        with running.client() as client:
            client.update(FACTS)
        yield running


@pytest.fixture(autouse=True)
def unchanged(service: Service) -> Iterator[None]:
    """After every test of this file the facts are as they were."""
    yield
    assert [row["core"] for row in service.ask("GET", "/v1/facts/core").json()["rows"]] == [0, 1, 2, 3]
    assert service.query("aggregate_all(count, core(_, _, _), N)").json()["solutions"] == [{"N": 4}]
    assert service.ask("GET", "/v1/health").json()["revision"] == 1


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    return body


# Facts that are none


def test_unknown_fact_suggests_the_one_that_was_meant(service: Service) -> None:
    response = service.ask("GET", "/v1/facts/cpu_tread")
    assert (response.status_code, problem(response)["type"]) == (404, "/problems/unknown-fact")
    assert "did you mean cpu_thread?" in problem(response)["detail"]


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ({"name": "numa_core", "args": [0]}, ["numa_core has 2 arguments, got 1", "numa_core(node: "]),
        ({"name": "core", "args": [7, "seven", 1]}, ["argument 2 (apic_id)", "one of unknown", 'got "seven"']),
        ({"name": "core", "args": [-1, 0, 1]}, ["argument 1 (core)", "an integer from 0", "got -1"]),
        ({"name": "core", "args": [True, 0, 1]}, ["argument 1 (core)"]),
        ({"name": "core", "args": [7.0, 0, 1]}, ["argument 1 (core)", "got 7.0"]),
        ({"name": "cpu_vendor", "args": [0, "\ud800"]}, ["argument 2 (vendor)", "a name"]),
        ({"name": "core", "args": [{"var": "_"}, 0, 1]}, ["argument 1 (core)"]),
        ({"name": "device_node", "args": ["0000:00:01.0", 0]}, ["a PCI address"]),
        ({"f": "core", "args": [0, 0, 1]}, ["is no fact"]),
        ({"name": "core", "args": {"core": 1}}, ["is no fact"]),
    ],
)
def test_a_fact_that_does_not_fit_is_refused_with_its_place(
    service: Service, fact: dict[str, Any], words: list[str]
) -> None:
    good = {"name": "core", "args": [9, 9, 1]}
    body = json.dumps({"assert": [good, fact]})  # httpx would refuse half a surrogate pair
    response = service.ask("POST", "/v1/facts", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, problem(response)["type"]) == (422, "/problems/invalid-fact")
    for word in words:
        assert word in problem(response)["detail"]


# Goals that are none


@pytest.mark.parametrize(
    ("goal", "line", "column"),
    [
        ("core(X, Y", 1, 10),
        ("core(X, _, _), foo bar", 1, 20),
        ("core(X, _, _),\n  foo bar", 2, 7),
        ("a,\n\n   X = )", 3, 8),
        ("Größe = X,\nä = 'é', foo bar", 2, 14),
        ("X = )", 1, 5),
        ("X = 'abc", 1, 1),
        ("", 1, 1),
        (" \n", 1, 1),
        ("true. true", 1, 7),
        ("true. (", 1, 7),
        ("true.\n  % and\n  true.", 2, 3),
        ("true. 'x", 1, 7),
    ],
)
def test_a_syntax_error_names_line_and_column(service: Service, goal: str, line: int, column: int) -> None:
    response = service.query(goal)
    assert (response.status_code, problem(response)["type"]) == (422, "/problems/prolog-syntax")
    assert (problem(response)["line"], problem(response)["column"]) == (line, column)


@pytest.mark.parametrize(
    ("goal", "value"),
    [
        ("X = 1.", 1),
        ("X = 1. % one", 1),
        ("X = 1 % one.", 1),
        ("X = 0'.", 46),
        ("X = 'a.'", "a."),
        ("/* . */ X = 1 \n", 1),
    ],
)
def test_a_full_stop_is_optional(service: Service, goal: str, value: object) -> None:
    assert service.query(goal).json()["solutions"] == [{"X": value}]


@pytest.mark.parametrize("name", ["cores", "solve"])
def test_an_unknown_predicate_is_named(service: Service, name: str) -> None:
    response = service.query(f"{name}(X)")
    assert (response.status_code, problem(response)["type"]) == (422, "/problems/goal-error")
    assert problem(response)["detail"] == f"there is no predicate {name}/1"


# Goals that do not end, or eat memory


def test_an_endless_goal_ends_at_its_limit(service: Service) -> None:
    service.query("true")
    engine = service.engine()
    response = service.query("repeat, fail", timeout_ms=200)
    assert (response.status_code, problem(response)["type"]) == (422, "/problems/limit-exceeded")
    until(lambda: not alive(engine))
    assert service.query("core(1, Apic, _)").json()["solutions"] == [{"Apic": 2}]


@pytest.mark.parametrize("goal", ["catch((repeat, fail), _, (repeat, fail))", "length(L, 25), permutation(L, P), fail"])
def test_a_goal_that_ignores_its_limit_costs_one_engine(service: Service, goal: str) -> None:
    response = service.query(f"catch(({goal}), _, (repeat, fail))", timeout_ms=100)
    assert (response.status_code, problem(response)["type"]) == (422, "/problems/limit-exceeded")
    assert "its engine was replaced" in problem(response)["detail"]


@pytest.mark.parametrize(
    "goal", ["length(L, 1000000000)", "X is 2 ** (2 ** 40)", "numlist(1, 30000000, L), sort(L, M)"]
)
def test_a_goal_that_eats_memory_is_told_so(service: Service, goal: str) -> None:
    response = service.query(goal, timeout_ms=120_000)
    assert (response.status_code, problem(response)["type"]) == (422, "/problems/limit-exceeded")
    assert "ran out of" in problem(response)["detail"]


def test_text_outside_of_the_stacks_is_limited_too(service: Service) -> None:
    response = service.query("numlist(1, 34, L), foldl([_, A, B]>>atom_concat(A, A, B), L, a, X)", timeout_ms=120_000)
    assert (response.status_code, problem(response)["type"]) in (
        (422, "/problems/limit-exceeded"),  # Prolog was told that there is no more, or
        (503, "/problems/engine-failed"),  # it could not do without
    )
    assert service.query("true").json()["solutions"] == [{}]


# An engine that is killed


def test_an_engine_killed_while_idle_is_replaced(service: Service) -> None:
    service.query("true")
    restarts = service.ask("GET", "/v1/health").json()["engine_restarts"]
    os.kill(service.engine(), signal.SIGKILL)
    responses = [service.query("core(0, Apic, _)") for _ in range(2)]  # at most the first one notices
    assert responses[0].status_code in (200, 503)
    assert responses[1].json()["solutions"] == [{"Apic": 0}]
    assert service.ask("GET", "/v1/health").json()["engine_restarts"] == restarts + 1


def test_an_engine_killed_at_work_fails_that_request_only(service: Service) -> None:
    service.query("true")
    engine = service.engine()
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(service.query("repeat, fail", timeout_ms=20_000))),
        *(threading.Thread(target=lambda: answers.append(service.query("core(3, Apic, _)"))) for _ in range(3)),
    ]
    threads[0].start()
    before = cpu_seconds(engine)
    until(lambda: cpu_seconds(engine) > before)
    for thread in threads[1:]:
        thread.start()
    os.kill(engine, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 503]
    assert all(answer.json()["solutions"] == [{"Apic": 6}] for answer in answers if answer.status_code == 200)


def test_a_client_that_leaves_takes_its_goal_along(service: Service) -> None:
    service.query("true")
    engine = service.engine()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{service.url}/v1/query", json={"goal": "repeat, fail", "timeout_ms": 600_000}, timeout=0.5)
    until(lambda: not alive(engine))
    assert service.query("core(1, Apic, _)").json()["solutions"] == [{"Apic": 2}]


# The sandbox

REFUSED = [
    "shell(ls)",
    "shell(ls, _)",
    "halt",
    "system:halt",
    "open('/tmp/x', write, _)",
    "see('/etc/passwd')",
    "consult('/tmp/x')",
    "use_module(library(process))",
    "load_files('/tmp/x', [])",
    "thread_create(true, _)",
    "mutex_create(_)",
    "assertz(core(9, 9, 1))",
    "asserta(query:x)",
    "assert(x)",
    "assertz(facts:core(9, 9, 1))",
    "facts:assertz(core(9, 9, 1))",
    "facts:retract(core(0, 0, 1))",
    "retractall(facts:core(_, _, _))",
    "retract(core(0, 0, 1))",
    "abolish(core/3)",
    "engine:perform(write([core(0, 0, 1)], []), _)",
    "engine:write_fact(core(9, 9, 1))",
    'schema:fact(x(y: core), [doc("")])',
    "call(sleep, 10)",
    "call(assertz, core(9, 9, 1))",
    "call(call(assertz), core(9, 9, 1))",
    "maplist(assertz, [core(9, 9, 1)])",
    "foldl([X, A, A]>>assertz(X), [x], 0, _)",
    "findall(x, shell(ls), _)",
    "forall(true, halt)",
    "catch(shell(ls), _, true)",
    "\\+ shell(ls)",
    "G = halt, call(G)",
    "G =.. [shell, ls], call(G)",
    "atom_to_term('halt', G, _), call(G)",
    "G = shell(ls), G",
    "freeze(X, shell(ls)), X = 1",
    "when(nonvar(X), shell(ls)), X = 1",
    "call_cleanup(true, shell(ls))",
    "phrase(shell, [ls])",
    'format("~@", [halt])',
    'format(atom(_), "~@", [halt])',
    "format('/tmp/x', \"x\", [])",
    "with_output_to(string(_), shell(ls))",
    "write(x)",
    "read(_)",
    "@(halt, user)",
    "@(facts:assertz(core(9, 9, 1)), facts)",
    "prolog_load_context(_, _)",
    "sleep(10)",
    "system:sleep(10)",
    "abort",
    "nb_setval(a, 1)",
    "b_setval(a, 1)",
    "recorda(a, b)",
    "flag(a, _, 1)",
    "op(700, xfx, ===>)",
    "set_prolog_flag(double_quotes, atom)",
    "set_prolog_stack(global, limit(1000))",
    "dynamic(foo/1)",
    "table(foo/1)",
    "abolish_all_tables",
    "tnot(core(_, _, _))",
    "getenv('HOME', _)",
    "setenv(a, b)",
    "print_message(error, x)",
    "prolog_current_frame(_)",
    "set_random(seed(1))",
    "garbage_collect",
    "listing(core/3)",
]


@pytest.mark.parametrize("goal", REFUSED)
def test_a_goal_that_reaches_out_is_refused(service: Service, goal: str) -> None:
    response = service.query(goal, timeout_ms=2000)
    assert (response.status_code, problem(response)["type"]) == (403, "/problems/goal-refused")


@pytest.mark.parametrize("name", ["module", "sleep", "shell", "halt", "op", "assertz"])
def test_data_may_have_any_name(service: Service, name: str) -> None:
    answer = service.query(f"X = {name}, Y = {name}(1), Z = [{name}]").json()
    assert answer["solutions"] == [{"X": name, "Y": {"f": name, "args": [1]}, "Z": [name]}]


@pytest.mark.parametrize("text", ["x), shell(ls", "halt", "X", "[a|b]", "'", "\\", "", "\x00", "😀", "core(0,0,1)"])
def test_a_param_is_a_value_and_never_text(service: Service, text: str) -> None:
    answer = service.query("Y = X, atom(Y)", params={"X": text}).json()
    assert answer["solutions"] == [{"Y": text}]


@pytest.mark.parametrize("param", [{"rational": "shell(ls)"}, {"rational": "X"}, {"rational": "1r0"}, {"float": "x"}])
def test_a_param_that_only_looks_like_a_number_is_none(service: Service, param: dict[str, str]) -> None:
    response = service.query("Y = X", params={"X": param})
    assert (response.status_code, problem(response)["type"]) == (422, "/problems/invalid-request")


def test_a_goal_in_a_param_is_checked_like_any_other(service: Service) -> None:
    response = service.query("call(G)", params={"G": {"f": "shell", "args": ["ls"]}})
    assert response.status_code == 403


def test_a_param_that_the_goal_has_not_is_named(service: Service) -> None:
    response = service.query("core(X, _, _)", params={"Core": 1})
    assert response.status_code == 422
    assert "no variable Core" in problem(response)["detail"]


# Values


@pytest.mark.parametrize(
    "value",
    [
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**63,
        2**64,
        2**200,
        -(10**4000),
        1.0,
        1e10,
        -0.5,
        1e22,
        1e300,
        5e-324,
        {"float": "inf"},
        {"float": "-inf"},
        {"float": "nan"},
        {"rational": "1r3"},
        {"rational": "-22r7"},
        [],
        [1, [2.0, []]],
        {"f": "addr", "args": [0, 0, 31, 3]},
        {"f": "[|]", "args": [1, 2]},
    ],
)
def test_a_value_comes_back_as_it_went(service: Service, value: Any) -> None:
    (solution,) = service.query("Y = X", params={"X": value}).json()["solutions"]
    assert solution["Y"] == value
    assert type(solution["Y"]) is type(value)


@pytest.mark.parametrize(
    ("goal", "params"),
    [
        ("atom_codes(X, [0xd800])", {}),
        ("length(L, 300), foldl([_, A, f(A)]>>true, L, x, X)", {}),
        ("Y = X", {"X": None}),
        ("Y = X", {"X": {"a": 1}}),
        ("Y = X", {"X": {"f": "x", "args": 3}}),
    ],
)
def test_a_value_that_has_no_form_is_refused(service: Service, goal: str, params: dict[str, Any]) -> None:
    assert service.query(goal, params=params).status_code == 422


def test_variables_that_are_one_have_one_name(service: Service) -> None:
    (solution,) = service.query("X = f(A, B, A)").json()["solutions"]
    first, second, third = solution["X"]["args"]
    assert first == third == solution["A"]
    assert second == solution["B"] != first
