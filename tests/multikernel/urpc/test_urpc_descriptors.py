"""Wait sets that wait for descriptors as well, or that are waited for elsewhere."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from multikernel import urpc

SPINS = pytest.mark.parametrize("spin_ns", [0, 20_000, None])
COUNTS = pytest.mark.parametrize("count", [3, 20])


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def both(middle: Any, fd: int) -> urpc.WaitSet:
    """A wait set of a star's channels and a descriptor."""
    ready = urpc.WaitSet(middle.bell)
    for channel in middle.near:
        ready.add(channel)
    ready.add_fd(fd)
    return ready


@SPINS
@COUNTS
def test_descriptor_ends_a_wait(star: Callable[..., Any], pipe: tuple[int, int], count: int, spin_ns: int) -> None:
    middle = star(count, spin_ns=spin_ns)
    ready = both(middle, pipe[0])
    assert ready.select(0) == ([], [])
    assert ready.select(0.01) == ([], [])
    timer = threading.Timer(0.05, os.write, args=(pipe[1], b"x"))
    timer.start()
    assert ready.select(30) == ([], [(pipe[0], select.POLLIN)])
    timer.join()
    assert ready.wait(30) == []
    os.read(pipe[0], 1)
    assert ready.select(0) == ([], [])


@SPINS
@COUNTS
def test_message_ends_a_wait_for_descriptors(
    star: Callable[..., Any], pipe: tuple[int, int], count: int, spin_ns: int
) -> None:
    middle = star(count, spin_ns=spin_ns)
    ready = both(middle, pipe[0])
    for _ in range(3):
        timer = threading.Timer(0.03, middle.far[1].send, args=(b"x",))
        timer.start()
        assert ready.select(30) == ([middle.near[1]], [])
        timer.join()
        assert middle.near[1].receive() == b"x"


def test_both_are_told_at_once(star: Callable[..., Any], pipe: tuple[int, int]) -> None:
    middle = star(3)
    ready = both(middle, pipe[0])
    os.write(pipe[1], b"x")
    middle.far[2].send(b"y")
    assert ready.select() == ([middle.near[2]], [(pipe[0], select.POLLIN)])


def test_ring_ends_a_wait_for_descriptors(star: Callable[..., Any], pipe: tuple[int, int]) -> None:
    middle = star(1)
    ready = both(middle, pipe[0])
    timer = threading.Timer(0.05, middle.bell.ring)
    timer.start()
    assert ready.select(30) == ([], [])
    timer.join()


def test_events_are_those_of_poll(star: Callable[..., Any]) -> None:
    middle = star(1)
    one, other = socket.socketpair()
    with one, other:
        ready = urpc.WaitSet(middle.bell)
        ready.add_fd(one, select.POLLIN | select.POLLOUT)
        assert ready.select(30) == ([], [(one.fileno(), select.POLLOUT)])
        other.send(b"x")
        assert ready.select(30) == ([], [(one.fileno(), select.POLLIN | select.POLLOUT)])
        other.close()
        ((_, events),) = ready.select(30)[1]
        assert events & select.POLLHUP
        ready.remove_fd(one)
        assert ready.select(0.01) == ([], [])


def test_set_refuses_descriptors_it_cannot_wait_for(star: Callable[..., Any], pipe: tuple[int, int]) -> None:
    middle = star(1)
    ready = both(middle, pipe[0])
    with pytest.raises(ValueError, match="already"):
        ready.add_fd(pipe[0])
    with pytest.raises(ValueError, match="not in"):
        ready.remove_fd(pipe[1])
    with pytest.raises(PermissionError), Path(__file__).open() as regular:
        ready.add_fd(regular)
    with pytest.raises(TypeError):
        ready.add_fd("a name")  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(urpc.UrpcError, match="another wait set"):
        urpc.WaitSet(middle.bell).add_fd(pipe[1])
    del ready
    urpc.WaitSet(middle.bell).add_fd(pipe[1])


@COUNTS
def test_armed_set_becomes_readable_when_a_message_comes(star: Callable[..., Any], count: int) -> None:
    middle = star(count)
    ready = urpc.WaitSet(middle.bell)
    for channel in middle.near:
        ready.add(channel)
    poll = select.poll()
    poll.register(ready.fileno(), select.POLLIN)
    for _ in range(3):
        assert ready.arm()
        assert poll.poll(0) == []
        middle.far[2].send(b"x")
        assert poll.poll(30_000) != []
        assert ready.wait(0) == [middle.near[2]]
        assert not ready.arm()
        middle.near[2].receive()
        assert poll.poll(0) == []


def test_doorbell_rung_by_hand_calls_an_armed_set(star: Callable[..., Any]) -> None:
    middle = star(1)
    ready = urpc.WaitSet(middle.bell)
    fd = ready.fileno()
    middle.bell.ring()
    assert not ready.arm()
    assert ready.wait(0) == []
    assert ready.arm()
    middle.bell.ring()
    assert select.select([fd], [], [], 30)[0] == [fd]


@COUNTS
def test_other_process_wakes_a_poller(start: Callable[..., Any], pipe: tuple[int, int], count: int) -> None:
    """Each message may come in any moment between the last look and poll(2)."""
    bell, theirs = urpc.Doorbell.create(0), urpc.Doorbell.create(0)
    ready = urpc.WaitSet(bell)
    ready.add_fd(pipe[0])
    segments = [urpc.Segment.create(8) for _ in range(count)]
    for segment in segments:
        ready.add(urpc.Channel(segment, 0, bell, theirs))
    handed = [theirs.fd, bell.fd, *(segment.fd for segment in segments)]
    start(
        """
        import sys
        from multikernel import urpc
        own, peer, *segments = map(int, sys.argv[1:])
        own, peer = urpc.Doorbell.attach(own), urpc.Doorbell.attach(peer)
        channels = [urpc.Channel(urpc.Segment.attach(segment), 1, own, peer) for segment in segments]
        for i in range(3000):
            channel = channels[i % len(channels)]
            channel.send(b"%d" % i)
            assert channel.receive(30) == b"%d" % i
        """,
        *handed,
        pass_fds=handed,
    )
    for expected in range(3000):
        channels, files = ready.select(30)
        assert files == []
        (channel,) = channels
        message = channel.receive()
        assert message == b"%d" % expected
        channel.send(message)


def test_signal_ends_a_wait_for_descriptors(run: Callable[..., str]) -> None:
    assert (
        run(
            """
        import os, signal
        from multikernel import urpc
        bell = urpc.Doorbell.create(0)
        ready = urpc.WaitSet(bell)
        ready.add_fd(os.pipe()[0])
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        def alarm(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, alarm)
        try:
            ready.select()
        except KeyboardInterrupt:
            print("interrupted")
        """
        )
        == "interrupted\n"
    )
