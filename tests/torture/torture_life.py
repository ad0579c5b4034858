"""One life of the torture: its plan, its four processes, and what they say when it is over.

Channels and what processes tell before they die stand in memory made by the process that runs the lives. The mortals inherit it by fork;
the veteran gets descriptors over a Unix socket, life by life, and lets go of all of them at the end of each.
"""

from __future__ import annotations

import json
import mmap
import os
import random
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations

from torture_player import Counts, Ends, play

from multikernel import urpc
from multikernel.lifeline import die_with_parent

PROCESSES = 4
MORTALS = PROCESSES - 1
VETERAN = 0
PAIRS = tuple(combinations(range(PROCESSES), 2))
BEGIN = 256
"""Bytes with which each mortal is told who the others are."""

FAREWELL = 20.0
"""Seconds that whoever is left has to receive what was sent, and to say so. A machine may be slow; a lost message is for ever."""


@dataclass(frozen=True)
class Moment:
    """After so many seconds of a life, a process is killed, or stopped for a while."""

    after: float
    who: int
    signal: signal.Signals
    stall: float


@dataclass(frozen=True)
class Plan:
    """All choices of a life: the seed of what its processes do, the channels, and what befalls whom."""

    seed: int
    seconds: float
    capacities: tuple[int, ...]
    spins: tuple[int, ...]
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Verdict:
    """What a process that was left says: how many messages it received, what was wrong, if anything, and how each peer's channel ended."""

    who: int
    received: int
    broken: str
    ended: dict[int, str] = field(default_factory=dict)


def plan_life(seed: int, number: int) -> Plan:
    """Make the plan of a life."""
    chance = random.Random(f"{seed}/{number}")
    seconds = chance.choice((0.03, 0.1, 0.1, 0.3, 0.6))
    moments = [
        Moment(chance.uniform(0, seconds), who, signal.SIGKILL, 0.0)
        for who in chance.sample(range(1, PROCESSES), chance.choice((0, 1, 1, 1, 2, 3)))
    ]
    moments += [
        Moment(chance.uniform(0, seconds), chance.randrange(PROCESSES), signal.SIGSTOP, chance.uniform(0, 0.02))
        for _ in range(chance.choice((0, 1, 2)))
    ]
    return Plan(
        seed=chance.randrange(1 << 48),
        seconds=seconds,
        capacities=tuple(chance.choice((8, 8, 16, 64, 256)) for _ in PAIRS),
        spins=tuple(chance.choice((0, 0, 5_000, 50_000)) for _ in range(PROCESSES)),
        moments=tuple(sorted(moments, key=lambda moment: moment.after)),
    )


@dataclass
class Veteran:
    """The process that goes through all lives: its number, and the socket over which it gets channels and gives its verdicts."""

    process: int
    door: socket.socket

    def end(self) -> None:
        """Have it end, and wait for that."""
        self.door.close()
        os.kill(self.process, signal.SIGCONT)
        os.waitpid(self.process, 0)


def start_veteran(cores: Sequence[int]) -> Veteran:
    """Fork the veteran."""
    here, there = socket.socketpair()
    parent = os.getpid()
    process = os.fork()
    if process == 0:
        here.close()
        _child(parent, lambda: _grow_old(there, cores))
    there.close()
    return Veteran(process, here)


def _grow_old(door: socket.socket, cores: Sequence[int]) -> None:
    """Take part in life after life until the socket closes."""
    while True:
        message, fds, _, _ = socket.recv_fds(door, 1 << 16, 64)
        if not message:
            return
        told = json.loads(message)
        try:
            ends, counts = _attach(told["layout"], fds)
        finally:
            for fd in fds:
                os.close(fd)
        verdict = Verdict(VETERAN, *play(VETERAN, told["seed"], ends, counts, cores))
        counts.close()
        del ends
        door.sendall(_encode(verdict))


def _attach(layout: Sequence[Sequence[int]], fds: Sequence[int]) -> tuple[Ends, Counts]:
    """Make the veteran's ends: `layout` has the peer, its process, and the places in `fds` of the segment, its own bell and the peer's."""
    bells: dict[int, urpc.Doorbell] = {}

    def bell(place: int) -> urpc.Doorbell:
        if place not in bells:
            bells[place] = urpc.Doorbell.attach(fds[place])
        return bells[place]

    channels, processes = {}, {}
    for peer, process, segment, own, other in layout:
        with urpc.Segment.attach(fds[segment]) as attached:
            channels[peer] = urpc.Channel(attached, 0, bell(own), bell(other))
        processes[peer] = process
    own_bell = bell(layout[0][3])
    for other_bell in bells.values():
        if other_bell is not own_bell:
            other_bell.close()
    return Ends(own_bell, channels, processes), Counts(mmap.mmap(fds[0], 0))


