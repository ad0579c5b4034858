"""A client of a service that is killed and started again while it asks."""

import asyncio
import signal
import threading
from contextlib import aclosing
from pathlib import Path

import pytest
from service_process import Service, until

from skb.client import AsyncClient, Client, RevisionConflict, SkbError, SkbUnreachable, UnknownFact


def port_of(url: str) -> str:
    return url.rsplit(":", 1)[1]


def test_a_question_outlives_the_service(tmp_path: Path) -> None:
    first = Service(tmp_path)
    with Client(first.url, patience=120) as client:
        revision = client.update([{"name": "core", "args": [0, 0, 1]}])
        first.end(signal.SIGKILL)
        again: list[Service] = []
        starting = threading.Thread(
            target=lambda: again.append(Service(tmp_path, "--no-probe", "--port", port_of(first.url)))
        )
        starting.start()
        try:
            assert client.query("core(Core, _, _)").solutions == [{"Core": 0}]
            assert client.health().revision == revision
            assert client.update([{"name": "core", "args": [1, 1, 1]}], if_revision=revision) == revision + 1
            with pytest.raises(RevisionConflict):
                client.update([], if_revision=revision)
            with pytest.raises(UnknownFact, match="did you mean core"):
                client.rows("cores")
        finally:
            starting.join()
            for service in again:
                service.end(signal.SIGTERM)


def test_a_stream_that_breaks_is_an_error_and_not_an_end(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with Client(service.url) as client:
        solutions = client.stream("repeat, X = 1", timeout_ms=60_000)
        assert next(solutions) == {"X": 1}
        service.end(signal.SIGKILL)
        with pytest.raises(SkbUnreachable):
            for _ in solutions:
                pass


def test_closing_a_stream_ends_the_work(tmp_path: Path) -> None:
    with Service(tmp_path) as service:

        def under_way() -> int:
            return sum("/v1/query/stream" in line for line in service.ask("GET", "/metrics").text.splitlines())

        with Client(service.url) as client:
            solutions = client.stream("repeat, X = 1", timeout_ms=60_000)
            assert next(solutions) == {"X": 1}
            assert under_way() == 0  # requests are counted when they end
            solutions.close()
            assert until(under_way)
            assert client.query("true").solutions == [{}]

        async def leave() -> None:
            async with AsyncClient(service.url) as client:
                async with aclosing(client.stream("repeat, X = 1", timeout_ms=60_000)) as solutions:
                    async for solution in solutions:
                        assert solution == {"X": 1}
                        break
                assert (await client.query("true")).solutions == [{}]

        asyncio.run(leave())


def test_nobody_is_waited_for_who_never_was(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.end(signal.SIGTERM)
    with Client(service.url, patience=3600) as client, pytest.raises(SkbError, match="no SKB answers"):
        client.health()
