"""What the two clients have in common: requests as data, and what to make of a response. No I/O.

Each function gives an `Exchange`: what to send, and the type of what comes back. The clients differ only in how they send it.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from skb.client.errors import SkbError, SkbProblem, SkbUnreachable
from skb.client.types import Answer, FactJson, Health, Page, Placement, Predicate, Tree, Updated, Version

T = TypeVar("T")

URL = "http://127.0.0.1:7411"
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

    @property
    def idempotent(self) -> bool:
        """Whether it can be sent again when a connection breaks."""
        return self.method == "GET"

    def answer(self, response: httpx.Response) -> T:
        """Give the typed answer. Raises SkbProblem."""
        if response.is_error:
            raise _problem(response)
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
        body = msgspec.json.decode(response.content, type=dict[str, Any])
        return SkbProblem(
            response.status_code, body["type"], body["title"], body["detail"], body.get("line"), body.get("column")
        )
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


def rows(name: str, filters: dict[str, Any], cursor: str | None) -> Exchange[Page]:
    """Which rows has a fact?"""
    query = {key: value for key, value in filters.items() if value is not None} | {"limit": PAGE}
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


def topology_text() -> Exchange[str]:
    """What does the machine look like, as text?"""
    return Exchange("GET", "/v1/topology", str, query={"format": "text"})


def place(
    dispatchers: int,
    traffic: Sequence[Sequence[int]],
    cores: Sequence[int] | None,
    avoid: Sequence[int],
    max_per_core: int,
    seconds: float,
) -> Exchange[Placement]:
    """Where should dispatchers go?"""
    body = {
        "dispatchers": dispatchers,
        "traffic": [list(row) for row in traffic],
        "cores": None if cores is None else list(cores),
        "avoid": list(avoid),
        "max_per_core": max_per_core,
        "seconds": seconds,
    }
    return Exchange("POST", "/v1/placement", Placement, body=body, seconds=seconds)


def tree(root: int, cores: Sequence[int] | None, seconds: float) -> Exchange[Tree]:
    """By which tree should a broadcast go?"""
    body = {"root": root, "cores": None if cores is None else list(cores), "seconds": seconds}
    return Exchange("POST", "/v1/tree", Tree, body=body, seconds=seconds)
