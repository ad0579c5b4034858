"""What messages between two kernels cost, measured over the channel that they use.

One kernel answers (`receiving`) while the other measures (`sending`). Four things are measured: the round trip of one message, what a
send keeps the sender busy, what a receive keeps the receiver busy, and what a message takes in a stream; the cost of a tree is made of the
second and the third.

A machine is not the same from second to second. So every pair is measured in short slices, and all pairs have one before any has its next
(`Pair`): what disturbs the machine for a while disturbs a slice of all pairs, and not all of one pair. The first slice warms up, and
tells how long the others may be, so that a pair takes no more than its few milliseconds.

How long a message is under way belongs to the receiver: it is its read that fetches the line, or its wake-up that it waits for. So
what is told to the SKB as the receiver's cost is at least what is left of the one-way latency once the sender is done
(`receive_cost`), and one hop of a tree never costs less than the message was seen to take.

Samples in which the kernel was interrupted (timer tick, another process) say nothing of the channel and are left out: those over
`INTERRUPTED` times the median. How many were left out is reported.
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from multikernel import urpc
from multikernel.messages import Cost, Sending, Slice, Taken

INTERRUPTED = 8
"""A sample this many times the median was interrupted."""

TIMEOUT = 10.0
"""Seconds after which a silent peer ends a measurement."""

SLICES = 5
"""Slices of a pair that count; one before them warms up."""

PAIR_NS = 8_000_000
"""What the measurement of a pair may take; what the console needs to begin and end a slice comes on top."""

WARM_UP = Slice(rounds=24, burst=16, blocks=1)
LONGEST = Slice(rounds=100, burst=32, blocks=4)
"""No slice is longer: what it found must fit a message."""

SHORTEST = Slice(rounds=4, burst=2, blocks=1)

MOST_GROWTH = 4.0
"""A slice is at most so many times as long as the one before: that may have been hurried by luck."""


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

    def __init__(self) -> None:
        self._trips: list[int] = []
        self._sends: list[int] = []
        self._receives: list[int] = []
        self._stream: list[int] = []
        self._spent_ns = 0
        self._next = WARM_UP
        self._slices = 0

    @property
    def next(self) -> Slice | None:
        """The slice to measure next; None once the pair's time is over, and something has been found."""
        over = self._spent_ns >= PAIR_NS and self._trips
        return None if over else self._next

    def add(self, taken: Taken, receives: Sequence[int], spent_ns: int) -> None:
        """Take in what a slice found, and how long it took."""
        self._spent_ns += spent_ns
        self._slices += 1
        share = max(0, PAIR_NS - self._spent_ns) / max(1, SLICES + 1 - self._slices)
        growth = min(MOST_GROWTH, share / max(1, spent_ns))
        if self._slices == 1:
            growth = max(1.0, growth)  # what woke up during it says little of how long the next will take
        sizes = zip(_sizes(self._next), _sizes(SHORTEST), _sizes(LONGEST), strict=True)
        self._next = Slice(*(max(least, min(most, int(now * growth))) for now, least, most in sizes))
        if self._slices == 1:
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


def _sizes(part: Slice) -> tuple[int, int, int]:
    return part.rounds, part.burst, part.blocks


def sending(channel: urpc.Channel, part: Slice) -> Taken:
    """Measure a slice of what messages to the peer of a channel cost; the peer calls `receiving` with the same slice."""
    trips = channel.ping(part.rounds, TIMEOUT)
    sends = channel.measure_send(part.burst, TIMEOUT)
    return Taken(trips, sends, channel.measure_stream(part.blocks, TIMEOUT))


def receiving(channel: urpc.Channel, part: Slice) -> list[int]:
    """Answer a slice of the peer's measurement, and measure how long receives of messages that are there keep us busy, in ps."""
    channel.echo(part.rounds, TIMEOUT)
    receives = channel.measure_receive(part.burst, TIMEOUT)
    channel.measure_drain(part.blocks, TIMEOUT)
    return receives
