"""What waiting costs: for one of many channels, for those who wake a sleeper in poll(2), and in an event loop.

`measure` takes each figure beside the one it is to be compared with, in one run and in turns, so that the ratios mean something on a busy
machine. Most is done by one thread: it sends to itself, then waits for what is there. So the figures hold what a wait set itself costs, and
nothing of what a message takes between cores; `bench.py` has that, `bench_asyncio.py` for event loops, and `bench_load.py` for cores that
others want. The busy channels are four in each figure, so that only the wait set differs; one figure goes through all 1024, whose lines no
near cache can hold.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median

from multikernel import urpc
from multikernel.urpc import bench_asyncio, bench_load

COUNTS = (4, 64, 1024)  # channels, of which one is ready
MESSAGE = bytes(48)
BATCH = 20
SPINS = {"spin learnt": None, "spin_ns=0": 0}
PHASES = ("free", "wanted by another process", "free again")
LOAD_SECONDS = 0.2  # of each phase: many time slices


@dataclass(frozen=True)
class WaitingReport:
    """Figures in nanoseconds, by name; ratios of those taken next to each other."""

    figures: dict[str, float]
    ratios: dict[str, float] = field(default_factory=dict)


class _Middle:
    """A kernel with many channels, and their other ends."""

    def __init__(self, count: int, *, marked: bool = True) -> None:
        self.bell = urpc.Doorbell.create(0)
        self._marked = None if marked else self._hold_the_marks()
        self.ready = urpc.WaitSet(self.bell)
        self.near: list[urpc.Channel] = []
        self.far: list[urpc.Channel] = []
        for _ in range(count):
            near, far = self._channel()
            self.near.append(near)
            self.far.append(far)
            self.ready.add(near)
        self.ready.wait(0)

    def _channel(self) -> tuple[urpc.Channel, urpc.Channel]:
        with urpc.Segment.create(8) as segment, urpc.Doorbell.create(0) as theirs:
            return urpc.Channel(segment, 0, self.bell, theirs), urpc.Channel(segment, 1, theirs, self.bell)

    def _hold_the_marks(self) -> tuple[urpc.WaitSet, list[tuple[urpc.Channel, urpc.Channel]]]:
        """Use the marks for a wait set of its own: that of the figures must then look at each channel."""
        other = urpc.WaitSet(self.bell)
        kept = [self._channel() for _ in range(9)]
        for near, _ in kept:
            other.add(near)
        return other, kept


def _each(turns: int, action: Callable[[int], None]) -> float:
    """Take the time of a turn, in the middle of small batches: on a busy machine some are interrupted."""
    batches = []
    for first in range(0, turns, BATCH):
        start = time.perf_counter_ns()
        for turn in range(first, first + BATCH):
            action(turn)
        batches.append((time.perf_counter_ns() - start) / BATCH)
    return median(batches)


def _one_ready(middle: _Middle, busy: int = COUNTS[0]) -> Callable[[int], None]:
    """Send, wait, receive: one channel is ready, in turn one of `busy`, which are spread over all."""
    apart = len(middle.near) // busy
    wait = middle.ready.wait

    def turn(number: int) -> None:
        middle.far[number % busy * apart].send(MESSAGE)
        for channel in wait():
            channel.receive()

    return turn


def _wake(middle: _Middle, *, armed: bool) -> Callable[[int], float]:
    """Take the time of a send alone, to a wait set that sleeps in poll(2), or to one that does not."""
    near, far = middle.near[0], middle.far[0]

    def turn(_: int) -> float:
        if armed and not middle.ready.arm():
            raise urpc.UrpcError(
                "the wait set cannot sleep, though nothing is there: the doorbell was rung by somebody else"
            )
        start = time.perf_counter_ns()
        far.send(MESSAGE)
        taken = time.perf_counter_ns() - start
        middle.ready.wait(0)
        near.receive()
        return taken

    return turn


def _eventfd() -> Callable[[int], float]:
    """Take the time of what an eventfd would cost a sender in its place."""
    descriptor = os.eventfd(0)

    def turn(_: int) -> float:
        start = time.perf_counter_ns()
        os.eventfd_write(descriptor, 1)
        taken = time.perf_counter_ns() - start
        os.eventfd_read(descriptor)
        return taken

    return turn


async def _round_trips(
    ask: Callable[[], Awaitable[object]], answer: Callable[[], Awaitable[object]], turns: int
) -> float:
    async def answers() -> None:
        for _ in range(turns):
            await answer()

    task = asyncio.create_task(answers())
    start = time.perf_counter_ns()
    for _ in range(turns):
        await ask()
    taken = (time.perf_counter_ns() - start) / turns
    await task
    return taken


async def _channel_round_trips(turns: int) -> float:
    a, b = urpc.pair()

    async def ask() -> None:
        await a.send_async(MESSAGE)
        await a.receive_async()

    async def answer() -> None:
        await b.send_async(await b.receive_async())

    with a, b:
        return await _round_trips(ask, answer, turns)


async def _stream_round_trips(turns: int) -> float:
    one, other = socket.socketpair()
    read_a, write_a = await asyncio.open_connection(sock=one)
    read_b, write_b = await asyncio.open_connection(sock=other)

    async def ask() -> None:
        write_a.write(MESSAGE)
        await read_a.readexactly(len(MESSAGE))

    async def answer() -> None:
        write_b.write(await read_b.readexactly(len(MESSAGE)))

    try:
        return await _round_trips(ask, answer, turns)
    finally:
        for writer in (write_a, write_b):
            writer.close()
            await writer.wait_closed()


def _between(loop: str, way: str) -> str:
    return f"round trip of two {loop} loops, {way}"


def measure(*, rounds: int = 9, scale: float = 1.0) -> WaitingReport:
    """Run all figures `rounds` times, in turns; some 15 s. `scale` shortens (or lengthens) every figure."""
    turns = max(50, int(2000 * scale))
    marked = {count: _Middle(count) for count in COUNTS}
    watched = {count: _Middle(count, marked=False) for count in COUNTS}
    sleeper, eventfd = _Middle(1), _eventfd()
    loops = list(bench_asyncio.loops())
    samples: dict[str, list[float]] = {}

    def take(name: str, value: float) -> None:
        samples.setdefault(name, []).append(value)

    for _ in range(rounds):
        for count in COUNTS:
            take(f"wait, 1 ready of {count}", _each(turns, _one_ready(marked[count])))
        take("wait, 1 ready of 1024, all in turn", _each(turns, _one_ready(marked[COUNTS[-1]], COUNTS[-1])))
        for count in COUNTS:
            take(
                f"wait, 1 ready of {count}, each looked at", _each(max(20, turns // count), _one_ready(watched[count]))
            )
        for name, action in (
            ("send to a kernel that is awake", _wake(sleeper, armed=False)),
            ("send to a kernel that sleeps in poll", _wake(sleeper, armed=True)),
            ("eventfd_write", eventfd),
        ):
            take(name, median(action(turn) for turn in range(turns)))
        take("round trip in one asyncio loop, channel", asyncio.run(_channel_round_trips(turns // 4)))
        take("round trip in one asyncio loop, stream", asyncio.run(_stream_round_trips(turns // 4)))
        for loop, way in itertools.product(loops, bench_asyncio.WAYS):
            take(_between(loop, way), bench_asyncio.round_trip(loop, way, turns))
        for spin, spin_ns in SPINS.items():
            for phase, value in zip(PHASES, bench_load.phases(spin_ns, LOAD_SECONDS * scale), strict=True):
                take(f"round trip, {spin}, receiver's core {phase}", value)
    first, *others = (f"wait, 1 ready of {count}" for count in COUNTS)
    pairs = [(name, first) for name in others]
    pairs += [(f"wait, 1 ready of {COUNTS[-1]}, each looked at", others[-1])]
    pairs += [("send to a kernel that sleeps in poll", "eventfd_write")]
    pairs += [("round trip in one asyncio loop, channel", "round trip in one asyncio loop, stream")]
    pairs += [
        (_between(loop, one), _between(loop, other))
        for loop in loops
        for one in ("channel", "channel, spin_ns=0")
        for other in ("stream", "sock_recv")
    ]
    pairs += [
        (f"round trip, spin learnt, receiver's core {PHASES[1]}", f"round trip, spin_ns=0, receiver's core {PHASES[1]}")
    ]
    pairs += [
        (
            f"round trip, spin learnt, receiver's core {PHASES[2]}",
            f"round trip, spin learnt, receiver's core {PHASES[0]}",
        )
    ]
    return WaitingReport(
        {name: median(values) for name, values in samples.items()},
        {
            f"{one} / {other}": median(a / b for a, b in zip(samples[one], samples[other], strict=True))
            for one, other in pairs
        },
    )