@dataclass
class Life:
    """A life under way."""

    plan: Plan
    veteran: Veteran
    killed: set[int] = field(default_factory=set)
    processes: dict[int, int] = field(default_factory=dict)
    _verdicts: dict[int, int] = field(default_factory=dict)
    _begun: float = 0.0

    def start(self) -> None:
        """Make the channels and all processes; they begin together."""
        plan = self.plan
        cores = sorted(os.sched_getaffinity(0))[:2]
        memory = os.memfd_create("torture-counts")
        os.ftruncate(memory, Counts.SIZE)
        counts = Counts(mmap.mmap(memory, 0))
        bells = [urpc.Doorbell.create(spin) for spin in plan.spins]
        segments = {pair: urpc.Segment.create(lines) for pair, lines in zip(PAIRS, plan.capacities, strict=True)}
        begin_reading, begin_writing = os.pipe()
        parent = os.getpid()
        for who in range(1, PROCESSES):
            reading, writing = os.pipe()
            process = os.fork()
            if process == 0:
                os.close(begin_writing)

                def live(who: int = who, writing: int = writing) -> None:
                    told = json.loads(os.read(begin_reading, BEGIN))
                    processes = {VETERAN: self.veteran.process} | {int(peer): known for peer, known in told.items()}
                    self._mortal(who, writing, bells, segments, processes, counts, cores)

                _child(parent, live)
            os.close(writing)
            self.processes[who] = process
            self._verdicts[who] = reading
        os.close(begin_reading)
        self._invite(memory, bells, segments)
        known = json.dumps(self.processes).encode().ljust(BEGIN)
        os.write(begin_writing, known * MORTALS)
        os.close(begin_writing)
        for resource in (*bells, *segments.values()):
            resource.close()
        os.close(memory)
        self._counts = counts
        self._begun = time.monotonic()

    def _mortal(
        self,
        who: int,
        writing: int,
        bells: Sequence[urpc.Doorbell],
        segments: dict[tuple[int, int], urpc.Segment],
        processes: dict[int, int],
        counts: Counts,
        cores: Sequence[int],
    ) -> None:
        channels = {}
        for (one, other), segment in segments.items():
            if who in (one, other):
                peer = other if who == one else one
                channels[peer] = urpc.Channel(segment, int(who == other), bells[who], bells[peer])
        ends = Ends(bells[who], channels, {peer: processes[peer] for peer in channels})
        os.write(writing, _encode(Verdict(who, *play(who, self.plan.seed, ends, counts, cores))))

    def _invite(
        self, memory: int, bells: Sequence[urpc.Doorbell], segments: dict[tuple[int, int], urpc.Segment]
    ) -> None:
        """Give the veteran its descriptors."""
        fds = [memory, *(bell.fd for bell in bells)]
        layout = []
        for who in range(1, PROCESSES):
            fds.append(segments[VETERAN, who].fd)
            layout.append([who, self.processes[who], len(fds) - 1, 1 + VETERAN, 1 + who])
        words = json.dumps({"seed": self.plan.seed, "layout": layout}).encode()
        socket.send_fds(self.veteran.door, [words], fds)

    def wait_until(self, after: float) -> None:
        """Wait until so many seconds of the life have gone by."""
        time.sleep(max(0.0, self._begun + after - time.monotonic()))

    def signal(self, who: int, number: signal.Signals) -> int:
        """Send a process a signal; 1 if it could still be reached."""
        if who in self.killed:
            return 0
        if number == signal.SIGKILL:
            self.killed.add(who)
        os.kill(self.veteran.process if who == VETERAN else self.processes[who], number)
        return 1

    def finish(self) -> list[Verdict]:
        """Have everybody send no more, and hear all who are left."""
        self._counts.end()
        verdicts = []
        for who in [VETERAN, *self.processes]:
            if who in self.killed:
                continue
            source = self.veteran.door.fileno() if who == VETERAN else self._verdicts[who]
            if not select.select([source], [], [], FAREWELL + 10)[0]:
                verdicts.append(Verdict(who, 0, f"said nothing for {FAREWELL + 10:g} s after the end"))
            elif said := os.read(source, 1 << 16):
                verdicts.append(_decode(said))
        return verdicts

    def clean_up(self) -> None:
        """Leave nothing of this life."""
        for process in self.processes.values():
            os.kill(process, signal.SIGKILL)  # those that are left have said all they had to
            os.waitpid(process, 0)
        for descriptor in self._verdicts.values():
            os.close(descriptor)
        self._counts.close()


def _child(parent: int, part: Callable[[], None]) -> None:
    """Run a forked process's part; it never returns, and does not outlive the process that runs the lives."""
    status = 1
    try:
        die_with_parent(parent)
        part()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _encode(verdict: Verdict) -> bytes:
    return json.dumps({**asdict(verdict), "broken": verdict.broken[-3000:]}).encode()


def _decode(said: bytes) -> Verdict:
    told = json.loads(said)
    return Verdict(**{**told, "ended": {int(peer): how for peer, how in told["ended"].items()}})
