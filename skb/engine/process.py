"""One engine process, from the service's side: asked, told, interrupted, killed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Raw

from skb.engine.channel import Channel, Gone, Reply
from skb.errors import (
    EngineFailed,
    GoalError,
    GoalRefused,
    InvalidRequest,
    LimitExceeded,
    ServiceError,
    SyntaxProblem,
)

GRACE_SECONDS = 1.0
"""What an engine may need to notice by itself that a goal is over its time, or given up, before it is killed."""

INTERRUPT = signal.SIGUSR1
"""What gives up the goal that an engine works on; `engine.pl` says how."""

_NOTHING = b'"nothing"'


class Engine:
    """An engine process. One request at a time is somebody's; writes are told in between."""

    def __init__(self, pid: int, channel: Channel, revision: int) -> None:
        self.pid = pid
        self.revision = revision
        """Of what it has been told: what is asked from now on is answered by that."""
        self.stale = False
        """It should not be asked any more."""
        self._channel = channel
        self._disturbed: asyncio.Future[Any] | None = None

    @property
    def usable(self) -> bool:
        """Whether it can be asked."""
        return not self.stale and self._channel.open

    @property
    def disturbed(self) -> bool:
        """Whether it works on something that nobody waits for any more; `settle` ends that."""
        return self._disturbed is not None

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the process has closed its end."""
        return self._channel.lost

    def tell(self, frame: bytes, revision: int) -> asyncio.Future[Reply]:
        """Have it apply a write before whatever it is asked next. Nobody needs to wait for that."""
        self.revision = revision
        return self._channel.ask(frame)

    async def ask(self, request: bytes, *, seconds: float = 30.0) -> list[Raw]:
        """Have it perform a request. Raises a ServiceError for every problem that it answers with, or has."""
        return await self._hear(self._channel.ask(request), seconds)

    async def hear(self, *, seconds: float) -> list[Raw]:
        """Have its reply to a request that was sent another way. Raises as `ask` does."""
        return await self._hear(self._channel.expect(), seconds)

    async def _hear(self, reply: asyncio.Future[Reply], seconds: float) -> list[Raw]:
        clock = _Clock(self, reply, seconds)
        try:
            return unpack(await reply)
        except Gone:
            raise clock.gone() from None
        except asyncio.CancelledError:
            self._disturbed = reply
            raise
        finally:
            clock.stop()

    async def stream(self, request: bytes, *, seconds: float) -> AsyncIterator[list[Raw]]:
        """Have it perform a request with many answers; gives the arguments of each. Raises as `ask` does."""
        stream = self._channel.stream(request)
        clock = _Clock(self, stream.ended, seconds)
        try:
            async for reply in stream.replies():
                yield unpack(reply)
        except Gone:
            raise clock.gone() from None
        finally:
            clock.stop()
            if not stream.ended.done():
                self._disturbed = stream.ended
                stream.drop()

    def interrupt(self, working: asyncio.Future[Any]) -> None:
        """Have it give up what it works on. The signal may come late, so `settle` follows."""
        self._disturbed = working
        with suppress(ProcessLookupError):
            os.kill(self.pid, INTERRUPT)

    async def settle(self) -> None:
        """End what nobody waits for, so that the engine can be asked again; kill it if it does not listen."""
        disturbed, self._disturbed = self._disturbed, None
        if disturbed is None or not self._channel.open:
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, INTERRUPT)
        # The interrupt may come after the answer: then it hits this request, and not the next one's.
        nothing = self._channel.ask(_NOTHING)
        done, _ = await asyncio.wait({nothing}, timeout=GRACE_SECONDS)
        if not done:
            self.kill()

    def kill(self) -> None:
        """End the process."""
        self.stale = True
        if self._channel.open:  # else it has ended, and its number may be another's
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._channel.close()


class _Clock:
    """The time that a request may take: when it is over the engine is interrupted, and killed if it does not listen."""

    def __init__(self, engine: Engine, working: asyncio.Future[Any], seconds: float) -> None:
        self._engine = engine
        self._working = working
        self._seconds = seconds
        self._killed = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._interrupt)

    def _interrupt(self) -> None:
        self._engine.interrupt(self._working)
        self._timer = self._loop.call_later(GRACE_SECONDS, self._kill)

    def _kill(self) -> None:
        self._killed = True
        self._engine.kill()

    def stop(self) -> None:
        self._timer.cancel()

    def gone(self) -> ServiceError:
        """Say why the engine is gone."""
        if self._killed:
            return LimitExceeded(
                f"the goal did not end within {self._seconds:g} s, nor when told to; its engine was replaced"
            )
        return EngineFailed(
            "the engine process ended while it worked on this: it crashed, ran out of memory, or was killed; it is replaced, "
            "ask again"
        )


def encode(request: object) -> bytes:
    """Give the JSON of a request. Raises InvalidRequest for values that have none."""
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise InvalidRequest("a text is not Unicode (it has half of a surrogate pair)") from None
    except RecursionError:
        raise InvalidRequest("a value is nested too deeply") from None


PROBLEMS: dict[str, type[ServiceError]] = {
    "syntax": SyntaxProblem,
    "param": InvalidRequest,
    "value": InvalidRequest,
    "refused": GoalRefused,
    "procedure": GoalError,
    "error": GoalError,
    "failed": EngineFailed,
    "time": LimitExceeded,
    "inferences": LimitExceeded,
    "memory": LimitExceeded,
}


def unpack(reply: Reply) -> list[Raw]:
    """Give the arguments of a reply; raise the ServiceError that a problem is."""
    if reply.f == "problem":
        kind, detail, line, column = (msgspec.json.decode(argument) for argument in reply.args)
        raise PROBLEMS[kind](detail, **({"line": line, "column": column} if line else {}))
    return reply.args
