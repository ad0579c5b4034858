"""Channels in an asyncio event loop: what `Channel.receive_async` and `send_async` do.

A task that must wait leaves a future with the channel; the loop sleeps where it always does, in its own selector, on the one descriptor of
a wait set (`WaitSet.fileno`). A sender sees that the loop sleeps, and calls it.

A future says only that it is worth looking again: the task itself takes the message, in one step without an `await`. So a task that is
cancelled, at whatever moment, has taken none, and none is lost. All who wait on a channel are told, and the first takes the message: a task
that is cancelled after it was told leaves nobody else waiting for a message that is there.

Why not a thread that waits and calls into the loop: two wake-ups for each message, and a thread that outlives the loop. Why the channels of
one doorbell share one wait set: a doorbell calls one sleeper.
"""

from __future__ import annotations

import asyncio
import weakref
from contextlib import nullcontext, suppress

from typing_extensions import Buffer

from multikernel.urpc._urpc import Channel, Doorbell, WaitSet

# Seconds between two looks without a reason: at all channels, since a peer that is not correct can hide the others' messages (waitset.h),
# and whether anybody waits at all. Where nobody does, the loop stops watching the doorbell; mostly somebody soon will again.
TICK = 1.0


class _Watch:
    """One loop's watch over the channels of a doorbell for which tasks wait."""

    def __init__(self, bell: Doorbell) -> None:
        self._bell = bell
        self._set = WaitSet(bell)
        self._waiting: dict[Channel, list[asyncio.Future[None]]] = {}
        loop = asyncio.get_running_loop()
        loop.add_reader(self._set.fileno(), self._look)
        loop.call_later(TICK, self._tick)

    async def until_ready(self, channel: Channel) -> None:
        """Wait until it is worth looking at the channel again."""
        future = asyncio.get_running_loop().create_future()
        futures = self._waiting.get(channel)
        if futures is None:
            self._set.add(channel)
            futures = self._waiting[channel] = []
        futures.append(future)
        if not self._set.arm():
            self._look()
        try:
            await future
        finally:
            futures.remove(future)
            if not futures and self._waiting.get(channel) is futures:  # cancelled before it was told
                self._tell(channel)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        if self._waiting:
            self._look()
            loop.call_later(TICK, self._tick)
        else:
            loop.remove_reader(self._set.fileno())
            del _watches[loop][self._bell]

    def _look(self) -> None:
        """Tell all who wait for a channel that is ready, or that has been closed here."""
        while True:
            for channel in self._set.wait(0):
                self._tell(channel)
            if len(self._set) < len(self._waiting):  # what is closed leaves the set by itself
                for channel in [channel for channel in self._waiting if channel.closed]:
                    self._tell(channel)
            if self._set.arm():
                return

    def _tell(self, channel: Channel) -> None:
        """Wake the channel's tasks. Until they have looked, and wait again, it is not waited for."""
        futures = self._waiting.pop(channel, [])
        with suppress(ValueError):  # closed
            self._set.remove(channel)
        for future in futures:
            if not future.done():
                future.set_result(None)


_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Doorbell, _Watch]] = weakref.WeakKeyDictionary()


async def _until_ready(channel: Channel) -> None:
    watches = _watches.setdefault(asyncio.get_running_loop(), {})
    bell = channel.own_doorbell
    watch = watches.get(bell)
    if watch is None:
        watch = watches[bell] = _Watch(bell)
    await watch.until_ready(channel)


async def receive(channel: Channel, timeout: float | None = None) -> bytes:  # as Channel.receive has it
    """Give the next message; wait for it without blocking the loop.

    Raises TimeoutError if none comes in `timeout` seconds, and what `Channel.receive` raises.
    """
    async with asyncio.timeout(timeout) if timeout is not None else nullcontext():
        while (message := channel.try_receive()) is None:
            await _until_ready(channel)
        return message


async def send(channel: Channel, data: Buffer, /, timeout: float | None = None) -> None:
    """Send one message; wait for room without blocking the loop.

    Raises TimeoutError if there is none in `timeout` seconds, and what `Channel.send` raises.
    """
    async with asyncio.timeout(timeout) if timeout is not None else nullcontext():
        while not channel.try_send(data):
            await _until_ready(channel)
