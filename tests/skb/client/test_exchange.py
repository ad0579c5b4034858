"""What clients send, and what they make of what comes back."""

from typing import Any

import httpx
import msgspec
import pytest

from skb.client import AsyncClient, Client, SkbError, SkbProblem, SkbUnreachable, exchange


def response(status: int, body: bytes, kind: str = "application/json") -> httpx.Response:
    request = httpx.Request("GET", "http://127.0.0.1:7411/v1/health")
    return httpx.Response(status, content=body, headers={"Content-Type": kind}, request=request)


def test_an_answer_is_typed_and_may_have_members_of_a_newer_service() -> None:
    body = b'{"status": "ok", "revision": 7, "engine_restarts": 0, "mood": "fine"}'
    assert exchange.health().answer(response(200, body)).revision == 7


def test_a_problem_keeps_all_its_fields() -> None:
    body = msgspec.json.encode(
        {"type": "/problems/prolog-syntax", "title": "T", "status": 422, "detail": "D", "line": 2, "column": 5}
    )
    with pytest.raises(SkbProblem) as caught:
        exchange.health().answer(response(422, body))
    problem = caught.value
    assert (problem.status, problem.type, problem.title, problem.detail) == (422, "/problems/prolog-syntax", "T", "D")
    assert (problem.line, problem.column) == (2, 5)
    assert str(problem) == "T: D (line 2, column 5)"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"type": "x"}'])
def test_an_error_from_something_else_is_no_crash(body: bytes) -> None:
    with pytest.raises(SkbProblem, match="is no SKB"):
        exchange.health().answer(response(502, body, "text/html"))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"status": "ok"}', b'{"status": 1, "revision": "x"}'])
def test_an_answer_from_something_else_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(SkbError, match="no SKB of this version"):
        exchange.health().answer(response(200, body))


def test_nobody_there_says_how_to_start_one(unused_url: str) -> None:
    with Client(unused_url) as client, pytest.raises(SkbUnreachable) as caught:
        client.health()
    assert unused_url in str(caught.value)
    assert "start one with `skb serve`" in str(caught.value)


def test_a_write_is_sent_once_and_a_read_again() -> None:
    """A connection that breaks: nobody knows whether the write was done, and doing it twice is worse."""
    sent: list[str] = []

    def break_off(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        raise httpx.ReadError("broken", request=request)

    with Client(patience=0.3) as client:
        client._http = httpx.Client(base_url=client.url, transport=httpx.MockTransport(break_off))
        with pytest.raises(SkbUnreachable):
            client.update([])
        assert sent == ["POST"]
        sent.clear()
        with pytest.raises(SkbUnreachable):
            client.health()
        assert set(sent) == {"GET"}
        assert len(sent) > 1


def test_both_clients_have_the_same_methods() -> None:
    def methods(class_: type[Any]) -> set[str]:
        return {name for name in vars(class_) if not name.startswith("_")}

    assert methods(Client) == methods(AsyncClient)


def test_a_goals_time_is_added_to_the_clients() -> None:
    assert exchange.query("true", None, None, 90_000).seconds == 90
    assert exchange.query("true", None, None, None).seconds == 10


@pytest.fixture
def unused_url() -> str:
    """Port 1 of loopback: reserved for tcpmux, which nobody runs."""
    return "http://127.0.0.1:1"
