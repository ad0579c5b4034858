"""Frames to and from one engine process: requests go out in order, replies come back in the same order.

An `asyncio.Protocol` rather than streams: a question is one write and one callback, without a reader task in between. Requests may be
sent before earlier ones are answered, which is how an engine is told of writes while it works on something.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

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
    """The engine's process has ended."""


_decode_reply = msgspec.json.Decoder(Reply).decode


class _One:
    """A request with one reply."""

    def __init__(self, future: asyncio.Future[Reply]) -> None:
        self.future = future

    def receive(self, reply: Reply) -> bool:
        """Take a reply; say whether it was the last."""
        if not self.future.done():
            self.future.set_result(reply)
        return True

    def fail(self) -> None:
        """There will be no reply."""
        if not self.future.done():
            self.future.set_exception(Gone())
            self.future.exception()  # whoever asked may be gone too


class Stream:
    """A request with many replies, the last of which is no `batch`. The engine waits while nobody takes them."""

    def __init__(self, channel: "Channel") -> None:
        self._channel = channel
        self._replies: deque[Reply | None] = deque()
        self._arrived = asyncio.Event()
        self._deaf = False
        self.ended = asyncio.get_running_loop().create_future()

    def receive(self, reply: Reply) -> bool:
        """Take a reply; say whether it was the last."""
        last = reply.f != "batch"
        if not self._deaf:
            self._replies.append(reply)
            self._arrived.set()
            if len(self._replies) >= WAITING_FRAMES and not last:
                self._channel.pause()
        if last and not self.ended.done():
            self.ended.set_result(None)
        return last

    def fail(self) -> None:
        """There will be no more replies."""
        self._replies.append(None)
        self._arrived.set()
        if not self.ended.done():
            self.ended.set_result(None)

    def drop(self) -> None:
        """Let the engine come to its end without anybody listening."""
        self._deaf = True
        self._replies.clear()
        self._channel.resume()

    async def replies(self) -> AsyncIterator[Reply]:
        """Give the replies up to and with the last. Raises Gone."""
        while True:
            while not self._replies:
                self._arrived.clear()
                await self._arrived.wait()
            reply = self._replies.popleft()
            if len(self._replies) < WAITING_FRAMES:
                self._channel.resume()
            if reply is None:
                raise Gone
            yield reply
            if reply.f != "batch":
                return


class Channel(asyncio.Protocol):
    """The service's end of the socket to an engine."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: deque[_One | Stream] = deque()
        self._paused = False
        self.lost = asyncio.get_running_loop().create_future()
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
            if self._waiting and self._waiting[0].receive(reply):
                self._waiting.popleft()
        if start:
            del buffer[:start]

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell whoever waits (asyncio calls this)."""
        self._transport = None
        while self._waiting:
            self._waiting.popleft().fail()
        if not self.lost.done():
            self.lost.set_result(None)

    @property
    def open(self) -> bool:
        """Whether the other end is there, as far as is known."""
        return self._transport is not None

    def ask(self, frame: bytes) -> asyncio.Future[Reply]:
        """Send a request; its reply comes with the future, or Gone."""
        waiting = _One(asyncio.get_running_loop().create_future())
        self._send(frame, waiting)
        return waiting.future

    def expect(self) -> asyncio.Future[Reply]:
        """Expect the reply to a request that was sent another way, with nothing else under way."""
        waiting = _One(asyncio.get_running_loop().create_future())
        if self._transport is None:
            waiting.fail()
        else:
            self._waiting.append(waiting)
        return waiting.future

    def stream(self, frame: bytes) -> Stream:
        """Send a request that has many replies."""
        stream = Stream(self)
        self._send(frame, stream)
        return stream

    def _send(self, frame: bytes, waiting: _One | Stream) -> None:
        if self._transport is None:
            waiting.fail()
            return
        self._waiting.append(waiting)
        self._transport.write(len(frame).to_bytes(HEADER, "little") + frame)

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
