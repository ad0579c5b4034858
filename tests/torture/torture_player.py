"""What each process of a life does: send, receive, stall, check, and say what was wrong.

Every message begins with its number in its channel's direction and a checksum of all of it; its length and its other bytes follow from
the life's seed, the direction and the number. Receivers know what must come, byte by byte.
"""

from __future__ import annotations

import mmap
import os
import random
import struct
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from multikernel import urpc

HEADER = struct.Struct("<QI")
"""The message's number, and the checksum of number, length and bytes."""

FAREWELL = 20.0
"""Seconds after the end in which what was sent must have been received."""

GOODBYE = b""
"""The last message of a life; no other is empty."""

NOISE = random.Random(0).randbytes(1 << 16)
"""Where messages' bytes are cut from."""


class Counts:
    """Memory that outlives its writers: the sign that a life is over, and how many messages each process has sent to each other.

    A count goes up before a message is sent (`begun`) and after (`sent`): a process that is killed in between has sent the message or not.
    """

    PEERS = 8
    SIZE = 4096

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory
        self._words = memoryview(memory).cast("Q")

    @property
    def over(self) -> bool:
        return bool(self._words[0])

    def end(self) -> None:
        self._words[0] = 1

    def _place(self, sender: int, receiver: int) -> int:
        return 2 + 2 * (sender * self.PEERS + receiver)

    def begin(self, sender: int, receiver: int, number: int) -> None:
        self._words[self._place(sender, receiver)] = number

    def done(self, sender: int, receiver: int, number: int) -> None:
        self._words[self._place(sender, receiver) + 1] = number

    def of(self, sender: int, receiver: int) -> tuple[int, int]:
        """How many messages were begun to be sent, and how many surely were."""
        place = self._place(sender, receiver)
        return self._words[place], self._words[place + 1]

    def close(self) -> None:
        self._words.release()
        self._memory.close()


@dataclass
class Ends:
    """A process's ends: its doorbell, a channel for each peer, and the peers' process numbers."""

    bell: urpc.Doorbell
    channels: dict[int, urpc.Channel]
    processes: dict[int, int]


@dataclass
class Way:
    """One channel as one process sees it."""

    peer: int
    channel: urpc.Channel
    longest: int
    sent: int = 0
    received: int = 0
    said_goodbye: bool = False
    ended: str = ""
    """Why nothing more will come: the name of the exception that said so, or goodbye."""


class Wrong(Exception):
    """A promise did not hold."""


def message(seed: int, sender: int, receiver: int, number: int, longest: int) -> bytes:
    """Give message `number` from one process to another."""
    chance = zlib.crc32(b"%d/%d/%d/%d" % (seed, sender, receiver, number))
    sizes = (0, 1, 43, 44, 45, 100, 100 + (chance >> 8) % 400, (chance >> 8) % max(1, longest - HEADER.size))
    size = min(sizes[chance % len(sizes)], longest - HEADER.size)
    start = (chance >> 4) % (len(NOISE) - size)
    body = NOISE[start : start + size]
    return HEADER.pack(number, zlib.crc32(body, number & 0xFFFFFFFF)) + body


def play(who: int, seed: int, ends: Ends, counts: Counts, cores: Sequence[int]) -> tuple[int, str, dict[int, str]]:
    """Live one life. Gives the number of messages received, what was wrong, or an empty text, and how each peer's channel ended."""
    os.sched_setaffinity(0, {cores[who % len(cores)]})
    ways = {peer: Way(peer, channel, urpc.max_message(channel.capacity)) for peer, channel in ends.channels.items()}
    try:
        for peer, way in ways.items():
            urpc.watch_peer(way.channel, ends.processes[peer])
        _Player(who, seed, ends.bell, ways, counts).live()
        broken = ""
    except Wrong as error:
        broken = str(error)
    except Exception:
        broken = traceback.format_exc()
    finally:
        for way in ways.values():
            way.channel.close()
        ends.bell.close()
    ended = {peer: way.ended for peer, way in ways.items()}
    return sum(way.received for way in ways.values()), broken, ended


