"""Wait sets of many channels, which are marked: nobody is forgotten, whoever sends, and whatever others write."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from multikernel import urpc

MANY = 20  # more than are looked at one by one
MARKS = 8192

Sender = Callable[[urpc.Channel], object]


def everything(star: Any) -> urpc.WaitSet:
    ready = urpc.WaitSet(star.bell)
    for channel in star.near:
        ready.add(channel)
    assert ready.wait(0) == []
    return ready


@pytest.mark.parametrize(
    "send",
    [
        lambda channel: channel.send(b"x"),
        lambda channel: channel.send(bytes(300)),
        lambda channel: channel.try_send(b"x"),
        lambda channel: channel.try_send_many([b"x", b"y"]),
        lambda channel: channel.close(),
    ],
    ids=["send", "send-long", "try_send", "try_send_many", "close"],
)
@pytest.mark.parametrize("spin_ns", [0, 20_000])
def test_whatever_is_sent_ends_the_wait(star: Callable[..., Any], send: Sender, spin_ns: int) -> None:
    middle = star(MANY, spin_ns=spin_ns)
    ready = everything(middle)
    for index in (0, 7, MANY - 1):
        timer = threading.Timer(0.02, send, args=(middle.far[index],))
        timer.start()
        assert ready.wait(30) == [middle.near[index]]
        timer.join()
        ready.remove(middle.near[index])


def test_channel_is_ready_until_it_is_empty(star: Callable[..., Any]) -> None:
    middle = star(MANY)
    ready = everything(middle)
    near, far = middle.near[5], middle.far[5]
    far.send(b"1")
    far.send(b"2")
    for expected in (b"1", b"2"):
        assert ready.wait(30) == [near]
        assert ready.wait(30) == [near]
        assert near.receive() == expected
    assert ready.wait(0) == []
    far.send(b"3")
    assert near.receive() == b"3"  # behind the wait set's back
    assert ready.wait(0) == []
    far.send(b"4")
    assert ready.wait(30) == [near]


def test_room_is_told_once(star: Callable[..., Any]) -> None:
    middle = star(MANY)
    ready = everything(middle)
    near, far = middle.near[11], middle.far[11]
    while near.try_send(b"x"):
        pass
    timer = threading.Timer(0.02, far.try_receive_many)
    timer.start()
    assert ready.wait(30) == [near]
    timer.join()
    assert ready.wait(0) == []


def test_messages_sent_before_a_channel_is_added_are_seen(star: Callable[..., Any]) -> None:
    middle = star(MANY)
    for far in middle.far:
        far.send(b"early")
    ready = urpc.WaitSet(middle.bell)
    for near in middle.near:
        ready.add(near)
    assert set(ready.wait(30)) == set(middle.near)


def test_members_come_and_go(star: Callable[..., Any]) -> None:
    middle = star(MANY)
    ready = everything(middle)
    near, far = middle.near, middle.far
    for channel in near[:10]:
        ready.remove(channel)
    near[10].close()
    for channel in far[:10]:
        channel.send(b"to nobody yet")
    assert ready.wait(0) == []
    assert len(ready) == MANY - 11
    assert near[10] not in ready
    ready.add(near[3])
    assert ready.wait(30) == [near[3]]
    far[12].send(b"x")
    assert set(ready.wait(30)) == {near[3], near[12]}


def test_second_wait_set_of_a_doorbell_sees_its_own_channels(star: Callable[..., Any]) -> None:
    middle = star(2 * MANY)
    near, far = middle.near, middle.far
    one, other = urpc.WaitSet(middle.bell), urpc.WaitSet(middle.bell)
    for channel in near[:MANY]:
        one.add(channel)
    for channel in near[MANY:]:
        other.add(channel)
    far[1].send(b"x")
    far[MANY + 1].send(b"y")
    assert other.wait(30) == [near[MANY + 1]]
    assert one.wait(30) == [near[1]]
    del one  # and with it its hold on the marks
    third = urpc.WaitSet(middle.bell)
    for channel in near[:MANY]:
        third.add(channel)
    assert third.wait(30) == [near[1]]


def test_set_that_was_made_before_a_fork_works_after_it(run: Callable[..., str]) -> None:
    assert (
        run(
            """
        import os
        from multikernel import urpc
        bell, theirs = urpc.Doorbell.create(0), urpc.Doorbell.create(0)
        ready = urpc.WaitSet(bell)
        near, far = [], []
        for i in range(20):
            segment = urpc.Segment.create(8)
            near.append(urpc.Channel(segment, 0, bell, theirs))
            far.append(urpc.Channel(segment, 1, theirs, bell))
            ready.add(near[-1])
        child = os.fork()
        if child == 0:
            for i in range(60):
                (channel,) = ready.wait(30)
                channel.send(channel.receive())
            os._exit(0)
        del ready  # the parent's
        for i in range(60):
            far[i % 20].send(b"x")
            assert far[i % 20].receive(30) == b"x"
        assert os.waitpid(child, 0)[1] == 0
        print("good")
        """
        )
        == "good\n"
    )


def test_wiped_marks_delay_a_message_and_do_not_lose_it(star: Callable[..., Any]) -> None:
    middle = star(MANY)
    ready = everything(middle)
    with mmap.mmap(middle.bell.fd, MARKS) as memory:
        for near, far in list(zip(middle.near, middle.far, strict=True))[:3]:
            far.send(b"x")
            memory[256:MARKS] = bytes(MARKS - 256)
            assert ready.wait(30) == [near]
            assert near.receive() == b"x"


def test_scribbled_doorbell_is_no_fault_and_loses_nothing(star: Callable[..., Any]) -> None:
    middle = star(MANY)
    ready = everything(middle)
    near, far = middle.near, middle.far
    received = 0
    with mmap.mmap(middle.bell.fd, MARKS) as memory:
        for turn in range(300):
            assert far[turn % MANY].try_send(b"%d" % turn)
            memory[128:MARKS] = os.urandom(MARKS - 128)
            for channel in ready.wait(0):
                received += len(channel.try_receive_many())
        memory[128:MARKS] = bytes(MARKS - 128)
    while received < 300:
        channels = ready.wait(30)
        assert channels, "nothing was ready in 30 s"
        for channel in channels:
            received += len(channel.try_receive_many())
    assert not any(channel.readable for channel in near)


def test_death_of_a_peer_is_noticed_among_many(star: Callable[..., Any], start: Callable[..., Any]) -> None:
    middle = star(MANY)
    ready = everything(middle)
    process = start("import time; time.sleep(60)")
    urpc.watch_peer(middle.near[13], process.pid)
    timer = threading.Timer(0.05, process.kill)
    timer.start()
    assert ready.wait(30) == [middle.near[13]]
    timer.join()
    with pytest.raises(urpc.PeerDied):
        middle.near[13].receive()


def test_set_holds_as_many_as_there_are_slots(star: Callable[..., Any]) -> None:
    middle = star(4097)
    ready = urpc.WaitSet(middle.bell)
    for channel in middle.near[:4096]:
        ready.add(channel)
    with pytest.raises(urpc.UrpcError, match="4096"):
        ready.add(middle.near[4096])
    assert ready.wait(0) == []
    for index in (0, 63, 64, 4095):
        middle.far[index].send(b"x")
        assert ready.wait(30) == [middle.near[index]]
        middle.near[index].receive()
