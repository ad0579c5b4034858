"""The engines of one machine: a template that holds its facts and rules, and replicas forked from it.

The template never runs anybody's goal. It is told every write, and forked when an engine is needed: a fork takes milliseconds whatever
the number of facts, and shares their memory until it is written to. So an engine that ran away, crashed or was killed costs nobody but
whoever asked it.

Replicas are kept in step by messages in one order: a write goes into the channel of each, and is applied there before whatever is asked
later. A reply's revision is that of the last write before its request. After a large write replicas are forked anew instead.
"""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import msgspec

from skb.engine.channel import Channel, Gone, Reply
from skb.engine.process import Engine, unpack
from skb.errors import EngineFailed, LimitExceeded, ServiceError, StartFailed

START_SECONDS = 30.0
WRITE_SECONDS = 120.0
"""What the template may take for one message of facts."""

LARGE_WRITE = 256 * 1024
"""Bytes of a write from which it is quicker to fork replicas anew than to tell each of them."""

_FORK = b'"fork"'


def default_size() -> int:
    """Give one engine for every two cores that this process may use, and at least one."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


class Pool:
    """Engines to be borrowed, one request at a time each."""

    def __init__(self, fill: Callable[["Pool"], Awaitable[int]], size: int | None = None) -> None:
        """Take a function that tells a new template all facts, and gives the revision that they are of."""
        self.size = size or default_size()
        self._fill = fill
        self._order = asyncio.Lock()  # of writes, and of forks between them
        self._template: Engine | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._door: socket.socket | None = None
        self._engines: set[Engine] = set()
        self._idle: list[Engine] = []
        self._starting = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._settling: set[asyncio.Task[None]] = set()
        self.restarts = 0
        """How many engines were replaced, for whatever reason but a large write."""

    # Asking

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        """Borrow an engine."""
        engine = await self.borrow()
        try:
            yield engine
        finally:
            self.give_back(engine)

    async def borrow(self) -> Engine:
        """Wait for an engine to be free; whoever has it gives it back, whatever happens."""
        while True:
            while self._idle:
                engine = self._idle.pop()
                if engine.usable:
                    return engine
                self._discard(engine)
            if len(self._engines) + self._starting < self.size:
                self._starting += 1
                try:
                    return await self._fork()
                finally:
                    self._starting -= 1
                    self._wake()
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake()
                raise

    def give_back(self, engine: Engine) -> None:
        """Let others have an engine that was borrowed."""
        if engine.disturbed and engine.usable:
            task = asyncio.create_task(self._settle(engine))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
            return
        if engine.usable:
            self._idle.append(engine)
        else:
            self._discard(engine)
        self._wake()

    async def _settle(self, engine: Engine) -> None:
        await engine.settle()
        self.give_back(engine)

    def _discard(self, engine: Engine) -> None:
        self._engines.discard(engine)
        engine.kill()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    @property
    def busy(self) -> bool:
        """Whether a question would have to wait."""
        return not self._idle and len(self._engines) + self._starting >= self.size

    @property
    def waiting(self) -> int:
        """How many questions wait for an engine."""
        return len(self._waiters)

    @property
    def engines(self) -> int:
        """How many engines there are."""
        return len(self._engines)

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
        large = len(frame) > LARGE_WRITE
        for engine in tuple(self._engines):
            if large:
                engine.stale = True  # whoever borrowed it gives it back first
            else:
                engine.tell(frame, revision).add_done_callback(partial(_check, engine))
        if large:
            for engine in self._idle:
                self._discard(engine)
            self._idle.clear()
            self._wake()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                unpack(await template.tell(frame, revision))
        except (Gone, TimeoutError, ServiceError):
            self._stop()

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
        try:
            channel = await _connect(ours)
            template = self._template = Engine(self._process.pid, channel, 0)
            async with asyncio.timeout(START_SECONDS):
                greeting = await channel.ask(b'"greet"')
            if greeting.f != "ready":
                raise StartFailed(msgspec.json.decode(greeting.args[0]))
            template.revision = await self._fill(self)
        except (TimeoutError, Gone, EngineFailed):
            self._stop()
            raise StartFailed(
                f"the engine process did not come up within {START_SECONDS:g} s; its last words are on standard error"
            ) from None
        except BaseException:
            self._stop()  # whoever comes next must not find one that is half full
            raise

    async def _fork(self) -> Engine:
        async with self.order():
            template, door = self._template, self._door
            assert template is not None
            assert door is not None
            ours, theirs = socket.socketpair()
            try:
                with theirs:
                    socket.send_fds(door, [len(_FORK).to_bytes(4, "little") + _FORK], [theirs.fileno()])
                (pid,) = await template.hear(seconds=START_SECONDS)
                engine = Engine(msgspec.json.decode(pid, type=int), await _connect(ours), template.revision)
            except (EngineFailed, LimitExceeded, OSError):
                ours.close()
                self._stop()
                raise EngineFailed("the engine's template process ended; it is replaced, ask again") from None
            except BaseException:
                ours.close()
                raise
            self._engines.add(engine)
            engine.lost.add_done_callback(lambda _: self._lost(engine))
            return engine

    def _lost(self, engine: Engine) -> None:
        """Count an engine that ended; if it was idle, nobody else will notice."""
        if engine in self._engines:
            self.restarts += 1
        if engine in self._idle:
            self._idle.remove(engine)
            self._discard(engine)

    def _stop(self) -> None:
        """End all engines. Whoever has one in hand learns from it."""
        for engine in tuple(self._engines):
            engine.kill()
        for engine in self._idle:
            self._engines.discard(engine)
        self._idle.clear()
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
        async with self._order:
            process = self._process
            self._stop()
            self._template = self._process = None
            if process is not None:
                await process.wait()
        for task in tuple(self._settling):
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)


def _check(engine: Engine, told: asyncio.Future[Reply]) -> None:
    """An engine that could not apply a write is no replica any more."""
    if told.cancelled() or told.exception() is not None or told.result().f == "problem":
        engine.stale = True


async def _connect(ours: socket.socket) -> Channel:
    ours.setblocking(False)
    _, channel = await asyncio.get_running_loop().create_unix_connection(Channel, sock=ours)
    return channel
