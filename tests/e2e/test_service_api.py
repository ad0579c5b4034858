"""The HTTP API of the real service: transactions, pages, limits, problem documents, its own description; and both clients."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from service_process import Service

from skb.client import AsyncClient, Client, SkbError, SkbProblem

FEATURES = 250
ANY = {"var": "_"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        with running.client() as client:
            client.update(
                [
                    *({"name": "core", "args": [core, core, 1]} for core in range(4)),
                    *({"name": "cpu_feature", "args": [0, f"f{number}"]} for number in range(FEATURES)),
                    {"name": "device_node", "args": [{"f": "addr", "args": [0, 0, 0x1F, 3]}, 0]},
                    {"name": "device_node", "args": [{"f": "addr", "args": [0, 1, 0, 0]}, 1]},
                    {"name": "cpu_name", "args": [0, "Brand of 0"]},
                ]
            )
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


# Transactions


def test_a_fact_replaces_the_one_with_its_key(client: Client) -> None:
    client.update([{"name": "numa_node", "args": [0, 1]}])
    client.update([{"name": "numa_node", "args": [0, 2]}])
    assert client.rows("numa_node") == [{"node": 0, "size": 2}]


def test_a_transaction_retracts_before_it_asserts(client: Client) -> None:
    client.update([{"name": "numa_core", "args": [0, core]} for core in range(3)])
    client.update([{"name": "numa_core", "args": [0, 7]}], [{"name": "numa_core", "args": [0, ANY]}])
    assert client.rows("numa_core") == [{"node": 0, "core": 7}]


def test_a_write_for_another_revision_changes_nothing(client: Client) -> None:
    revision = client.update([{"name": "numa_node", "args": [5, 1]}])
    with pytest.raises(SkbProblem, match="read again") as caught:
        client.update([{"name": "numa_node", "args": [6, 1]}], if_revision=revision - 1)
    assert (caught.value.status, caught.value.type) == (409, "/problems/revision-conflict")
    assert client.rows("numa_node", node=6) == []
    assert client.update([{"name": "numa_node", "args": [6, 1]}], if_revision=revision) == revision + 1


def test_concurrent_writers_and_readers_see_every_acknowledged_write(service: Service) -> None:
    writers, writes = 4, 15
    missing: list[str] = []
    revisions: list[int] = []

    def write(writer: int) -> None:
        with service.client() as client:
            for number in range(writes):
                revision = client.update([{"name": "cpu_affinity", "args": [writer * 100 + number, number]}])
                revisions.append(revision)
                answer = client.query("cpu_affinity(Id, N)", {"Id": writer * 100 + number})
                if answer.solutions != [{"N": number}] or answer.revision < revision:
                    missing.append(f"{writer}/{number}: {answer}")

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []
    assert len(set(revisions)) == writers * writes
    with service.client() as client:
        assert len(client.rows("cpu_affinity")) == writers * writes


def test_optimistic_writers_lose_no_update(service: Service) -> None:
    """Read, add one, write if nothing has changed: the revision of a read is the one that it saw."""
    writers, increments = 3, 8

    def count_up() -> None:
        with service.client() as client:
            done = 0
            while done < increments:
                answer = client.query("hugepages(0, 4096, N)")
                one_more = {"name": "hugepages", "args": [0, 4096, answer.solutions[0]["N"] + 1]}
                try:
                    client.update([one_more], if_revision=answer.revision)
                    done += 1
                except SkbProblem as problem:
                    if problem.status != 409:  # somebody else was first
                        raise

    with service.client() as client:
        client.update([{"name": "hugepages", "args": [0, 4096, 0]}])
        threads = [threading.Thread(target=count_up) for _ in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.rows("hugepages") == [{"node": 0, "page_size": 4096, "count": writers * increments}]


# Rows and pages


def test_pages_joined_are_all_rows_once(service: Service) -> None:
    found: list[str] = []
    cursor: str | None = None
    pages = 0
    while True:
        page = service.ask(
            "GET", "/v1/facts/cpu_feature", params={"limit": 100} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += [row["feature"] for row in page["rows"]]
        cursor, pages = page["cursor"], pages + 1
        if cursor is None:
            break
    assert (pages, found) == (3, [f"f{number}" for number in range(FEATURES)])


def test_limit_and_offset_cut_a_querys_solutions(service: Service) -> None:
    answer = service.query("member(X, [a, b, c, d])", limit=2, offset=1).json()
    assert (answer["solutions"], answer["more"]) == ([{"X": "b"}, {"X": "c"}], True)
    answer = service.query("member(X, [a, b, c, d])", limit=2, offset=2).json()
    assert (answer["solutions"], answer["more"]) == ([{"X": "c"}, {"X": "d"}], False)


@pytest.mark.parametrize(
    ("name", "filters", "rows"),
    [
        ("core", {"core": 2}, [{"core": 2, "apic_id": 2, "online": 1}]),
        ("core", {"core": "0x2"}, [{"core": 2, "apic_id": 2, "online": 1}]),
        ("core", {"core": 9}, []),
        ("cpu_name", {"brand": "Brand of 0"}, [{"core": 0, "brand": "Brand of 0"}]),
        ("device_node", {"addr": "0000:00:1f.3"}, [{"addr": {"f": "addr", "args": [0, 0, 0x1F, 3]}, "domain": 0}]),
    ],
)
def test_rows_are_those_with_the_values_given(
    client: Client, name: str, filters: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    assert client.rows(name, **filters) == rows


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("cores=1", "its fields are core, apic_id, online"),
        ("core=many", "'many' is no value of field core"),
        ("cursor=x", "is no cursor"),
        ("limit=0", "query.limit"),
        ("limit=100001", "query.limit"),
    ],
)
def test_a_question_that_makes_no_sense_says_why(service: Service, query: str, words: str) -> None:
    response = service.ask("GET", f"/v1/facts/core?{query}")
    assert (response.status_code, response.json()["type"]) == (422, "/problems/invalid-request")
    assert words in response.json()["detail"]


# Problem documents


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v1/nothing", None, 404),
        ("GET", "/v1/facts/nothing", None, 404),
        ("DELETE", "/v1/facts", None, 405),
        ("GET", "/v1/query", None, 405),
        ("POST", "/v1/query", b"{", 422),
        ("POST", "/v1/query", b"[]", 422),
        ("POST", "/v1/query", b'{"gaol": "true"}', 422),
        ("POST", "/v1/query", b'{"goal": "true", "limit": "many"}', 422),
        ("POST", "/v1/query", b'{"goal": "true", "timeout_ms": 0}', 422),
        ("POST", "/v1/query", b'{"goal": "true", "params": ' + b"[" * 5000 + b"]" * 5000 + b"}", 400),
        ("POST", "/v1/query", b'{"goal": "Y = X", "params": {"X": ' + b"[" * 300 + b"]" * 300 + b"}}", 422),
        ("POST", "/v1/query", b'{"goal": "Y = X", "params": {"X": ' + b"[" * 90000 + b"]" * 90000 + b"}}", 400),
        ("POST", "/v1/query", b'{"goal": "Y = X", "params": {"X": ' + b"1" * 5000 + b"}}", 400),
        ("POST", "/v1/query", b'{"goal": "Y = X", "params": {"X": "\xff"}}', 400),
        ("POST", "/v1/query", b'{"goal": "Y = X", "params": {"X": "\\ud800"}}', 422),
        ("POST", "/v1/query", b'{"goal": "X = \'\\ud800\'"}', 422),
        ("POST", "/v1/facts", b'{"assert": [1]}', 422),
        ("POST", "/v1/facts", b'{"assert": [{"name": "nothing", "args": []}]}', 404),
        ("POST", "/v1/placement", b'{"dispatchers": 2, "traffic": [[0]]}', 422),
        ("POST", "/v1/placement", b'{"dispatchers": 9, "traffic": []}', 422),
        ("POST", "/v1/tree", b'{"root": 77}', 422),
    ],
)
def test_every_error_is_a_problem_document(
    service: Service, method: str, path: str, body: bytes | None, status: int
) -> None:
    response = service.ask(method, path, content=body, headers={"Content-Type": "application/json"})
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    if status == 405:
        assert response.headers["allow"]


def test_a_body_over_the_limit_is_refused_before_it_is_read(service: Service) -> None:
    length = 64 * 1024 * 1024 + 1
    address = httpx.URL(service.url)
    with socket.create_connection((address.host, address.port), timeout=30) as connection:
        connection.sendall(f"POST /v1/facts HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit(service: Service) -> None:
    streamed = service.ask("POST", "/v1/facts", content=(b" " * 1024 * 1024 for _ in range(66)))
    assert (streamed.status_code, streamed.json()["type"]) == (413, "/problems/too-large")


# The description


def test_the_description_has_every_route_and_says_what_each_is_for(service: Service) -> None:
    description = service.ask("GET", "/openapi.json").json()
    assert description["openapi"].startswith("3.")
    operations = {
        (method, path): operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    about_a_machine = {
        ("get", "/facts"),
        ("post", "/facts"),
        ("get", "/facts/{name}"),
        ("get", "/facts/{name}/schema"),
        ("get", "/watch"),
        ("post", "/query"),
        ("post", "/query/stream"),
        ("post", "/explain"),
        ("get", "/topology"),
        ("post", "/placement"),
        ("post", "/tree"),
        ("post", "/routes"),
        ("post", "/optimize"),
        ("post", "/pci-plan"),
        ("get", "/queries"),
        ("post", "/queries/{name}"),
        ("get", "/rules"),
        ("get", "/rules/{module}"),
        ("put", "/rules/{module}"),
        ("delete", "/rules/{module}"),
        ("post", "/rules/{module}/check"),
        ("post", "/rules/{module}/test"),
        ("post", "/rules/{module}/rollback"),
    }
    declared = {("post", f"/v1/queries/{query['name']}") for query in service.ask("GET", "/v1/queries").json()}
    assert declared
    assert set(operations) == {
        *declared,
        ("get", "/v1/health"),
        ("get", "/v1/version"),
        ("get", "/metrics"),
        ("get", "/v1/machines"),
        ("put", "/v1/machines/{machine}"),
        ("delete", "/v1/machines/{machine}"),
        *((method, f"/v1{path}") for method, path in about_a_machine),
        *((method, f"/v1/machines/{{machine}}{path}") for method, path in about_a_machine),
    }
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)
    for (_, path), operation in operations.items():
        assert operation["summary"]
        assert operation["description"]
        assert {"200", "201", "204"} & operation["responses"].keys()
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        placed = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "path"}
        assert placed == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_every_reference_of_the_description_leads_somewhere(service: Service) -> None:
    description = service.ask("GET", "/openapi.json").json()

    def check(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                target = description
                for step in part["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for below in part.values():
                check(below)
        elif isinstance(part, list):
            for below in part:
                check(below)

    check(description)


def test_the_first_page_lists_every_operation(service: Service) -> None:
    page = service.ask("GET", "/").text
    for path in service.ask("GET", "/openapi.json").json()["paths"]:
        assert path in page or path.startswith(
            "/v1/machines/{machine}/"
        )  # the same for another machine, which the page says


# The clients


def test_the_asynchronous_client_does_the_same(service: Service) -> None:
    async def asked() -> list[Any]:
        async with AsyncClient(service.url) as client:
            fact = {"name": "cpu_die", "args": [0, 3]}
            revision = await client.update([fact])
            answers = [
                (await client.health()).revision >= revision,
                await client.version(),
                await client.facts(),
                await client.rows("cpu_die"),
                (await client.query("cpu_die(Core, D)", {"Core": 0})).solutions,
                await client.topology(),
                await client.topology_as("text"),
                (await client.place(2, [[0, 1], [1, 0]], seconds=0.1)).cost,
                (await client.tree(0, seconds=0.1)).cost_ps,
            ]
            with pytest.raises(SkbProblem) as caught:
                await client.query("core(")
            return [*answers, str(caught.value)]

    asynchronous = asyncio.run(asked())
    with service.client() as client:
        synchronous = [
            True,
            client.version(),
            client.facts(),
            client.rows("cpu_die"),
            client.query("cpu_die(Core, D)", {"Core": 0}).solutions,
            client.topology(),
            client.topology_as("text"),
            client.place(2, [[0, 1], [1, 0]], seconds=0.1).cost,
            client.tree(0, seconds=0.1).cost_ps,
        ]
        with pytest.raises(SkbProblem) as caught:
            client.query("core(")
    assert asynchronous == [*synchronous, str(caught.value)]


def test_a_problem_has_its_parts(client: Client) -> None:
    with pytest.raises(SkbProblem) as caught:
        client.query("core(X,\n  _")
    problem = caught.value
    assert (problem.status, problem.type, problem.line) == (422, "/problems/prolog-syntax", 2)
    assert problem.title == "The goal is no valid Prolog"
    assert f"(line 2, column {problem.column})" in str(problem)
    assert isinstance(problem, SkbError)
