"""One engine process, from the service's side: asked, told, interrupted, killed.

Several requests may be under way; the engine works on the first. One that works longer than most is *slow*: the engine is left to it, and
whoever waits behind is sent elsewhere (`Moved`). That is safe, since what is asked only reads.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import msgspec
from msgspec import Raw

from skb.engine.channel import Asked, Channel, Gone, Many, One, Reply
from skb.errors import (
    EngineFailed,
    GoalError,
    GoalRefused,
    InvalidRequest,
    LimitExceeded,
    ServiceError,
    SyntaxProblem,
)

SLOW_SECONDS = 0.05
"""After which an engine is left to what it works on."""

GRACE_SECONDS = 1.0
"""What an engine may need to notice that it was interrupted, before it is killed."""

INTERRUPT = signal.SIGUSR1
"""What gives up the goal that an engine works on; `engine.pl` says how."""


class Moved(Exception):
    """This was not answered, for no fault of its own: ask another engine."""


class Engine:
    """An engine process."""

    def __init__(self, pid: int, channel: Channel, revision: int) -> None:
        self.pid = pid
        self.revision = revision
        """Of what it has been told: what is asked from now on is answered by that."""
        self.stale = False
        """It should not be asked any more; it may still have something to answer."""
        self.slow = False
        self.number = 0
        """A small one that no other engine of the machine has meanwhile: a name for counts."""
        self.interruptible = True
        """Whether it hears interrupts. A template does not: a signal would end it."""
        self.on_slow: Callable[[], None] = _nothing
        self.on_answer: Callable[[], None] = _nothing
        self._channel = channel
        self._late: dict[Asked, float] = {}
        self._started = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._interrupted: Asked | None = None
        self._abandoned: set[Many] = set()
        self.killed_late = False
        """It was ended since it did not give up what it worked on."""
        channel.answered = self._answered  # type: ignore[method-assign]  # that is how a channel tells

    @property
    def usable(self) -> bool:
        """Whether it can be asked."""
        return not self.stale and not self.slow and self._channel.open

    @property
    def alive(self) -> bool:
        """Whether its process is there, as far as is known."""
        return self._channel.open

    @property
    def load(self) -> int:
        """How many requests it has not answered."""
        return len(self._channel.asked)

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the process has closed its end."""
        return self._channel.lost

    def tell(self, frame: bytes, revision: int) -> asyncio.Future[Reply]:
        """Have it apply a write before whatever it is asked next. Nobody needs to wait for that."""
        self.revision = revision
        one = One()
        self._channel.send(frame, one)
        return one.future

    async def ask(self, request: bytes, *, seconds: float = 30.0) -> list[Raw]:
        """Have it perform a request that only reads, in so many seconds from when it comes to it.

        Raises a ServiceError for every problem that it answers with, or has; Moved if another engine should be asked.
        """
        one = One()
        self._begin(one, seconds)
        self._channel.send(request, one)
        return await self._hear(one)

    async def hear(self, *, seconds: float) -> list[Raw]:
        """Have its reply to a request that was sent another way. Raises as `ask` does."""
        one = One()
        self._begin(one, seconds)
        self._channel.expect(one)
        return await self._hear(one)

    async def _hear(self, one: One) -> list[Raw]:
        try:
            return self._unpack(one, await one.future)
        except Gone as gone:
            raise self._gone(one, gone) from None
        except asyncio.CancelledError:
            self._give_up(one)
            raise
        finally:
            del self._late[one]

    async def stream(self, request: bytes, *, seconds: float) -> AsyncGenerator[list[Raw]]:
        """Have it perform a request with many answers; gives the arguments of each. Raises as `ask` does."""
        many = Many(self._channel)
        self._begin(many, seconds)
        self._channel.send(request, many)
        try:
            async for reply in many.replies():
                yield self._unpack(many, reply)
        except Gone as gone:
            raise self._gone(many, gone) from None
        finally:
            del self._late[many]
            if not many.ended:
                self._abandon(many)

    def _abandon(self, many: Many) -> None:
        """A reader is gone, for whom the engine may wait; to fork another costs less than to talk about it. Once it has come to that."""
        if not self._channel.asked or self._channel.asked[0] is many:
            self.kill()
        else:
            self._abandoned.add(many)

    # Time

    def _begin(self, asked: Asked, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._late[asked] = seconds
        if not self._channel.asked:
            self._started = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(min(SLOW_SECONDS, seconds), self._look)

    def _answered(self) -> None:
        self._started = asyncio.get_running_loop().time()
        if self.slow:
            self.kill()
        elif self._channel.asked:
            following = self._channel.asked[0]
            if isinstance(following, Many):
                if following in self._abandoned:
                    self.kill()
            elif isinstance(following, One) and following.future.cancelled():
                self._interrupt(following)
        self.on_answer()

    def _look(self) -> None:
        """Look how long it has worked on the first request."""
        self._timer = None
        if not self._channel.asked:
            return
        loop = asyncio.get_running_loop()
        first = self._channel.asked[0]
        worked = loop.time() - self._started
        if worked >= SLOW_SECONDS and not self.slow and first in self._late:
            self.on_slow()
        if self._interrupted is first:
            self.killed_late = True
            self.kill()
            return
        seconds = self._late.get(first)
        following = SLOW_SECONDS
        if seconds is not None and worked >= seconds:
            if self.interruptible:
                self._interrupt(first)
            else:
                self._interrupted, self.killed_late = first, True
                self.kill()
            return
        if seconds is not None:
            following = seconds - worked if self.slow else min(seconds - worked, SLOW_SECONDS)
        self._timer = loop.call_later(following, self._look)

    def leave_to_it(self) -> None:
        """Ask it nothing more; those who wait behind what it works on are sent elsewhere."""
        self.slow = True
        for asked in list(self._channel.asked)[1:]:
            asked.fail(Moved())
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, 10)  # those that are quick go first

    def _give_up(self, one: One) -> None:
        """Nobody waits for an answer any more: end the work on it, if that has begun."""
        if not self._channel.asked or self._channel.asked[0] is not one:
            return  # it is answered, or not begun: what the engine works on is somebody else's
        if self.slow:
            self.kill()
        else:
            self._interrupt(one)

    def _interrupt(self, asked: Asked) -> None:
        if not self.interruptible:
            return
        self._interrupted = asked
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._look)
        with suppress(ProcessLookupError):
            os.kill(self.pid, INTERRUPT)

    # Ends

    def _unpack(self, asked: Asked, reply: Reply) -> list[Raw]:
        if reply.f == "interrupted":
            if self._interrupted is asked:
                raise LimitExceeded("the goal did not end in time")
            raise Moved  # the signal was for the one before, which had just ended
        return unpack(reply)

    def _gone(self, asked: Asked, gone: Gone) -> Exception:
        if not gone.working:
            return Moved()
        if self.killed_late and self._interrupted is asked:
            return LimitExceeded(
                f"the goal did not end within {self._late[asked]:g} s, nor when told to; its engine was replaced"
            )
        return EngineFailed(
            "the engine process ended while it worked on this: it crashed, ran out of memory, or was killed; it is replaced, "
            "ask again"
        )

    def kill(self) -> None:
        """End the process."""
        self.stale = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._channel.open:  # else it has ended, and its number may be another's
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._channel.close()


def _nothing() -> None:
    """Nobody listens."""


def encode(request: object) -> bytes:
    """Give the JSON of a request. Raises InvalidRequest for values that have none."""
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise InvalidRequest("a text is not Unicode (it has half of a surrogate pair)") from None
    except RecursionError:
        raise InvalidRequest("a value is nested too deeply") from None


PROBLEMS: dict[str, type[ServiceError]] = {
    "syntax": SyntaxProblem,
    "param": InvalidRequest,
    "value": InvalidRequest,
    "refused": GoalRefused,
    "procedure": GoalError,
    "error": GoalError,
    "failed": EngineFailed,
    "time": LimitExceeded,
    "inferences": LimitExceeded,
    "memory": LimitExceeded,
}


def unpack(reply: Reply) -> list[Raw]:
    """Give the arguments of a reply; raise the ServiceError that a problem is."""
    if reply.f == "problem":
        kind, detail, line, column = (msgspec.json.decode(argument) for argument in reply.args)
        raise PROBLEMS[kind](detail, **({"line": line, "column": column} if line else {}))
    return reply.args
