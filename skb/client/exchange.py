"""What the two clients have in common: requests as data, and what to make of a response. No I/O.

Each function gives an `Exchange`: what to send, and the type of what comes back. The clients differ only in how they send it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct, structs

from skb.client.errors import SkbError, SkbProblem, SkbUnreachable, problem
from skb.client.retry import repeatable
from skb.client.types import (
    Answer,
    Change,
    Explanation,
    FactJson,
    Health,
    Loaded,
    Machine,
    Page,
    Predicate,
    Routes,
    Tree,
    Updated,
    Version,
)

T = TypeVar("T")

URL = "http://127.0.0.1:7411"
LOCAL = "local"
"""The machine that the service runs on."""

PAGE = 10_000
"""Rows asked for at a time."""


class Exchange(Struct, Generic[T], frozen=True):
    """A request and the type of its answer. `seconds`: how much longer than usual the answer may take."""

    method: str
    path: str
    type: Any
    query: dict[str, Any] = {}
    body: Any = None
    seconds: float = 0.0
    content: bytes | None = None
    """A body that is no JSON."""

    def of(self, machine: str) -> "Exchange[T]":
        """Give the same about another machine."""
        if machine == LOCAL or self.path.startswith("/v1/machines"):
            return self
        return structs.replace(self, path=self.path.replace("/v1/", f"/v1/machines/{quote(machine, safe='')}/", 1))

    @property
    def data(self) -> bytes | None:
        """What is sent."""
        return self.content if self.body is None else msgspec.json.encode(self.body)

    @property
    def idempotent(self) -> bool:
        """Whether it can be done twice without harm."""
        return repeatable(self.method, self.path, self.body)

    def answer(self, response: httpx.Response) -> T:
        """Give the typed answer. Raises SkbProblem."""
        if response.is_error:
            raise _problem(response)
        if self.type is None:
            return None  # type: ignore[return-value]  # T is None
        if self.type is str:
            return response.text  # type: ignore[return-value]  # T is str
        try:
            answer: T = msgspec.json.decode(response.content, type=self.type)
        except msgspec.DecodeError as error:
            raise SkbError(f"what answers at {response.url} is no SKB of this version: {error}") from error
        return answer


def base(url: str) -> httpx.URL:
    """Read the URL of a service. Raises SkbUnreachable if it is none."""
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SkbUnreachable(f"{url!r} is no URL ({error}); give one like {URL}") from error
    if read.scheme not in ("http", "https") or not read.host:
        raise SkbUnreachable(f"{url!r} is no URL of a service; give one like {URL}")
    return read


def headers(token: str | None) -> dict[str, str]:
    """Give the headers of every request."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def unreachable(url: str, error: httpx.TransportError) -> SkbError:
    """Say that nobody answers, and what to do."""
    if isinstance(error, httpx.TimeoutException):
        return SkbUnreachable(f"the SKB at {url} did not answer in time; it may be busy, or stopped")
    return SkbUnreachable(
        f"no SKB answers at {url} ({error}); start one with `skb serve`, or name another with SKB_URL or --url"
    )


def _problem(response: httpx.Response) -> SkbProblem:
    try:
        return problem(msgspec.json.decode(response.content, type=dict[str, Any]), response.status_code)
    except (msgspec.DecodeError, KeyError):
        return SkbProblem(response.status_code, "about:blank", response.reason_phrase, f"{response.url} is no SKB")


def health() -> Exchange[Health]:
    """Is it well?"""
    return Exchange("GET", "/v1/health", Health)


def version() -> Exchange[Version]:
    """Which is it?"""
    return Exchange("GET", "/v1/version", Version)


def facts() -> Exchange[list[Predicate]]:
    """Which facts are declared?"""
    return Exchange("GET", "/v1/facts", list[Predicate])


def machines() -> Exchange[list[Machine]]:
    """Which machines are known?"""
    return Exchange("GET", "/v1/machines", list[Machine])


def load(name: str, content: bytes, format_: str, source: str) -> Exchange[Loaded]:
    """Load a recording."""
    query = {"format": format_, "source": source}
    return Exchange("PUT", f"/v1/machines/{quote(name, safe='')}", Loaded, query=query, content=content, seconds=120)


def drop(name: str) -> Exchange[None]:
    """Drop a machine."""
    return Exchange("DELETE", f"/v1/machines/{quote(name, safe='')}", None)


