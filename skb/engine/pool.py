"""The engines of one machine: a template that holds its facts and rules, and replicas forked from it.

The template never runs anybody's goal. It is told every write, and forked when an engine is needed: a fork takes milliseconds whatever
the number of facts, and shares their memory until it is written to. So an engine that ran away, crashed or was killed costs nobody but
whoever asked it.

A few engines answer everything that is quick, several requests under way in each. An engine that works on one for longer is left to it,
out of the way of others, and another is forked in its place; so goals that do not end, as many as there may be, delay nobody.

Replicas are kept in step by messages in one order: a write goes into the channel of each, and is applied there before whatever is asked
later. A reply's revision is that of the last write before its request. After a large write replicas are forked anew instead.
"""

import asyncio
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from functools import lru_cache, partial
from itertools import count

import msgspec
from msgspec import Raw

from skb.engine.channel import Channel, Gone, One, Reply
from skb.engine.latency import Latency
from skb.engine.process import Engine, Moved, unpack
from skb.errors import EngineFailed, LimitExceeded, ServiceError, StartFailed

START_SECONDS = 30.0
WRITE_SECONDS = 120.0
"""What the template may take for one message of facts."""

LARGE_WRITE = 256 * 1024
"""Bytes of a write from which it is quicker to fork replicas anew than to tell each of them."""

DEPTH = 16
"""Requests under way in one engine."""

MOST_SLOW = 64
"""Engines that may be left to what they work on; when there are more, requests wait behind each other."""

PATIENCE_SECONDS = 60.0
"""How long one request may look for another engine, and another: each time somebody else's goal kept it, or ended one."""

_FORK = b'"fork"'

log = logging.getLogger(__name__)


