"""Learning how long to spin (pace.h) where somebody else wants the receiver's core, and after he has gone.

For `bench_waiting.py`. A process answers messages on a core of its own; then one that only computes joins it there, and leaves again. Held
against `spin_ns=0`: to block at once is the best that one can do on a core that others want, since whoever has slept is let in at once, and
who has spun for nothing is not.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import mean, median
from typing import NamedTuple

from multikernel import urpc
from multikernel.urpc.bench_asyncio import cores

MESSAGE = bytes(48)
TIMEOUT = 30.0


class Phases(NamedTuple):
    """A round trip in ns: before the load (median), under it (mean: what it costs is in the stragglers), and after it (median)."""

    before: float
    under: float
    after: float


@contextmanager
def _on(core: int, work: Callable[[], None]) -> Iterator[int]:
    """Fork a process that works on a core. It is killed in the end."""
    child = os.fork()
    if child == 0:
        try:
            os.sched_setaffinity(0, {core})
            work()
        finally:
            os._exit(0)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _compute() -> None:
    while True:
        pass


def phases(spin_ns: int | None, seconds: float) -> Phases:
    """Send messages and receive them back for so long in each phase; the load needs some tenths of a second to be one."""
    ours, theirs = urpc.pair(spin_ns=spin_ns)

    def answer() -> None:
        while True:
            theirs.send(theirs.receive())

    def times() -> list[int]:
        taken = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter_ns()
            ours.send(MESSAGE, TIMEOUT)
            ours.receive(TIMEOUT)
            taken.append(time.perf_counter_ns() - start)
        return taken

    here, there = cores()
    allowed = os.sched_getaffinity(0)
    with _on(there, answer):
        theirs.close()
        os.sched_setaffinity(0, {here})
        try:
            before = median(times())
            with _on(there, _compute):
                under = times()
            times()  # to learn
            return Phases(before, mean(under), median(times()))
        finally:
            os.sched_setaffinity(0, allowed)
            ours.close()
