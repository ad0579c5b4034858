"""What a message costs, beside what it could cost at best and what everybody else pays.

For `multikernel bench urpc`, `bench/bench_urpc.py` and anyone who wonders whether their machine is like ours.

All figures come from one run. The cores a virtual machine calls 0 and 1 may be one core's two threads now and two ends
of a package a second later, a factor of ten in every figure. So the run goes round and round through all of them, a
ratio is taken between neighbours of one round, and what is reported is the median over the rounds. Figures of different
runs say little about each other; ratios do.

The other end of every channel is a process of its own on the second core, started afresh as
`python -m multikernel.urpc.bench`, since a fork would share this process's pages.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from statistics import fmean, median

from multikernel import urpc

MESSAGE = bytes(48)
SPIN_NS = 1_000_000  # longer than any wait between two ends that are both awake
BATCH = 200  # fast Python round trips between two looks at the clock; slow ones are timed one by one
BURST = 16  # messages a call of the one-way stream
DEADLINE = 30.0  # seconds for any one figure, then the other end is taken for dead


@dataclass(frozen=True)
class Figure:
    """One thing measured: picoseconds, over the rounds of the run."""

    what: str
    median_ps: int
    least_ps: int
    greatest_ps: int


@dataclass(frozen=True)
class Report:
    """A run: the cores, the figures by name, ratios of neighbouring figures (medians over the rounds)."""

    cores: tuple[int, int]
    rounds: int
    figures: dict[str, Figure]
    ratios: dict[str, float]
    stream_messages_per_second: int

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


FIGURES = {
    "bare": "two flags in two cache lines, round trip (the floor)",
    "channel_c": "48-byte message over a channel, round trip, C loops",
    "channel_python": "48-byte message over a channel, round trip, Python loops",
    "message_send": "one message keeps the sender busy, C",
    "message_receive": "one message keeps the receiver busy, C",
    "stream": f"one message of a one-way stream, {BURST} a call, Python loops",
    "futex_blocked": "two wake-ups from a bare futex, round trip",
    "channel_blocked_c": "48-byte message, both ends blocked: two wake-ups, round trip, C loops",
    "channel_blocked_python": "48-byte message, both ends blocked: two wake-ups, round trip, Python loops",
    "pipe": "48 bytes over multiprocessing.Pipe, round trip, Python loops",
    "stream_unfenced": "one message of a bare stream whose sender has no fence",
    "stream_fenced": "one message of a bare stream whose sender has a fence a message",
    "membarrier": "one membarrier(2) while the other core runs (0: none here)",
}

RATIOS = {
    "channel_c / bare": ("channel_c", "bare"),
    "channel_python / bare": ("channel_python", "bare"),
    "pipe / channel_python": ("pipe", "channel_python"),
    "pipe / channel_blocked_python": ("pipe", "channel_blocked_python"),
    "channel_blocked_c / futex_blocked": ("channel_blocked_c", "futex_blocked"),
    "channel_blocked_python / futex_blocked": ("channel_blocked_python", "futex_blocked"),
}


def choose_cores() -> tuple[int, int]:
    """Two cores that this process may use, preferably not two threads of one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise urpc.UrpcError(
            f"this process may use one core only ({cores[0]}), and a message needs two: "
            "run it where sched_getaffinity offers another"
        )
    first = cores[0]
    siblings = Path(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list")
    own = _parse_cores(siblings.read_text()) if siblings.exists() else {first}
    return first, next((core for core in cores if core not in own), cores[1])


def _parse_cores(text: str) -> set[int]:
    """Cores of a kernel list such as `0-3,8`."""
    cores: set[int] = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        cores.update(range(int(low), int(high or low) + 1))
    return cores


def measure(cores: tuple[int, int] | None = None, *, rounds: int = 9, scale: float = 1.0) -> Report:
    """Run all figures `rounds` times, interleaved.

    Pins this thread to the first core while it runs; takes some 5 s on two cores. `scale` shortens (or lengthens) every
    figure. Raises UrpcError on a machine with one core, ValueError if a core cannot be used, TimeoutError if the other
    end dies.
    """
    first, second = cores if cores is not None else choose_cores()
    before = os.sched_getaffinity(0)
    samples: dict[str, list[int]] = {name: [] for name in FIGURES}
    with _Peer.started(second) as peer:
        try:
            for _ in range(rounds):
                for name, value in _one_round(peer, first, second, before, scale):
                    samples[name].append(value)
        finally:
            os.sched_setaffinity(0, before)
    stream = samples["stream"]
    return Report(
        cores=(first, second),
        rounds=rounds,
        figures={
            name: Figure(what, round(median(samples[name])), min(samples[name]), max(samples[name]))
            for name, what in FIGURES.items()
        },
        ratios={
            name: median(one / other for one, other in zip(samples[a], samples[b], strict=True))
            for name, (a, b) in RATIOS.items()
        },
        stream_messages_per_second=round(1e12 / median(stream)),
    )


def _one_round(peer: _Peer, first: int, second: int, allowed: set[int], scale: float) -> Iterator[tuple[str, int]]:
    def count(full: int) -> int:
        return max(BATCH * 2, int(full * scale)) // BATCH * BATCH

    # The floors start threads of their own, which inherit the affinity of this one.
    os.sched_setaffinity(0, allowed)
    yield "bare", urpc.bare_ping_pong(first, second, count(20000), DEADLINE)
    os.sched_setaffinity(0, {first})
    yield "channel_python", peer.round_trips("spin", count(20000))
    yield "channel_c", peer.ping("spin", count(20000))
    sent, received = peer.costs(count(2000))
    yield "message_send", sent
    yield "message_receive", received
    yield "stream", peer.stream(count(100_000))
    os.sched_setaffinity(0, allowed)
    yield "futex_blocked", urpc.futex_ping_pong(first, second, count(600), DEADLINE)
    os.sched_setaffinity(0, {first})
    yield "channel_blocked_c", peer.ping("block", count(600))
    yield "channel_blocked_python", peer.round_trips("block", count(600))
    yield "pipe", peer.pipe(count(1000))
    os.sched_setaffinity(0, allowed)
    unfenced, fenced, membarrier = urpc.ordering_costs(first, second, count(50_000), DEADLINE)
    yield "stream_unfenced", unfenced
    yield "stream_fenced", fenced
    yield "membarrier", membarrier


class _Peer:
    """This process's half of the figures, and the hold on the process that plays the other."""

    def __init__(self, process: subprocess.Popen[str], channels: dict[str, urpc.Channel], pipe: Connection) -> None:
        self._process = process
        self._channels = channels
        self._pipe = pipe

    @classmethod
    @contextmanager
    def started(cls, core: int) -> Iterator[_Peer]:
        """Start the other end on its core: one channel that spins, one that blocks, and a pipe."""
        budgets = {"spin": SPIN_NS, "block": 0}
        channels: dict[str, urpc.Channel] = {}
        descriptors: dict[str, list[int]] = {}
        keep: list[urpc.Segment | urpc.Doorbell] = []
        for name, spin_ns in budgets.items():
            segment = urpc.Segment.create()
            ours, theirs = urpc.Doorbell.create(spin_ns), urpc.Doorbell.create(spin_ns)
            channels[name] = urpc.Channel(segment, 0, ours, theirs)
            descriptors[name] = [segment.fd, theirs.fd, ours.fd]
            keep += [segment, ours, theirs]
        near, far = Pipe()
        passed = [fd for fds in descriptors.values() for fd in fds] + [far.fileno()]
        role = json.dumps({"core": core, "channels": descriptors, "pipe": far.fileno()})
        process = subprocess.Popen(
            [sys.executable, "-m", "multikernel.urpc.bench", role], stdin=subprocess.PIPE, text=True, pass_fds=passed
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
        """Take round trips between two C loops."""
        self._ask("echo", kind, rounds)
        return _middle(self._channels[kind].ping(rounds, DEADLINE))

    def round_trips(self, kind: str, rounds: int) -> int:
        """Take round trips between two Python loops."""
        self._ask("answer", kind, rounds)
        channel = self._channels[kind]
        turns = BATCH if kind == "spin" else 1

        def batch() -> int:
            start = time.perf_counter_ns()
            for _ in range(turns):
                channel.send(MESSAGE)
                channel.receive()
            return time.perf_counter_ns() - start

        channel.send(MESSAGE, DEADLINE)
        channel.receive(DEADLINE)
        return _of_batches(batch, rounds, turns)

    def costs(self, count: int) -> tuple[int, int]:
        """Take what one message costs the sender and the receiver."""
        self._ask("measure", "spin", count)
        channel = self._channels["spin"]
        sent = _middle(channel.measure_send(count, DEADLINE))
        return sent, int(channel.receive(DEADLINE))

    def stream(self, count: int) -> int:
        """Take the time of a message in a one-way stream."""
        self._ask("drain", "spin", count)
        channel = self._channels["spin"]
        burst = [MESSAGE] * BURST
        channel.receive(DEADLINE)
        start = time.perf_counter_ns()
        sent = 0
        while sent < count:
            got = channel.try_send_many(burst[: count - sent])
            sent += got
            if got == 0:
                channel.send(MESSAGE, DEADLINE)
                sent += 1
        channel.receive(DEADLINE)
        return (time.perf_counter_ns() - start) * 1000 // count

    def pipe(self, rounds: int) -> int:
        """Take round trips over multiprocessing.Pipe."""
        self._ask("pipe", "-", rounds)
        pipe = self._pipe

        def batch() -> int:
            start = time.perf_counter_ns()
            pipe.send_bytes(MESSAGE)
            pipe.recv_bytes()
            return time.perf_counter_ns() - start

        pipe.send_bytes(MESSAGE)
        pipe.recv_bytes()
        return _of_batches(batch, rounds, 1)


def _middle(samples: list[int]) -> int:
    """Mean of the middle half: robust as a median, and finer than the 10 ns steps that some processors count in."""
    ordered = sorted(samples)
    return round(fmean(ordered[len(ordered) // 4 : (3 * len(ordered) + 3) // 4]))


def _of_batches(batch: Callable[[], int], rounds: int, turns: int) -> int:
    """Picoseconds a turn, in the middle of batches of so many turns; each returns its nanoseconds."""
    return _middle([batch() * 1000 // turns for _ in range(rounds // turns)])


def _play(role: str) -> None:
    """Be the other end: do what each line of stdin says, until there are no more."""
    given = json.loads(role)
    os.sched_setaffinity(0, {given["core"]})
    channels = {
        name: urpc.Channel(urpc.Segment.attach(segment), 1, urpc.Doorbell.attach(own), urpc.Doorbell.attach(peer))
        for name, (segment, own, peer) in given["channels"].items()
    }
    pipe = Connection(given["pipe"])
    for line in sys.stdin:
        action, kind, number = line.split()
        count = int(number)
        if action == "pipe":
            for _ in range(count + 1):
                pipe.send_bytes(pipe.recv_bytes())
            continue
        channel = channels[kind]
        if action == "echo":
            channel.echo(count, DEADLINE)
        elif action == "answer":
            for _ in range(count + 1):
                channel.send(channel.receive())
        elif action == "measure":
            costs = channel.measure_receive(count, DEADLINE)
            channel.send(b"%d" % _middle(costs))
        elif action == "drain":
            channel.send(b"begin")
            received = 0
            while received < count:
                channel.receive(DEADLINE)
                received += 1 + len(channel.try_receive_many())
            channel.send(b"end")


if __name__ == "__main__":
    _play(sys.argv[1])
