"""Channels in event loops: nobody is forgotten, nothing is lost to a cancellation, errors arrive."""

from __future__ import annotations

import asyncio
import signal
import textwrap
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from multikernel import urpc

Runner = Callable[[Coroutine[Any, Any, None]], None]

LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}


@pytest.fixture(params=LOOPS.values(), ids=LOOPS.keys())
def loop_runs(request: pytest.FixtureRequest) -> Runner:
    runner: Runner = request.param
    return runner


def test_message_that_is_there_is_received_at_once(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            await a.send_async(b"x")
            assert await b.receive_async() == b"x"
            assert await asyncio.wait_for(b.send_async(bytearray(b"y"), 30), 30) is None
            assert await a.receive_async(timeout=30) == b"y"

    loop_runs(main())


def test_tasks_answer_each_other(loop_runs: Runner) -> None:
    async def echo(channel: urpc.Channel) -> None:
        while True:
            await channel.send_async(await channel.receive_async())

    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            task = asyncio.create_task(echo(b))
            for i in range(200):
                await a.send_async(b"%d" % i)
                assert await a.receive_async(30) == b"%d" % i
            task.cancel()

    loop_runs(main())


@pytest.mark.parametrize("count", [3, 30])
def test_many_channels_share_a_loop(loop_runs: Runner, star: Callable[..., Any], count: int) -> None:
    each = 50

    async def main() -> None:
        middle = star(count, spin_ns=None)

        async def collect(channel: urpc.Channel) -> list[bytes]:
            return [await channel.receive_async(60) for _ in range(each)]

        def send() -> None:
            for i in range(each):
                for far in middle.far:
                    far.send(b"%d" % i, 60)

        sender = threading.Thread(target=send)
        sender.start()
        received = await asyncio.gather(*(collect(channel) for channel in middle.near))
        sender.join()
        assert received == [[b"%d" % i for i in range(each)]] * count

    loop_runs(main())


def test_sender_waits_for_room(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair(8)
        with a, b:

            async def send() -> None:
                for i in range(500):
                    await a.send_async(b"%d" % i, 60)

            task = asyncio.create_task(send())
            for i in range(500):
                assert await b.receive_async(60) == b"%d" % i
            await task

    loop_runs(main())


def test_time_runs_out(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair(8)
        with a, b:
            with pytest.raises(TimeoutError):
                await a.receive_async(0.01)
            while a.try_send(b"x"):
                pass
            with pytest.raises(TimeoutError):
                await a.send_async(b"y", 0.01)
            assert len(b.try_receive_many()) == 8

    loop_runs(main())


def test_cancelled_receiver_has_taken_nothing(loop_runs: Runner) -> None:
    """Cancelled before the message, after it, and in the moment between being told and looking."""

    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            for moment in range(40):
                task = asyncio.create_task(b.receive_async())
                for _ in range(moment % 4):
                    await asyncio.sleep(0)
                a.send(b"%d" % moment)
                for _ in range(moment // 4 % 5):
                    await asyncio.sleep(0 if moment % 2 else 0.001)
                task.cancel()
                try:
                    message = await task
                except asyncio.CancelledError:
                    message = await b.receive_async(30)
                assert message == b"%d" % moment

    loop_runs(main())


def test_other_receiver_is_told_when_the_first_is_cancelled(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            first, second = asyncio.create_task(b.receive_async()), asyncio.create_task(b.receive_async(30))
            await asyncio.sleep(0.01)
            first.cancel()
            a.send(b"x")
            assert await second == b"x"

    loop_runs(main())


def test_each_message_goes_to_one_of_several_tasks(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            tasks = [asyncio.create_task(b.receive_async(30)) for _ in range(10)]
            await asyncio.sleep(0.01)
            for i in range(10):
                await a.send_async(b"%d" % i)
            assert sorted(await asyncio.gather(*tasks)) == [b"%d" % i for i in range(10)]

    loop_runs(main())


@pytest.mark.parametrize("here", [True, False], ids=["here", "there"])
def test_close_ends_a_wait(loop_runs: Runner, here: bool) -> None:
    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            task = asyncio.create_task(b.receive_async(30))
            await asyncio.sleep(0.01)
            (b if here else a).close()
            with pytest.raises(urpc.Closed):
                await task

    loop_runs(main())


def test_death_of_the_peer_ends_a_wait(loop_runs: Runner, start: Callable[..., Any]) -> None:
    async def main() -> None:
        process = start("import time; time.sleep(60)")
        a, b = urpc.pair()
        with a, b:
            urpc.watch_peer(a, process.pid)
            b.send(b"last words")
            task = asyncio.create_task(a.receive_async(30))
            assert await task == b"last words"
            task = asyncio.create_task(a.receive_async(30))
            await asyncio.sleep(0.01)
            process.kill()
            with pytest.raises(urpc.PeerDied):
                await task

    loop_runs(main())


def to_another_process(start: Callable[..., Any], program: str) -> urpc.Channel:
    """Give one end of a channel; `program` has the other, as `channel`, in a process of its own."""
    segment, ours, theirs = urpc.Segment.create(8), urpc.Doorbell.create(), urpc.Doorbell.create()
    handed = [segment.fd, theirs.fd, ours.fd]
    start(
        textwrap.dedent(
            """
            import sys
            from multikernel import urpc
            segment, own, peer = map(int, sys.argv[1:])
            segment, own, peer = urpc.Segment.attach(segment), urpc.Doorbell.attach(own), urpc.Doorbell.attach(peer)
            channel = urpc.Channel(segment, 1, own, peer)
            """
        )
        + textwrap.dedent(program),
        *handed,
        pass_fds=handed,
    )
    return urpc.Channel(segment, 0, ours, theirs)


def test_other_process_is_answered(loop_runs: Runner, start: Callable[..., Any]) -> None:
    async def main() -> None:
        channel = to_another_process(
            start,
            """
            for i in range(1000):
                channel.send(b"%d" % i)
                assert channel.receive(30) == b"%d" % i
            """,
        )
        for i in range(1000):
            message = await channel.receive_async(30)
            assert message == b"%d" % i
            await channel.send_async(message)
        with pytest.raises(urpc.Closed):
            await channel.receive_async(30)

    loop_runs(main())


def test_loop_after_loop_uses_the_same_channel(loop_runs: Runner) -> None:
    a, b = urpc.pair()
    with a, b:
        for i in range(3):

            async def main(expected: bytes) -> None:
                task = asyncio.create_task(b.receive_async(30))
                await asyncio.sleep(0.001)
                await a.send_async(expected)
                assert await task == expected

            loop_runs(main(b"%d" % i))


def test_loops_of_two_threads_talk(loop_runs: Runner) -> None:
    a, b = urpc.pair()

    async def answer() -> None:
        for _ in range(200):
            await b.send_async(await b.receive_async(30))

    async def ask() -> None:
        for i in range(200):
            await a.send_async(b"%d" % i)
            assert await a.receive_async(30) == b"%d" % i

    with a, b:
        thread = threading.Thread(target=loop_runs, args=(answer(),))
        thread.start()
        loop_runs(ask())
        thread.join()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_idle_loop_lets_go_of_its_doorbells(loop_runs: Runner) -> None:
    async def main() -> None:
        before = descriptors()
        a, b = urpc.pair()
        with pytest.raises(TimeoutError):
            await a.receive_async(0.01)
        a.close()
        b.close()
        del a, b
        for _ in range(300):
            if descriptors() == before:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("descriptors are left")

    loop_runs(main())


@pytest.mark.parametrize("kind", LOOPS)
def test_ctrl_c_ends_the_loop(start: Callable[..., Any], kind: str) -> None:
    process = start(
        f"""
        import asyncio, uvloop
        from multikernel import urpc
        async def main():
            a, b = urpc.pair()
            task = asyncio.create_task(b.receive_async())
            await asyncio.sleep(0.01)
            print("waiting", flush=True)
            await task
        {"asyncio" if kind == "asyncio" else "uvloop"}.run(main())
        """
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors


def test_loops_of_two_processes_talk(loop_runs: Runner, start: Callable[..., Any]) -> None:
    """Who stays awake, who sleeps and who spins changes all the time; no message may fall between."""

    async def main() -> None:
        channel = to_another_process(
            start,
            """
            import asyncio
            async def main():
                for i in range(5000):
                    if i % 500 == 0:
                        await asyncio.sleep(0.005)
                    await channel.send_async(await channel.receive_async())
            asyncio.run(main())
            """,
        )
        for i in range(5000):
            if i % 700 == 0:
                await asyncio.sleep(0.003)
            await channel.send_async(b"%d" % i)
            assert await channel.receive_async() == b"%d" % i
        with pytest.raises(urpc.Closed):
            await channel.receive_async(30)

    loop_runs(main())


@pytest.mark.parametrize("spin_ns", [None, 0, 50_000])
def test_other_tasks_run_while_one_receives_what_never_ends(loop_runs: Runner, spin_ns: int | None) -> None:
    """Messages are always there, or come as fast as they are answered: the loop has its turns all the same."""

    async def main() -> None:
        a, b = urpc.pair(spin_ns=spin_ns)
        turns = received = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async def flood() -> None:
            nonlocal received
            while received < 20_000:
                while a.try_send(b"x"):
                    pass
                await b.receive_async()
                received += 1

        with a, b:
            counting = asyncio.create_task(count())
            await flood()
            counting.cancel()
            assert turns > 100

    loop_runs(main())


def test_waiting_loop_uses_no_processor_time(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            for _ in range(100):  # so that it has reason to stay awake
                await a.send_async(b"x")
                await b.receive_async()
            task = asyncio.create_task(b.receive_async())
            await asyncio.sleep(0.1)
            before = time.process_time()
            await asyncio.sleep(1.0)
            assert time.process_time() - before < 0.2, "two looks, and not a thousand"
            a.send(b"y")
            assert await task == b"y"

    loop_runs(main())


def test_what_is_never_awaited_is_told_and_does_nothing() -> None:
    a, b = urpc.pair()
    with a, b:
        with pytest.warns(RuntimeWarning, match="'send_async' was never awaited"):
            a.send_async(b"x")
        assert b.try_receive() is None


def test_what_is_awaited_is_a_coroutine_and_used_once(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair()
        with a, b:
            a.send(b"x")
            waiting = b.receive_async()
            assert asyncio.iscoroutine(waiting)
            assert await waiting == b"x"
            with pytest.raises(RuntimeError, match="awaited already"):
                await waiting
            closed = b.receive_async()
            closed.close()
            with pytest.raises(RuntimeError, match="awaited already"):
                await closed
            with pytest.raises(KeyError):
                b.receive_async().throw(KeyError("x"))

    loop_runs(main())


def test_error_of_a_send_is_raised_where_it_is_awaited(loop_runs: Runner) -> None:
    async def main() -> None:
        a, b = urpc.pair(8)
        with a, b:
            with pytest.raises(urpc.MessageTooLong):
                await a.send_async(bytes(10_000))
            with pytest.raises(TypeError):
                await a.send_async("text")  # type: ignore[arg-type]  # that is the error
            b.close()
            with pytest.raises(urpc.Closed):
                await a.send_async(b"x")

    loop_runs(main())


@pytest.mark.parametrize("moment", range(12))
def test_task_that_is_cancelled_while_it_stays_awake_has_taken_nothing(loop_runs: Runner, moment: int) -> None:
    async def main() -> None:
        a, b = urpc.pair(spin_ns=50_000)
        with a, b:
            task = asyncio.create_task(b.receive_async())
            for _ in range(moment % 4):
                await asyncio.sleep(0)
            if moment < 8:
                a.send(b"x")
            task.cancel()
            with suppress(asyncio.CancelledError):
                assert await task == b"x"  # it was faster
                return
            if moment >= 8:
                a.send(b"x")
            assert await b.receive_async() == b"x"

    loop_runs(main())
