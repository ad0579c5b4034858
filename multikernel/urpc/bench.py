"""What a message costs, beside what it could cost at best and what everybody else pays.

For `make bench-urpc`, `multikernel bench urpc` and anyone who wonders whether their machine is like ours.

All figures come from one run. The cores a virtual machine calls 0 and 1 may be one core's two threads now and two ends of a package a
second later, a factor of ten in every figure. So the run goes round and round through all of them, a ratio is taken between neighbours of
one round, and what is reported is the median over the rounds. Figures of different runs say little about each other; ratios do.

Each promise is a `Goal`: two figures of the run, or one and a fixed limit, and the ratio that is promised. What could not be measured has a
reason instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from multikernel import urpc
from multikernel.urpc._urpc import ring_costs, ring_round_trip, ring_stream
from multikernel.urpc.bench_ends import BATCH, BURST, DEADLINE, STREAM_BATCH, Ends
from multikernel.urpc.number_list import numbers

BLOCKED_SECONDS = 0.3
"""For how long a receiver is left blocked while its processor time is taken."""

NOT_HERE = "only `make bench-urpc` installs and starts it"
"""Why a peer has no figure when none is given to `measure`."""

STREAM_LINES = 256
"""Lines of the rings through which C streams: the hand-written ones and the channel's alike."""


@dataclass(frozen=True)
class Figure:
    """One thing measured, over the rounds of the run: picoseconds, or for the blocked receiver millionths of its time."""

    what: str
    median: int
    least: int
    greatest: int


