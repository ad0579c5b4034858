"""What messages between two kernels cost, measured over the channel that they use.

One kernel answers (`receiving`) while the other measures (`sending`). Three things are measured: the round trip of one message, what a
send keeps the sender busy, and what a receive keeps the receiver busy; the cost of a tree is made of the last two.

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
from multikernel.messages import Sending

INTERRUPTED = 8
"""A sample this many times the median was interrupted."""

TIMEOUT = 10.0
"""Seconds after which a silent peer ends a measurement."""


class Statistics(NamedTuple):
    """Of the samples that were not interrupted, in picoseconds."""

    avg: int
    stddev: int
    min: int
    max: int
    samples: int
    interrupted: int


def statistics(samples: Sequence[int]) -> Statistics:
    """Summarise samples, leaving out the interrupted ones. Raises ValueError if there are none."""
    if not samples:
        raise ValueError("no samples to summarise; measure at least one round")
    limit = median(samples) * INTERRUPTED
    kept = [sample for sample in samples if sample <= limit]
    avg = sum(kept) / len(kept)
    variance = sum((sample - avg) ** 2 for sample in kept) / len(kept)
    return Statistics(round(avg), round(math.sqrt(variance)), min(kept), max(kept), len(kept), len(samples) - len(kept))


def receive_cost(trip: int, send: int, receive: int) -> int:
    """Give what a message costs its receiver, from the round trip, the send, and a receive of a message that was there already."""
    return max(receive, trip // 2 - send)


def sending(channel: urpc.Channel, rounds: int, burst: int) -> Sending:
    """Measure what messages to the peer of a channel cost; the peer calls `receiving` with the same numbers."""
    trips = statistics(channel.ping(rounds, TIMEOUT))
    send = statistics(channel.measure_send(burst, TIMEOUT)).avg
    return Sending(trips.avg, trips.stddev, trips.min, trips.max, send, trips.samples, trips.interrupted)


def receiving(channel: urpc.Channel, rounds: int, burst: int) -> int:
    """Answer the measurement of the peer, and measure how long the receive of a message that is there keeps us busy, in ps."""
    channel.echo(rounds, TIMEOUT)
    return statistics(channel.measure_receive(burst, TIMEOUT)).avg
