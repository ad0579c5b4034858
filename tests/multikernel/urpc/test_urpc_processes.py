"""Channels between processes: handed over, forked, killed, interrupted."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from multikernel import urpc

Start = Callable[..., subprocess.Popen[str]]
Run = Callable[..., str]

ATTACH = """
import os, sys, zlib
from multikernel import urpc
segment, own, peer = map(int, sys.argv[1:4])
channel = urpc.Channel(urpc.Segment.attach(segment), 1, urpc.Doorbell.attach(own), urpc.Doorbell.attach(peer))
"""


class Handed:
    """Our end of a channel whose other end is to be given to another process."""

    def __init__(self, capacity: int = 64, spin_ns: int | None = None) -> None:
        segment = urpc.Segment.create(capacity)
        own, peer = urpc.Doorbell.create(spin_ns), urpc.Doorbell.create(spin_ns)
        self.channel = urpc.Channel(segment, 0, own, peer)
        self.fds = [segment.fd, peer.fd, own.fd]


@pytest.mark.parametrize("spin_ns", [0, 20_000])
def test_streams_between_processes_are_whole_and_in_order(start: Start, spin_ns: int) -> None:
    handed = Handed(capacity=16, spin_ns=spin_ns)
    count = 4000
    child = start(
        ATTACH
        + """
count = int(sys.argv[4])
check = 0
for i in range(count):
    message = channel.receive(30)
    assert message[:4] == i.to_bytes(4, "little"), i
    check = zlib.crc32(message, check)
    if i % 3 == 0:
        channel.send(check.to_bytes(4, "little") * (i % 50), 30)
""",
        *handed.fds,
        count,
        pass_fds=handed.fds,
    )
    generator = random.Random(1)
    channel, check = handed.channel, 0
    answers: list[bytes] = []
    for i in range(count):
        message = i.to_bytes(4, "little") + generator.randbytes(generator.choice([0, 10, 52, 53, 200, 600]))
        check = zlib.crc32(message, check)
        channel.send(message, 30)
        if i % 3 == 0:
            answers.append(check.to_bytes(4, "little") * (i % 50))
        while answers and (answer := channel.try_receive()) is not None:
            assert answer == answers.pop(0)
    for expected in answers:
        assert channel.receive(30) == expected
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 0, errors


def test_descriptors_travel_over_a_unix_socket(start: Start) -> None:
    handed = Handed()
    near, far = socket.socketpair()
    with near, far:
        child = start(
            """
            import socket, sys
            from multikernel import urpc
            with socket.socket(fileno=int(sys.argv[1])) as door:
                _, (segment, own, peer), _, _ = socket.recv_fds(door, 1, 3)
            attach = urpc.Doorbell.attach
            with urpc.Channel(urpc.Segment.attach(segment), 1, attach(own), attach(peer)) as channel:
                channel.send(channel.receive(30)[::-1])
            """,
            far.fileno(),
            pass_fds=[far.fileno()],
        )
        socket.send_fds(near, [b"x"], handed.fds)
    handed.channel.send(b"abc")
    assert handed.channel.receive(30) == b"cba"
    with pytest.raises(urpc.Closed):
        handed.channel.receive(30)
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 0, errors


def test_pair_survives_fork_and_closing_the_unused_ends(run: Run) -> None:
    output = run("""
        import os
        from multikernel import urpc
        a, b = urpc.pair()
        child = os.fork()
        if child == 0:
            a.close()  # never used here: only let go of
            with b:
                b.send(b.receive(30) + b" and back")
            os._exit(0)
        b.close()  # likewise
        a.send(b"there")
        print(a.receive(30).decode())
        try:
            a.receive(30)
        except urpc.Closed:
            print("closed by the child")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """)
    assert output.split("\n")[:2] == ["there and back", "closed by the child"]


def test_end_used_before_a_fork_stays_the_parents(run: Run) -> None:
    output = run("""
        import os
        from multikernel import urpc
        a, b = urpc.pair()
        a.send(b"before")
        child = os.fork()
        if child == 0:
            a.close()
            os._exit(0)
        os.waitpid(child, 0)
        a.send(b"after")
        print(b.try_receive_many(), end=" ")
        a.close()
        try:
            b.receive(30)
        except urpc.Closed:
            print("closed")
    """)
    assert output == "[b'before', b'after'] closed\n"


@pytest.mark.parametrize("length", [48, 600])
def test_killed_sender_leaves_whole_messages_only(start: Start, length: int) -> None:
    handed = Handed(capacity=16)
    child = start(
        ATTACH
        + """
