"""A pool of real engines under fire: questions, streams, cancellations, writes and kill -9, all at once, by seed.

Whatever happens: an answer is right for the revision that it names, an error is one of those that are documented, nobody waits for ever,
and afterwards the pool answers as if nothing had been.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skb.engine.pool import Pool
from skb.engine.process import encode
from skb.errors import EngineFailed, LimitExceeded, RevisionConflict, StartFailed
from skb.knowledge import Knowledge
from skb.store.log import Store

ENDLESS = "repeat, fail"
SUM = "aggregate_all(sum(A), core(_, A, _), N)"
WIDE = "between(1, 20000, X)"


@asynccontextmanager
async def opened(folder: Path, engines: int = 2) -> AsyncIterator[Knowledge]:
    with Store(folder) as store:
        known = Knowledge(store, engines)
        try:
            await known.open()
            yield known
        finally:
            await known.close()


async def ask(known: Knowledge, goal: str = SUM, timeout_ms: int = 60_000) -> tuple[Any, int]:
    answers = await known.query(goal, {}, 10, 0, timeout_ms, 10**12)
    return msgspec.json.decode(answers.solutions[0]["N"]), answers.revision


def descriptors_open() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Fire:
    """What goes on at once. A write of revision r makes the sum of the rows r."""

    def __init__(self, known: Knowledge, seed: int) -> None:
        self.known = known
        self.random = random.Random(seed)
        self.errors: Counter[str] = Counter()
        self.answers = 0

    async def question(self) -> None:
        try:
            total, revision = await ask(self.known)
        except EngineFailed:  # somebody killed it while it worked on this
            self.errors["failed"] += 1
            return
        assert total == revision
        self.answers += 1

    async def endless(self) -> None:
        with pytest.raises((LimitExceeded, EngineFailed)):
            await ask(self.known, ENDLESS, self.random.choice([20, 200]))

    async def stream(self) -> None:
        with suppress(EngineFailed):
            async with aclosing(self.known.stream(WIDE, {}, None, 60_000, 10**12)) as batches:
                seen = 0
                async for batch in batches:
                    seen += len(batch.rows)
                    if self.random.random() < 0.05:
                        return
                assert seen == 20_000

    async def cancelled(self) -> None:
        coroutine = self.random.choice([self.question, self.endless, self.stream])
        task = asyncio.create_task(coroutine())
        await asyncio.sleep(self.random.uniform(0, 0.12))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def write(self) -> None:
        try:
            async with asyncio.timeout(self.random.choice([60, 60, 0.001])):
                revision = self.known.revision + 1
                with suppress(EngineFailed, StartFailed, RevisionConflict):  # the last: an impatient one came between
                    await self.known.update([{"name": "core", "args": [0, revision, 1]}], [], if_revision=revision - 1)
        except TimeoutError:
            self.errors["impatient"] += 1

    async def kill(self) -> None:
        pool = self.known.pool
        template = pool._template
        engines = [*pool.engines, *([template] if template is not None and self.random.random() < 0.3 else [])]
        if engines:
            victim = self.random.choice(engines)
            if victim.alive:
                os.kill(victim.pid, signal.SIGKILL)

    async def relearn(self) -> None:
        self.known.relearn()

    async def burn(self, times: int) -> None:
        kinds = [self.question] * 8 + [self.cancelled] * 5 + [self.stream] * 2 + [self.endless, self.kill, self.relearn]
        tasks = []
        for each in range(times):
            tasks.append(asyncio.create_task(self.random.choice(kinds)()))
            if each % 6 == 0:
                await self.write()  # one after the other, so that each knows which revision it makes
            await asyncio.sleep(self.random.uniform(0, 0.02))
        async with asyncio.timeout(100):
            await asyncio.gather(*tasks)


@pytest.mark.parametrize("seed", range(4))
def test_a_pool_survives_everything_at_once(tmp_path: Path, seed: int) -> None:
    async def story() -> None:
        async with opened(tmp_path) as known:
            fire = Fire(known, seed)
            await fire.burn(120)
            assert fire.answers > 0, fire.errors
            assert await ask(known) == (known.revision, known.revision)
            pool = known.pool
            assert not pool._waiters
            assert not pool._forks
            assert pool._starting == 0
            assert pool.waiting == 0
            async with asyncio.timeout(30):
                while pool._slow:
                    await asyncio.sleep(0.02)  # those that were left to something end with it
            pids = [engine.pid for engine in pool.engines]
            descriptors = descriptors_open()
        assert len(pids) <= 2
        async with asyncio.timeout(30):
            while any(Path(f"/proc/{pid}").exists() for pid in pids):
                await asyncio.sleep(0.02)
        assert descriptors_open() < descriptors

    with asyncio.Runner() as runner:
        runner.run(story())


def test_a_cancelled_request_that_waits_behind_another_ends_only_itself(tmp_path: Path) -> None:
    """Just when the engine is left to the one before: its own goal goes on."""

    async def story() -> None:
        async with opened(tmp_path, 1) as known:
            (engine,) = known.pool.engines
            first = asyncio.create_task(ask(known, "(between(1, 3000000, X), X >= 3000000 -> N = X)"))
            while not engine.load:
                await asyncio.sleep(0)
            behind = asyncio.create_task(ask(known))
            while engine.load < 2:
                await asyncio.sleep(0)
            engine.on_slow()
            behind.cancel()
            await asyncio.gather(behind, return_exceptions=True)
            assert (await first)[0] == 3_000_000

    asyncio.run(story())


def test_a_stream_given_up_while_it_waits_ends_nobody_elses_goal(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, 1) as known:
            (engine,) = known.pool.engines
            engine.on_slow = lambda: None  # the stream stays behind the goal
            first = asyncio.create_task(ask(known, "(between(1, 1000000, X), X >= 1000000 -> N = X)"))
            while not engine.load:
                await asyncio.sleep(0)
            stream = known.stream(WIDE, {}, None, 60_000, 10**12)
            waiting = asyncio.create_task(anext(stream))
            while engine.load < 2:
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            assert (await first)[0] == 1_000_000
            assert await ask(known, "N = 1") == (1, 0)

    asyncio.run(story())


def test_a_request_given_up_during_a_fork_leaves_the_template_alone(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, 1) as known:
            template = known.pool._template
            assert template is not None
            for engine in known.pool.engines:
                engine.kill()
                await engine.lost
            asking = asyncio.create_task(ask(known, "N = 1"))
            while not template.load:
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert await ask(known, "N = 2") == (2, 0)
            assert known.pool._template is template
            assert template.alive

    asyncio.run(story())


def test_requests_behind_a_goal_that_does_not_end_move_even_from_an_engine_that_is_retired(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path, 1) as known:
            (engine,) = known.pool.engines
            endless = asyncio.create_task(ask(known, ENDLESS, 600_000))
            while not engine.load:
                await asyncio.sleep(0)
            behind = [
                asyncio.create_task(ask(known, f"N = {number}")) for number in range(30)
            ]  # more than one engine takes
            while not known.pool._waiters:
                await asyncio.sleep(0)
            known.relearn()
            async with asyncio.timeout(60):
                assert [total for total, _ in await asyncio.gather(*behind)] == list(range(30))
            assert not endless.done()
            endless.cancel()
            await asyncio.gather(endless, return_exceptions=True)

    asyncio.run(story())


def test_a_stream_left_with_its_last_answers_unread_does_not_stop_its_engine(tmp_path: Path) -> None:
    async def story() -> None:
        pool = Pool(_no_facts, 1)
        try:
            await pool.open()
            frame = encode({"f": "stream", "args": [{"string": "between(1, 12, X)"}, [], 100, 10**9, 1, False]})
            async with aclosing(pool.stream(frame, seconds=60)) as replies:
                await anext(replies)
                await asyncio.sleep(0.2)
            async with asyncio.timeout(60):
                await pool.ask(b'"counts"', seconds=60)
        finally:
            await pool.close()

    asyncio.run(story())


async def _no_facts(_: Pool) -> int:
    return 0