@dataclass(frozen=True)
class Goal:
    """A promise: the ratio of figure `this` to figure `that`, or to the number `that`, is `most` or less, or `least` or more."""

    what: str
    this: str
    that: str | int
    most: float | None = None
    least: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a goal. `ratio` and `met` are None where a figure is missing; `reason` then says why."""

    goal: Goal
    ratio: float | None
    met: bool | None
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """A run: the cores, the figures by name, why others are missing, ratios of neighbouring figures, and what came of the goals."""

    cores: tuple[int, int]
    rounds: int
    figures: dict[str, Figure]
    missing: dict[str, str]
    ratios: dict[str, float]
    outcomes: tuple[Outcome, ...]

    @property
    def stream_messages_per_second(self) -> int:
        """Messages a second from Python to Python, many a call."""
        return round(1e12 / self.figures["stream_many"].median)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


DESIGNS = {"sequence": "positions", "cleared": "cleared flags", "returned": "positions, lines handed back"}
"""Of the hand-written rings (rings.h)."""

FIGURES = {
    "bare": "two flags in two cache lines, round trip (the floor)",
    "channel_c": "48-byte message over a channel, round trip, C loops",
    "channel_python": "48-byte message over a channel, round trip, Python loops",
    "mpi4py": "48 bytes by mpi4py's buffer Send and Recv, round trip",
    "iceoryx2": "48 bytes over iceoryx2's Python binding, polled, round trip",
    "pipe": "48 bytes over multiprocessing.Pipe, round trip",
    "ring_sequence": "one message of a stream through a hand-written ring that goes by positions",
    "ring_cleared": "one message of a stream through a hand-written ring whose reader clears a flag",
    "ring_returned": "one message of a stream through one that goes by positions and hands lines back",
    "ring_best": "one message of a stream through the best of these rings",
    "stream_c": "one message of a stream over a channel, C loops, bursts of 32",
    "stream": "one message of a stream, one a call, Python loops",
    "stream_many": f"one message of a stream, {BURST} a call, Python loops",
    "pipe_large": "1 MB over multiprocessing.Pipe, and an answer",
    "payload_large": "1 MB by reference over a channel, and an answer",
    "futex_blocked": "two wake-ups from a bare futex, round trip",
    "channel_blocked_c": "48-byte message, both ends blocked: two wake-ups, round trip, C loops",
    "channel_blocked_python": "48-byte message, both ends blocked: two wake-ups, round trip, Python loops",
    "blocked_cpu": f"processor time of a receiver blocked for {BLOCKED_SECONDS:g} s, in millionths of it",
    "message_send": "one message keeps the sender busy, C",
    "message_receive": "one message keeps the receiver busy, C",
    "stream_unfenced": "one message of a bare stream whose sender has no fence",
    "stream_fenced": "one message of a bare stream whose sender has a fence a message",
    "membarrier": "one membarrier(2) while the other core runs (0: none here)",
} | {
    f"{design}_{name}": f"{what}, {how}"
    for name, what in {
        "round_trip": "round trip over hand-written rings",
        "send": "one message alone keeps the sender busy",
        "receive": "one message alone keeps the receiver busy",
        "send_16": "one of 16 messages keeps the sender busy",
        "receive_16": "one of 16 messages keeps the receiver busy",
    }.items()
    for design, how in DESIGNS.items()
}

GOALS = (
    Goal("C: round trip, in bare cache lines' round trips", "channel_c", "bare", most=1.15),
    Goal("C: throughput, in the best hand-written ring's", "ring_best", "stream_c", least=0.8),
    Goal("Python: round trip, in bare cache lines' round trips", "channel_python", "bare", most=1.7),
    Goal("Python: times faster than mpi4py Send/Recv", "mpi4py", "channel_python", least=8),
    Goal("Python: times faster than iceoryx2", "iceoryx2", "channel_python", least=30),
    Goal("Python: times faster than multiprocessing.Pipe", "pipe", "channel_python", least=150),
    Goal("Python: one-way stream, in 5 million messages a second", "stream", 200_000, most=1),
    Goal("Python: many a call, in 10 million messages a second", "stream_many", 100_000, most=1),
    Goal("Python: 1 MB by reference, times faster than a pipe", "pipe_large", "payload_large", least=50),
    Goal("blocked receiver: processor time, in thousandths of the time", "blocked_cpu", 1000, most=1),
    Goal("wake-ups, C, in a raw futex's", "channel_blocked_c", "futex_blocked"),
    Goal("wake-ups, Python, in a raw futex's", "channel_blocked_python", "futex_blocked"),
)

RATIOS = {
    "pipe / channel_blocked_python": ("pipe", "channel_blocked_python"),
} | {
    f"{this} / {that}": (this, that)
    for design in ("sequence", "returned")
    for this, that in [
        (f"ring_{design}", "ring_cleared"),
        *(
            (f"{design}_{name}", f"cleared_{name}")
            for name in ("round_trip", "send", "receive", "send_16", "receive_16")
        ),
    ]
}
"""Beyond those of the goals."""

RoundTrip = Callable[[tuple[int, int], int], int]
"""Another way to talk: given two cores and a number of round trips, the picoseconds of one."""


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
    own = numbers(siblings.read_text()) if siblings.exists() else {first}
    return first, next((core for core in cores if core not in own), cores[1])


def measure(
    cores: tuple[int, int] | None = None,
    *,
    rounds: int = 9,
    scale: float = 1.0,
    peers: Mapping[str, RoundTrip] | None = None,
    missing: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Report:
    """Run all figures `rounds` times, interleaved.

    Pins this thread to the first core while it runs; takes some 10 s on two cores. `scale` shortens (or lengthens) every figure. `peers`
    are other ways to talk, by the names of their figures; `missing` says why some are not among them. `progress(done, all)` is called
    after each round. Raises UrpcError on a machine with one core, ValueError if a core cannot be used, TimeoutError if the other end
    dies.
    """
    peers = peers or {}
    absent = {name: NOT_HERE for name in ("mpi4py", "iceoryx2") if name not in peers} | dict(missing or {})
    first, second = cores if cores is not None else choose_cores()
    before = os.sched_getaffinity(0)
    samples: dict[str, list[int]] = {}
    with Ends.started(second) as ends:
        try:
            for number in range(rounds):
                for name, value in _one_round(ends, (first, second), peers, before, scale):
                    samples.setdefault(name, []).append(value)
                progress(number + 1, rounds)
        finally:
            os.sched_setaffinity(0, before)
    return Report(
        cores=(first, second),
        rounds=rounds,
        figures={
            name: Figure(what, round(median(samples[name])), min(samples[name]), max(samples[name]))
            for name, what in FIGURES.items()
            if name in samples
        },
        missing=absent,
        ratios={name: _ratio(samples, this, that) for name, (this, that) in RATIOS.items()},
        outcomes=tuple(_outcome(goal, samples, absent) for goal in GOALS),
    )


def _ratio(samples: Mapping[str, list[int]], this: str, that: str | int) -> float:
    """Give the median of the ratios within a round."""
    others = samples[that] if isinstance(that, str) else [that] * len(samples[this])
    return median(one / other for one, other in zip(samples[this], others, strict=True))


def _outcome(goal: Goal, samples: Mapping[str, list[int]], missing: Mapping[str, str]) -> Outcome:
    for name in (goal.this, goal.that):
        if isinstance(name, str) and name not in samples:
            return Outcome(goal, None, None, f"not available: {missing[name]}")
    ratio = _ratio(samples, goal.this, goal.that)
    if goal.most is None and goal.least is None:
        return Outcome(goal, ratio, None, "no limit: printed for comparison")
    met = (goal.most is None or ratio <= goal.most) and (goal.least is None or ratio >= goal.least)
    return Outcome(goal, ratio, met)


def _one_round(
    ends: Ends, cores: tuple[int, int], peers: Mapping[str, RoundTrip], allowed: set[int], scale: float
) -> Iterator[tuple[str, int]]:
    """Take every figure once; those that are compared stand side by side."""
    first, second = cores

    def count(full: int) -> int:
        return max(BATCH * 2, int(full * scale)) // BATCH * BATCH

    def free() -> None:
        """The floors start threads of their own, and peers processes, which inherit the affinity of this one."""
        os.sched_setaffinity(0, allowed)

    def pinned() -> None:
        os.sched_setaffinity(0, {first})

    free()
    yield "bare", urpc.bare_ping_pong(first, second, count(20000), DEADLINE)
    pinned()
    yield "channel_c", ends.ping("spin", count(20000))
    yield "channel_python", ends.round_trips("spin", count(20000))
    free()
    for name, round_trip in peers.items():
        yield name, round_trip(cores, count(4000) if name == "mpi4py" else count(1000))
    pinned()
    yield "pipe", ends.pipe(count(1000))
    yield "stream_c", ends.stream_c(max(4, int(400 * scale)))
    free()
    rings = {name: ring_stream(name, first, second, count(100_000), STREAM_LINES, DEADLINE) for name in DESIGNS}
    for name, value in rings.items():
        yield f"ring_{name}", value
    yield "ring_best", min(rings.values())
    pinned()
    blocks = max(8, int(80 * scale)) * STREAM_BATCH
    yield "stream", ends.stream(blocks)
    yield "stream_many", ends.stream_many(blocks)
    yield "pipe_large", ends.pipe_large(max(3, int(20 * scale)))
    yield "payload_large", ends.payload_large(max(20, int(2000 * scale)))
    free()
    yield "futex_blocked", urpc.futex_ping_pong(first, second, count(600), DEADLINE)
    pinned()
    yield "channel_blocked_c", ends.ping("block", count(600))
    yield "channel_blocked_python", ends.round_trips("block", count(600))
    yield "blocked_cpu", ends.blocked(BLOCKED_SECONDS)
    sent, received = ends.costs(count(2000))
    yield "message_send", sent
    yield "message_receive", received
    free()
    for name in DESIGNS:
        yield f"{name}_round_trip", ring_round_trip(name, first, second, count(20_000), timeout=DEADLINE)
        sent, received = ring_costs(name, first, second, count(5_000), 1, DEADLINE)
        yield f"{name}_send", sent
        yield f"{name}_receive", received
        sent, received = ring_costs(name, first, second, count(20_000), 16, DEADLINE)
        yield f"{name}_send_16", sent
        yield f"{name}_receive_16", received
    unfenced, fenced, membarrier = urpc.ordering_costs(first, second, count(50_000), DEADLINE)
    yield "stream_unfenced", unfenced
    yield "stream_fenced", fenced
    yield "membarrier", membarrier
