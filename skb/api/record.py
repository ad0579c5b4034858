"""What is noted of every request: an id, its time, and a line in the log where somebody will want one."""

import re
import secrets
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skb.api.metrics import Metrics

SLOW_SECONDS = 5.0
"""A request that took longer is logged."""

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


class Record:
    """Gives each request an id, and counts it. A client's own `X-Request-Id` is kept, if it is short and plain."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, every: bool) -> None:
        self._app = app
        self._metrics = metrics
        self._every = every
        self._start = secrets.token_hex(4)
        self._number = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        self._number += 1
        number = given if given is not None and _ID.fullmatch(given) else f"{self._start}-{self._number}".encode()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", number)]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - started
            path = _endpoint(scope, status)
            self._metrics.request(scope["method"] if path != "other" else "other", path, status, seconds)
            if self._every or status >= 500 or (seconds > SLOW_SECONDS and not path.endswith("/watch")):
                self._note(scope, number.decode(), status, seconds)

    @staticmethod
    def _note(scope: Scope, number: str, status: int, seconds: float) -> None:
        write = log.error if status >= 500 else log.info
        write(
            "request",
            id=number,
            method=scope["method"],
            path=scope["path"][:200],
            status=status,
            ms=round(seconds * 1000, 1),
            token=scope.get("state", {}).get("token"),
        )


def _endpoint(scope: Scope, status: int) -> str:
    """Give the path with names for what varies in it. What was asked for and is not there is one endpoint, however many names it has."""
    named = {str(value): f"{{{name}}}" for name, value in scope.get("path_params", {}).items()}
    if "route" not in scope and status != 200:
        return "other"
    return "/".join(named.get(part, part) for part in scope["path"].split("/"))
