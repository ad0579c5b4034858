"""The shortest way for the question that is asked most: `POST /v1/query`, from bytes to bytes.

FastAPI reads a body into JSON, then into a model, resolves dependencies, and writes the answer through a response: several times what most
goals take. Here a well-formed request is read by msgspec in one step, and answered. Whatever is not well-formed goes on to FastAPI's route,
which has the same model and says what is wrong; so the description of the API, and every refusal, has one source.
"""

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skb.api import models
from skb.api.connection import while_connected
from skb.api.models import MOST_OFFSET
from skb.api.problems import of_service_error
from skb.errors import ServiceError
from skb.knowledge import Knowledge

PATH = "/v1/query"

INFERENCES = 1_000_000_000
"""Logical inferences that a goal may take."""


class Query(msgspec.Struct, forbid_unknown_fields=True):
    """The body; `skb.api.models.Query` says what the fields mean, and a test that both take the same."""

    goal: Annotated[str, msgspec.Meta(max_length=100_000)]
    params: dict[str, Any] = {}
    limit: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    offset: Annotated[int, msgspec.Meta(ge=0, le=MOST_OFFSET)] = 0
    timeout_ms: Annotated[int, msgspec.Meta(ge=1, le=600_000)] = 10_000
    exact: bool = False
    min_revision: Annotated[int, msgspec.Meta(ge=0)] | None = None


_decode = msgspec.json.Decoder(Query).decode
_encode = msgspec.json.Encoder().encode


async def answer_of(known: Knowledge, query: "Query | models.Query") -> dict[str, Any]:
    """Answer a query. Raises a ServiceError."""
    if query.min_revision is not None:
        await known.reached(query.min_revision)
    found = await known.query(
        query.goal, query.params, query.limit, query.offset, query.timeout_ms, INFERENCES, exact=query.exact
    )
    return {
        "solutions": found.solutions,
        "more": found.more,
        "revision": found.revision,
        "stats": {"inferences": found.inferences},
    }


class QuickQuery:
    """Answers queries of the local machine that are well-formed; passes everything else on."""

    def __init__(self, app: ASGIApp, knowledge_of: Callable[[Request], Knowledge]) -> None:
        self._app = app
        self._knowledge_of = knowledge_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on (ASGI)."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST" or not _is_json(scope):
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        try:
            query = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            await self._app(scope, _replay(body, receive), send)
            return
        request = Request(scope, receive)
        try:
            answer = _encode(await while_connected(request, answer_of(self._knowledge_of(request), query)))
        except ServiceError as error:
            await of_service_error(error)(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(answer)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def _is_json(scope: Scope) -> bool:
    return any(name == b"content-type" and value.startswith(b"application/json") for name, value in scope["headers"])


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = [body]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body once more, and then whatever else comes."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
