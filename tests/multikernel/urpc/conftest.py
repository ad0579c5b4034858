"""What the tests of URPC share: Python programs run as processes of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from multikernel import urpc

DEADLINE = 60.0

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python program as a process that dies with the test: start(source, *arguments, pass_fds=())."""
    processes: list[subprocess.Popen[str]] = []

    def start(source: str, *arguments: object, pass_fds: Sequence[int] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start: Start) -> Callable[..., str]:
    """Run a Python program to its end, which must be a good one: its output."""

    def run(source: str, *arguments: object, pass_fds: Sequence[int] = ()) -> str:
        process = start(source, *arguments, pass_fds=pass_fds)
        output, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, f"exit status {process.returncode}\n{errors}"
        return output

    return run


@dataclass
class Star:
    """A kernel in the middle, and the ends of others around it: near[i] and far[i] are of one channel."""

    bell: urpc.Doorbell
    near: list[urpc.Channel] = field(default_factory=list)
    far: list[urpc.Channel] = field(default_factory=list)


@pytest.fixture
def star() -> Callable[..., Star]:
    """Make a star of so many channels: star(count, capacity=8, spin_ns=0)."""

    def star(count: int, capacity: int = 8, spin_ns: int | None = 0) -> Star:
        made = Star(urpc.Doorbell.create(spin_ns))
        with urpc.Doorbell.create(spin_ns) as theirs:
            for _ in range(count):
                with urpc.Segment.create(capacity) as segment:
                    made.near.append(urpc.Channel(segment, 0, made.bell, theirs))
                    made.far.append(urpc.Channel(segment, 1, theirs, made.bell))
        return made

    return star
