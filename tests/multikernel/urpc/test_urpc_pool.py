"""Payloads by reference: who owns what, what comes back, and what a peer cannot do."""

from __future__ import annotations

import gc
import mmap
import os
import signal
import struct
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel import urpc

PAGE = 4096
Run = Callable[..., str]


def ends(pages: int = 16, capacity: int = 8) -> tuple[urpc.Channel, urpc.Channel]:
    return urpc.pair(capacity, spin_ns=0, pool=pages * PAGE)


def test_a_buffer_arrives_as_it_was_written_and_without_a_copy() -> None:
    a, b = ends()
    buffer = a.allocate(10_000)
    with memoryview(buffer) as view:
        view[:] = bytes(range(250)) * 40
    a.send(buffer)
    received = b.receive_view()
    assert (len(received), received.readonly) == (10_000, False)
    assert bytes(received) == bytes(range(250)) * 40
    received[0] = 77  # it is ours now
    assert received[0] == 77


def test_what_was_sent_is_no_longer_the_senders() -> None:
    a, b = ends()
    buffer = a.allocate(100)
    a.send(buffer)
    with pytest.raises(ValueError, match="sent or released"):
        memoryview(buffer)
    with pytest.raises(ValueError, match="sent or released"):
        a.send(buffer)
    buffer.release()  # does nothing
    assert len(b.receive()) == 100


def test_a_buffer_that_is_looked_into_cannot_be_sent_or_released() -> None:
    a, _ = ends()
    buffer = a.allocate(100)
    with memoryview(buffer):
        with pytest.raises(BufferError, match="cannot send a buffer while 1 views look into it"):
            a.send(buffer)
        with pytest.raises(BufferError, match="cannot release"):
            buffer.release()
    a.send(buffer)


def test_only_its_own_channel_passes_a_buffer_on() -> None:
    a, b = ends()
    c, _ = ends()
    buffer = a.allocate(5)
    with pytest.raises(ValueError, match="only a buffer that this channel allocated"):
        c.send(buffer)
    with pytest.raises(ValueError, match="only a buffer that this channel allocated"):
        b.send(buffer)
    a.send(buffer)
    view = b.receive_view()
    borrowed = view.obj
    assert isinstance(borrowed, urpc.Buffer)
    with pytest.raises(BufferError, match="views"):
        borrowed.release()


def test_references_keep_their_place_among_other_messages() -> None:
    a, b = ends()
    a.send(b"before")
    a.send(a.allocate(5000))
    a.send(b"after")
    assert [len(b.receive()) for _ in range(3)] == [6, 5000, 5]


def test_a_view_of_a_small_message_is_a_view_too() -> None:
    a, b = ends()
    a.send(b"small")
    assert b.receive_view() == b"small"
    assert b.try_receive_view() is None
    with pytest.raises(TimeoutError):
        b.receive_view(timeout=0.01)


def test_messages_longer_than_the_ring_go_through_the_pool() -> None:
    a, b = ends(pages=128)
    content = os.urandom(200_000)
    a.send(content)
    a.send(memoryview(content)[:150_000])
    assert b.receive() == content
    assert b.receive_view() == content[:150_000]
    assert a.try_send(content)
    assert b.receive() == content


def test_what_no_pool_holds_is_too_long() -> None:
    a, _ = ends(pages=4)
    with pytest.raises(urpc.MessageTooLong, match="more than the pool of this channel has"):
        a.send(bytes(4 * PAGE + 1))
    with pytest.raises(urpc.MessageTooLong):
        a.allocate(4 * PAGE + 1)
    plain, _ = urpc.pair(8)
    with pytest.raises(urpc.MessageTooLong, match="give the channel a pool"):
        plain.send(bytes(PAGE))
    with pytest.raises(urpc.UrpcError, match="has no pool"):
        plain.allocate(1)
    with pytest.raises(ValueError, match="size must be 0 or more"):
        a.allocate(-1)


def test_a_full_pool_holds_senders_back_until_something_comes_back() -> None:
    a, b = ends(pages=2)
    for _ in range(2):
        a.send(a.allocate(PAGE))
    assert not a.try_send(bytes(2 * PAGE))
    with pytest.raises(TimeoutError, match="gives nothing back"):
        a.allocate(1, timeout=0.05)
    view = b.receive_view()
    threading.Timer(0.05, view.release).start()
    started = time.monotonic()
    buffer = a.allocate(PAGE, timeout=20)
    assert time.monotonic() - started < 10
    buffer.release()
    del view


