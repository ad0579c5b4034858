"""What messages between two kernels cost, measured over the channel that they use.

One kernel answers (`receiving`) while the other measures (`sending`). Four things are measured: the round trip of one message, what a
send keeps the sender busy, what a receive keeps the receiver busy, and what a message takes in a stream; the cost of a tree is made of the
second and the third.

A machine is not the same from second to second. So every pair is measured in short slices, and all pairs have one before any has its next
(`Pair`): what disturbs the machine for a while disturbs a slice of all pairs, and not all of one pair.

A pair takes no more than 10 ms (`PAIR_NS`), whatever its kernels are: between two that spin on cores of their own a round trip takes
less than a microsecond, between two that sleep and share their cores with others some fifty. Everything counts, from the
console's request to its last answer. What that takes beside the measurement, and what each round trip, burst and stream took, is
learnt from slice to slice; the next is made to fit. Where the fixed costs are high there are fewer slices, and not everything is in
each: bursts begin with a lap of the ring that is not timed.

How long a message is under way belongs to the receiver: it is its read that fetches the line, or its wake-up that it waits for. So
what is told to the SKB as the receiver's cost is at least what is left of the one-way latency once the sender is done
(`receive_cost`), and one hop of a tree never costs less than the message was seen to take.

Samples in which the kernel was interrupted (timer tick, another process) say nothing of the channel and are left out: those over
`INTERRUPTED` times the median. How many were left out is reported.
"""

import math
import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from multikernel import urpc
from multikernel.link import CAPACITY
from multikernel.messages import Cost, Sending, Slice, Taken

INTERRUPTED = 8
"""A sample this many times the median was interrupted."""

TIMEOUT = 10.0
"""Seconds after which a silent peer ends a measurement."""

SLICES = 5
"""Slices of a pair that count, at most; one before them warms up."""

PAIR_NS = 10_000_000
"""What the measurement of a pair may take in all, with what the console needs to begin and end its slices."""

AIM_NS = 5_000_000
"""What it is planned to take: the rest is for slices that take longer than was expected."""

DOUBT = 2.5
"""No slice is begun that could not take so many times what is expected, and the pair keep its promise."""

WARM_UP = Slice(rounds=12, burst=0, blocks=0)
"""What is measured first, and does not count. It tells what a round trip and the console take: hardly more."""

LONGEST = Slice(rounds=100, burst=32, blocks=4)
"""No slice is longer: what it found must fit a message."""

ENOUGH = 24
"""So many round trips are aimed at, even if that takes longer than planned."""

SHORTEST = Slice(rounds=4, burst=2, blocks=1)
"""Less of each is not worth the beginning."""

FIRST = Slice(rounds=8, burst=8, blocks=1)
"""The first slice that counts has no fewer round trips, and bursts and a stream of this size: nobody knows yet what they take."""

MOST_GROWTH = 8
"""So many times the round trips of the slice before, and no more: that may have been hurried by luck."""

MOST_OVERHEAD = 1 / 3
"""A slice is so long that the console's part of it is at most this, if there is time."""


class Statistics(NamedTuple):
    """Of the samples that were not interrupted, in picoseconds."""

    avg: int
    stddev: int
    min: int
    max: int
    samples: int
    interrupted: int
    median: int


def statistics(samples: Sequence[int]) -> Statistics:
    """Summarise samples, leaving out the interrupted ones. Raises ValueError if there are none."""
    if not samples:
        raise ValueError("no samples to summarise; measure at least one round")
    limit = median(samples) * INTERRUPTED
    kept = [sample for sample in samples if sample <= limit]
    avg = sum(kept) / len(kept)
    variance = sum((sample - avg) ** 2 for sample in kept) / len(kept)
    return Statistics(
        round(avg),
        round(math.sqrt(variance)),
        min(kept),
        max(kept),
        len(kept),
        len(samples) - len(kept),
        round(median(kept)),
    )


