"""An engine process, from the service's side: started, asked, killed and replaced.

One request at a time goes to an engine; others wait for their turn. An engine that does not answer by its deadline is killed. Whoever
asks next gets a new one, which has been told all facts before.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
from msgspec import Raw, Struct

from skb.errors import (
    EngineFailed,
    GoalError,
    GoalRefused,
    InvalidRequest,
    LimitExceeded,
    ServiceError,
    StartFailed,
    SyntaxProblem,
)

START_SECONDS = 30.0
GRACE_SECONDS = 1.0
"""What an engine may need to notice by itself that a goal is over its time, before it is killed."""


class Reply(Struct):
    """What an engine answers: a term. Its arguments stay as the engine wrote them, since most go on to the client without a look."""

    f: str
    args: list[Raw]


class _Gone(Exception):
    """The engine's process has ended."""


class Engine:
    """The engine of one machine."""

    def __init__(self, refill: Callable[["Engine"], Awaitable[None]]) -> None:
        self._refill = refill
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.restarts = -1
        """How many times the engine was replaced."""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn, and have the engine running and filled. Nobody else is served until it is given back."""
        async with self._turn:
            if self._ended():
                await self.kill()
                await self._start()
            yield

    def _ended(self) -> bool:
        """Whether there is no engine, or none any more: the next request should not be the one to find out."""
        process, reader = self._process, self._reader
        return process is None or process.returncode is not None or reader is None or reader.at_eof()

    @property
    def busy(self) -> bool:
        """Whether it is somebody's turn, so that others would have to wait."""
        return self._turn.locked()

    async def ask(self, request: object, *, seconds: float = 30.0) -> list[Raw]:
        """Have the engine perform a request. Whoever has the turn calls this.

        Raises a ServiceError for every problem that it answers with, or has.
        """
        frame = encode(request)
        try:
            reply = await asyncio.wait_for(self._exchange(frame), seconds + GRACE_SECONDS)
        except TimeoutError:
            await self.kill()
            raise LimitExceeded(
                f"the goal did not end within {seconds:g} s, nor when told to; its engine was replaced"
            ) from None
        except _Gone:
            await self.kill()
            raise EngineFailed(
                "the engine process ended while it worked on this: it crashed, ran out of memory, or was killed; it is replaced, "
                "ask again"
            ) from None
        except asyncio.CancelledError:
            await self.kill()  # a reply that nobody waits for would be taken for the next one's
            raise
        return unpack(reply)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # whatever lies in the current directory is no module of ours
                "-m",
                "skb.engine.worker",
                str(theirs.fileno()),
                str(os.getpid()),
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
            )
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(sock=ours)
            greeting = await asyncio.wait_for(self._receive(), START_SECONDS)
            if greeting.f != "ready":
                raise StartFailed(msgspec.json.decode(greeting.args[0]))
            await self._refill(self)
        except (TimeoutError, _Gone):
            await self.kill()
            raise StartFailed(
                f"the engine process did not come up within {START_SECONDS:g} s; its last words are on standard error"
            ) from None
        except BaseException:
            await self.kill()  # whoever comes next must not find one that is half full
            raise
        self.restarts += 1

    async def _exchange(self, request: bytes) -> Reply:
        assert self._writer is not None
        self._writer.write(len(request).to_bytes(4, "little") + request)
        with suppress(ConnectionError):
            await self._writer.drain()
        return await self._receive()

    async def _receive(self) -> Reply:
        assert self._reader is not None
        try:
            length = int.from_bytes(await self._reader.readexactly(4), "little")
            return msgspec.json.decode(await self._reader.readexactly(length), type=Reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _Gone from None

    async def kill(self) -> None:
        """End the process, for whoever has the turn. The next turn gets a new one."""
        process, self._process = self._process, None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self.kill()


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
