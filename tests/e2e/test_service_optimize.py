"""POST /v1/optimize, the client's optimize and skb optimize, through the real service."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_process import Service, alive, children, cpu_seconds, until

from skb.client import AsyncClient, Optimum, SkbProblem

NODES = [
    {"name": "numa_node", "args": [0, 8_000]},
    {"name": "numa_node", "args": [1, 3_000]},
    *({"name": "numa_core", "args": [core // 2, core]} for core in range(4)),
]

FILL = """
% Buffers to nodes: each in one, none over its memory, as little as possible on node 1.
findall(in(B) in 0..1, member(B-_, Buffers), Declared),
findall(named(memory(Node), scalar_product(Sizes, Here, #=<, Memory)),
        ( numa_node(Node, Memory), findall(Size, member(_-Size, Buffers), Sizes),
          findall(on(B, Node), member(B-_, Buffers), Here) ),
        Room),
findall(on(B, Node) in 0..1, ( member(B-_, Buffers), numa_node(Node, _) ), On),
findall(on(B, Node) #<==> (in(B) #= Node), ( member(B-_, Buffers), numa_node(Node, _) ), Links),
append([Declared, On, Room, Links], Model),
findall(in(B), member(B-_, Buffers), In),
Objective = minimize(sum(In)).
"""


def buffers(*sizes: int) -> list[Any]:
    """Buffers a, b, ... of these sizes, as a parameter."""
    return [{"f": "-", "args": [name, size]} for name, size in zip("abcdefgh", sizes, strict=False)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        with running.client() as client:
            client.update(NODES)
        yield running


TEXT = "[X in 0..10, Y in 0..10, named(budget, 3*X + 2*Y #=< 12)]"


@pytest.mark.parametrize("backend", ["auto", "clpfd", "cpsat"])
def test_text_and_json_are_the_same_model(service: Service, backend: str) -> None:
    in_json = [
        {"f": "ins", "args": [["X", "Y"], {"f": "..", "args": [0, 10]}]},
        {
            "f": "#=<",
            "args": [{"f": "+", "args": [{"f": "*", "args": [3, "X"]}, {"f": "*", "args": [2, "Y"]}]}, 12],
        },
    ]
    objective = {"f": "maximize", "args": [{"f": "+", "args": [{"f": "*", "args": [2, "X"]}, "Y"]}]}
    with service.client() as client:
        for model, wanted in ((TEXT, "maximize(2*X + Y)"), (in_json, objective)):
            found = client.optimize(model, wanted, backend=backend, all_optimal=9)
            assert (found.status, found.cost, found.bound, found.gap) == ("optimal", 8, 8, 0.0)
            assert found.values == {"X": 4, "Y": 0}
            assert (found.solutions, found.complete) == ([{"X": 4, "Y": 0}], True)
            assert found.backend in ((backend,) if backend != "auto" else ("clpfd", "cpsat"))
            assert found.revision == 1


@pytest.mark.parametrize("backend", ["clpfd", "cpsat"])
def test_a_goal_makes_the_model_from_what_is_known(service: Service, backend: str) -> None:
    with service.client() as client:
        found = client.optimize(goal=FILL, params={"Buffers": buffers(5_000, 2_000, 2_500, 900)}, backend=backend)
        assert (found.status, found.cost, found.backend) == ("optimal", 1, backend)
        assert found.values is not None
        again = client.optimize(
            goal=FILL, params={"Buffers": buffers(5_000, 2_000, 2_500, 900)}, backend=backend, hint=found.values
        )
        assert (again.cost, again.values) == (1, found.values)


@pytest.mark.parametrize("backend", ["clpfd", "cpsat"])
def test_no_solution_is_explained_by_names(service: Service, backend: str) -> None:
    with service.client() as client:
        params = {"Buffers": buffers(5_000, 4_000, 3_500)}
        found = client.optimize(goal=FILL, params=params, backend=backend, explain_infeasible=True)
        assert (found.status, found.values) == ("infeasible", None)
        assert (found.conflict, found.minimal) == (["memory(0)", "memory(1)"], True)


def test_options_of_a_goal_yield_to_those_of_the_request(service: Service) -> None:
    goal = "Model = [x in 0..9], Options = [all_optimal(2), backend(clpfd)]"
    first = service.ask("POST", "/v1/optimize", json={"goal": goal}).json()
    assert (first["backend"], len(first["solutions"]), first["complete"]) == ("clpfd", 2, False)
    second = service.ask("POST", "/v1/optimize", json={"goal": goal, "options": {"all_optimal": 20}}).json()
    assert (second["backend"], len(second["solutions"]), second["complete"]) == ("clpfd", 10, True)


def test_small_models_are_solved_by_an_engine_and_others_by_cp_sat(service: Service) -> None:
    with service.client() as client:
        assert client.optimize("[x in 0..9, y in 0..9]").backend == "clpfd"
        assert client.optimize("[x in 0..9, y in 0..99]").backend == "cpsat"


def test_optimize_4_is_there_for_goals_and_rules(service: Service) -> None:
    answer = service.query(
        "optimize([X in 0..3, Y in 0..3, X + Y #>= 4], minimize(X), [], result(Status, Cost, _, _, _, _, B, _))"
    )
    (solution,) = answer.json()["solutions"]
    assert (solution["Status"], solution["Cost"], solution["B"]) == ("optimal", 1, "clpfd")
    refused = service.query("optimize([x in 0..3], satisfy, [backend(cpsat)], R)").json()
    assert refused["type"] == "/problems/goal-error"
    assert "give POST /v1/optimize a goal" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "type_", "words"),
    [
        ({}, "invalid-request", "there is no model"),
        ({"model": "[x in 0..3, y #> 1]"}, "invalid-request", "item 2 of the model, y #> 1: y is not declared"),
        ({"model": "[x in 0..3, named(small, y #> 1)]"}, "invalid-request", "constraint small: y is not declared"),
        ({"model": "[x in 0..3,"}, "prolog-syntax", "Unexpected end"),
        ({"model": "foo"}, "invalid-request", "model: is no list"),
        ({"model": "[x in 0..3]", "objective": "best(x)"}, "invalid-request", "objective: best(x) is none"),
        ({"model": "[x in 0..3]", "goal": "true"}, "invalid-request", "give one of them"),
        ({"model": "[x in 0..3]", "params": {"X": 1}}, "invalid-request", "params are for a goal"),
        ({"goal": "fail"}, "invalid-request", "the goal has no solution"),
        ({"goal": "true"}, "invalid-request", "no variable Model"),
        ({"goal": "Model = [X in 0..3], X #> 1"}, "invalid-request", "under constraints"),
        ({"goal": "shell(ls), Model = []"}, "goal-refused", "shell"),
        ({"goal": "Model = [x in 0..3], Options = [sconds(1)]"}, "invalid-request", "sconds(1) is none"),
        ({"model": [{"f": "in", "args": ["x", 1.5]}]}, "invalid-request", "1.5 is no term of a model"),
        ({"model": "[x in 0..3]", "options": {"backend": "abacus"}}, "invalid-request", "options.backend"),
        ({"model": "[x in 0..3]", "options": {"hint": {"y": 1}}}, "invalid-request", "option hint: y is not declared"),
        ({"model": [{"f": "in", "args": ["x", {"f": "..", "args": [0, 2**70]}]}]}, "invalid-request", "beyond 2^60"),
    ],
)
@pytest.mark.parametrize("backend", ["clpfd", "cpsat"])
def test_nonsense_is_one_error_with_its_place(
    service: Service, backend: str, body: dict[str, Any], type_: str, words: str
) -> None:
    asked = {**body, "options": {"backend": backend, **body.get("options", {})}}
    answer = service.ask("POST", "/v1/optimize", json=asked)
    problem = answer.json()
    assert (answer.status_code >= 400, problem["type"]) == (True, f"/problems/{type_}")
    assert words in problem["detail"]
    assert service.ask("GET", "/v1/health").json()["engine_restarts"] == 0


RULER = (  # 13 marks whose distances all differ
    "numlist(1, 13, Ns), findall(m(I), member(I, Ns), Ms), findall(m(J)-m(I), ( member(I, Ns), member(J, Ns), I < J ), Gaps), "
    "findall(m(I) #< m(J), ( member(I, Ns), J is I + 1, J =< 13 ), Up), "
    "append([Ms ins 0..300, m(1) #= 0, all_different(Gaps)], Up, Model), Objective = minimize(m(13))"
)


def test_the_service_answers_others_while_it_solves(service: Service) -> None:
    """A hard model takes its time in a process of its own, and in an engine, and delays no goal."""

    async def story() -> list[Optimum]:
        async with AsyncClient(service.url) as client:
            solving = [
                asyncio.create_task(client.optimize(goal=RULER, seconds=1.5, backend=backend))
                for backend in ("clpfd", "cpsat")
            ]
            asked = 0
            while not all(task.done() for task in solving):
                assert (await client.query("X is 6 * 7")).solutions == [{"X": 42}]
                asked += 1
                await asyncio.sleep(0.02)
            assert asked >= 10
            return [await task for task in solving]

    for found in asyncio.run(story()):
        assert found.status in ("feasible", "unknown")
        assert found.bound is None or found.bound <= 106  # the shortest ruler of 13 marks
        assert found.cost is None or found.cost >= 106


def test_a_question_that_nobody_waits_for_is_given_up(service: Service) -> None:
    with pytest.raises(httpx.TimeoutException):
        service.http.post(
            "/v1/optimize", json={"goal": RULER, "options": {"seconds": 600, "backend": "cpsat"}}, timeout=2
        )
    until(lambda: all(cpu_share(pid) < 0.2 for pid in children(service.process.pid)))
    assert service.ask("POST", "/v1/optimize", json={"model": TEXT, "options": {"backend": "cpsat"}}).status_code == 200


def cpu_share(pid: int) -> float:
    """How much of a core a process takes now."""
    before = cpu_seconds(pid) if alive(pid) else 0.0
    time.sleep(0.3)
    return (cpu_seconds(pid) - before) / 0.3 if alive(pid) else 0.0


def run(service: Service, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skb", "optimize", *arguments],
        cwd=folder,
        env={**os.environ, "SKB_URL": service.url, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_file_is_solved(service: Service, tmp_path: Path) -> None:
    (tmp_path / "fill.pl").write_text(FILL)
    sizes = json.dumps(buffers(5_000, 2_000, 2_500))
    told = run(service, tmp_path, "fill.pl", "--param", f"Buffers={sizes}")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("optimal  cost 1  bound 1  by ")
    answer = run(service, tmp_path, "fill.pl", "--param", f"Buffers={sizes}", "--json", "--all", "5")
    found = json.loads(answer.stdout)
    assert (found["cost"], found["complete"], len(found["solutions"])) == (1, True, 2)
    (tmp_path / "before.json").write_text(answer.stdout)
    hinted = run(service, tmp_path, "fill.pl", "--param", f"Buffers={sizes}", "--hint", "before.json", "--json")
    assert json.loads(hinted.stdout)["cost"] == 1
    sizes = json.dumps(buffers(5_000, 4_000, 3_500))
    none = run(service, tmp_path, "fill.pl", "--param", f"Buffers={sizes}", "--explain")
    assert (none.returncode, none.stdout.splitlines()[1]) == (1, "conflict: memory(0), memory(1)")


def test_a_request_in_a_file_is_solved(service: Service, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(
        json.dumps({"model": TEXT, "objective": "maximize(X)", "options": {"seconds": 3}})
    )
    assert json.loads(run(service, tmp_path, "model.json", "--json").stdout)["cost"] == 4
    (tmp_path / "other.json").write_text('{"modle": []}')
    wrong = run(service, tmp_path, "other.json")
    assert wrong.returncode == 2
    assert "modle is no member of a request" in " ".join(wrong.stderr.split())


def test_a_broken_file_says_where(service: Service, tmp_path: Path) -> None:
    (tmp_path / "broken.pl").write_text("Model = [x in 0..3,\n  y in ].\n")
    done = run(service, tmp_path, "broken.pl")
    assert (done.returncode, done.stdout) == (1, "")
    assert "line 2" in done.stderr


def test_the_client_raises_what_the_service_says(service: Service) -> None:
    with service.client() as client, pytest.raises(SkbProblem, match="y is not declared"):
        client.optimize("[x in 0..3, y #> 1]")
