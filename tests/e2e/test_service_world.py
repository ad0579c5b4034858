"""The world that goals are asked in, and what of the world outside it they, and foreign pages, can reach."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from service_process import Service, cpu_seconds, failing, until

from skb.client import Client
from skb.store.log import Store

CORES = [{"name": "core", "args": [core, core, 1]} for core in range(3)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        with running.client() as client:
            client.update(CORES)
        yield running


def solutions(service: Service, goal: str) -> list[dict[str, Any]]:
    response = service.query(goal)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["solutions"]
    return found


# What a goal has


@pytest.mark.parametrize(
    ("goal", "answers"),
    [
        ("order_by([desc(X)], core(X, _, _))", [2, 1, 0]),
        ("call_nth(core(X, _, _), 2)", [1]),
        ("aggregate_all(count, core(_, _, _), X)", [3]),
        ("X in 1..3, labeling([max(X)], [X])", [3, 2, 1]),
        ("X in 5..5, labeling([random_value(1)], [X])", [5]),
        ("dif(X, 0), core(X, _, _)", [1, 2]),
        ("when(nonvar(_Y), X = 1), _Y = 2", [1]),
        ("numlist(1, 3, _L), last(_L, X)", [3]),
        ("phrase(integer(X), `12`)", [12]),
        ("list_to_assoc([a-1], _A), get_assoc(a, _A, X)", [1]),
        ("list_to_ord_set([b, a], X)", [["a", "b"]]),
        ("vertices_edges_to_ugraph([], [a-b], _G), top_sort(_G, X)", [["a", "b"]]),
        ("format(atom(X), '~w-~d', [a, 1])", ["a-1"]),
        ("core_distance([0, 1], _, X)", ["topology"]),
        ("facts:core(X, _, _)", [0, 1, 2]),
    ],
)
def test_libraries_and_rules_can_be_called(service: Service, goal: str, answers: list[Any]) -> None:
    assert [solution["X"] for solution in solutions(service, goal)] == answers


@pytest.mark.parametrize("depth", [1, 50, 100, 150, 190])
def test_a_deep_answer_is_given_like_any_other(service: Service, depth: int) -> None:
    goal = f"length(_L, {depth}), foldl([_, _A, s(_A)]>>true, _L, z, X)"
    (solution,) = solutions(service, goal)
    value, seen = solution["X"], 0
    while value != "z":
        (value,), seen = value["args"], seen + 1
    assert seen == depth


# What it has not


@pytest.mark.parametrize(
    "goal",
    [
        "current_prolog_flag(home, _)",
        "current_prolog_flag(executable, _)",
        "current_prolog_flag(_, _)",
        "member(F, [pid, argv]), current_prolog_flag(F, _)",
        "predicate_property(core(_, _, _), file(_))",
        "user:file_search_path(_, _)",
        "nb_current(_, _)",
        "message_to_string(x, _)",
        # libraries that are not given, whatever they say of their own safety
        "help(append)",
        "apropos(append)",
        "crypto_n_random_bytes(3, _)",
        "gensym(a, _)",
        "statistics",
        "listing(core/3)",
        # the inside of the engine: a module in front changes nothing
        "engine:field_json(_, _)",
        'goals:place("", 0, _, _)',
        "teaching:declared_queries(_)",
        "permission:permitted(true)",
        'source:blanked("", [], _)',
        "sandbox:safe_primitive(_)",
        "permission:withheld(_)",
    ],
)
def test_what_tells_of_the_host_or_the_engine_is_refused(service: Service, goal: str) -> None:
    response = service.query(goal)
    assert (response.status_code, response.json()["type"]) == (403, "/problems/goal-refused")
    assert "/usr" not in response.text


def test_limits_of_numbers_may_be_asked(service: Service) -> None:
    assert solutions(service, "current_prolog_flag(bounded, X)") == [{"X": "false"}]


@pytest.mark.parametrize("goal", ["X = f(X), throw(X)", "length(L, 10000), throw(L)", "atom_length(f(g(h)), _)"])
def test_an_error_is_told_in_a_few_words(service: Service, goal: str) -> None:
    response = service.query(goal)
    assert (response.status_code, response.json()["type"]) == (422, "/problems/goal-error")
    assert len(response.json()["detail"]) < 1000


# Who may ask


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7411", "192.0.2.1", "127.0.0.1.evil.example", "[", "a b"]
)
def test_a_request_to_another_name_is_refused(service: Service, host: str) -> None:
    response = service.ask("GET", "/v1/facts", headers={"Host": host})
    assert (response.status_code, response.json()["type"]) == (403, "/problems/foreign-host")
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:9", "127.1.2.3", "[::1]:7411"])
def test_the_loopback_has_many_names(service: Service, host: str) -> None:
    assert service.ask("GET", "/v1/health", headers={"Host": host}).status_code == 200


def test_proxies_of_the_environment_are_not_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with service.client() as client:
        assert client.health().status == "ok"


def test_a_field_may_be_called_name(service: Service) -> None:
    """As that of machine/3 is, and the parameter of the method."""
    with service.client() as client:
        assert client.rows("machine", name="none") == []


# What the description says of it


def test_every_example_of_the_description_can_be_sent(tmp_path: Path) -> None:
    with Service(tmp_path) as running:
        description = running.ask("GET", "/openapi.json").json()
        sent = []
        for method in ("put", "post"):  # rules are taught before they are asked
            for path, operations in description["paths"].items():
                body = operations.get(method, {}).get("requestBody", {}).get("content", {}).get("application/json")
                if body is None or (path.startswith("/v1/queries/") and "{" not in path):
                    continue  # what rules declare has no examples
                model = description["components"]["schemas"][body["schema"]["$ref"].rsplit("/", 1)[1]]
                names = {"machine": "local", "module": "neighbours", "name": "package_mates"}
                response = running.ask(method, path.format(**names), json=model.get("examples", [{}])[0])
                assert response.status_code in (200, 201), (path, response.text)
                sent.append(path)
        assert len(sent) == 2 * 13  # of this machine, and of any


def test_the_topology_is_as_described(service: Service) -> None:
    schema = service.ask("GET", "/openapi.json").json()
    schema["$ref"] = "#/components/schemas/Part"
    jsonschema.validate(service.ask("GET", "/v1/topology").json(), schema)


# Where it runs


def test_files_in_the_current_directory_are_no_modules_of_the_service(tmp_path: Path) -> None:
    for name in ("msgspec", "resource", "ctypes", "pyswip"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of somebody else was run')\n")
    command = [str(Path(sys.executable).with_name("skb")), "serve", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("SKB ready at "), process.communicate()[1]
            with Client(line.split()[-1]) as client:
                assert client.query("X = 1").solutions == [{"X": 1}]
                assert client.rows("core")  # the probe ran as well
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_a_terminal_ends_it_without_a_word(tmp_path: Path, times: int) -> None:
    """A terminal sends the signal to every process of the group: engine and solver too. An impatient user sends it twice."""
    with Service(tmp_path, start_new_session=True) as running, running.client() as client:
        client.update(CORES)
        assert client.tree(0).status == "optimal"  # the solver's process is there
        for _ in range(times):
            os.killpg(running.process.pid, signal.SIGINT)
        _, words = running.process.communicate(timeout=30)
        assert (running.process.returncode, words) == (0, "")


def test_health_does_not_wait_for_a_goal_that_runs(tmp_path: Path) -> None:
    with Service(tmp_path) as running:
        engine = running.engine()
        before = cpu_seconds(engine)
        endless = {"goal": "repeat, fail", "timeout_ms": 60_000}
        asking = threading.Thread(target=lambda: httpx.post(f"{running.url}/v1/query", json=endless, timeout=60))
        asking.start()
        until(lambda: cpu_seconds(engine) > before + 0.1)
        with Client(running.url, timeout=20) as client:
            assert client.health().status == "ok"
        assert asking.is_alive()
        running.end(signal.SIGTERM)
        asking.join()


def test_a_log_from_other_rules_is_one_message(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append("user", [], [{"name": "no_such_fact", "args": [1]}])
    done = failing("--port", "0", "--no-probe", "--data", str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "revision 1" in line
    assert "no_such_fact" in line
