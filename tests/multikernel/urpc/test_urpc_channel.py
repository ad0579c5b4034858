"""A channel inside one process: what it carries, what it refuses, how it ends."""

from __future__ import annotations

import copy
import fcntl
import gc
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from multikernel import urpc

Ends = tuple[urpc.Channel, urpc.Channel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    a, b = urpc.pair()
    with a, b:
        yield a, b


@pytest.mark.parametrize("length", [0, 1, 8, 55, 56, 57, 112, 113, urpc.max_message(64)])
def test_message_of_any_length_arrives_whole(ends: Ends, length: int) -> None:
    a, b = ends
    message = os.urandom(length)
    a.send(message)
    assert b.receive() == message


def test_both_directions_are_independent(ends: Ends) -> None:
    a, b = ends
    a.send(b"there")
    b.send(b"back")
    assert (a.receive(), b.receive()) == (b"back", b"there")


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), memoryview(b"_abc")[1:]])
def test_any_contiguous_buffer_can_be_sent(ends: Ends, data: bytearray | memoryview) -> None:
    a, b = ends
    a.send(data)
    assert b.receive() == b"abc"


@pytest.mark.parametrize("data", ["text", 7, None])
def test_what_is_no_buffer_is_refused(ends: Ends, data: object) -> None:
    with pytest.raises(TypeError):
        ends[0].send(data)  # type: ignore[arg-type]  # the point of the test


def test_buffer_with_gaps_is_refused(ends: Ends) -> None:
    with pytest.raises(BufferError):
        ends[0].send(memoryview(b"abcdef")[::2])


def test_received_messages_share_no_memory(ends: Ends) -> None:
    a, b = ends
    a.send(b"first!")
    one = b.receive()
    a.send(b"second")
    assert (one, b.receive()) == (b"first!", b"second")


def test_message_that_is_kept_never_changes_and_one_that_is_not_leaves_no_trace(ends: Ends) -> None:
    """What is let go may be given out again, as another message (prepare_spare in _messages.c)."""
    a, b = ends

    def wait_in_vain() -> None:
        with pytest.raises(TimeoutError):
            b.receive(0.001)

    kept = []
    for number in range(20):
        message = b"message %02d" % number
        a.send(message)
        got = b.receive()
        assert (got, hash(got)) == (message, hash(message))
        if number % 3 == 0:
            kept.append(got)
        del got
        wait_in_vain()
    assert kept == [b"message %02d" % number for number in range(0, 20, 3)]


def test_ring_fills_refuses_and_takes_again_without_loss() -> None:
    a, b = urpc.pair(capacity=8)
    with a, b:
        sent = [bytes([i]) for i in range(8)]
        assert [a.try_send(message) for message in sent] == [True] * 8
        assert not a.try_send(b"one too many")
        assert [b.receive() for _ in sent] == sent
        assert a.try_send(b"again")
        assert b.receive() == b"again"


def test_one_way_stream_needs_no_answers() -> None:
    a, b = urpc.pair(capacity=8)
    with a, b:
        for i in range(10_000):
            a.send(i.to_bytes(4, "little"), 1.0)
            assert b.receive(1.0) == i.to_bytes(4, "little")


@pytest.mark.parametrize("capacity", [8, 64, 16384])
@pytest.mark.parametrize("behind", range(9))
def test_longest_message_fits_whenever_all_before_is_received(capacity: int, behind: int) -> None:
    a, b = urpc.pair(capacity)
    with a, b:
        for _ in range(behind):
            a.send(b"x")
            b.receive()
        longest = os.urandom(urpc.max_message(capacity))
        assert a.try_send(longest)
        assert b.receive() == longest


def test_message_that_does_not_fit_now_leaves_no_part_behind() -> None:
    a, b = urpc.pair(capacity=8)
    with a, b:
        for _ in range(6):
            a.send(b"x")
        assert not a.try_send(bytes(3 * 56))
        assert b.try_receive_many() == [b"x"] * 6


def test_two_full_rings_do_not_wait_for_each_other() -> None:
    """A sender takes acknowledgements from messages that it has not received yet."""
    a, b = urpc.pair(capacity=8)
    with a, b:
        while a.try_send(b"a"):
            pass
        b.receive()
        b.send(b"this acknowledges one line")
        assert a.try_send(b"into that line")
        assert not a.try_send(b"but no other")


def test_many_are_sent_as_far_as_there_is_room() -> None:
    a, b = urpc.pair(capacity=8)
    with a, b:
        messages = [bytes([i]) for i in range(20)]
        assert a.try_send_many(messages) == 8
        assert b.try_receive_many(3) == messages[:3]
        assert b.try_receive_many() == messages[3:8]
        assert b.try_receive_many() == []
        assert a.try_send_many(messages[8:]) == 8


