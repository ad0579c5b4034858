"""A dispatcher: an application's representative on one core.

It never migrates. It owns its threads, its mailbox and its place in the application's group. Application code sees this class
only: `send`, `receive`, `broadcast`, `barrier`, `spawn`.

    def main(self: Dispatcher, greeting: str) -> int:
        self.on_delivery(lambda origin, payload: print(self.index, origin, payload))
        self.broadcast(greeting.encode())
        self.barrier()
        return self.core
"""

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from multikernel.group import Group
from multikernel.link import LONGEST
from multikernel.messages import Kind
from multikernel.protocols.tree import Position
from multikernel.threads import Scheduler, Thread

if TYPE_CHECKING:
    from multikernel.kernel import Kernel

BACKLOG_LIMIT = 256
"""A thread that sends rests while more messages than this wait for room in the links of its kernel."""


class Dispatcher:
    """An application's representative on one core. Made by the monitor, on the core where the SKB placed it."""

    def __init__(self, kernel: "Kernel", application: int, position: Position, cores: tuple[int, ...]) -> None:
        self.index = position.member
        """Its number in the application, from 0."""
        self.cores = cores
        """The core of each dispatcher of the application."""
        self.core = kernel.core
        """The core that it runs on."""
        self._kernel = kernel
        self._application = application
        self._scheduler = Scheduler()
        self._mailbox: deque[tuple[int, bytes]] = deque()
        self._receivers: deque[Thread] = deque()
        self._delivered: Callable[[int, bytes], None] | None = None
        self._early: list[tuple[int, bytes]] = []
        self._group = Group(position, self._send_collective, self._deliver)
        self.main: Thread | None = None
        """The thread that runs the application's function; None before the start."""

    @property
    def size(self) -> int:
        """How many dispatchers the application has."""
        return len(self.cores)

    # What applications call.

    def send(self, to: int, data: bytes) -> None:
        """Send bytes to another dispatcher (or to this one). Up to 48 bytes travel in one cache line.

        Returns when the message is on its way, not when it is received. Messages between two dispatchers keep their order. Raises
        ValueError if there is no dispatcher `to`, or if the data is longer than `LONGEST`.
        """
        if not 0 <= to < len(self.cores):
            raise ValueError(f"there is no dispatcher {to}; this application's are 0 to {len(self.cores) - 1}")
        _check_length(data)
        self._kernel.post(self.cores[to], Kind.DATA, self._application, to, self.index, data)
        while self._kernel.backlog > BACKLOG_LIMIT:
            self._scheduler.rest()

    def receive(self) -> tuple[int, bytes]:
        """Wait for the next message. Returns who sent it and what."""
        while not self._mailbox:
            self._receivers.append(self._scheduler.current())
            self._scheduler.park()
        return self._mailbox.popleft()

    def on_delivery(self, delivered: Callable[[int, bytes], None]) -> None:
        """Have `delivered(origin, payload)` called for every broadcast, in the same order on every dispatcher.

        It is called between the turns of threads and must not block. Broadcasts that arrived before are delivered first.
        """
        self._delivered = delivered
        for origin, payload in self._early:
            delivered(origin, payload)
        self._early.clear()

    def broadcast(self, payload: bytes) -> None:
        """Send a payload to all dispatchers, this one included; all see all payloads in one order. Returns when all have it."""
        _check_length(payload)
        self._wait(lambda done: self._group.submit(payload, done))

    def barrier(self) -> None:
        """Wait until all dispatchers of the application are here."""
        self._wait(self._group.arrive)

    def spawn(self, function: Callable[..., Any], *arguments: Any) -> Thread:
        """Start another thread in this dispatcher."""
        return self._scheduler.spawn(function, *arguments)

    def rest(self) -> None:
        """Let other threads, and the kernel, have a turn. Call it in long computations."""
        self._scheduler.rest()

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while; others run meanwhile."""
        thread = self._scheduler.current()
        self._kernel.call_at(time.monotonic() + seconds, lambda: self._scheduler.wake(thread))
        self._scheduler.park()

    # What the kernel and the monitor call.

    @property
    def runnable(self) -> bool:
        """Whether it has anything to do on the core now."""
        return self._scheduler.runnable

    def start(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Make the main thread; it runs at the next upcall."""
        self.main = self._scheduler.spawn(function, self, *arguments)

    def upcall(self) -> None:
        """Have the core for one turn."""
        self._scheduler.run()

    def take(self, kind: int, sender: int, data: bytes) -> None:
        """Take a message that is addressed to this dispatcher."""
        if kind == Kind.COLLECTIVE:
            self._group.receive(sender, data)
            return
        self._mailbox.append((sender, data))
        if self._receivers:
            self._scheduler.wake(self._receivers.popleft())

    def _deliver(self, origin: int, payload: bytes) -> None:
        if self._delivered is None:
            self._early.append((origin, payload))
        else:
            self._delivered(origin, payload)

    def _send_collective(self, to: int, data: bytes) -> None:
        self._kernel.post(self.cores[to], Kind.COLLECTIVE, self._application, to, self.index, data)

    def _wait(self, begin: Callable[[Callable[[], None]], None]) -> None:
        """Begin something that calls back when it is done, and block the current thread until then."""
        thread = self._scheduler.current()
        state = {"done": False, "parked": False}

        def done() -> None:
            state["done"] = True
            if state["parked"]:
                self._scheduler.wake(thread)

        begin(done)
        if not state["done"]:
            state["parked"] = True
            self._scheduler.park()


def _check_length(data: bytes) -> None:
    if len(data) > LONGEST:
        raise ValueError(f"{len(data)} bytes are too many for one message, which carries {LONGEST}; send them in parts")