i = 0
while True:
    channel.send(i.to_bytes(4, "little") * (int(sys.argv[4]) // 4))
    i += 1
""",
        *handed.fds,
        length,
        pass_fds=handed.fds,
    )
    channel, count = handed.channel, 0
    while count < 2000:
        assert channel.receive(30) == count.to_bytes(4, "little") * (length // 4)
        count += 1
    child.kill()
    child.wait(30)
    while (message := channel.try_receive()) is not None:
        assert message == count.to_bytes(4, "little") * (length // 4)
        count += 1
    with pytest.raises(TimeoutError):
        channel.receive(0.01)


@pytest.mark.parametrize("spin_ns", [0, 1_000_000_000])
@pytest.mark.parametrize("call", ["a.receive()", "waiting.wait()", "fill()", "a.ping(10, None)"])
def test_interrupt_ends_every_wait(start: Start, call: str, spin_ns: int) -> None:
    child = start(f"""
        from multikernel import urpc
        a, b = urpc.pair(capacity=8, spin_ns={spin_ns})
        waiting = urpc.WaitSet(urpc.Doorbell.create({spin_ns}))
        def fill():
            while True:
                a.send(b"x")
        print("ready", flush=True)
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    try:
        child.wait(0.2)
        pytest.fail("it did not wait")
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=30)
    assert output == "interrupted\n", errors


def test_signal_handler_that_does_not_raise_leaves_the_wait_alone(start: Start) -> None:
    handed = Handed(spin_ns=0)
    child = start(
        ATTACH
        + """
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"handled\\n"))  # print may be at work when the signal comes
print("ready", flush=True)
print(channel.receive(30).decode(), flush=True)
""",
        *handed.fds,
        pass_fds=handed.fds,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGUSR1)
    assert child.stdout.readline() == "handled\n"
    handed.channel.send(b"message")
    assert child.stdout.readline() == "message\n"


@pytest.mark.parametrize("wait", ["a.receive(1.0)", "waiting.wait(1.0)"])
def test_blocked_receiver_uses_no_processor_time(run: Run, wait: str) -> None:
    output = run(f"""
        import time
        from multikernel import urpc
        bell = urpc.Doorbell.create(20_000)
        a = urpc.Channel(urpc.Segment.create(), 0, bell, urpc.Doorbell.create())
        waiting = urpc.WaitSet(bell)
        waiting.add(a)
        start = time.process_time()
        try:
            {wait}
        except TimeoutError:
            pass
        print(time.process_time() - start)
    """)
    assert float(output) < 0.3


def test_blocked_receiver_lets_other_threads_run(run: Run) -> None:
    output = run("""
        import threading
        from multikernel import urpc
        a, b = urpc.pair(spin_ns=1_000_000_000)
        counted = 0
        def count():
            global counted
            while counted < 100_000:
                counted += 1
            b.send(b"counted")
        threading.Thread(target=count).start()
        print(a.receive(30).decode())
    """)
    assert output == "counted\n"


def names_in_shared_memory() -> set[str]:
    folder = Path("/dev/shm")
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_nothing_is_left_behind_by_a_kill(start: Start) -> None:
    before = names_in_shared_memory()
    child = start("""
        from multikernel import urpc
        ends = urpc.pair()
        print("ready", flush=True)
        ends[0].receive()
    """)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.kill()
    child.wait(30)
    assert not {name for name in names_in_shared_memory() - before if "urpc" in name}