def test_all_that_is_released_can_be_allocated_again() -> None:
    a, b = ends(pages=8)
    for size in (1, PAGE, PAGE + 1, 8 * PAGE, 0) * 20:
        a.send(a.allocate(size, timeout=0))
        assert len(b.receive_view()) == size
    buffers = [a.allocate(PAGE, timeout=0) for _ in range(8)]
    del buffers
    assert len(a.allocate(8 * PAGE, timeout=0)) == 8 * PAGE


@settings(deadline=None, max_examples=60)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from(["allocate", "send", "receive", "drop", "copy"]),
            st.integers(0, 5 * PAGE),
        ),
        max_size=60,
    )
)
def test_whatever_happens_contents_are_whole_and_nothing_is_lost_of_the_pool(steps: list[tuple[int, str, int]]) -> None:
    both = ends(pages=12, capacity=32)
    held: list[list[tuple[urpc.Buffer, int]]] = [[], []]
    views: list[list[tuple[memoryview, int, int]]] = [[], []]
    under_way: list[list[tuple[int, int]]] = [[], []]  # to each end: (mark, size)
    view = received = None
    for number, (at, what, size) in enumerate(steps):
        end, mark = both[at], number % 251
        if what == "allocate":
            try:
                buffer = end.allocate(size, timeout=0)
            except TimeoutError:
                continue
            with memoryview(buffer) as view:
                view[:] = bytes([mark]) * size
            held[at].append((buffer, mark))
        elif what == "send" and held[at]:
            buffer, mark = held[at].pop()
            size = len(buffer)
            if end.try_send(buffer):
                under_way[1 - at].append((mark, size))
            else:
                held[at].append((buffer, mark))
        elif what == "copy":
            if end.try_send(bytes([mark]) * size):
                under_way[1 - at].append((mark, size))
        elif what == "receive" and under_way[at]:
            expected = under_way[at].pop(0)
            received = end.try_receive_view()
            assert received is not None
            views[at].append((received, *expected))
        elif what == "drop" and views[at]:
            view, mark, size = views[at].pop(size % len(views[at]))
            assert bytes(view) == bytes([mark]) * size
            view.release()
    for at in (0, 1):
        while under_way[at]:
            mark, size = under_way[at].pop(0)
            assert both[at].receive() == bytes([mark]) * size
        for view, mark, size in views[at]:
            assert bytes(view) == bytes([mark]) * size
    for each in views:
        for view, _, _ in each:
            view.release()
    for kept in held:
        for buffer, _ in kept:
            buffer.release()
    views.clear()  # a view that is released still keeps what it was a view of
    del view, received
    gc.collect()
    for end in both:
        assert len(end.allocate(12 * PAGE, timeout=0)) == 12 * PAGE


def test_both_ends_after_a_fork() -> None:
    a, b = ends(pages=512)
    child = os.fork()
    if child == 0:
        try:
            for _ in range(50):
                with b.receive_view() as view:
                    b.send(bytes(view[:8]))
        finally:
            os._exit(0)
    for number in range(50):
        buffer = a.allocate(1 << 20)
        with memoryview(buffer) as view:
            view[:8] = struct.pack("<q", number)
        a.send(buffer)
        assert struct.unpack("<q", a.receive())[0] == number
    assert os.waitpid(child, 0)[1] == 0


def test_what_a_dead_peer_held_is_free_again_and_what_it_sent_arrives() -> None:
    a, b = ends(pages=4)
    child = os.fork()
    if child == 0:
        try:
            kept = b.receive_view()
            b.send(b.allocate(PAGE))
            time.sleep(60)
            del kept
        finally:
            os._exit(0)
    urpc.watch_peer(a, child)
    a.send(a.allocate(4 * PAGE))
    assert len(a.receive_view(timeout=30)) == PAGE
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with pytest.raises(urpc.PeerDied):
        a.receive(timeout=30)
    assert len(a.allocate(4 * PAGE, timeout=0)) == 4 * PAGE


def test_it_is_handed_over_by_descriptor(run: Run) -> None:
    segment, pool = urpc.Segment.create(), urpc.Pool.create(1 << 20)
    mine, yours = urpc.Doorbell.create(), urpc.Doorbell.create()
    here = urpc.Channel(segment, 0, mine, yours, pool)
    here.send(bytes(500_000))
    program = """
        import sys
        from multikernel import urpc
        segment, own, peer, pool = map(int, sys.argv[1:])
        there = urpc.Channel(
            urpc.Segment.attach(segment), 1, urpc.Doorbell.attach(own), urpc.Doorbell.attach(peer), pool=urpc.Pool.attach(pool)
        )
        with there, there.receive_view(timeout=30) as view:
            print(len(view))
    """
    descriptors = [segment.fd, yours.fd, mine.fd, pool.fd]
    assert run(program, *descriptors, pass_fds=descriptors) == "500000\n"


