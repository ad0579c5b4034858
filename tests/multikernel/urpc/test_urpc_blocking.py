"""What waits takes no core: not the processor's time, and not the interpreter's lock."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from multikernel import urpc

WAITS = {
    "receive": "a.receive",
    "send": "full",
    "wait": "few.wait",
    "wait-many": "many.wait",
    "select": "files.select",
}

WORLD = """
import os, time
from multikernel import urpc
a, b = urpc.pair(8)
c, d = urpc.pair(8)
while c.try_send(b"x"):
    pass
def full(timeout):
    c.send(b"x", timeout)
bell = urpc.Doorbell.create()
kept = []
def a_set(count):
    ready = urpc.WaitSet(bell)
    for _ in range(count):
        segment, other = urpc.Segment.create(8), urpc.Doorbell.create()
        kept.append((urpc.Channel(segment, 0, bell, other), urpc.Channel(segment, 1, other, bell)))
        ready.add(kept[-1][0])
    return ready
few, many, files = a_set(3), a_set(100), a_set(3)
files.add_fd(os.pipe()[0])
"""


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_blocked_waiter_uses_no_processor_time(run: Callable[..., str], wait: str) -> None:
    used = float(
        run(
            WORLD
            + f"""
def once(timeout):
    try:
        {wait}(timeout)
    except TimeoutError:
        pass
for _ in range(30):
    once(0.001)
before = time.process_time()
once(2.5)
print(time.process_time() - before)
"""
        )
    )
    assert used < 0.05  # of 2.5 s


@pytest.fixture
def ticks() -> Iterator[Callable[[], int]]:
    """How often another thread has run, which takes the lock whenever it is offered; nobody is made to offer it."""
    count = 0
    stop = False

    def tick() -> None:
        nonlocal count
        while not stop:
            count += 1
            time.sleep(0.0001)

    thread = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    thread.start()
    sys.setswitchinterval(60)
    yield lambda: count
    sys.setswitchinterval(interval)
    stop = True
    thread.join()


def test_waits_let_other_threads_run(ticks: Callable[[], int], star: Callable[..., Any]) -> None:
    middle = star(20)
    ready = urpc.WaitSet(middle.bell)
    for channel in middle.near:
        ready.add(channel)
    full = middle.far[0]
    while full.try_send(b"x"):
        pass
    assert middle.near[1].try_receive() is None

    def receive() -> None:
        with pytest.raises(TimeoutError):
            middle.near[1].receive(0.1)

    def send() -> None:
        with pytest.raises(TimeoutError):
            full.send(b"x", 0.1)

    def wait() -> None:
        ready.remove(middle.near[0])
        assert ready.wait(0.1) == []

    for waits in (receive, send, wait):
        before = ticks()
        waits()
        assert ticks() > before + 1


def test_what_does_not_wait_keeps_the_lock(ticks: Callable[[], int], star: Callable[..., Any]) -> None:
    middle = star(20)
    ready = urpc.WaitSet(middle.bell)
    for channel in middle.near:
        ready.add(channel)
    near, far = middle.near[0], middle.far[0]
    time.sleep(0.001)
    before = ticks()
    for _ in range(5000):
        far.send(b"x")
        ready.wait(0)
        near.receive()
        near.try_receive()
        ready.wait(0)
    assert ticks() == before


def test_kernels_that_share_a_core_learn_to_block_at_once(run: Callable[..., str]) -> None:
    """While one spins the other cannot answer: of a thousand waits only few may find that out again."""
    spun = int(
        run(
            """
            import os
            from multikernel import urpc
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            a, b = urpc.pair()
            child = os.fork()
            if child == 0:
                for _ in range(1000):
                    b.send(b.receive(60))
                os._exit(0)
            spun = 0
            for _ in range(1000):
                spun += a.own_doorbell.spins
                a.send(b"x")
                a.receive(60)
            assert os.waitpid(child, 0)[1] == 0
            print(spun)
            """
        )
    )
    assert spun < 200
