"""Doorbells and wait sets: who is ready, what ends a wait, what is never missed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from multikernel import urpc

SPINS = pytest.mark.parametrize("spin_ns", [0, 20_000])


class Star:
    """A kernel in the middle with `count` others around it."""

    def __init__(self, count: int, capacity: int = 64, spin_ns: int | None = None) -> None:
        self.bell = urpc.Doorbell.create(spin_ns)
        self.set = urpc.WaitSet(self.bell)
        self.near: list[urpc.Channel] = []
        self.far: list[urpc.Channel] = []
        for _ in range(count):
            segment, bell = urpc.Segment.create(capacity), urpc.Doorbell.create(spin_ns)
            self.near.append(urpc.Channel(segment, 0, self.bell, bell))
            self.far.append(urpc.Channel(segment, 1, bell, self.bell))
            self.set.add(self.near[-1])


@pytest.fixture
def star() -> Iterator[Star]:
    star = Star(3)
    yield star
    for channel in star.near + star.far:
        channel.close()


def test_wait_gives_the_channels_with_messages(star: Star) -> None:
    star.far[0].send(b"x")
    star.far[2].send(b"y")
    assert star.set.wait(0) == [star.near[0], star.near[2]]
    assert star.near[0].receive() == b"x"
    assert star.set.wait(0) == [star.near[2]]


@SPINS
def test_wait_gives_nothing_when_time_is_up(spin_ns: int) -> None:
    star = Star(2, spin_ns=spin_ns)
    assert star.set.wait(0) == []
    assert star.set.wait(0.01) == []
    assert star.set.wait(timeout=0.01) == []


def test_empty_set_waits_for_the_bell_alone() -> None:
    bell = urpc.Doorbell.create()
    empty = urpc.WaitSet(bell)
    assert empty.wait(0.01) == []
    bell.ring()
    assert empty.wait(30) == []


def test_ring_before_a_wait_ends_that_wait_and_no_other(star: Star) -> None:
    star.bell.ring()
    star.bell.ring()
    assert star.set.wait(30) == []
    star.far[0].send(b"x")
    assert star.set.wait(30) == [star.near[0]]


@SPINS
def test_ring_from_another_thread_ends_a_wait(spin_ns: int) -> None:
    star = Star(1, spin_ns=spin_ns)
    attached = urpc.Doorbell.attach(star.bell.fd)
    timer = threading.Timer(0.05, attached.ring)
    timer.start()
    assert star.set.wait(30) == []
    timer.join()


@SPINS
def test_message_ends_a_wait(spin_ns: int) -> None:
    star = Star(3, spin_ns=spin_ns)
    timer = threading.Timer(0.05, lambda: star.far[1].send(b"x"))
    timer.start()
    assert star.set.wait(30) == [star.near[1]]
    timer.join()


@SPINS
def test_close_by_the_peer_ends_a_wait(spin_ns: int) -> None:
    star = Star(2, spin_ns=spin_ns)
    timer = threading.Timer(0.05, star.far[1].close)
    timer.start()
    assert star.set.wait(30) == [star.near[1]]
    timer.join()
    with pytest.raises(urpc.Closed):
        star.near[1].receive()


def test_ring_by_hand_does_not_disturb_receive(star: Star) -> None:
    star.bell.ring()
    with pytest.raises(TimeoutError):
        star.near[0].receive(0.01)
    assert star.set.wait(30) == []


def test_channel_closed_here_leaves_the_set(star: Star) -> None:
    star.near[1].close()
    assert star.set.wait(0) == []
    assert len(star.set) == 2
    assert star.near[1] not in star.set


def test_removed_channel_is_not_waited_for(star: Star) -> None:
    star.set.remove(star.near[0])
    star.far[0].send(b"x")
    assert star.set.wait(0) == []
    with pytest.raises(ValueError, match="not in"):
        star.set.remove(star.near[0])


def test_set_refuses_what_it_cannot_wait_for(star: Star) -> None:
    with pytest.raises(ValueError, match="already"):
        star.set.add(star.near[0])
    with pytest.raises(ValueError, match="another doorbell"):
        star.set.add(star.far[0])
    with pytest.raises(TypeError, match="channels"):
        star.set.add(object())  # type: ignore[arg-type]  # the point of the test
    star.near[0].close()
    with pytest.raises(urpc.Closed):
        star.set.add(star.near[0])


def test_room_after_a_refused_send_is_told_once() -> None:
    star = Star(1, capacity=8)
    near, far = star.near[0], star.far[0]
    while near.try_send(b"x"):
        pass
    assert star.set.wait(0) == []
    far.try_receive_many()
    assert star.set.wait(0) == [near]
    assert star.set.wait(0) == []
    assert near.try_send(b"y")


@SPINS
def test_room_ends_a_wait(spin_ns: int) -> None:
    star = Star(1, capacity=8, spin_ns=spin_ns)
    near, far = star.near[0], star.far[0]
    while near.try_send(b"x"):
        pass
    timer = threading.Timer(0.05, far.try_receive_many)
    timer.start()
    assert star.set.wait(30) == [near]
    timer.join()


@SPINS
def test_room_ends_a_blocked_send(spin_ns: int) -> None:
    a, b = urpc.pair(capacity=8, spin_ns=spin_ns)
    with a, b:
        while a.try_send(b"x"):
            pass
        timer = threading.Timer(0.05, b.try_receive_many)
        timer.start()
        a.send(b"y", 30)
        timer.join()
        assert b.receive(30) == b"y"


@SPINS
def test_acknowledgement_in_an_unread_message_ends_a_blocked_send(spin_ns: int) -> None:
    a, b = urpc.pair(capacity=8, spin_ns=spin_ns)
    with a, b:
        while a.try_send(b"x"):
            pass

        def answer() -> None:
            b.receive()
            b.send(b"unread")

        timer = threading.Timer(0.05, answer)
        timer.start()
        a.send(b"y", 30)
        timer.join()


def test_closed_doorbell_can_still_be_waited_for() -> None:
    a, b = urpc.pair()
    with a, b:
        ready = urpc.WaitSet(a.own_doorbell)
        ready.add(a)
        b.send(b"x")
        assert ready.wait(30) == [a]


def test_channel_is_in_one_wait_set_at_most(star: Star) -> None:
    other = urpc.WaitSet(star.bell)
    with pytest.raises(ValueError, match="another wait set"):
        other.add(star.near[0])
    star.set.remove(star.near[0])
    other.add(star.near[0])
    star.far[0].send(b"x")
    assert other.wait(30) == [star.near[0]]


def test_waiting_set_refuses_a_second_thread() -> None:
    star = Star(1, spin_ns=0)
    waiter = threading.Thread(target=star.set.wait, args=(30,))
    waiter.start()
    refused = False
    for _ in range(3000):
        try:
            star.set.wait(0.001)
        except urpc.UrpcError:
            refused = True
            break
    star.bell.ring()
    waiter.join(30)
    assert refused


def test_spin_budget_can_be_set() -> None:
    bell = urpc.Doorbell.create(5000)
    assert bell.spin_ns == 5000
    assert urpc.Doorbell.attach(bell.fd).spin_ns == 5000
    assert urpc.Doorbell.attach(bell.fd, spin_ns=0).spin_ns == 0
    bell.spin_ns = 0
    assert bell.spin_ns == 0
    assert not bell.spins
    for wrong in (-1, 2_000_000_000):
        with pytest.raises(ValueError, match="spin_ns"):
            bell.spin_ns = wrong
        with pytest.raises(ValueError, match="spin_ns"):
            urpc.Doorbell.create(wrong)


def test_spinning_is_learnt_unless_a_budget_is_given() -> None:
    bell = urpc.Doorbell.create()
    assert bell.spin_ns is None
    assert urpc.Doorbell.attach(bell.fd).spin_ns is None
    bell.spin_ns = 5000
    assert bell.spin_ns == 5000
    bell.spin_ns = None
    assert bell.spin_ns is None


def test_who_waits_long_learns_not_to_spin() -> None:
    bell = urpc.Doorbell.create()
    ready = urpc.WaitSet(bell)
    for _ in range(50):
        assert ready.wait(0.001) == []
    assert not bell.spins


@pytest.mark.parametrize("spin_ns", [0, 2000, None])
def test_no_message_of_many_senders_is_missed(spin_ns: int | None) -> None:
    """Every message can be the one whose wake-up is lost: then the wait would run into its deadline."""
    star = Star(4, capacity=8, spin_ns=spin_ns)
    each = 500
    senders = [
        threading.Thread(target=lambda far=far: [far.send(os.urandom(i % 100), 30) for i in range(each)])
        for far in star.far
    ]
    for sender in senders:
        sender.start()
    received = dict.fromkeys(star.near, 0)
    while sum(received.values()) < each * len(senders):
        ready = star.set.wait(30)
        assert ready, "nothing was ready in 30 s"
        for channel in ready:
            received[channel] += len(channel.try_receive_many(5))
    for sender in senders:
        sender.join(30)
    assert set(received.values()) == {each}
