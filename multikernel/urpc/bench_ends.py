"""The two processes between which messages are timed: this one, and one that plays the other end.

The other end is started afresh as `python -m multikernel.urpc.bench_ends`, on the second core, since a fork would share this process's
pages. It obeys lines of words on its standard input, and answers over the channel that is being timed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from multiprocessing.connection import Connection, Pipe
from statistics import fmean

from multikernel import urpc

MESSAGE = bytes(48)
SPIN_NS = 1_000_000  # longer than any wait between two ends that are both awake
BATCH = 200  # fast Python round trips between two looks at the clock; slow ones are timed one by one
PING_BATCH = 32  # round trips in a batch of Channel.ping_batches
STREAM_BATCH = 1024  # messages of a stream between two looks at the clock
BURST = 64  # messages a call where many are sent at once
LARGE = 1 << 20  # bytes of a large payload
CAPACITIES = {"spin": 64, "stream": 256, "wide": 1024, "large": 64, "block": 64}
"""Lines of the channels: one whose ends spin, for streams in C, for streams in Python, with a pool, one whose ends sleep at once."""
DEADLINE = 30.0  # seconds for any one figure, then the other end is taken for dead


class Ends:
    """This process's half of the figures, and the hold on the process that plays the other. Times are picoseconds."""

    def __init__(self, process: subprocess.Popen[str], channels: dict[str, urpc.Channel], pipe: Connection) -> None:
        self._process = process
        self._channels = channels
        self._pipe = pipe

    @classmethod
    @contextmanager
    def started(cls, core: int) -> Iterator[Ends]:
        """Start the other end on its core, with all channels and a pipe to it."""
        channels: dict[str, urpc.Channel] = {}
        descriptors: dict[str, list[int]] = {}
        keep: list[urpc.Segment | urpc.Doorbell] = []
        pool = urpc.Pool.create(4 * LARGE)
        for name, capacity in CAPACITIES.items():
            spin_ns = 0 if name == "block" else SPIN_NS
            segment = urpc.Segment.create(capacity)
            ours, theirs = urpc.Doorbell.create(spin_ns), urpc.Doorbell.create(spin_ns)
            channels[name] = urpc.Channel(segment, 0, ours, theirs, pool if name == "large" else None)
            descriptors[name] = [segment.fd, theirs.fd, ours.fd]
            keep += [segment, ours, theirs]
        near, far = Pipe()
        passed = [fd for fds in descriptors.values() for fd in fds] + [far.fileno(), pool.fd]
        role = json.dumps({"core": core, "channels": descriptors, "pipe": far.fileno(), "pool": pool.fd})
        process = subprocess.Popen(
            [sys.executable, "-m", "multikernel.urpc.bench_ends", role],
            stdin=subprocess.PIPE,
            text=True,
            pass_fds=passed,
        )
        far.close()
        try:
            yield cls(process, channels, near)
        finally:
            for channel in channels.values():
                channel.close()
            near.close()
            process.kill()
            process.communicate()

    def _ask(self, *words: str | int) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise urpc.UrpcError("the other end of the benchmark has died; its words are above") from None

    def ping(self, kind: str, rounds: int) -> int:
        """Take round trips between two C loops; fast ones in batches, like those of the bare cache lines."""
        channel = self._channels[kind]
        if kind == "block":
            self._ask("echo", kind, rounds)
            return middle(channel.ping(rounds, DEADLINE))
        batches = max(1, rounds // PING_BATCH)
        self._ask("echo", kind, batches * PING_BATCH)
        return middle(channel.ping_batches(batches, DEADLINE))

    def round_trips(self, kind: str, rounds: int) -> int:
        """Take round trips between two Python loops."""
        self._ask("answer", kind, rounds)
        channel = self._channels[kind]
        send, receive = channel.send, channel.receive
        turns = BATCH if kind == "spin" else 1

        def batch() -> int:
            start = time.perf_counter_ns()
            for _ in repeat(None, turns):
                send(MESSAGE)
                receive()
            return time.perf_counter_ns() - start

        channel.send(MESSAGE, DEADLINE)
        channel.receive(DEADLINE)
        return _of_batches(batch, rounds, turns)

    def costs(self, count: int) -> tuple[int, int]:
        """Take what one message costs the sender and the receiver."""
        self._ask("measure", "spin", count)
        channel = self._channels["spin"]
        sent = middle(channel.measure_send(count, DEADLINE))
        return sent, int(channel.receive(DEADLINE))

    def stream_c(self, blocks: int) -> int:
        """Take the time of a message in a one-way stream between two C loops."""
        self._ask("drain_c", "stream", blocks)
        return middle(self._channels["stream"].measure_stream(blocks, DEADLINE))

    def stream(self, count: int) -> int:
        """Take the time of a message in a one-way stream, each sent and received by a call of its own."""
        self._ask("drain", "wide", count)
        channel = self._channels["wide"]
        send = channel.send
        channel.receive(DEADLINE)

        def batch() -> int:
            start = time.perf_counter_ns()
            for _ in repeat(None, STREAM_BATCH):
                send(MESSAGE)
            return time.perf_counter_ns() - start

        blocks = [batch() * 1000 // STREAM_BATCH for _ in range(count // STREAM_BATCH)]
        channel.receive(DEADLINE)
        return middle(blocks[len(blocks) // 4 :])  # the ring is full by then: the sender is as fast as both together

    def stream_many(self, count: int) -> int:
        """Take the time of a message in a one-way stream of many messages a call."""
        self._ask("drain_many", "wide", count)
        channel = self._channels["wide"]
        channel.receive(DEADLINE)

        def batch() -> int:
            start = time.perf_counter_ns()
            _send_many(channel, STREAM_BATCH)
            return time.perf_counter_ns() - start

        blocks = [batch() * 1000 // STREAM_BATCH for _ in range(count // STREAM_BATCH)]
        channel.receive(DEADLINE)
        return middle(blocks[len(blocks) // 4 :])

    def pipe(self, rounds: int) -> int:
        """Take round trips over multiprocessing.Pipe."""
        self._ask("pipe", "-", rounds)
        send, receive = self._pipe.send_bytes, self._pipe.recv_bytes

        def batch() -> int:
            start = time.perf_counter_ns()
            send(MESSAGE)
            receive()
            return time.perf_counter_ns() - start

        send(MESSAGE)
        receive()
        return _of_batches(batch, rounds, 1)

    def pipe_large(self, rounds: int) -> int:
        """Take round trips over multiprocessing.Pipe: a large payload there, a short answer back."""
        self._ask("pipe_large", "-", rounds)
        send, receive = self._pipe.send_bytes, self._pipe.recv_bytes
        payload = bytes(LARGE)

        def batch() -> int:
            start = time.perf_counter_ns()
            send(payload)
            receive()
            return time.perf_counter_ns() - start

        send(payload)
        receive()
        return _of_batches(batch, rounds, 1)

    def payload_large(self, rounds: int) -> int:
        """Take round trips of a large payload that is passed by reference, and a short answer back."""
        self._ask("borrow", "large", rounds)
        channel = self._channels["large"]
        allocate, send, receive = channel.allocate, channel.send, channel.receive

        def batch() -> int:
            start = time.perf_counter_ns()
            send(allocate(LARGE))
            receive()
            return time.perf_counter_ns() - start

        batch()
        return _of_batches(batch, rounds, 1)

    def blocked(self, seconds: float) -> int:
        """Take the processor time, in millionths of the real time, that the other end uses while it waits for a message."""
        self._ask("block", "block", 1)
        channel = self._channels["block"]
        channel.receive(DEADLINE)
        time.sleep(seconds)
        channel.send(MESSAGE)
        return int(channel.receive(DEADLINE))


def _send_many(channel: urpc.Channel, count: int) -> None:
    """Send so many messages, many a call."""
    burst = [MESSAGE] * BURST
    for first in range(0, count, BURST):
        channel.send_many(burst[: count - first] if count - first < BURST else burst, DEADLINE)


def _receive_many(channel: urpc.Channel, count: int) -> None:
    received = 0
    receive_many = channel.receive_many
    while received < count:
        received += len(receive_many())


def middle(samples: list[int]) -> int:
    """Mean of the middle half: robust as a median, and finer than the 10 ns steps that some processors count in."""
    ordered = sorted(samples)
    return round(fmean(ordered[len(ordered) // 4 : (3 * len(ordered) + 3) // 4]))


def _of_batches(batch: Callable[[], int], rounds: int, turns: int) -> int:
    """Picoseconds a turn, in the middle of batches of so many turns; each returns its nanoseconds."""
    return middle([batch() * 1000 // turns for _ in range(max(1, rounds // turns))])


def _play(role: str) -> None:
    """Be the other end: do what each line of stdin says, until there are no more."""
    given = json.loads(role)
    os.sched_setaffinity(0, {given["core"]})
    pool = urpc.Pool.attach(given["pool"])
    channels = {
        name: urpc.Channel(
            urpc.Segment.attach(segment),
            1,
            urpc.Doorbell.attach(own),
            urpc.Doorbell.attach(peer),
            pool if name == "large" else None,
        )
        for name, (segment, own, peer) in given["channels"].items()
    }
    pipe = Connection(given["pipe"])
    for line in sys.stdin:
        action, kind, number = line.split()
        count = int(number)
        if action in ("pipe", "pipe_large"):
            _answer_pipe(pipe, count, action == "pipe_large")
        else:
            _ACTIONS[action](channels[kind], count)


def _answer_pipe(pipe: Connection, count: int, large: bool) -> None:
    for _ in range(count + 1):
        message = pipe.recv_bytes()
        pipe.send_bytes(b"" if large else message)


def _answer(channel: urpc.Channel, count: int) -> None:
    send, receive = channel.send, channel.receive
    for _ in repeat(None, count + 1):
        send(receive())


def _borrow(channel: urpc.Channel, count: int) -> None:
    """Receive large payloads without a copy, look at the ends of each, and answer."""
    for _ in repeat(None, count + 1):
        with channel.receive_view() as view:
            channel.send(bytes((view[0], view[-1])))


def _measure(channel: urpc.Channel, count: int) -> None:
    channel.send(b"%d" % middle(channel.measure_receive(count, DEADLINE)))


def _drain(channel: urpc.Channel, count: int) -> None:
    channel.send(b"begin")
    receive = channel.receive
    for _ in repeat(None, count):
        receive()
    channel.send(b"end")


def _drain_many(channel: urpc.Channel, count: int) -> None:
    channel.send(b"begin")
    _receive_many(channel, count)
    channel.send(b"end")


def _block(channel: urpc.Channel, _count: int) -> None:
    """Wait for a message; say what processor time that took of the real time, in millionths."""
    channel.send(b"begin")
    start, used = time.monotonic_ns(), time.process_time_ns()
    channel.receive(DEADLINE)
    used, taken = time.process_time_ns() - used, time.monotonic_ns() - start
    channel.send(b"%d" % (used * 1_000_000 // taken))


_ACTIONS: dict[str, Callable[[urpc.Channel, int], object]] = {
    "echo": lambda channel, count: channel.echo(count, DEADLINE),
    "answer": _answer,
    "borrow": _borrow,
    "measure": _measure,
    "drain_c": lambda channel, blocks: channel.measure_drain(blocks, DEADLINE),
    "drain": _drain,
    "drain_many": _drain_many,
    "block": _block,
}


if __name__ == "__main__":
    _play(sys.argv[1])
