"""Latencies between cores that other programs measured, as facts.

A one-way latency is half a round trip. Times in cycles need the clock that counted them. Where nobody tells it, one cycle is taken as one
nanosecond, and that is said: what is near and what is far stays right, and nothing else does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from probes.cores import UNKNOWN
from probes.cpulist import LIMIT
from probes.fact import Fact, Problem

PS_PER_NS = 1000

SEND_PERCENT = 22
"""Of a one-way latency, how much keeps the sender busy: the median that n-send benchmarks measured on two sockets of Ivy Bridge."""

NO_CLOCK = 1000.0
"""MHz of a clock that nobody tells."""

SHOWN = 20
"""Problems of one cause that are told one by one."""

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

Pairs = Mapping[tuple[int, int], float]
"""By sender and receiver."""


class Wrong:
    """Problems of one file, in order; of those beyond SHOWN only the number is kept. Lives as long as the file is read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._problems: list[Problem] = []
        self._more = 0

    def note(self, line: int, column: int | None, cause: str, remedy: str) -> None:
        """Note what is wrong at a place."""
        if len(self._problems) < SHOWN:
            place = f"{self._name}, line {line}" + (f", column {column}" if column else "")
            self._problems.append(Problem(place, cause, remedy))
        else:
            self._more += 1

    def problems(self) -> tuple[Problem, ...]:
        """Return what was noted."""
        if not self._more:
            return tuple(self._problems)
        return (*self._problems, Problem(self._name, f"{self._more} more places are wrong", "mend the file"))


def core_facts(cores: range) -> Iterator[Fact]:
    """Yield the cores, of which nothing but the number is known."""
    for core in cores:
        yield Fact("core", (core, UNKNOWN, 1))


def round_trip(sender: int, receiver: int, latency: float, ps: float) -> Fact:
    """Return the round trip of a one-way latency, of so many picoseconds a unit."""
    return Fact("message_rtt", (sender, receiver, 2 * round(latency * ps), UNKNOWN, UNKNOWN, UNKNOWN))


def round_trip_facts(latencies: Pairs, ps: float) -> Iterator[Fact]:
    """Yield round trips from one-way latencies, each of so many picoseconds a unit."""
    for (sender, receiver), value in sorted(latencies.items()):
        yield round_trip(sender, receiver, value, ps)


def one_way_facts(latencies: Pairs, ps: float) -> Iterator[Fact]:
    """Yield round trips, and costs of messages: of a latency, SEND_PERCENT keep the sender busy and the rest the receiver."""
    yield from round_trip_facts(latencies, ps)
    for (sender, receiver), value in sorted(latencies.items()):
        latency = round(value * ps)
        send = latency * SEND_PERCENT // 100
        yield Fact("message_cost", (sender, receiver, send, latency - send))


def number(text: str) -> float | None:
    """Read a latency: a finite decimal number above zero, else None."""
    written = text.strip()
    value = float(written) if len(text) <= 64 and _DECIMAL.fullmatch(written) else 0.0
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
