"""What messages between two kernels cost, measured over the channel that they use.

One kernel answers (`answer`) while the other measures (`cost`). Three things are measured: the round trip of one message, what a
send keeps the sender busy, and what a receive keeps the receiver busy; DESIGN's cost model of trees is made of the last two.

Samples in which the kernel was interrupted (timer tick, another process) say nothing of the channel and are left out: those over
`INTERRUPTED` times the median. How many were left out is reported.
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

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
