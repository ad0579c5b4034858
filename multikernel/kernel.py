"""The CPU driver: one process, pinned to one hardware thread, that runs the dispatchers of its core.

Its loop takes messages from its links and hands them on, gives every dispatcher that has something to do one turn, and otherwise
sleeps on its doorbell, so that an idle kernel uses no CPU. All that it shares with others are the channels that it was given.

Started by `multikernel.boot` as `python -m multikernel.kernel CORE`, with a description of its channels on standard input. It
ignores Ctrl-C, which reaches every process of a terminal: the console decides when kernels stop. It dies with its parent.
"""

import heapq
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from itertools import count

import msgspec
from msgspec import Struct

from multikernel import urpc
from multikernel.dispatcher import Dispatcher
from multikernel.errors import ProtocolError
from multikernel.lifeline import die_with_parent
from multikernel.link import Link, UrpcLink
from multikernel.messages import HEADER, MONITORS, Kind
from multikernel.monitor import Monitor

BATCH = 64
"""Messages taken from one link before the next has its turn."""

RETRY_SECONDS = 0.0002
"""How long a kernel whose links have no room sleeps before it tries again."""


class LinkEnds(Struct, frozen=True):
    """How to reach one peer: file descriptors of the channel's segment and of the peer's doorbell, and which side is ours."""

    peer: int
    segment: int
    side: int
    doorbell: int


class Description(Struct, frozen=True):
    """What a kernel is told at birth. `host` is the hardware thread it runs on; `spin_ns` how long it spins before it sleeps."""

    core: int
    host: int
    parent: int
    console: int
    doorbell: int
    spin_ns: int
    links: tuple[LinkEnds, ...]


class Kernel:
    """The kernel of one core."""

    def __init__(self, core: int, console: int, doorbell: urpc.Doorbell, links: dict[int, Link]) -> None:
        self.core = core
        self.console = console
        self.links = links
        self._wait_set = urpc.WaitSet(doorbell)
        self._by_channel: dict[urpc.Channel, Link] = {}
        for link in links.values():
            assert isinstance(link, UrpcLink)
            self._wait_set.add(link.channel)
            self._by_channel[link.channel] = link
        self._dispatchers: dict[tuple[int, int], Dispatcher] = {}
        self._local: deque[tuple[int, int, int, int, bytes]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = count()
        self._running = True
        self._monitor = Monitor(self)

    # What dispatchers and the monitor call.

    def post(self, core: int, kind: int, application: int, to: int, sender: int, data: bytes) -> None:
        """Send a message to member `to` of an application, on `core`. Never blocks."""
        if core == self.core:
            self._local.append((kind, application, to, sender, data))
        else:
            self.links[core].post(HEADER.pack(kind, application, to, sender) + data)

    @property
    def backlog(self) -> int:
        """How many messages wait for room in some link."""
        return sum(link.backlog for link in self.links.values())

    def flush(self) -> None:
        """Send what has room now."""
        for link in self.links.values():
            if link.backlog:
                link.flush()

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Call back once `time.monotonic()` has reached `when`."""
        heapq.heappush(self._timers, (when, next(self._timer_numbers), callback))

    def add(self, application: int, dispatcher: Dispatcher) -> None:
        """Have a dispatcher run on this core."""
        self._dispatchers[application, dispatcher.index] = dispatcher

    def dispatchers(self, application: int) -> list[Dispatcher]:
        """The dispatchers of an application on this core."""
        return [dispatcher for (number, _), dispatcher in self._dispatchers.items() if number == application]

    def remove(self, application: int, index: int) -> None:
        """Forget a dispatcher that has ended."""
        del self._dispatchers[application, index]

    def stop(self) -> None:
        """Leave the loop after this turn."""
        self._running = False

    # The loop.

    def run(self) -> None:
        """Run until stopped."""
        while self._running:
            for channel in self._wait_set.wait(self._patience()):
                self._drain(self._by_channel[channel])
            while self._local:
                self._hand_over(*self._local.popleft())
            self._expire()
            for dispatcher in list(self._dispatchers.values()):
                if dispatcher.runnable:
                    dispatcher.upcall()
            self._monitor.reap()
            self.flush()
        self._farewell()

    def _patience(self) -> float | None:
        """How long there is nothing to do unless a message comes; None is for ever."""
        if self._local or any(dispatcher.runnable for dispatcher in self._dispatchers.values()):
            return 0.0
        if self.backlog:
            return RETRY_SECONDS
        if self._timers:
            return max(0.0, self._timers[0][0] - time.monotonic())
        return None

    def _drain(self, link: Link) -> None:
        for _ in range(BATCH):
            message = link.receive()
            if message is None:
                if link.ended:
                    self._forget(link)
                return
            kind, application, to, sender = HEADER.unpack_from(message)
            self._hand_over(kind, application, to, sender, message[HEADER.size :])

    def _forget(self, link: Link) -> None:
        """Listen no more to a peer that has gone."""
        assert isinstance(link, UrpcLink)
        self._wait_set.remove(link.channel)
        del self._by_channel[link.channel]

    def _hand_over(self, kind: int, application: int, to: int, sender: int, data: bytes) -> None:
        if kind == Kind.REQUEST:
            self._monitor.take_request(data)
        elif application == MONITORS:
            self._monitor.take(sender, data)
        elif (dispatcher := self._dispatchers.get((application, to))) is not None:
            dispatcher.take(kind, sender, data)
        elif not self._monitor.knew(application, to):
            raise ProtocolError(
                f"kernel {self.core} got a message for dispatcher {to} of application {application}, which was never spawned here"
            )

    def _expire(self) -> None:
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _farewell(self) -> None:
        """Give the last words room to leave, but not for ever: whoever should read them may be gone."""
        deadline = time.monotonic() + 1.0
        while self.backlog and time.monotonic() < deadline:
            self.flush()
            time.sleep(RETRY_SECONDS)


def attach(description: Description) -> tuple[urpc.Doorbell, dict[int, Link]]:
    """Open the channels that a description names."""
    doorbell = urpc.Doorbell.attach(description.doorbell, spin_ns=description.spin_ns)
    links: dict[int, Link] = {}
    for ends in description.links:
        peer_doorbell = urpc.Doorbell.attach(ends.doorbell)
        # Huge pages are fine: kernels of one multikernel trust each other with their lives.
        segment = urpc.Segment.attach(ends.segment, huge_pages=True)
        channel = urpc.Channel(segment, ends.side, doorbell, peer_doorbell)
        links[ends.peer] = UrpcLink(ends.peer, channel)
    return doorbell, links


def main() -> None:
    """Be the kernel that standard input describes."""
    description = msgspec.json.decode(sys.stdin.buffer.read(), type=Description)
    die_with_parent(description.parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, {description.host})
    doorbell, links = attach(description)
    Kernel(description.core, description.console, doorbell, links).run()


if __name__ == "__main__":
    main()