def explain(
    goal: str, params: dict[str, Any] | None, depth: int | None, timeout_ms: int | None
) -> Exchange[Explanation]:
    """Why does a goal hold?"""
    body: dict[str, Any] = {"goal": goal, "params": params or {}}
    if depth is not None:
        body["depth"] = depth
    if timeout_ms is not None:
        body["timeout_ms"] = timeout_ms
    return Exchange("POST", "/v1/explain", Explanation, body=body, seconds=(timeout_ms or 10_000) / 1000)


def stream(goal: str, params: dict[str, Any] | None, limit: int | None, timeout_ms: int | None) -> Exchange[Any]:
    """Solve a goal, solution by solution."""
    body: dict[str, Any] = {"goal": goal, "params": params or {}, "limit": limit}
    if timeout_ms is not None:
        body["timeout_ms"] = timeout_ms
    return Exchange("POST", "/v1/query/stream", None, body=body, seconds=(timeout_ms or 60_000) / 1000)


def watch(names: Sequence[str], since: int | None) -> Exchange[Any]:
    """Follow changes."""
    query: dict[str, Any] = {"names": ",".join(names)}
    if since is not None:
        query["since"] = since
    return Exchange("GET", "/v1/watch", None, query=query)


def solution(line: str) -> dict[str, Any] | None:
    """Read a line of a stream: a solution, or None at the end. Raises SkbProblem if something went wrong on the way."""
    read = msgspec.json.decode(line, type=dict[str, Any])
    if "problem" in read:
        raise problem(read["problem"])
    return None if "revision" in read and "more" in read else read


class Events:
    """Reads server-sent events from lines."""

    def __init__(self) -> None:
        self._event = ""
        self._data: list[str] = []

    def line(self, line: str) -> Change | None:
        """Take a line; give the change that it ends, if it does. Raises SkbProblem when the service drops whoever watches."""
        name, _, value = line.partition(": ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif not line and self._data:
            event, data = self._event, "\n".join(self._data)
            self._event, self._data = "", []
            if event == "dropped":
                said = msgspec.json.decode(data, type=dict[str, Any])
                raise problem({"title": "The service has dropped this watch", **said}, 410)
            if event == "change":
                return msgspec.json.decode(data, type=Change)
        return None


def rows(name: str, filters: dict[str, Any], cursor: str | None, revision: int | None = None) -> Exchange[Page]:
    """Which rows has a fact?"""
    query = {key: value for key, value in filters.items() if value is not None} | {"limit": PAGE}
    if revision is not None:
        query["revision"] = revision
    if cursor is not None:
        query["cursor"] = cursor
    return Exchange("GET", f"/v1/facts/{quote(name, safe='')}", Page, query=query)


def update(assert_: Sequence[FactJson], retract: Sequence[FactJson], if_revision: int | None) -> Exchange[Updated]:
    """Write facts."""
    body = {"assert": list(assert_), "retract": list(retract), "if_revision": if_revision}
    return Exchange("POST", "/v1/facts", Updated, body=body, seconds=60)


def query(goal: str, params: dict[str, Any] | None, limit: int | None, timeout_ms: int | None) -> Exchange[Answer]:
    """Solve a goal."""
    body: dict[str, Any] = {"goal": goal, "params": params or {}}
    if limit is not None:
        body["limit"] = limit
    if timeout_ms is not None:
        body["timeout_ms"] = timeout_ms
    return Exchange("POST", "/v1/query", Answer, body=body, seconds=(timeout_ms or 10_000) / 1000)


def topology() -> Exchange[dict[str, Any]]:
    """What does the machine look like?"""
    return Exchange("GET", "/v1/topology", dict[str, Any])


def topology_as(format_: str) -> Exchange[str]:
    """What does the machine look like, in another form?"""
    return Exchange("GET", "/v1/topology", str, query={"format": format_})


def tree(root: int | None, cores: Sequence[int] | None, seconds: float, options: Mapping[str, Any]) -> Exchange[Tree]:
    """By which tree should a broadcast or a reduction go?"""
    body: dict[str, Any] = {"root": root, "cores": None if cores is None else list(cores), "seconds": seconds}
    for name, value in options.items():
        if value is not None:
            body[name] = list(value) if name in ("roots", "weights", "relays") else value
    return Exchange("POST", "/v1/tree", Tree, body=body, seconds=seconds)


def routes(
    max_neighbours: int,
    cores: Sequence[int] | None,
    traffic: Sequence[Sequence[int]] | None,
    seconds: float,
) -> Exchange[Routes]:
    """Which channels, when a core can have so many at most?"""
    body = {
        "max_neighbours": max_neighbours,
        "cores": None if cores is None else list(cores),
        "traffic": None if traffic is None else [list(row) for row in traffic],
        "seconds": seconds,
    }
    return Exchange("POST", "/v1/routes", Routes, body=body, seconds=seconds)
