"""Processes that solve: one question at a time in each, so that whoever asks for long delays nobody, and can be given up.

A process is kept for the next question, since loading a solver takes longer than most; it ends when its question is given up.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

from skb.errors import EngineFailed, InvalidRequest
from skb.lifeline import die_with_parent
from skb.solver.errors import SolverError

Answer = TypeVar("Answer")

MOST_IDLE = 1
"""Processes that are kept while there is nothing to solve."""


class SolvingProcesses:
    """Processes that call functions for the service. Whoever made it closes it."""

    def __init__(self, most: int | None = None) -> None:
        """Take how many may work at a time: by default as many as there are cores, and two at least."""
        self._places = asyncio.Semaphore(most or max(2, len(os.sched_getaffinity(0))))
        self._idle: list[ProcessPoolExecutor] = []
        self._busy: set[ProcessPoolExecutor] = set()

    async def solve(self, function: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
        """Have a process call a function; if this is cancelled, the process is ended. Raises InvalidRequest, EngineFailed."""
        async with self._places:
            process = self._idle.pop() if self._idle else _start()
            self._busy.add(process)
            sound = False
            try:
                call = partial(function, *arguments, **options)
                answer = await asyncio.get_running_loop().run_in_executor(process, call)
                sound = True
            except SolverError as error:
                sound = True
                raise InvalidRequest(str(error)) from error
            except BrokenProcessPool:
                raise EngineFailed(
                    "the solver's process ended while it worked on this: it ran out of memory, or was killed; ask again"
                ) from None
            finally:
                self._busy.discard(process)
                if sound and len(self._idle) < MOST_IDLE:
                    self._idle.append(process)
                else:
                    _end(process)
            return answer

    def close(self) -> None:
        """End the processes."""
        for process in (*self._idle, *self._busy):
            _end(process)
        self._idle.clear()
        self._busy.clear()


def _start() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=die_with_parent, initargs=(os.getpid(),))


def _end(process: ProcessPoolExecutor) -> None:
    for worker in (process._processes or {}).values():  # there is no public way to stop what runs
        worker.kill()
    process.shutdown(wait=False, cancel_futures=True)
