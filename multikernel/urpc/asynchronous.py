"""Channels and relays in an asyncio event loop: where a wait goes that has stayed awake for as long as that pays (`_asynchronous.c`).

A task that must wait leaves a future with what it waits for; the loop sleeps where it always does, in its own selector, on the one
socket that the doorbell calls (`calls.h`). A sender sees that the loop sleeps, and calls it.

A future says only that it is worth looking again: the task itself takes the message, in one step without an `await`. So a task that is
cancelled, at whatever moment, has taken none, and none is lost. All who wait on a channel are told, and the first takes the message: a task
that is cancelled after it was told leaves nobody else waiting for a message that is there.

After something has come, the loop looks again in each of its turns for a while (`LINGER`) before it has itself called: while messages come
one after the other, no sender makes a system call. It does not where the doorbell has learnt that staying awake is of no use.

Each look does the work of the doorbell's relays, too: whatever is waited for, and also where nothing is but the relays are attended.

Why not a thread that waits and calls into the loop: two wake-ups for each message, and a thread that outlives the loop. Why the channels of
one doorbell share one wait set: a doorbell calls one sleeper.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from contextlib import suppress

from typing_extensions import Buffer

from multikernel.urpc._urpc import Channel, Doorbell, Relay, WaitSet

# Seconds between two looks without a reason: at all channels, since a peer that is not correct can hide the others' messages (waitset.h),
# and whether anybody waits at all. Where nobody does, the loop stops watching the doorbell; mostly somebody soon will again.
TICK = 1.0

# Seconds for which the loop looks in each turn after something has come: some sleep and wake-up (pace.h).
LINGER = 50e-6


class _Watch:
    """One loop's watch over the channels and relays of a doorbell for which tasks wait."""

    def __init__(self, bell: Doorbell) -> None:
        self._bell = bell
        self._set = WaitSet(bell)
        self._waiting: dict[Channel | Relay, list[asyncio.Future[None]]] = {}
        self._moves: dict[Relay, int] = {}
        self._attended: set[Relay] = set()
        self._came = 0.0
        self._lingers = False
        loop = asyncio.get_running_loop()
        loop.add_reader(self._set._calls(), self._look)
        loop.call_later(TICK, self._tick)

    async def until_ready(self, what: Channel | Relay) -> None:
        """Wait until it is worth looking at it again."""
        future = asyncio.get_running_loop().create_future()
        futures = self._waiting.get(what)
        if futures is None:
            if isinstance(what, Relay):
                self._moves[what] = what._moves  # ours
            else:
                self._set.add(what)
            futures = self._waiting[what] = []
        futures.append(future)
        if not self._lingers:
            self._sleep()
        try:
            await future
        finally:
            futures.remove(future)
            if not futures and self._waiting.get(what) is futures:  # cancelled before it was told
                self._tell(what)

    def attend(self, relay: Relay) -> None:
        """Do the relay's work, whether anybody waits or not, until it is closed."""
        self._attended.add(relay)
        if not self._lingers:
            self._sleep()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._attended = {relay for relay in self._attended if not relay.closed}
        if self._waiting or self._attended:
            self._look()
            loop.call_later(TICK, self._tick)
        else:
            loop.remove_reader(self._set._calls())
            del _watches[loop][self._bell]

    def _look(self) -> None:
        """Tell all who wait for what is ready; then sleep, or linger if there was anything."""
        if self._lingers:
            return  # and looks in each turn anyway
        if self._tell_ready() and self._bell.spins:
            self._came = time.monotonic()
            self._lingers = True
            asyncio.get_running_loop().call_soon(self._linger)
        else:
            self._sleep()

    def _linger(self) -> None:
        now = time.monotonic()
        if self._tell_ready():
            self._came = now
        if now - self._came < LINGER:
            asyncio.get_running_loop().call_soon(self._linger)
        else:
            self._lingers = False
            self._sleep()

    def _sleep(self) -> None:
        """Have the doorbell call from now on, once there is nothing left to tell."""
        while not self._set.arm() or self._moved():
            self._tell_ready()

    def _moved(self) -> list[Relay]:
        """Give the relays that are waited for and have done something."""
        return [relay for relay, moves in self._moves.items() if relay.closed or relay._moves != moves]

    def _tell_ready(self) -> bool:
        """Tell all who wait for a channel that is ready or has been closed here, or for a relay that has done something. Was there any?"""
        ready: list[Channel | Relay] = list(self._set.wait(0))
        if len(self._set) < len(self._waiting) - len(self._moves):  # what is closed leaves the set by itself
            ready += [what for what in self._waiting if isinstance(what, Channel) and what.closed]
        ready += self._moved()
        for what in ready:
            self._tell(what)
        return bool(ready)

    def _tell(self, what: Channel | Relay) -> None:
        """Wake its tasks. Until they have looked, and wait again, it is not waited for."""
        futures = self._waiting.pop(what, [])
        if isinstance(what, Relay):
            self._moves.pop(what, None)
        else:
            with suppress(ValueError):  # closed
                self._set.remove(what)
        for future in futures:
            if not future.done():
                future.set_result(None)


_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Doorbell, _Watch]] = weakref.WeakKeyDictionary()


def _watch(what: Channel | Relay) -> _Watch:
    bell = what.doorbell if isinstance(what, Relay) else what.own_doorbell
    watches = _watches.setdefault(asyncio.get_running_loop(), {})
    watch = watches.get(bell)
    if watch is None:
        watch = watches[bell] = _Watch(bell)
    return watch


def attend(relay: Relay) -> None:
    """Have the running event loop do a relay's work from now on, until the relay is closed: for members that wait for nothing of it.

    A relay passes broadcasts on, and gathers what comes back, in whatever wait of this library its member is in; a loop that awaits
    something on the relay's doorbell is in one. A loop that awaits only other things is not: tell it. Calls for a relay that is attended
    already do nothing.

    Raises RuntimeError if no loop runs.
    """
    _watch(relay).attend(relay)


async def until_ready(what: Channel | Relay) -> None:
    """Wait, without blocking the loop, until it is worth looking at it again."""
    await _watch(what).until_ready(what)


async def receive_within(what: Channel | Relay, timeout: float) -> bytes:
    """Give the next message or broadcast, if there is one in `timeout` seconds."""
    async with asyncio.timeout(timeout):
        return await what.receive_async()


async def send_within(channel: Channel, timeout: float, data: Buffer) -> None:
    """Send one message, if there is room in `timeout` seconds."""
    async with asyncio.timeout(timeout):
        await channel.send_async(data)
