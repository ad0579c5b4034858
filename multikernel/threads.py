"""User-level threads of one dispatcher.

A thread is a greenlet that runs in ordinary, blocking style: where it would block it parks, and the dispatcher runs another. The
dispatcher's kernel calls `run` when it gives the dispatcher the core (an upcall); `run` returns when every thread is parked or has
had one turn. Threads are not preempted: one that computes for long keeps its kernel from passing on messages, and should `rest`
now and then.

Why greenlets and not coroutines: a dispatcher runs ordinary functions, and any function they call may block, without `async` all
the way up.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet


class Thread:
    """A thread; `join` it for its result."""

    def __init__(self, scheduler: "Scheduler", function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._scheduler = scheduler
        self._function = function
        self._arguments = arguments
        self._greenlet = greenlet(self._main)
        self._joining: list[Thread] = []
        self.ended = False
        self.result: Any = None
        self.error: BaseException | None = None

    def _main(self) -> None:
        try:
            self.result = self._function(*self._arguments)
        except GreenletExit:
            raise
        except BaseException as error:  # whatever ends a thread is for whoever joins it
            self.error = error
        self.ended = True
        for thread in self._joining:
            self._scheduler.wake(thread)

    def join(self) -> Any:
        """Wait for the thread's end. Returns what its function returned, or raises what it raised."""
        while not self.ended:
            self._joining.append(self._scheduler.current())
            self._scheduler.park()
        if self.error is not None:
            raise self.error
        return self.result


class Scheduler:
    """Runs a dispatcher's threads, first come, first served."""

    def __init__(self) -> None:
        self._runnable: deque[Thread] = deque()
        self._running: Thread | None = None
        self._upcall: greenlet | None = None

    @property
    def runnable(self) -> bool:
        """Whether any thread could run now."""
        return bool(self._runnable)

    def spawn(self, function: Callable[..., Any], *arguments: Any) -> Thread:
        """Make a thread that calls `function(*arguments)` when its turn comes."""
        thread = Thread(self, function, arguments)
        self._runnable.append(thread)
        return thread

    def run(self) -> None:
        """Give every thread that is runnable now one turn. Called from the kernel, never from a thread."""
        self._upcall = getcurrent()
        for _ in range(len(self._runnable)):
            self._running = self._runnable.popleft()
            turn = self._running._greenlet
            turn.parent = (
                self._upcall
            )  # a greenlet that ends resumes its parent, which would be the thread that spawned it
            turn.switch()
        self._running = None

    def current(self) -> Thread:
        """The thread that runs now. Raises RuntimeError outside of any."""
        if self._running is None:
            raise RuntimeError(
                "this blocks, and only a dispatcher's threads may block; call it from the dispatcher's function"
            )
        return self._running

    def park(self) -> None:
        """Stop the current thread until it is woken."""
        self.current()
        assert self._upcall is not None
        self._upcall.switch()

    def rest(self) -> None:
        """Let everyone else have a turn."""
        self._runnable.append(self.current())
        self.park()

    def wake(self, thread: Thread) -> None:
        """Make a parked thread runnable."""
        self._runnable.append(thread)
