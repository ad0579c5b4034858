"""Work for a client goes on while the client is there, and the service.

Most answers are there before it would be worth looking: a request is watched only from its first moments on, so that a quick one costs a
timer and no task.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from skb.errors import ClientGone, EngineFailed

Answer = TypeVar("Answer")

UNWATCHED_SECONDS = 0.02
"""How long work goes on before anybody looks whether the client is still there."""


async def while_connected(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do the work, and give it up when the client is gone, since others wait, or when the service ends.

    Raises ClientGone, or EngineFailed when the service ends.
    """
    watch = _Watch(request)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.reason is None:
            raise
        watch.task.uncancel()
        raise watch.reason from None
    finally:
        watch.stop()


class _Watch:
    """Cancels the task that it was made in when its client is gone."""

    def __init__(self, request: Request) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.reason: Exception | None = None
        self._request = request
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, self._start)

    def _start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        leaving = asyncio.create_task(self._gone())
        ending = asyncio.create_task(self._request.app.state.ending.wait())
        try:
            await asyncio.wait((leaving, ending), return_when=asyncio.FIRST_COMPLETED)
            self.reason = ClientGone() if leaving.done() else EngineFailed("the service is ending; this was given up")
            self.task.cancel()
        finally:
            leaving.cancel()
            ending.cancel()

    async def _gone(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
