"""The console: the one process outside the kernels that may ask their monitors for something.

It has a channel to every kernel, like a kernel has, and a thread that watches the kernels' processes. When one dies, whoever waits
for an answer gets `KernelDied` at once, and does not hang.
"""

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec

from multikernel import urpc
from multikernel.errors import KernelDied, RequestFailed
from multikernel.link import UrpcLink
from multikernel.messages import HEADER, MONITORS, Done, Ended, Failed, Kind, Request, decode_reply, encode

PATIENCE = 0.5
"""Seconds between two looks for room in full channels."""


def how_it_ended(returncode: int) -> str:
    """Say in words what a process's return code means."""
    if returncode < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-returncode).name}"
        return f"killed by signal {-returncode}"
    return f"exited with status {returncode}; its last words are above, on standard error"


class Deathwatch:
    """Watches processes and calls back, from a thread of its own, when one ends."""

    def __init__(self, processes: Mapping[int, subprocess.Popen[bytes]], died: Callable[[int], None]) -> None:
        self._died = died
        self._stop_reading, self._stop_writing = os.pipe2(os.O_CLOEXEC)
        self._pidfds = {os.pidfd_open(process.pid): core for core, process in processes.items()}
        self._thread = threading.Thread(target=self._watch, name="deathwatch", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        poll = select.poll()
        for descriptor in (self._stop_reading, *self._pidfds):
            poll.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == self._stop_reading:
                    return
                poll.unregister(descriptor)
                self._died(self._pidfds[descriptor])

    def close(self) -> None:
        """Stop watching."""
        os.close(self._stop_writing)
        self._thread.join()
        for descriptor in (self._stop_reading, *self._pidfds):
            os.close(descriptor)


class Console:
    """Asks monitors, and hears from them."""

    def __init__(
        self, doorbell: urpc.Doorbell, links: dict[int, UrpcLink], processes: dict[int, subprocess.Popen[bytes]]
    ) -> None:
        self.processes = processes
        self._links = links
        self._doorbell = doorbell
        self._wait_set = urpc.WaitSet(doorbell)
        self._by_channel: dict[urpc.Channel, UrpcLink] = {}
        for link in links.values():
            self._wait_set.add(link.channel)
            self._by_channel[link.channel] = link
        self._calls = count(1)
        self._answers: dict[int, Done | Failed | None] = {}
        self._callers: dict[int, int] = {}
        self.ended: list[Ended] = []
        """Dispatchers that have ended and were not yet asked about."""
        self._dead: list[int] = []
        self._deathwatch = Deathwatch(processes, self._bury)

    def _bury(self, core: int) -> None:
        self._dead.append(core)
        self._doorbell.ring()

    def check(self) -> None:
        """Raise KernelDied if a kernel has died."""
        if self._dead:
            core = self._dead[0]
            raise KernelDied(core, how_it_ended(self.processes[core].wait()))

    def begin(self, core: int, request: type[Any], *arguments: object) -> int:
        """Send a request to a monitor. Returns the number to ask `answer` for."""
        call = self.expect(core)
        message: Request = request(call, *arguments)
        self._links[core].post(HEADER.pack(Kind.REQUEST, MONITORS, core, 0) + encode(message))
        return call

    def expect(self, core: int) -> int:
        """Give a number for a request that somebody else will pass on to a monitor, and which answers here."""
        call = next(self._calls)
        self._answers[call] = None
        self._callers[call] = core
        return call

    def answer(self, call: int, type_: Any = Any, *, timeout: float = 30.0) -> Any:
        """Wait for the answer to a request, and give its result. Raises KernelDied, RequestFailed, TimeoutError."""
        core = self._callers[call]
        self.wait(lambda: self._answers[call] is not None, timeout, f"an answer of the monitor of core {core}")
        answer = self._answers.pop(call)
        del self._callers[call]
        if isinstance(answer, Failed):
            raise RequestFailed(f"the monitor of core {core} could not do what it was asked: {answer.reason}")
        assert answer is not None, "it was waited for"
        return msgspec.msgpack.decode(answer.result, type=type_)

    def ask(self, core: int, request: type[Any], *arguments: object, type_: Any = Any, timeout: float = 30.0) -> Any:
        """Send a request to a monitor and wait for its answer."""
        return self.answer(self.begin(core, request, *arguments), type_, timeout=timeout)

    def ask_all(
        self, request: type[Any], *arguments: object, type_: Any = Any, timeout: float = 30.0
    ) -> dict[int, Any]:
        """Send the same request to every monitor and wait for all answers."""
        calls = {core: self.begin(core, request, *arguments) for core in self._links}
        return {core: self.answer(call, type_, timeout=timeout) for core, call in calls.items()}

    def wait(self, done: Callable[[], bool], timeout: float | None, what: str) -> None:
        """Take in what monitors say until `done()`. Raises KernelDied, or TimeoutError naming `what` was waited for."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not done():
            self.check()
            left = PATIENCE if deadline is None else min(PATIENCE, deadline - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"waited {timeout:g} s for {what}, in vain; is the machine overloaded?")
            for channel in self._wait_set.wait(left):
                self._drain(self._by_channel[channel])
            for link in self._links.values():
                link.flush()

    def _drain(self, link: UrpcLink) -> None:
        while (message := link.receive()) is not None:
            reply = decode_reply(message[HEADER.size :])
            if isinstance(reply, Ended):
                self.ended.append(reply)
            elif reply.call in self._answers:
                self._answers[reply.call] = reply
        if link.ended:  # its process will be seen to end; there is nothing more to hear from it
            self._wait_set.remove(link.channel)

    def close(self) -> None:
        """Stop watching the kernels and close the channels. Their processes are the business of whoever started them."""
        self._deathwatch.close()
        for link in self._links.values():
            link.channel.close()
