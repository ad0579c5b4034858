"""What is sent again, and when: against a real server that answers as it is told."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from skb.client import AsyncClient, Client, EngineFailed, SkbProblem, SkbUnreachable, TooManyRequests, errors
from skb.client.retry import Attempts, changes_nothing, repeatable, retry_after
from skb.errors import ClientGone, ServiceError, StartFailed

OK = (200, {}, b'{"status": "ok", "revision": 7, "engine_restarts": 0}')
WRITTEN = (200, {}, b'{"revision": 8}')
ANSWER = (200, {}, b'{"solutions": [{"X": 1}], "more": false, "revision": 7, "stats": {}}')
STREAM = (200, {}, b'{"X": 1}\n{"X": 2}\n{"revision": 7, "more": false}\n')
BUSY = (
    429,
    {"Retry-After": "0"},
    b'{"type": "/problems/too-many-requests", "title": "T", "status": 429, "detail": "D"}',
)
FAILED = (503, {}, b'{"type": "/problems/engine-failed", "title": "T", "status": 503, "detail": "D"}')
BREAK = (0, {}, b"")

Reply = tuple[int, dict[str, str], bytes]


class Server:
    """Gives its replies in turn, the last one for ever; notes when it was asked for what."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [OK]
        self.asked: list[tuple[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.asked.append((self.command, self.path))
                status, headers, body = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
                if not status:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = _answer  # noqa: N815  # the names that the standard library asks for

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()
    running.thread.join()


READS: list[tuple[Callable[[Client], object], Reply]] = [
    (lambda client: client.health(), OK),
    (lambda client: client.query("true"), ANSWER),
    (lambda client: list(client.stream("true")), STREAM),
    (lambda client: client.update([], if_revision=7), WRITTEN),
]


@pytest.mark.parametrize("trouble", [BUSY, FAILED, BREAK])
@pytest.mark.parametrize(("ask", "reply"), READS)
def test_what_may_be_done_twice_is_sent_until_it_is_answered(
    server: Server, ask: Callable[[Client], object], reply: Reply, trouble: Reply
) -> None:
    server.replies = [trouble, trouble, reply]
    with Client(server.url) as client:
        assert ask(client)
    assert len(server.asked) == 3


@pytest.mark.parametrize(("trouble", "error"), [(FAILED, EngineFailed), (BREAK, SkbUnreachable)])
def test_a_write_is_sent_once(server: Server, trouble: Reply, error: type[Exception]) -> None:
    server.replies = [trouble]
    with Client(server.url) as client:
        for write in (lambda: client.update([]), lambda: client.load("other", b"")):
            server.asked.clear()
            with pytest.raises(error):
                write()
            assert len(server.asked) == 1


def test_a_write_that_was_not_even_looked_at_is_sent_again(server: Server) -> None:
    server.replies = [BUSY, WRITTEN]
    with Client(server.url) as client:
        assert client.update([]) == 8


def test_a_service_is_left_alone_for_as_long_as_it_asks(server: Server) -> None:
    server.replies = [(429, {"Retry-After": "1"}, BUSY[2]), OK]
    with Client(server.url) as client:
        begun = time.monotonic()
        assert client.health().revision == 7
        assert time.monotonic() - begun >= 1


def test_patience_ends_with_what_the_service_said(server: Server) -> None:
    server.replies = [(429, {"Retry-After": "3600"}, BUSY[2])]
    with Client(server.url) as client, pytest.raises(TooManyRequests):
        client.health()
    assert len(server.asked) == 1
    server.replies = [FAILED]
    with Client(server.url, patience=0.5) as client, pytest.raises(EngineFailed):
        client.health()
    assert len(server.asked) > 2
    server.asked.clear()
    with Client(server.url, patience=0) as client, pytest.raises(EngineFailed):
        client.health()
    assert len(server.asked) == 1


def test_the_asynchronous_client_does_the_same(server: Server) -> None:
    async def ask() -> None:
        async with AsyncClient(server.url) as client:
            server.replies = [BUSY, BREAK, FAILED, ANSWER]
            assert (await client.query("true")).solutions == [{"X": 1}]
            server.replies = [BUSY, BREAK, STREAM]
            assert [solution async for solution in client.stream("true")] == [{"X": 1}, {"X": 2}]
            server.replies = [FAILED]
            server.asked.clear()
            with pytest.raises(EngineFailed):
                await client.update([])
            assert len(server.asked) == 1

    asyncio.run(ask())


def test_pauses_grow_up_to_a_limit_and_differ() -> None:
    def pauses() -> list[float]:
        attempts = Attempts(repeatable=True, met=True, patience=3600)
        return [attempts.after(httpx.ReadError("broken")) or 0.0 for _ in range(8)]

    for number, pause in enumerate(pauses()):
        assert min(0.1 * 2**number, 2.0) / 2 <= pause <= min(0.1 * 2**number, 2.0)
    assert pauses() != pauses()


@pytest.mark.parametrize(("met", "again"), [(True, True), (False, False)])
def test_a_service_that_never_answered_is_not_waited_for(met: bool, again: bool) -> None:
    attempts = Attempts(repeatable=False, met=met, patience=10)
    assert (attempts.after(httpx.ConnectError("refused")) is not None) is again


def test_what_ran_out_of_time_is_not_asked_again() -> None:
    assert Attempts(repeatable=True, met=True, patience=10).after(httpx.ReadTimeout("late")) is None


@pytest.mark.parametrize(
    ("method", "path", "body", "twice"),
    [
        ("GET", "/v1/facts/core", None, True),
        ("POST", "/v1/query", {}, True),
        ("POST", "/v1/machines/a%2Fb/queries/near", {}, True),
        ("POST", "/v1/rules/locality/check", {}, True),
        ("POST", "/v1/rules/locality/rollback", {}, False),
        ("POST", "/v1/facts", {"if_revision": None}, False),
        ("POST", "/v1/facts", {"if_revision": 0}, True),
        ("PUT", "/v1/rules/locality", {"if_version": None}, False),
        ("PUT", "/v1/machines/query", None, False),
        ("DELETE", "/v1/machines/other", None, False),
    ],
)
def test_what_may_be_done_twice_is_known_by_method_path_and_revision(
    method: str, path: str, body: object, twice: bool
) -> None:
    assert repeatable(method, path, body) is twice
    assert changes_nothing(method, path) is (twice and body != {"if_revision": 0})


def test_retry_after_is_seconds_or_a_date() -> None:
    def asked(text: str) -> float:
        return retry_after({"Retry-After": text})

    assert (asked("7"), asked(""), asked("soon"), asked("-3")) == (7.0, 0.0, 0.0, 0.0)
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True)
    assert 240 < asked(later) <= 300
    assert asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def test_every_problem_of_the_service_has_a_type_here() -> None:
    def below(class_: type[ServiceError]) -> Iterator[type[ServiceError]]:
        for each in class_.__subclasses__():
            yield each
            yield from below(each)

    never_answered = {ServiceError, StartFailed, ClientGone}
    declared = {each.type for each in below(ServiceError)} - {each.type for each in never_answered}
    assert declared == set(errors.TYPES)
    document = {"type": "/problems/unheard-of", "title": "T", "status": 418, "detail": "D"}
    assert type(errors.problem(document)) is SkbProblem
    assert errors.problem(document).document == document
