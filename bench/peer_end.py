"""What both ends of every peer have in common: they do nothing until told, then so many round trips, timed by end 0.

An end that waits for its peer spins, and would take the cores from whatever else the benchmark times; so between measurements it waits
for a word on a socket. Nothing but the standard library is used: peers live in an environment of their own.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from itertools import repeat
from statistics import median

BATCH = 10
"""Round trips between two looks at the clock; what disturbs one batch is not in the others."""


def serve(role: int, address: str, send: Callable[[], object], receive: Callable[[], object]) -> None:
    """Connect, say which end this is, then obey: a line `CORE COUNT` asks for so many round trips on that core. Ends with the socket."""
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(address)
        with control.makefile("rw", encoding="ascii") as words:
            words.write(f"{role}\n")
            words.flush()
            for line in words:
                core, count = map(int, line.split())
                os.sched_setaffinity(0, {core})
                words.write(f"{(_ask if role == 0 else _answer)(count, send, receive)}\n")
                words.flush()


def _ask(count: int, send: Callable[[], object], receive: Callable[[], object]) -> int:
    """Give the picoseconds of a round trip in the median of some batches, after one that does not count."""
    batches = []
    for _ in range(count // BATCH + 1):
        start = time.perf_counter_ns()
        for _ in repeat(None, BATCH):
            send()
            receive()
        batches.append((time.perf_counter_ns() - start) * 1000 // BATCH)
    return round(median(batches[1:]))


def _answer(count: int, send: Callable[[], object], receive: Callable[[], object]) -> int:
    for _ in range((count // BATCH + 1) * BATCH):
        receive()
        send()
    return 0
