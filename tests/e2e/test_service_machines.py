"""Machines beside this one, watching, streams, explanations, history, keys: through the real service and the real client."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_process import Service, until

from skb.client import AsyncClient, Change, Client, SkbProblem

CORES = [{"name": "core", "args": [number, 2 * number, 1]} for number in range(4)]
LINES = "".join(json.dumps(fact) + "\n" for fact in [*CORES, {"name": "numa_node", "args": [0, 1024]}]).encode()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path) as running:
        yield running


def core(number: int, apic: int) -> dict[str, Any]:
    return {"name": "core", "args": [number, apic, 1]}


def test_a_machine_is_loaded_asked_and_dropped(service: Service) -> None:
    with service.client() as local, Client(service.url, machine="other") as other:
        local.update([core(0, 9)])
        loaded = local.load("other", LINES, source="lines")
        assert (loaded.facts, loaded.revision, loaded.problems) == (5, 1, [])
        assert [row["apic_id"] for row in other.rows("core")] == [0, 2, 4, 6]
        assert [row["apic_id"] for row in local.rows("core")] == [9]
        assert other.query("aggregate_all(count, core(_, _, _), N)").solutions == [{"N": 4}]
        assert other.tree(0).root == 0
        assert [(machine.name, machine.about.get("source")) for machine in local.machines()] == [
            ("local", None),
            ("other", "lines"),
        ]
        local.drop("other")
        with pytest.raises(SkbProblem, match="no machine"):
            other.rows("core")


def test_a_machine_that_is_loaded_again_changes_by_what_differs(service: Service) -> None:
    with service.client() as client, Client(service.url, machine="m") as machine:
        client.load("m", LINES)
        assert client.load("m", LINES).revision == 1
        fewer = b"\n".join(LINES.splitlines()[1:])
        assert client.load("m", fewer).revision == 2
        assert [row["core"] for row in machine.rows("core")] == [1, 2, 3]
        assert [row["core"] for row in machine.rows("core", revision=1)] == [0, 1, 2, 3]


def test_machines_are_there_after_a_restart(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client() as client:
        client.load("kept", LINES)
    with Service(tmp_path) as service, Client(service.url, machine="kept") as client:
        assert len(client.rows("core")) == 4


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("local", LINES, 422),
        ("Big", LINES, 422),
        ("x", b"nonsense", 422),
        ("x", b"", 422),
        ("x", b'{"name": "nope", "args": []}\n', 404),
    ],
)
def test_what_cannot_be_loaded_is_one_problem_and_leaves_nothing(
    service: Service, name: str, content: bytes, status: int
) -> None:
    with service.client() as client:
        with pytest.raises(SkbProblem) as raised:
            client.load(name, content)
        assert raised.value.status == status
        assert [machine.name for machine in client.machines()] == ["local"]


def test_changes_are_heard_and_a_watch_goes_on_where_it_was(service: Service) -> None:
    heard: list[Change] = []
    with service.client() as writer, service.client() as reader:
        writer.update([core(0, 1)])

        def listen() -> None:
            for change in reader.watch("core", since=0):
                heard.append(change)
                if change.revision == 4:
                    return

        listening = threading.Thread(target=listen)
        listening.start()
        writer.update([core(1, 1)])
        writer.update([{"name": "numa_node", "args": [0, 5]}])  # of another fact: not heard
        writer.update([], [{"name": "core", "args": [0, {"var": "_"}, {"var": "_"}]}])
        listening.join(timeout=30)
        assert [change.revision for change in heard] == [1, 2, 4]
        assert heard[1].asserts == [core(1, 1)]
        assert heard[2].retracts == [{"name": "core", "args": [0, {"var": "_"}, {"var": "_"}]}]
        assert next(reader.watch(since=3)).revision == 4
        with pytest.raises(SkbProblem, match="changes since revision 9"):
            next(reader.watch(since=9))


def test_a_watch_is_resumed_by_the_last_event(service: Service) -> None:
    with service.client() as client:
        for number in range(3):
            client.update([core(number, 1)])
    with service.http.stream("GET", "/v1/watch", headers={"Last-Event-ID": "2"}) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if line.startswith("id:")) == "id: 3"


def test_the_service_ends_while_somebody_watches(service: Service) -> None:
    with service.http.stream("GET", "/v1/watch") as response:
        next(response.iter_lines())
        started = time.monotonic()
        assert service.process.poll() is None
        service.process.terminate()
        until(lambda: service.process.poll() is not None)
        assert time.monotonic() - started < 15


def test_solutions_stream_as_they_are_found(service: Service) -> None:
    with service.client() as client:
        solutions = client.stream("between(1, inf, X)")
        assert [next(solutions)["X"] for _ in range(3)] == [1, 2, 3]
        solutions.close()
        assert [each["X"] for each in client.stream("between(1, 2000, X)")] == list(range(1, 2001))
        assert len(list(client.stream("between(1, inf, X)", limit=700))) == 700
        with pytest.raises(SkbProblem, match="Syntax"):
            next(client.stream("foo bar"))
        late = client.stream("between(1, 2000, X), ( X < 1500 -> true ; Y is foo + 1 )")
        with pytest.raises(SkbProblem, match="foo"):
            list(late)


def test_the_asynchronous_client_streams_and_watches_too(service: Service) -> None:
    async def story() -> None:
        async with AsyncClient(service.url) as client:
            await client.load("m", LINES)
            assert [each["X"] async for each in client.stream("between(1, 5, X)")] == [1, 2, 3, 4, 5]
            await client.update([core(7, 7)])
            async for change in client.watch(since=0):
                assert change.asserts == [core(7, 7)]
                break
            assert (await client.explain("core(7, A, 1)")).bindings == {"A": 7}

    asyncio.run(story())


def test_a_proof_goes_down_to_the_facts(service: Service) -> None:
    with service.client() as client:
        client.update(CORES)
        found = client.explain("core(C, A, 1), A > 2, \\+ core(9, _, _)")
        assert found.holds
        assert found.bindings == {"C": 2, "A": 4}
        assert [(step.goal, step.by) for step in found.proof] == [
            ("core(2, 4, 1)", "fact"),
            ("4>2", "computed"),
            ("\\+core(9, _, _)", "failed"),
        ]
        ruled = client.explain("core_distance([0, 1], D, S)")
        assert ruled.proof[0].by == "rule"
        assert ruled.proof[0].rule is not None
        assert ruled.proof[0].rule.startswith("costs:core_distance/3")
        assert ruled.proof[0].because
        assert client.explain("core_distance([0, 1], D, S)", depth=1).proof[0].because == []
        assert not client.explain("core(99, _, _)").holds
        with pytest.raises(SkbProblem, match="not allowed"):
            client.explain("shell(true)")
        with pytest.raises(SkbProblem, match="in time"):
            client.explain("repeat, fail", timeout_ms=300)


def test_old_revisions_can_be_read(service: Service) -> None:
    with service.client() as client:
        client.update([core(0, 1)])
        client.update([core(0, 2), core(1, 3)])
        assert [row["apic_id"] for row in client.rows("core", revision=1)] == [1]
        assert [row["apic_id"] for row in client.rows("core", revision=2, core=0)] == [2]
        assert client.rows("core", revision=0) == []
        with pytest.raises(SkbProblem, match="revision 3 is not known"):
            client.rows("core", revision=3)


def test_a_read_waits_for_the_revision_that_it_wants(service: Service) -> None:
    with service.client() as client:

        def write_later() -> None:
            time.sleep(0.3)
            with service.client() as writer:
                writer.update([core(0, 1)])

        threading.Thread(target=write_later).start()
        answer = service.ask("GET", "/v1/facts/core?min_revision=1").json()
        assert (answer["revision"], len(answer["rows"])) == (1, 1)
        assert client.update([core(1, 1)]) == 2
        assert service.query("core(1, A, _)", min_revision=2).json()["solutions"] == [{"A": 1}]


def test_a_key_that_is_there_can_be_an_error(service: Service) -> None:
    def add(*facts: dict[str, Any], retract: Any = ()) -> Any:
        body = {"assert": list(facts), "retract": list(retract), "on_existing_key": "fail"}
        return service.ask("POST", "/v1/facts", json=body)

    assert add(core(0, 1)).json() == {"revision": 1}
    refused = add(core(1, 1), core(0, 5))
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/key-exists")
    assert add(core(2, 1), core(2, 2)).status_code == 409
    assert add(core(0, 5), retract=[{"name": "core", "args": [0, {"var": "_"}, {"var": "_"}]}]).json() == {
        "revision": 2
    }


def test_what_has_not_changed_is_not_sent_again(service: Service) -> None:
    for path in ("/v1/facts", "/v1/facts/core", "/v1/topology"):
        first = service.ask("GET", path)
        assert first.headers["etag"].startswith('W/"')
        assert service.ask("GET", path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    tag = service.ask("GET", "/v1/facts").headers["etag"]
    service.ask("POST", "/v1/facts", json={"assert": [core(0, 1)]})
    assert service.ask("GET", "/v1/facts", headers={"If-None-Match": tag}).status_code == 200


def test_large_answers_are_compressed_and_every_answer_has_an_id(service: Service) -> None:
    response = service.query("numlist(1, 5000, L)")
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.json()["solutions"][0]["L"]) == 5000
    assert response.headers["x-request-id"]
    assert service.ask("GET", "/v1/health", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert service.ask("GET", "/v1/health", headers={"X-Request-Id": "not/mine"}).headers["x-request-id"] != "not/mine"


def test_metrics_count_requests_and_engines(service: Service) -> None:
    service.query("true")
    service.ask("GET", "/v1/facts/core")
    text = service.ask("GET", "/metrics").text
    assert 'skb_request_seconds_count{method="POST",path="/v1/query",status="200"} 1.0' in text
    assert 'skb_request_seconds_count{method="GET",path="/v1/facts/{name}",status="200"} 1.0' in text
    assert 'skb_inferences_total{machine="local"}' in text
    assert 'skb_engines{machine="local",state="idle"} 1.0' in text


def run(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skb", *arguments, "--url", service.url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_commands_do_the_same(service: Service, tmp_path: Path) -> None:
    (tmp_path / "facts.jsonl").write_bytes(LINES)
    done = run(service, "load", "other", str(tmp_path / "facts.jsonl"))
    assert (done.returncode, done.stdout) == (0, "other: 5 facts, revision 1\n")
    assert "other" in run(service, "machines").stdout
    assert json.loads(run(service, "facts", "core", "core=3", "--machine", "other", "--json").stdout) == [
        {"core": 3, "apic_id": 6, "online": 1}
    ]
    assert "core(0, 0, 1)" in run(service, "explain", "core(0, A, 1)", "-m", "other").stdout
    assert run(service, "explain", "core(9, A, 1)", "-m", "other").returncode == 1
    assert run(service, "machines", "--drop", "other").returncode == 0
    assert "no machine 'other'" in run(service, "facts", "core", "-m", "other").stderr
