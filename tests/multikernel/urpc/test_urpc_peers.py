"""Peers that die: what they sent is received, then whoever waits is told."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from multikernel import urpc


@contextmanager
def forked(work: Callable[[], None]) -> Iterator[int]:
    """A child that works until it is killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
            time.sleep(60)
        finally:
            os._exit(0)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def kill_soon(child: int, seconds: float = 0.1) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    timer.start()
    return timer


def test_a_receiver_that_waits_is_told() -> None:
    here, there = urpc.pair()
    with here, there, forked(lambda: there.send(b"ready")) as child:
        urpc.watch_peer(here, child)
        assert here.receive(timeout=30) == b"ready"
        killer = kill_soon(child)
        with pytest.raises(urpc.PeerDied, match="the process at the other end has died"):
            here.receive(timeout=30)
        killer.join()


def test_what_was_sent_before_is_received_first() -> None:
    here, there = urpc.pair(64)

    def send() -> None:
        for number in range(20):
            there.send(str(number).encode() * 30)

    with here, there, forked(send) as child:
        urpc.watch_peer(here, child)
        assert here.receive(timeout=30) == b"0" * 30
        while not here.readable:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(child, signal.SIGKILL)
        received = []
        try:
            while True:
                received.append(here.receive(timeout=30))
        except urpc.PeerDied:
            pass
        assert received == [str(number).encode() * 30 for number in range(1, 20)]


def test_a_sender_that_waits_for_room_is_told() -> None:
    here, there = urpc.pair(8)
    with here, there, forked(lambda: None) as child:
        urpc.watch_peer(here, child)
        killer = kill_soon(child)
        with suppress(urpc.PeerDied):
            while True:
                here.send(b"x" * 200, timeout=30)
        with pytest.raises(urpc.PeerDied):
            here.try_send(b"x")
        killer.join()


def test_a_wait_set_gives_the_channel_whose_peer_died() -> None:
    bell = urpc.Doorbell.create()
    ends = []
    for _ in range(3):
        segment, other = urpc.Segment.create(), urpc.Doorbell.create()
        ends.append((urpc.Channel(segment, 0, bell, other), urpc.Channel(segment, 1, other, bell)))
    ready = urpc.WaitSet(bell)
    for here, _ in ends:
        ready.add(here)
    with forked(lambda: ends[1][1].send(b"here")) as child:
        urpc.watch_peer(ends[1][0], child)
        assert ready.wait(timeout=30) == [ends[1][0]]
        assert ends[1][0].receive() == b"here"
        killer = kill_soon(child)
        assert ready.wait(timeout=30) == [ends[1][0]]
        with pytest.raises(urpc.PeerDied):
            ends[1][0].receive()
        killer.join()


def test_an_ordinary_close_is_no_death() -> None:
    here, there = urpc.pair()

    def close() -> None:
        there.send(b"last")
        there.close()

    with here, there, forked(close) as child:
        urpc.watch_peer(here, child)
        assert here.receive(timeout=30) == b"last"
        with pytest.raises(urpc.Closed) as caught:
            here.receive(timeout=30)
        assert type(caught.value) is urpc.Closed


def test_a_process_that_is_gone_cannot_be_watched() -> None:
    here, there = urpc.pair()
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    with here, there, pytest.raises(ProcessLookupError):
        urpc.watch_peer(here, done.pid)


def test_channels_that_are_let_go_are_watched_no_more() -> None:
    with forked(lambda: None) as child:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            here, there = urpc.pair()
            urpc.watch_peer(here, child)
            del here, there
        gc.collect()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2  # the watcher's own


def test_a_child_watches_for_itself() -> None:
    here, there = urpc.pair()
    answer, question = urpc.pair()
    with here, there, answer, question, forked(lambda: there.send(b"ready")) as victim:
        urpc.watch_peer(here, victim)  # this process has a watcher
        assert here.receive(timeout=30) == b"ready"
        other_here, other_there = urpc.pair()

        def watch() -> None:
            with forked(lambda: other_there.send(b"ready")) as own:
                urpc.watch_peer(other_here, own)
                other_here.receive(timeout=30)
                killer = kill_soon(own)
                try:
                    other_here.receive(timeout=30)
                except urpc.PeerDied:
                    question.send(b"told")
                killer.join()

        with forked(watch):
            assert answer.receive(timeout=30) == b"told"


def test_a_peer_that_closed_and_then_ended_has_closed_and_not_died() -> None:
    here, there = urpc.pair()

    def close() -> None:
        there.send(b"the last")
        there.close()
        os._exit(0)

    with here, forked(close) as child:
        there.close()
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        urpc.watch_peer(here, child)
        assert here.receive(timeout=30) == b"the last"
        for _ in range(50):
            with pytest.raises(urpc.Closed) as caught:
                here.receive(timeout=30)
            assert caught.type is urpc.Closed
            time.sleep(0.002)  # the watcher learns of the end of the process meanwhile