def default_size() -> int:
    """Give one engine for every two cores that this process may use, and at least one."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


class Pool:
    """Engines to ask."""

    def __init__(
        self,
        fill: Callable[["Pool"], Awaitable[int]],
        size: int | None = None,
        lesson: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        """Take a function that tells a new template all facts, and gives the revision that they are of.

        `lesson` gives what each new engine is told before anything else: the rules that people taught.
        """
        self.size = size or default_size()
        self._fill = fill
        self._lesson = lesson
        self._order = asyncio.Lock()  # of writes, and of forks between them
        self._template: Engine | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._door: socket.socket | None = None
        self._quick: list[Engine] = []
        self._slow: set[Engine] = set()
        self._starting = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._forks: set[asyncio.Task[Engine]] = set()
        self.latencies: dict[int, Latency] = {}
        """Of requests in engines, from giving them to an engine to its last answer, by the engine's number."""
        self.restarts = 0
        """How many engines were replaced because they ended, or had to be ended."""

    # Asking

    async def open(self) -> None:
        """Have an engine that can be asked."""
        await self._choose()

    async def ask(self, request: bytes, *, seconds: float = 30.0) -> tuple[list[Raw], int]:
        """Have an engine perform a request that only reads; gives its reply, and the revision that it saw.

        Raises a ServiceError for every problem that the engine answers with, or has.
        """
        patience = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < patience:
            engine = self._free() or await self._choose()
            revision = engine.revision
            started = time.perf_counter()
            try:
                return await engine.ask(request, seconds=seconds), revision
            except Moved:
                continue
            finally:
                self.latencies[engine.number].observe(time.perf_counter() - started)
        raise EngineFailed(f"no engine came to this in {PATIENCE_SECONDS:g} s, for others' goals; ask again")

    async def aside(self, lesson: bytes | None, request: bytes, *, seconds: float) -> list[Raw]:
        """Have an engine of its own perform a request that may change it, after another lesson than all others have.

        Raises as `ask` does.
        """
        async with self.order():
            engine = await self._spawn()
        try:
            if lesson is not None:
                engine.tell(lesson, engine.revision)
            return await engine.ask(request, seconds=seconds)
        except Moved:
            raise EngineFailed("the engine process ended before it came to this; ask again") from None
        finally:
            engine.kill()

    def relearn(self) -> None:
        """Have whatever is asked from now on answered by engines that had the lesson of today."""
        for engine in tuple(self._quick):
            self._retire(engine)

    async def stream(self, request: bytes, *, seconds: float) -> AsyncGenerator[tuple[list[Raw], int]]:
        """Have an engine perform a request with many answers; gives each, and the revision that it saw. Raises as `ask` does."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < patience:
            engine = self._free() or await self._choose()
            revision = engine.revision
            started = time.perf_counter()
            begun = False
            try:
                async with aclosing(engine.stream(request, seconds=seconds)) as replies:
                    async for arguments in replies:
                        begun = True
                        yield arguments, revision
            except Moved:
                if begun:
                    raise EngineFailed(
                        "the engine was interrupted in the middle of this, for another; ask again"
                    ) from None
                continue
            else:
                return
            finally:
                self.latencies[engine.number].observe(time.perf_counter() - started)
        raise EngineFailed(f"no engine came to this in {PATIENCE_SECONDS:g} s, for others' goals; ask again")

    def _free(self) -> Engine | None:
        """Give an engine with nothing to do, or, when there may be no more engines, the one with the least."""
        if self._waiters:
            return None  # they came first
        return self._least_busy()

    def _least_busy(self) -> Engine | None:
        best = None
        for engine in self._quick:
            if engine.usable and (best is None or engine.load < best.load):
                best = engine
        if best is None or (best.load and len(self._quick) + self._starting < self.size):
            return None
        return best if best.load < DEPTH else None

    async def _choose(self) -> Engine:
        waited = False
        while True:
            if len(self._quick) + self._starting < self.size:
                return await self._one_more()
            waiter = asyncio.get_running_loop().create_future()
            (self._waiters.appendleft if waited else self._waiters.append)(waiter)
            waited = True
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise
            if engine := self._least_busy():
                if engine.load < DEPTH - 1:
                    self._wake()
                return engine

    async def _one_more(self) -> Engine:
        """Fork an engine. It is there for others too, so whoever asked for it may leave."""
        self._starting += 1
        fork = asyncio.create_task(self._fork())
        self._forks.add(fork)
        fork.add_done_callback(self._forked)
        try:
            return await asyncio.shield(fork)
        except asyncio.CancelledError:
            if fork.cancelled():
                raise EngineFailed("the engines of this machine were just let go; ask again") from None
            raise

    def _forked(self, fork: asyncio.Task[Engine]) -> None:
        self._forks.discard(fork)
        self._starting -= 1
        if not fork.cancelled():
            fork.exception()  # whoever asked for it may be gone
        self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _make_way(self, engine: Engine) -> None:
        """An engine works on something for long: leave it to that."""
        if engine in self._quick:
            if len(self._slow) >= MOST_SLOW:
                return
            self._quick.remove(engine)
            self._slow.add(engine)
        engine.leave_to_it()  # also one that is asked nothing more: others wait behind what it works on
        self._wake()

    def _lost(self, engine: Engine, _lost: object) -> None:
        """An engine has ended."""
        if engine in self._quick or engine.killed_late or (engine in self._slow and not engine.stale):
            self.restarts += 1
        self._discard(engine)
        self._wake()

    def _discard(self, engine: Engine) -> None:
        if engine in self._quick:
            self._quick.remove(engine)
        self._slow.discard(engine)
        engine.kill()

    @property
    def busy(self) -> bool:
        """Whether a question would have to wait."""
        return len(self._quick) + self._starting >= self.size and all(engine.load for engine in self._quick)

    @property
    def waiting(self) -> int:
        """How many requests wait for an engine, or behind another request."""
        return len(self._waiters) + sum(max(engine.load - 1, 0) for engine in self._quick)

    @property
    def engines(self) -> list[Engine]:
        """All engines that are there."""
        return [*self._quick, *self._slow]

    def states(self) -> dict[str, int]:
        """Give how many engines there are, by what they do."""
        busy = sum(1 for engine in self._quick if engine.load)
        return {"idle": len(self._quick) - busy, "busy": busy, "slow": len(self._slow)}

    # Writing

    @asynccontextmanager
    async def order(self) -> AsyncIterator[None]:
        """Be alone with the order of writes, and have a template."""
        async with self._order:
            await self._start()
            yield

    async def write(self, frame: bytes, revision: int) -> None:
        """Have every engine apply a write, whoever holds the order. If one cannot, it is replaced: the log has the write."""
        template = self._template
        assert template is not None
        if len(frame) > LARGE_WRITE:
            for engine in tuple(self._quick):
                self._retire(engine)
        else:
            for engine in self._quick:
                engine.tell(frame, revision).add_done_callback(partial(_check, engine))
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                unpack(await template.tell(frame, revision))
        except (Gone, TimeoutError, ServiceError):
            self._stop()

    def _retire(self, engine: Engine) -> None:
        """Ask an engine nothing more, and end it when it has answered what it was asked."""
        engine.stale = True
        self._quick.remove(engine)
        self._wake()  # there is room for another
        if not engine.load:
            engine.kill()
            return
        self._slow.add(engine)

        def answered() -> None:
            if not engine.load:
                engine.kill()

        engine.on_answer = answered

    async def load(self, frame: bytes) -> None:
        """Tell a new template some of its facts. Raises StartFailed."""
        assert self._template is not None
        await self._template.ask(frame, seconds=WRITE_SECONDS)

    async def ask_template(self, frame: bytes) -> list[msgspec.Raw]:
        """Ask a new template what only it can say."""
        assert self._template is not None
        return await self._template.ask(frame)

    # Life

    async def _start(self) -> None:
        if self._template is not None and self._template.usable:
            return
        if self._template is not None:
            self.restarts += 1
        self._stop()
        ours, theirs = socket.socketpair()
        self._door = ours.dup()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # whatever lies in the current directory is no module of ours
                    "-m",
                    "skb.engine.worker",
                    str(theirs.fileno()),
                    str(os.getpid()),
                    pass_fds=[theirs.fileno()],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                )
        except BaseException as error:
            ours.close()
            self._stop()
            if isinstance(error, OSError):
                raise StartFailed(f"no engine process could be started: {error.strerror}; try again") from error
            raise
        try:
            channel = await _connect(ours)
            template = self._template = Engine(self._process.pid, channel, 0)
            template.interruptible = False
            async with asyncio.timeout(START_SECONDS):
                greeted = One()
                channel.send(b'"greet"', greeted)
                greeting = await greeted.future
            if greeting.f != "ready":
                raise StartFailed(msgspec.json.decode(greeting.args[0]))
            template.revision = await self._fill(self)
        except TimeoutError:
            self._stop()
            raise StartFailed(
                f"the engine process did not come up within {START_SECONDS:g} s; its last words are on standard error"
            ) from None
        except (Gone, EngineFailed):
            self._stop()
            raise EngineFailed(
                "the engine process ended while it started; its last words are on standard error of the service, ask again"
            ) from None
        except BaseException:
            self._stop()  # whoever comes next must not find one that is half full
            raise

    async def _fork(self) -> Engine:
        async with self.order():
            engine = await self._spawn()
            if (lesson := self._lesson()) is not None:
                engine.tell(lesson, engine.revision).add_done_callback(partial(_check_lesson, lesson))
            engine.number = self._number()
            engine.on_slow = partial(self._make_way, engine)
            engine.on_answer = self._wake
            engine.lost.add_done_callback(partial(self._lost, engine))
            self._quick.append(engine)
            return engine

    def _number(self) -> int:
        taken = {engine.number for engine in self.engines}
        number = next(number for number in count() if number not in taken)
        self.latencies.setdefault(number, Latency())
        return number

    async def _spawn(self) -> Engine:
        """Fork the template, whoever holds the order."""
        template, door = self._template, self._door
        assert template is not None
        assert door is not None
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(door, [len(_FORK).to_bytes(4, "little") + _FORK], [theirs.fileno()])
            (pid,) = await template.hear(seconds=START_SECONDS)
            return Engine(msgspec.json.decode(pid, type=int), await _connect(ours), template.revision)
        except (EngineFailed, LimitExceeded, Moved, OSError) as error:
            ours.close()
            if isinstance(error, EngineFailed) and template.usable:
                raise  # it could not fork, and says why
            self._stop()
            raise EngineFailed("the engine's template process ended; it is replaced, ask again") from None
        except BaseException:
            ours.close()
            raise

    def _stop(self) -> None:
        """End all engines. Whoever has one in hand learns from it."""
        for engine in self.engines:
            engine.kill()
        self._quick.clear()
        self._slow.clear()
        if self._template is not None:
            self._template.kill()
        if self._door is not None:
            self._door.close()
            self._door = None
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()

    async def close(self) -> None:
        """End all engines, and wait until they are gone."""
        forks = tuple(self._forks)
        for fork in forks:
            fork.cancel()
        await asyncio.gather(*forks, return_exceptions=True)
        async with self._order:
            process = self._process
            self._stop()
            self._template = self._process = None
            if process is not None:
                await process.wait()


def _check(engine: Engine, told: asyncio.Future[Reply]) -> None:
    """An engine that could not apply a write is no replica any more."""
    if told.cancelled() or told.exception() is not None or told.result().f != "written":
        engine.kill()


@lru_cache(maxsize=64)
def _warn(_lesson: bytes, what: str) -> None:
    log.warning("%s; the module answers nothing until it is pushed again", what)  # once for each set of rules


def _check_lesson(lesson: bytes, told: asyncio.Future[Reply]) -> None:
    """Say which rules an engine could not learn: they were written for another version of Prolog, or of the vocabulary."""
    if told.cancelled() or told.exception() is not None:
        return
    reply = told.result()
    if reply.f == "taught":
        for name, words in msgspec.json.decode(reply.args[0], type=list[tuple[str, str]]):
            _warn(lesson, f"rules {name} cannot be loaded: {words}")
    else:
        _warn(lesson, "the rules cannot be loaded")


async def _connect(ours: socket.socket) -> Channel:
    ours.setblocking(False)
    try:
        _, channel = await asyncio.get_running_loop().create_unix_connection(Channel, sock=ours)
    except BaseException:
        ours.close()
        raise
    return channel