def test_error_among_many_comes_after_those_before_it(ends: Ends) -> None:
    a, b = ends
    with pytest.raises(TypeError):
        a.try_send_many([b"good", "bad", b"good"])  # type: ignore[list-item]  # the point of the test
    assert b.try_receive_many() == [b"good"]


def test_messages_before_a_close_are_given_before_the_close_is_told(ends: Ends) -> None:
    a, b = ends
    a.send(b"last")
    a.close()
    assert b.try_receive_many() == [b"last"]
    with pytest.raises(urpc.Closed):
        b.try_receive_many()


@pytest.mark.parametrize("capacity", [0, 1, 4, 9, 48, 32768, -64, 1 << 40])
def test_capacity_that_cannot_be_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        urpc.Segment.create(capacity)
    with pytest.raises(ValueError, match="power of two"):
        urpc.max_message(capacity)


def test_message_too_long_says_how_long_it_may_be(ends: Ends) -> None:
    a, b = ends
    with pytest.raises(urpc.MessageTooLong, match=str(urpc.max_message(64))):
        a.send(bytes(urpc.max_message(64) + 1))
    a.send(b"the channel goes on")
    assert b.receive() == b"the channel goes on"


@pytest.mark.parametrize("spin_ns", [0, 1000, 1_000_000])
def test_receive_gives_up_in_time(spin_ns: int) -> None:
    a, b = urpc.pair(spin_ns=spin_ns)
    with a, b:
        for timeout in (0, 0.0, 0.01):
            with pytest.raises(TimeoutError):
                a.receive(timeout)
        with pytest.raises(TimeoutError):
            a.receive(timeout=0.01)
        b.send(b"still works")
        assert a.receive(timeout=1) == b"still works"


@pytest.mark.parametrize("spin_ns", [0, 1_000_000])
def test_send_gives_up_in_time_and_sends_nothing(spin_ns: int) -> None:
    a, b = urpc.pair(capacity=8, spin_ns=spin_ns)
    with a, b:
        for _ in range(8):
            a.send(b"x")
        with pytest.raises(TimeoutError):
            a.send(b"y", 0.01)
        assert b.try_receive_many() == [b"x"] * 8