def receive_cost(trip: int, send: int, receive: int) -> int:
    """Give what a message costs its receiver, from the round trip, the send, and a receive of a message that was there already."""
    return max(receive, trip // 2 - send)


class Pair:
    """The measurement of one pair: what its slices found so far, and how long the next may be."""

    def __init__(self, slices: int = SLICES) -> None:
        self._slices = slices
        self._trips: list[int] = []
        self._sends: list[int] = []
        self._receives: list[int] = []
        self._stream: list[int] = []
        self._spent_ns = 0
        self._done = 0
        self._last = WARM_UP
        self._expected = _Expected()

    @property
    def next(self) -> Slice | None:
        """The slice to measure next; None once the pair's time is over, and something of everything has been found."""
        if self._done == 0:
            return WARM_UP
        expected, found = self._expected, bool(self._trips)
        missing = (max(0, ENOUGH - len(self._trips)) + 0.5) * expected.round
        left = max(AIM_NS - self._spent_ns, expected.overhead + missing)
        share = max(left / max(1, self._slices + 1 - self._done), min(left, expected.overhead / MOST_OVERHEAD))
        surely = (PAIR_NS - self._spent_ns) / DOUBT
        part = _fit(min(share, surely) - expected.overhead, expected, self._last.rounds, everything=not found)
        takes = expected.overhead + expected.of(part)
        return None if found and (takes > surely or takes > left) else part

    def add(self, taken: Taken, receives: Sequence[int], spent_ns: int) -> None:
        """Take in what the slice `next` found, and how long it took."""
        part = Slice(len(taken.trips), len(taken.sends), len(taken.stream))
        self._expected.learn(part, taken.spent_ns, spent_ns)
        self._spent_ns += spent_ns
        self._done += 1
        self._last = part
        if self._done == 1:
            return
        self._trips += taken.trips
        self._sends += taken.sends
        self._stream += taken.stream
        self._receives += receives

    def cost(self) -> Cost:
        """Say what messages between the two cost. Raises ValueError before the first slice that counts."""
        trips = statistics(self._trips)
        send = statistics(self._sends).avg
        stream = statistics(self._stream).median
        receive = receive_cost(trips.avg, send, statistics(self._receives).avg)
        sending = Sending(
            avg=trips.avg,
            stddev=trips.stddev,
            min=trips.min,
            max=trips.max,
            send=send,
            samples=trips.samples,
            interrupted=trips.interrupted,
            median=trips.median,
            stream=stream,
        )
        return Cost(sending, receive, one_way=trips.median // 2, measured_for=self._spent_ns * 1000)


class _Expected:
    """What the parts of a slice are expected to take, in ns, from what they took."""

    def __init__(self) -> None:
        self.overhead = 0.0
        self.round = 0.0
        self.line = 0.0
        self.block = 0.0

    def learn(self, part: Slice, spent_ns: tuple[int, int, int], all_ns: int) -> None:
        """Take in how long a slice took: its three parts, and all of it."""
        trips, sends, stream = spent_ns
        self.overhead = _mean(self.overhead, max(0, all_ns - sum(spent_ns)))
        if part.rounds:
            self.round = _mean(self.round, trips / part.rounds)
        if part.burst:
            self.line = _mean(self.line, sends / (CAPACITY + part.burst))
        if part.blocks:
            self.block = _mean(self.block, stream / part.blocks)

    def burst(self, messages: int) -> float:
        """Say what bursts of so many messages take: there is a lap before them."""
        return self.line * (CAPACITY + messages) if messages else 0.0

    def of(self, part: Slice) -> float:
        """Say what a slice takes, but for the overhead."""
        return part.rounds * self.round + self.burst(part.burst) + part.blocks * self.block


def _mean(before: float, now: float) -> float:
    """The next is expected to be like the last, but less so: that may have been disturbed."""
    return (before + now) / 2 if before else now


def _fit(room: float, expected: _Expected, rounds: int, *, everything: bool) -> Slice:
    """Make a slice for so many ns, at most `MOST_GROWTH` times as many round trips as `rounds`.

    Two fifths are for bursts, a fifth is for a stream, and the round trips have what is left. With `everything`, which is the first that
    counts, nothing is left out, however long it takes.
    """
    most_rounds = min(LONGEST.rounds, MOST_GROWTH * rounds)
    if everything:
        return Slice(
            max(FIRST.rounds, _most(room * 2 / 5, expected.round, FIRST.rounds, most_rounds)), FIRST.burst, FIRST.blocks
        )
    burst = _most(room * 2 / 5 - expected.burst(1), expected.line, SHORTEST.burst, LONGEST.burst)
    blocks = _most(room / 5, expected.block, SHORTEST.blocks, LONGEST.blocks)
    room -= expected.burst(burst) + blocks * expected.block
    return Slice(max(SHORTEST.rounds, _most(room, expected.round, SHORTEST.rounds, most_rounds)), burst, blocks)


def _most(room: float, each: float, least: int, most: int) -> int:
    """How many fit, at most `most`; 0 if less than `least` do."""
    fit = most if room > 0 and room >= most * each else int(room / each) if room > 0 else 0
    return fit if fit >= least else 0


def sending(channel: urpc.Channel, part: Slice) -> Taken:
    """Measure a slice of what messages to the peer of a channel cost; the peer calls `receiving` with the same slice."""
    times = [time.monotonic_ns()]
    trips = channel.ping(part.rounds, TIMEOUT)
    times.append(time.monotonic_ns())
    sends = channel.measure_send(part.burst, TIMEOUT) if part.burst else []
    times.append(time.monotonic_ns())
    stream = channel.measure_stream(part.blocks, TIMEOUT) if part.blocks else []
    times.append(time.monotonic_ns())
    return Taken(trips, sends, stream, (times[1] - times[0], times[2] - times[1], times[3] - times[2]))


def receiving(channel: urpc.Channel, part: Slice) -> list[int]:
    """Answer a slice of the peer's measurement, and measure how long receives of messages that are there keep us busy, in ps."""
    channel.echo(part.rounds, TIMEOUT)
    receives = channel.measure_receive(part.burst, TIMEOUT) if part.burst else []
    if part.blocks:
        channel.measure_drain(part.blocks, TIMEOUT)
    return receives