class _Player:
    def __init__(self, who: int, seed: int, bell: urpc.Doorbell, ways: dict[int, Way], counts: Counts) -> None:
        self._who = who
        self._seed = seed
        self._chance = random.Random(f"{seed}/{who}")
        self._ways = ways
        self._counts = counts
        self._by_channel = {way.channel: way for way in ways.values()}
        self._waiting = urpc.WaitSet(bell)
        for channel in self._by_channel:
            self._waiting.add(channel)

    def live(self) -> None:
        """Act by chance until the life is over; then flush, close, and receive all that is still to come."""
        acts = (
            self._send_one,
            self._send_many,
            self._try_send,
            self._receive,
            self._receive_many,
            self._wait,
            self._stall,
        )
        while not self._counts.over:
            way = self._chance.choice(list(self._ways.values()))
            self._chance.choices(acts, weights=(5, 8, 5, 3, 6, 6, 1))[0](way)
        self._farewell()

    # Sending.

    def _next(self, way: Way) -> bytes:
        return message(self._seed, self._who, way.peer, way.sent, way.longest)

    def _sending(self, way: Way, number: int) -> None:
        self._counts.begin(self._who, way.peer, way.sent + number)

    def _was_sent(self, way: Way, number: int) -> None:
        way.sent += number
        self._counts.done(self._who, way.peer, way.sent)
        self._counts.begin(self._who, way.peer, way.sent)

    def _send_one(self, way: Way) -> None:
        if way.ended:
            return
        self._sending(way, 1)
        with suppress(
            TimeoutError, urpc.Closed
        ):  # the peer may be busy, or gone: what it sent before is still to be received
            way.channel.send(self._next(way), self._chance.choice((0.0, 0.0002, 0.002)))
            self._was_sent(way, 1)
        self._receive_many(way)

    def _try_send(self, way: Way) -> None:
        if way.ended:
            return
        self._sending(way, 1)
        with suppress(urpc.Closed):
            if way.channel.try_send(self._next(way)):
                self._was_sent(way, 1)

    def _send_many(self, way: Way) -> None:
        if way.ended:
            return
        first = way.sent
        number = self._chance.randrange(1, 12)
        burst = [message(self._seed, self._who, way.peer, first + i, way.longest) for i in range(number)]
        self._sending(way, number)
        with suppress(urpc.Closed):
            self._was_sent(way, way.channel.try_send_many(burst))

    # Receiving.

    def _take(self, way: Way, got: bytes) -> None:
        if got == GOODBYE and not way.said_goodbye:
            self._note_goodbye(way)
            return
        if way.said_goodbye:
            raise Wrong(f"{way.peer} said goodbye, and then sent {len(got)} bytes more")
        expected = message(self._seed, way.peer, self._who, way.received, way.longest)
        if got != expected:
            number, check = HEADER.unpack_from(got) if len(got) >= HEADER.size else (-1, 0)
            intact = number >= 0 and zlib.crc32(got[HEADER.size :], number & 0xFFFFFFFF) == check
            raise Wrong(
                f"message {way.received} from {way.peer} is not what was sent: {len(got)} bytes instead of {len(expected)}, "
                f"number {number}, {'whole: out of order' if intact else 'torn'}"
            )
        way.received += 1

    def _note_goodbye(self, way: Way) -> None:
        way.received += 1
        way.said_goodbye = True
        begun, _ = self._counts.of(way.peer, self._who)
        if way.received != begun:
            raise Wrong(f"{way.peer} said goodbye as message {begun}, and it came as message {way.received}")

    def _over(self, way: Way, error: urpc.Closed) -> None:
        """Note how a channel ended, and check that all was received that its sender had sent."""
        way.ended = type(error).__name__
        self._waiting.remove(way.channel)  # it would be told as ready for ever
        begun, sent = self._counts.of(way.peer, self._who)
        if not sent <= way.received <= begun:
            raise Wrong(
                f"{way.ended} from {way.peer} after {way.received} messages; it had sent {sent}, and begun {begun}"
            )

    def _receive(self, way: Way) -> None:
        if way.ended:
            return
        try:
            self._take(way, way.channel.receive(self._chance.choice((0.0, 0.0002, 0.002))))
        except TimeoutError:
            pass
        except urpc.Closed as error:
            self._over(way, error)

    def _receive_many(self, way: Way) -> None:
        if way.ended:
            return
        try:
            for got in way.channel.try_receive_many(self._chance.randrange(1, 40)):
                self._take(way, got)
        except urpc.Closed as error:
            self._over(way, error)

    def _wait(self, _way: Way) -> None:
        for channel in self._waiting.wait(self._chance.choice((0.0, 0.0002, 0.002))):
            self._drain(self._by_channel[channel])

    def _drain(self, way: Way) -> None:
        if way.ended:
            return
        try:
            while (got := way.channel.try_receive()) is not None:
                self._take(way, got)
        except urpc.Closed as error:
            self._over(way, error)

    def _stall(self, _way: Way) -> None:
        kind = self._chance.randrange(3)
        if kind == 0:
            time.sleep(self._chance.uniform(0, 0.003))
        elif kind == 1:
            until = time.perf_counter() + self._chance.uniform(0, 0.001)
            while time.perf_counter() < until:
                pass
        else:
            os.sched_yield()

    # The end.

    def _farewell(self) -> None:
        """Say goodbye to all, and receive until all have said it, closed or died. Then close: what we sent can still be received.

        Of two, the one with the greater number closes first, and the other waits to be told.
        """
        deadline = time.monotonic() + FAREWELL
        for way in self._ways.values():
            self._say_goodbye(way, deadline)
        self._receive_until(lambda way: way.said_goodbye or bool(way.ended), deadline)
        for way in self._ways.values():
            if way.peer < self._who and not way.ended:
                way.ended = "goodbye"
                self._waiting.remove(way.channel)
                way.channel.close()
        self._receive_until(lambda way: bool(way.ended), deadline)

    def _receive_until(self, complete: Callable[[Way], bool], deadline: float) -> None:
        while left := [way for way in self._ways.values() if not complete(way)]:
            if time.monotonic() > deadline:
                counts = self._counts
                states = ", ".join(
                    f"{way.received} of {counts.of(way.peer, self._who)} from {way.peer}" for way in left
                )
                raise Wrong(f"not received, and not told why, {FAREWELL:g} s after the end: {states}")
            for channel in self._waiting.wait(0.05):
                self._drain(self._by_channel[channel])

    def _say_goodbye(self, way: Way, deadline: float) -> None:
        while not way.ended:
            self._sending(way, 1)
            try:
                if way.channel.try_send(GOODBYE):
                    self._was_sent(way, 1)
                    return
            except urpc.Closed:
                self._drain(way)
                continue
            if time.monotonic() > deadline:
                raise Wrong(f"no room to say goodbye to {way.peer} for {FAREWELL:g} s")
            for channel in self._waiting.wait(0.01):
                self._drain(self._by_channel[channel])