def test_a_pool_serves_one_channel() -> None:
    pool = urpc.Pool.create(PAGE)
    bell = urpc.Doorbell.create()
    first = urpc.Channel(urpc.Segment.create(), 0, bell, bell, pool)
    with pytest.raises(urpc.UrpcError, match="side 0 of this pool has been taken already"):
        urpc.Channel(urpc.Segment.create(), 0, bell, bell, pool)
    with pytest.raises(TypeError, match="pool must be a Pool or None, not int"):
        urpc.Channel(urpc.Segment.create(), 1, bell, bell, 3)  # type: ignore[arg-type]
    assert first.try_receive() is None


@pytest.mark.parametrize("size", [0, -1, 1 << 40])
def test_a_pool_of_no_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="size must be from 1 to"):
        urpc.Pool.create(size)


def test_memory_that_is_no_pool_is_refused() -> None:
    segment = urpc.Segment.create()
    with pytest.raises(urpc.UrpcError, match="no pool of this version"):
        urpc.Pool.attach(segment.fd)


@pytest.mark.parametrize(
    "loan",
    [
        struct.pack("<IIQ", 4, 1, 1),  # begins behind the area
        struct.pack("<IIQ", 0xFFFFFFFF, 1, 0),
        struct.pack("<IIQ", 0, 1, 4 * PAGE + 1),  # ends behind it
        struct.pack("<IIQ", 3, 1, 1 << 63),
        struct.pack("<II", 0, 1),  # no whole reference
        struct.pack("<IIQQ", 0, 1, 1, 1),
    ],
)
def test_a_forged_reference_is_corrupt_and_no_fault(loan: bytes) -> None:
    segment, pool = urpc.Segment.create(8), urpc.Pool.create(4 * PAGE)
    mine, yours = urpc.Doorbell.create(0), urpc.Doorbell.create(0)
    end = urpc.Channel(segment, 0, mine, yours, pool)
    with mmap.mmap(segment.fd, 0) as memory:
        ring = 2 * PAGE  # the other side's
        memory[ring + 8 : ring + 8 + len(loan)] = loan
        memory[ring : ring + 8] = struct.pack("<Q", 1 | len(loan) << 40 | 3 << 60)
    with pytest.raises(urpc.Corrupt):
        end.receive_view(timeout=0)
    with pytest.raises(urpc.Corrupt):
        end.receive(timeout=0)


def test_a_reference_where_there_is_no_pool_is_corrupt() -> None:
    segment, pool = urpc.Segment.create(8), urpc.Pool.create(PAGE)
    mine, yours = urpc.Doorbell.create(0), urpc.Doorbell.create(0)
    end = urpc.Channel(segment, 0, mine, yours)
    peer = urpc.Channel(segment, 1, yours, mine, pool)
    peer.send(peer.allocate(10))
    with pytest.raises(urpc.Corrupt):
        end.receive()


def test_send_many_takes_anything_and_waits_for_room() -> None:
    a, b = ends(pages=64)
    messages = [b"x" * (length % 300) for length in range(500)]
    received: list[bytes] = []

    def receive() -> None:
        while len(received) < len(messages) + 2:
            received.extend(b.receive_many(timeout=30))

    receiver = threading.Thread(target=receive)
    receiver.start()
    a.send_many(messages)
    a.send_many((bytes(100_000), a.allocate(9)))
    receiver.join(60)
    assert received[:500] == messages
    assert [len(message) for message in received[500:]] == [100_000, 9]


def test_send_many_says_how_far_it_came() -> None:
    a, b = urpc.pair(8, spin_ns=0)
    with pytest.raises(TimeoutError, match="no room in time after 8 messages"):
        a.send_many([b"x"] * 20, timeout=0.01)
    assert b.receive_many() == [b"x"] * 8
    with pytest.raises(TypeError):
        a.send_many([b"y", 3])  # type: ignore[list-item]
    assert b.receive_many() == [b"y"]
    with pytest.raises(TimeoutError):
        b.receive_many(timeout=0.01)
    a.close()
    with pytest.raises(urpc.Closed):
        b.receive_many()
