"""Server-sent events of what changes.

A consumer pulls from the log at its own pace, so one that is slow costs no memory. One that does not read at all is cut off, and so is
one that has fallen behind the log; both are told so by a last event, and can read the facts anew.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from skb.errors import ServiceError
from skb.knowledge import Change

HEARTBEAT_SECONDS = 15.0
"""After which silence is broken by a comment, so that whoever is between does not take the connection for dead."""

STUCK_SECONDS = 30.0
"""How long a consumer may leave everything unread that the system holds for it."""


class Watch(Response):
    """A response that goes on for as long as client and service do."""

    media_type = "text/event-stream"

    def __init__(self, changes: AsyncGenerator[Change], request: Request) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._changes = changes
        self._ending: asyncio.Event = request.app.state.ending

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until somebody leaves (ASGI)."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        telling = asyncio.create_task(self._tell(send))
        leaving = asyncio.create_task(_gone(receive))
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait((telling, leaving, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, leaving, ending):
                task.cancel()
            await asyncio.gather(telling, leaving, ending, return_exceptions=True)
        if telling.done() and not telling.cancelled() and isinstance(telling.exception(), TimeoutError):
            return  # it still reads nothing, not even why: the server closes what was not ended
        with suppress(TimeoutError):
            async with asyncio.timeout(STUCK_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send) -> None:
        async def event(text: bytes) -> None:
            async with asyncio.timeout(STUCK_SECONDS):
                await send({"type": "http.response.body", "body": text, "more_body": True})

        try:
            await event(b": changes follow\n\n")
            async with aclosing(_with_heartbeats(self._changes)) as changes:
                async for change in changes:
                    await event(
                        b": still here\n\n" if change is None else _event("change", _shown(change), change.revision)
                    )
        except TimeoutError:
            detail = f"nothing was read for {STUCK_SECONDS:g} s; watch again from the last revision that you have"
            await event(_dropped("slow-consumer", detail))  # comes through if it reads again within as long
        except ServiceError as error:
            await event(_dropped(error.type, error.detail))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _with_heartbeats(changes: AsyncGenerator[Change]) -> AsyncGenerator[Change | None]:
    """Give changes as they come, and None when none has come for long."""
    following: asyncio.Task[Change] | None = None
    try:
        while True:
            following = following or asyncio.ensure_future(anext(changes))
            done, _ = await asyncio.wait((following,), timeout=HEARTBEAT_SECONDS)
            if not done:
                yield None
                continue
            change, following = following.result(), None
            yield change
    except StopAsyncIteration:
        return
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await changes.aclose()


def _shown(change: Change) -> dict[str, Any]:
    return {
        "revision": change.revision,
        "origin": change.origin,
        "retract": change.retracts,
        "assert": change.asserts,
    }


def _event(name: str, data: Mapping[str, Any], revision: int) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (revision, name.encode(), msgspec.json.encode(data))


def _dropped(type_: str, detail: str) -> bytes:
    body = msgspec.json.encode({"type": f"/problems/{type_}", "detail": detail})
    return b"event: dropped\ndata: " + body + b"\n\n"
