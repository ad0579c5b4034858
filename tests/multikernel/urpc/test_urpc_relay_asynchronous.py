"""Relays beside an event loop: its waits are waits of the library, too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from multikernel import urpc

Runner = Callable[[Coroutine[Any, Any, None]], None]

LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}

MEMBER = """
import asyncio, sys
from multikernel import urpc

kind = sys.argv[1]
numbers = list(map(int, sys.argv[2:]))
up, own, above, *down = numbers
own, above = urpc.Doorbell.attach(own), urpc.Doorbell.attach(above)
parent = urpc.Channel(urpc.Segment.attach(up), 1, own, above)
children = {}
if down:
    segment, below = down
    children[2] = urpc.Channel(urpc.Segment.attach(segment), 0, own, urpc.Doorbell.attach(below))
relay = urpc.Relay(own, 1 if down else 2, (0 if down else 1, parent), children)

async def main():
"""
PRINTS = """
    for _ in range(20):
        print((await relay.receive_async()).decode(), flush=True)
    urpc.attend(relay)  # members below may still have something to acknowledge
    await asyncio.sleep(60)
"""
IDLES = """
    urpc.attend(relay)
    urpc.attend(relay)
    print("ready", flush=True)
    await asyncio.sleep(60)
"""
AWAITS_A_CHANNEL = """
    with urpc.Segment.create(8) as segment, urpc.Doorbell.create() as nobody:
        channel = urpc.Channel(segment, 0, own, nobody)
        print("ready", flush=True)
        await channel.receive_async()
"""
RUN = """
if kind == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@pytest.fixture(params=LOOPS.keys())
def loop(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Chain:
    """A root here, member 1 below it in a process of its own, and member 2 below that in another."""

    def __init__(self, start: Callable[..., Any], middle: str, leaf: str, loop: str) -> None:
        bells = [urpc.Doorbell.create() for _ in range(3)]
        upper, lower = urpc.Segment.create(8), urpc.Segment.create(8)
        self.bell = bells[0]
        self.channel = urpc.Channel(upper, 0, bells[0], bells[1])
        self.root = urpc.Relay(bells[0], 0, None, {1: self.channel})
        handed = [upper.fd, bells[1].fd, bells[0].fd, lower.fd, bells[2].fd]
        self.middle = start(MEMBER + middle + RUN, loop, *handed, pass_fds=handed)
        handed = [lower.fd, bells[2].fd, bells[1].fd]
        self.leaf = start(MEMBER + leaf + RUN, loop, *handed, pass_fds=handed)


def lines(process: Any) -> list[str]:
    return [process.stdout.readline().strip() for _ in range(20)]


def test_broadcasts_are_awaited_and_acknowledged(start: Callable[..., Any], loop: str) -> None:
    chain = Chain(start, PRINTS, PRINTS, loop)
    for i in range(20):
        chain.root.broadcast(b"%d" % i, 30)
        if i % 5 == 0:
            time.sleep(0.01)  # they sleep by then
    assert chain.root.gather(30) == 20
    for process in (chain.middle, chain.leaf):
        assert lines(process) == [str(i) for i in range(20)]


@pytest.mark.parametrize("middle", [IDLES, AWAITS_A_CHANNEL], ids=["attended", "beside a channel"])
def test_loop_that_waits_for_something_else_passes_broadcasts_on(
    start: Callable[..., Any], loop: str, middle: str
) -> None:
    chain = Chain(start, middle, PRINTS, loop)
    assert chain.middle.stdout.readline() == "ready\n"
    for i in range(20):
        chain.root.broadcast(b"%d" % i, 30)
        if i % 5 == 0:
            time.sleep(0.01)
            assert chain.root.gather(30) == i + 1
    assert chain.root.gather(30) == 20
    assert lines(chain.leaf) == [str(i) for i in range(20)]


@pytest.mark.parametrize("runs", LOOPS.values(), ids=LOOPS.keys())
def test_root_in_a_loop_gathers_while_it_waits(start: Callable[..., Any], runs: Runner) -> None:
    """Its acknowledgements come in with what it waits for; a loss ends what waits on a member below."""

    async def main() -> None:
        chain = Chain(start, PRINTS, PRINTS, "asyncio")
        urpc.attend(chain.root)
        for i in range(20):
            chain.root.broadcast(b"%d" % i, 30)
        while chain.root.try_gather() < 20:
            await asyncio.sleep(0.001)
        chain.root.close()

    runs(main())


def root_and_member() -> tuple[urpc.Relay, urpc.Relay]:
    a, b = urpc.pair()
    return urpc.Relay(a.own_doorbell, 0, None, {1: a}), urpc.Relay(b.own_doorbell, 1, (0, b), {})


@pytest.mark.parametrize("runs", LOOPS.values(), ids=LOOPS.keys())
class TestOneProcess:
    """Both ends here, so that what happens when can be chosen."""

    def test_wait_takes_no_time_of_the_processor_and_ends_with_a_broadcast(self, runs: Runner) -> None:
        async def main() -> None:
            root, member = root_and_member()
            task = asyncio.create_task(member.receive_async())
            await asyncio.sleep(0.1)
            before = time.process_time()
            await asyncio.sleep(0.5)
            assert time.process_time() - before < 0.2
            root.broadcast(b"x")
            assert await task == b"x"
            with pytest.raises(TimeoutError):
                await member.receive_async(0.01)

        runs(main())

    def test_cancelled_wait_has_taken_no_broadcast(self, runs: Runner) -> None:
        async def main() -> None:
            root, member = root_and_member()
            task = asyncio.create_task(member.receive_async())
            await asyncio.sleep(0.01)
            root.broadcast(b"x")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await member.receive_async(30) == b"x"

        runs(main())

    def test_what_is_not_a_broadcast_does_not_keep_a_wait_busy(self, runs: Runner) -> None:
        """A result that nobody has taken makes the relay ready for good, and receive_async() not."""

        async def main() -> None:
            root, member = root_and_member()
            member.contribute(1, "sum", everyone=True)
            root.contribute(2, "sum", everyone=True)
            task = asyncio.create_task(member.receive_async())
            while not (root.ready and member.ready):
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.1)
            before = time.process_time()
            await asyncio.sleep(0.5)
            assert time.process_time() - before < 0.2
            assert member.result() == 3
            root.broadcast(b"x")
            assert await task == b"x"

        runs(main())

    @pytest.mark.parametrize("ends", ["close", "cut"])
    def test_end_of_a_relay_ends_a_wait(self, runs: Runner, ends: str) -> None:
        async def main() -> None:
            root, member = root_and_member()
            task = asyncio.create_task(member.receive_async())
            await asyncio.sleep(0.01)
            (member if ends == "close" else root).close()
            with pytest.raises(urpc.Closed):
                await asyncio.wait_for(task, 30)

        runs(main())


def test_attending_needs_a_loop() -> None:
    a, b = urpc.pair()
    with a, b, urpc.Relay(a.own_doorbell, 0, None, {1: a}) as relay, pytest.raises(RuntimeError):
        urpc.attend(relay)
