"""Latencies between cores that other programs measured, as facts.

A one-way latency is half a round trip. Where only that is known, 22 % of it are the sender's (the split that was measured with n-send
benchmarks on two sockets of Ivy Bridge). Times in cycles need the clock that counted them. Where nobody tells it, one cycle is taken as
one nanosecond, and that is said: what is near and what is far stays right, and nothing else does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from probes.cores import UNKNOWN
from probes.cpulist import LIMIT
from probes.fact import Fact, Problem

PS_PER_NS = 1000

SEND_PERCENT = 22

NO_CLOCK = 1000.0
"""MHz of a clock that nobody tells."""

Pairs = Mapping[tuple[int, int], float]
"""By sender and receiver."""


def core_facts(cores: range) -> Iterator[Fact]:
    """Yield the cores, of which nothing but the number is known."""
    for core in cores:
        yield Fact("core", (core, UNKNOWN, 1))


def one_way_facts(latencies: Pairs, ps: float) -> Iterator[Fact]:
    """Yield round trips and costs of messages from one-way latencies, each of so many picoseconds a unit."""
    whole = {pair: round(value * ps) for pair, value in sorted(latencies.items())}
    for (sender, receiver), latency in whole.items():
        yield Fact("message_rtt", (sender, receiver, 2 * latency, UNKNOWN, UNKNOWN, UNKNOWN))
    for (sender, receiver), latency in whole.items():
        send = latency * SEND_PERCENT // 100
        yield Fact("message_cost", (sender, receiver, send, latency - send))


def number(text: str) -> float | None:
    """Read a latency: a finite number above zero, else None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 < value < 1e12 else None


def core_number(text: str) -> int | None:
    """Read the number of a core."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 and int(text) < LIMIT else None


def picoseconds(clock: float | None, name: str) -> tuple[float, tuple[Problem, ...]]:
    """Return picoseconds a cycle of a clock in MHz; of one that is not told, and what to do about it."""
    if clock is not None:
        return 1e6 / clock, ()
    remedy = "times are as of a clock of 1 GHz; tell it behind the format, as in --format mctop:2400MHz"
    return 1e6 / NO_CLOCK, (Problem(name, "times are in cycles of a clock that is not told", remedy),)


def rest(name: str, count: int, shown: int) -> tuple[Problem, ...]:
    """Return the problem that there are more problems than are shown."""
    return (Problem(name, f"{count - shown} more places are wrong", "mend the file"),) if count > shown else ()