@pytest.mark.parametrize("timeout", [-1, float("nan"), -0.5])
def test_timeout_that_cannot_be_is_refused(ends: Ends, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        ends[0].receive(timeout)


@pytest.mark.parametrize("call", [{"timout": 1}, {"timeout": "soon"}])
def test_wrong_arguments_are_refused(ends: Ends, call: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        ends[0].receive(**call)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(TypeError):
        ends[0].send()  # type: ignore[call-arg]  # likewise


def test_readable_says_whether_receive_would_return(ends: Ends) -> None:
    a, b = ends
    assert not b.readable
    a.send(b"x")
    assert b.readable
    b.receive()
    assert not b.readable
    a.close()
    assert b.readable


def test_closed_end_refuses_everything(ends: Ends) -> None:
    a, _ = ends
    a.close()
    a.close()
    assert a.closed
    for call in (a.receive, a.try_receive, lambda: a.send(b""), lambda: a.try_send(b""), lambda: a.readable):
        with pytest.raises(urpc.Closed, match="this end"):
            call()


def test_other_end_sees_the_close(ends: Ends) -> None:
    a, b = ends
    a.close()
    for call in (b.receive, b.try_receive, lambda: b.send(b""), lambda: b.try_send(b"")):
        with pytest.raises(urpc.Closed, match="other end"):
            call()


@pytest.mark.parametrize("spin_ns", [0, 500_000_000])
@pytest.mark.parametrize("closer", [0, 1])
def test_close_ends_a_wait_at_either_end(spin_ns: int, closer: int) -> None:
    ends = urpc.pair(spin_ns=spin_ns)
    outcome: list[object] = []

    def wait() -> None:
        try:
            ends[0].receive(30)
        except urpc.Closed as closed:
            outcome.append(closed)

    waiter = threading.Thread(target=wait)
    waiter.start()
    threading.Event().wait(0.05)  # most likely asleep by then; if not, the promise is the same
    ends[closer].close()
    waiter.join(30)
    assert len(outcome) == 1
    ends[1 - closer].close()


def test_dropped_end_counts_as_closed() -> None:
    a, b = urpc.pair()
    a.send(b"last words")
    del a
    assert b.receive() == b"last words"
    with pytest.raises(urpc.Closed):
        b.receive()
    b.close()


def test_channel_keeps_its_memory_alive() -> None:
    segment, first, second = urpc.Segment.create(), urpc.Doorbell.create(), urpc.Doorbell.create()
    a, b = urpc.Channel(segment, 0, first, second), urpc.Channel(segment, 1, second, first)
    for owner in (segment, first, second):
        owner.close()
        owner.close()
    del segment, first, second, owner
    gc.collect()
    a.send(b"still here")
    assert b.receive() == b"still here"
    with pytest.raises(urpc.Closed):
        _ = a.segment.fd


def test_closed_memory_makes_no_new_channel() -> None:
    segment, bell = urpc.Segment.create(), urpc.Doorbell.create()
    closed = urpc.Doorbell.create()
    closed.close()
    with pytest.raises(urpc.Closed, match="doorbell"):
        urpc.Channel(segment, 0, bell, closed)
    with pytest.raises(urpc.Closed, match="doorbell"):
        closed.ring()
    segment.close()
    with pytest.raises(urpc.Closed, match="segment"):
        urpc.Channel(segment, 0, bell, bell)


def test_side_can_be_taken_once() -> None:
    segment, bell = urpc.Segment.create(), urpc.Doorbell.create()
    first = urpc.Channel(segment, 0, bell, bell)
    other = urpc.Channel(segment, 1, bell, bell)
    with pytest.raises(urpc.UrpcError, match="taken"):
        urpc.Channel(segment, 0, bell, bell)
    first.send(b"not disturbed")
    assert other.receive() == b"not disturbed"
    with pytest.raises(ValueError, match="side"):
        urpc.Channel(segment, 2, bell, bell)


def test_nothing_can_be_pickled_or_copied(ends: Ends) -> None:
    a, _ = ends
    for thing in (a, a.segment, a.own_doorbell, urpc.WaitSet(urpc.Doorbell.create())):
        with pytest.raises(TypeError, match="descriptor"):
            pickle.dumps(thing)
        with pytest.raises(TypeError, match="descriptor"):
            copy.copy(thing)


def test_foreign_descriptors_are_refused(tmp_path: Path) -> None:
    segment, bell = urpc.Segment.create(), urpc.Doorbell.create()
    with pytest.raises(urpc.UrpcError, match="no segment"):
        urpc.Segment.attach(bell.fd)
    with pytest.raises(urpc.UrpcError, match="no doorbell"):
        urpc.Doorbell.attach(segment.fd)
    with (tmp_path / "file").open("w+b") as file, pytest.raises(urpc.UrpcError, match="no segment"):
        urpc.Segment.attach(file.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        urpc.Segment.attach(1 << 20)


def test_memory_that_can_shrink_is_refused() -> None:
    segment = urpc.Segment.create(8)
    unsealed = os.memfd_create("unsealed", os.MFD_ALLOW_SEALING)
    try:
        os.write(unsealed, os.pread(segment.fd, 1 << 20, 0))
        with pytest.raises(urpc.UrpcError, match="sealed"):
            urpc.Segment.attach(unsealed)
    finally:
        os.close(unsealed)


def test_segment_of_another_version_or_size_is_refused() -> None:
    segment = urpc.Segment.create(8)
    header = bytearray(os.pread(segment.fd, 24, 0))
    whole = os.fstat(segment.fd).st_size
    for offset, size in ((0, whole), (8, whole), (12, whole), (16, whole), (24, whole - 4096)):
        fd = os.memfd_create("forged", os.MFD_ALLOW_SEALING)
        try:
            forged = bytearray(header)
            if offset < 24:
                forged[offset] ^= 0xFF
            os.write(fd, forged)
            os.ftruncate(fd, size)
            # linux/fcntl.h: F_ADD_SEALS, with SHRINK and GROW; not in the fcntl module before 3.13 under these names
            fcntl.fcntl(fd, 1033, 2 | 4)
            with pytest.raises(urpc.UrpcError, match="no segment"):
                urpc.Segment.attach(fd)
        finally:
            os.close(fd)


def test_closing_gives_back_descriptors_and_mappings() -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        maps = Path("/proc/self/maps").read_text()
        return len(list(Path("/proc/self/fd").iterdir())), maps.count("memfd:urpc")

    before = held()
    for _ in range(50):
        a, b = urpc.pair(8)
        segment, bell = urpc.Segment.create(8), urpc.Doorbell.create()
        urpc.Segment.attach(segment.fd).close()
        attached = urpc.Doorbell.attach(bell.fd)
        a.close()
        b.close()
    del a, b, segment, bell, attached
    assert held() == before


def test_memory_has_no_name_in_the_file_system() -> None:
    a, b = urpc.pair()
    with a, b:
        ours = [line for line in Path("/proc/self/maps").read_text().splitlines() if "urpc-" in line]
        assert ours
        assert all("/memfd:urpc-" in line and "/dev/shm" not in line for line in ours)
