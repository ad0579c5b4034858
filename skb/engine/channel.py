"""Frames to and from one engine process: requests go out in order, replies come back in the same order.

An `asyncio.Protocol` rather than streams: a question is one write and one callback, without a reader task in between. Requests are sent
before earlier ones are answered, so that an engine that is asked a lot never sleeps between two of them: waking a process on another core
costs more than most goals.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol, cast

import msgspec
from msgspec import Raw, Struct

HEADER = 4
"""Bytes of a frame's length, little-endian."""

WAITING_FRAMES = 4
"""Frames of a stream that wait for their reader before the engine has to."""


class Reply(Struct):
    """What an engine answers: a term. Its arguments stay as the engine wrote them, since most go on to the client without a look."""

    f: str
    args: list[Raw]


class Gone(Exception):
    """The engine's process has ended. `working` says whether it was working on this."""

    def __init__(self, *, working: bool) -> None:
        super().__init__()
        self.working = working


class Asked(Protocol):
    """A request that was sent."""

    def receive(self, reply: Reply) -> bool:
        """Take a reply; say whether it was the last."""

    def fail(self, error: Exception) -> None:
        """There will be no reply."""


_decode_reply = msgspec.json.Decoder(Reply).decode


class One:
    """A request with one reply."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def receive(self, reply: Reply) -> bool:
        """Take the reply."""
        if not self.future.done():
            self.future.set_result(reply)
        return True

    def fail(self, error: Exception) -> None:
        """There will be no reply."""
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever asked may be gone too


class Many:
    """A request with many replies, the last of which is no `batch`. The engine waits while nobody takes them."""

    def __init__(self, channel: "Channel") -> None:
        self._channel = channel
        self._replies: deque[Reply | Exception] = deque()
        self._arrived = asyncio.Event()
        self.ended = False

    def receive(self, reply: Reply) -> bool:
        """Take a reply; say whether it was the last."""
        self.ended = reply.f != "batch"
        self._replies.append(reply)
        self._arrived.set()
        if len(self._replies) >= WAITING_FRAMES and not self.ended:
            self._channel.pause()
        return self.ended

    def fail(self, error: Exception) -> None:
        """There will be no more replies."""
        self.ended = True
        self._replies.append(error)
        self._arrived.set()

    async def replies(self) -> AsyncIterator[Reply]:
        """Give the replies up to and with the last. Raises what `fail` was given."""
        while True:
            while not self._replies:
                self._arrived.clear()
                await self._arrived.wait()
            reply = self._replies.popleft()
            if len(self._replies) < WAITING_FRAMES:
                self._channel.resume()
            if isinstance(reply, Exception):
                raise reply
            yield reply
            if reply.f != "batch":
                return


class Channel(asyncio.Protocol):
    """The service's end of the socket to an engine."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._paused = False
        self.asked: deque[Asked] = deque()
        """Requests without their last reply, oldest first: the engine works on the first."""
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the other end has closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start (asyncio calls this)."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not say that it is one

    def data_received(self, data: bytes) -> None:
        """Take bytes (asyncio calls this)."""
        buffer = self._buffer
        buffer += data
        start, size = 0, len(buffer)
        while size - start >= HEADER:
            end = start + HEADER + int.from_bytes(buffer[start : start + HEADER], "little")
            if size < end:
                break
            reply = _decode_reply(bytes(memoryview(buffer)[start + HEADER : end]))
            start = end
            if self.asked and self.asked[0].receive(reply):
                self.asked.popleft()
                self.resume()  # whoever asked next has nothing to do with a reader that left
                self.answered()
        if start:
            del buffer[:start]

    def answered(self) -> None:
        """A request has had its last reply. For whoever owns the channel to replace."""

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell whoever waits (asyncio calls this)."""
        self._transport = None
        working = True
        while self.asked:
            self.asked.popleft().fail(Gone(working=working))
            working = False
        if not self.lost.done():
            self.lost.set_result(None)

    @property
    def open(self) -> bool:
        """Whether the other end is there, as far as is known."""
        return self._transport is not None

    def send(self, frame: bytes, asked: Asked) -> None:
        """Send a request."""
        if self._transport is not None:
            self._transport.write(len(frame).to_bytes(HEADER, "little") + frame)
        self.expect(asked)

    def expect(self, asked: Asked) -> None:
        """Expect the reply to a request that was sent another way, with nothing else under way."""
        if self._transport is None:
            asked.fail(Gone(working=False))
        else:
            self.asked.append(asked)

    def pause(self) -> None:
        """Read no more for now: what the engine writes fills the socket, and then the engine waits."""
        if self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and self._paused:
            self._paused = False
            self._transport.resume_reading()

    def close(self) -> None:
        """Close this end."""
        if self._transport is not None:
            self._transport.abort()
