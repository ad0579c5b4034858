"""What a message costs in event loops: round trips of two processes, each in a loop of its own and on a core of its own.

For `bench_waiting.py`. A channel is held against what asyncio programs use otherwise between processes: streams over a Unix socket pair,
and the loop's bare `sock_recv` and `sock_sendall`. Each in asyncio's own loop, and in uvloop's where that is installed.

Every figure forks the other process afresh, so that no two loops are in one; so this module wants a process without threads.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from multikernel import urpc
from multikernel.urpc.bench import choose_cores

MESSAGE = bytes(48)

Step = Callable[[], Awaitable[object]]
Way = Callable[[Any], Coroutine[Any, Any, tuple[Step, Step, Step]]]
"""How a process asks, or answers, once, and how it ends: made from its end of what joins them."""


async def _nothing() -> None:
    return


async def _channel(end: urpc.Channel) -> tuple[Step, Step, Step]:
    send, receive = end.send_async, end.receive_async

    async def ask() -> None:
        await send(MESSAGE)
        await receive()

    async def answer() -> None:
        await send(await receive())

    return ask, answer, _nothing


async def _stream(end: socket.socket) -> tuple[Step, Step, Step]:
    reader, writer = await asyncio.open_connection(sock=end)

    async def ask() -> None:
        writer.write(MESSAGE)
        await reader.readexactly(len(MESSAGE))

    async def answer() -> None:
        writer.write(await reader.readexactly(len(MESSAGE)))

    async def close() -> None:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    return ask, answer, close


async def _socket(end: socket.socket) -> tuple[Step, Step, Step]:
    loop = asyncio.get_running_loop()
    end.setblocking(False)

    async def ask() -> None:
        await loop.sock_sendall(end, MESSAGE)
        await loop.sock_recv(end, len(MESSAGE))

    async def answer() -> None:
        await loop.sock_sendall(end, await loop.sock_recv(end, len(MESSAGE)))

    return ask, answer, _nothing


WAYS: dict[str, tuple[Way, Callable[[], tuple[Any, Any]]]] = {
    "channel": (_channel, urpc.pair),
    "channel, spin_ns=0": (_channel, lambda: urpc.pair(spin_ns=0)),  # whoever waits sleeps, as with sockets
    "stream": (_stream, socket.socketpair),
    "sock_recv": (_socket, socket.socketpair),
}


def loops() -> dict[str, Callable[[Coroutine[Any, Any, float]], float]]:
    """Name the event loops that there are, each with what runs in it."""
    found: dict[str, Callable[[Coroutine[Any, Any, float]], float]] = {"asyncio": asyncio.run}
    with suppress(ImportError):
        found["uvloop"] = importlib.import_module("uvloop").run
    return found


def cores() -> tuple[int, int]:
    """Give a core for each process; the same one where there is no other."""
    usable = os.sched_getaffinity(0)
    return choose_cores() if len(usable) > 1 else (min(usable), min(usable))


async def _ask(way: Way, end: object, turns: int) -> float:
    ask, _, close = await way(end)
    for _ in range(turns // 4):
        await ask()
    start = time.perf_counter_ns()
    for _ in range(turns):
        await ask()
    taken = (time.perf_counter_ns() - start) / turns
    await close()
    return taken


async def _answer(way: Way, end: object, turns: int) -> float:
    _, answer, close = await way(end)
    for _ in range(turns // 4 + turns):
        await answer()
    await close()
    return 0.0


def round_trip(loop: str, way: str, turns: int) -> float:
    """Take the time of a round trip between this process and another, in ns."""
    run = loops()[loop]
    steps, make = WAYS[way]
    ours, theirs = make()
    here, there = cores()
    before = os.sched_getaffinity(0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            ours.close()
            os.sched_setaffinity(0, {there})
            run(_answer(steps, theirs, turns))
            status = 0
        finally:
            os._exit(status)
    try:
        theirs.close()
        os.sched_setaffinity(0, {here})
        return run(_ask(steps, ours, turns))
    finally:
        os.sched_setaffinity(0, before)
        ours.close()
        os.waitpid(child, 0)
