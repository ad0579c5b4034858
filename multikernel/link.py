"""A link carries whole messages between two kernels, reliably and in order.

A kernel must never wait for a peer to take a message: two that wait for each other would wait for ever. So `post` always takes
the message; what the channel has no room for stays here, in order, until `flush` finds room.
"""

from abc import ABC, abstractmethod
from collections import deque

from multikernel import urpc

CAPACITY = 128
"""Lines of 64 bytes that each direction of a channel between kernels has at least; more where the SKB says so (`buffers`)."""

LONGEST = urpc.max_message(CAPACITY) - 64
"""Bytes of application data that one message may carry; the rest is for headers.

One number for all links, however long their rings are: a broadcast takes many of them, and applications should not have to ask which.
"""


class Link(ABC):
    """What a kernel needs of the way to one peer."""

    peer: int
    ended: bool
    """Whether the peer has gone. Whoever watches its process decides what that means; messages to it go nowhere."""

    @abstractmethod
    def post(self, message: bytes) -> None:
        """Send, now or as soon as there is room. Never blocks."""

    @abstractmethod
    def receive(self) -> bytes | None:
        """The next message from the peer; None if there is none, now or ever (see `ended`)."""

    @abstractmethod
    def flush(self) -> int:
        """Send what is waiting as far as there is room. Returns how many messages still wait."""

    @property
    @abstractmethod
    def backlog(self) -> int:
        """How many messages wait for room."""


class UrpcLink(Link):
    """A link over a shared-memory channel."""

    def __init__(self, peer: int, channel: urpc.Channel) -> None:
        self.peer = peer
        self.channel = channel
        self.ended = False
        self._waiting: deque[bytes] = deque()

    def post(self, message: bytes) -> None:  # noqa: D102  # as in Link
        try:
            if self._waiting or not self.channel.try_send(message):
                self._waiting.append(message)
        except urpc.Closed:
            self._end()

    def receive(self) -> bytes | None:  # noqa: D102  # as in Link
        try:
            return self.channel.try_receive()
        except urpc.Closed:
            self._end()
            return None

    def flush(self) -> int:  # noqa: D102  # as in Link
        waiting = self._waiting
        try:
            while waiting and self.channel.try_send(waiting[0]):
                waiting.popleft()
        except urpc.Closed:
            self._end()
        return len(waiting)

    @property
    def backlog(self) -> int:  # noqa: D102  # as in Link
        return len(self._waiting)

    def _end(self) -> None:
        self.ended = True
        self._waiting.clear()
