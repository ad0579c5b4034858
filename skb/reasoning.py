"""Placements, trees and routes: costs from the rules, answers from the solver.

Solving is Python at full speed for up to the seconds allowed, so it runs in processes of its own, not in the one that serves.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from skb import tree_reasoning
from skb.api.placement_models import Placement, PlacementRequest
from skb.api.tree_models import Routes, RoutesRequest, Tree, TreeRequest
from skb.errors import EngineFailed, InvalidRequest
from skb.knowledge import Knowledge
from skb.lifeline import die_with_parent
from skb.placing import place, short
from skb.solver import placement as placement_solver
from skb.solver.errors import SolverError

Answer = TypeVar("Answer")


class Solvers:
    """The process in which solving is done, for all machines."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def solve(self, function: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
        """Have the solver's process call a function. Raises InvalidRequest, EngineFailed."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=die_with_parent, initargs=(os.getpid(),)
            )
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, partial(function, *arguments, **options))
        except SolverError as error:
            raise InvalidRequest(str(error)) from error
        except BrokenProcessPool:
            self._pool = None
            raise EngineFailed(
                "the solver's process ended while it worked on this; it is replaced, ask again"
            ) from None

    def close(self) -> None:
        """End the solver's process."""
        if self._pool is not None:
            for process in (self._pool._processes or {}).values():  # there is no public way to stop what runs
                process.kill()
            self._pool.shutdown(wait=True, cancel_futures=True)


class Reasoner:
    """Answers optimisation questions about one machine."""

    def __init__(self, knowledge: Knowledge, solvers: Solvers) -> None:
        self._knowledge = knowledge
        self._solvers = solvers

    async def place(self, request: PlacementRequest) -> Placement:
        """Find where dispatchers go. Raises InvalidRequest."""
        cores = await self._cores(request.cores)
        return await place(self._knowledge, partial(self._solvers.solve, placement_solver.place), request, cores)

    async def tree(self, request: TreeRequest) -> Tree:
        """Find a tree for a broadcast or a reduction. Raises InvalidRequest."""
        members = await self._cores(request.cores)
        relays = await self._cores(request.relays) if request.relays else []
        return await tree_reasoning.tree(self._knowledge, self._solvers, members, relays, request)

    async def routes(self, request: RoutesRequest) -> Routes:
        """Choose channels between cores. Raises InvalidRequest."""
        cores = await self._cores(request.cores)
        return await tree_reasoning.routes(self._knowledge, self._solvers, cores, request)

    async def _cores(self, wanted: list[int] | None) -> list[int]:
        """Give the cores to choose from: those asked for, which must be known, or all that are online."""
        core = (await self._knowledge.rows("core", {}, 10**6, 0)).rows
        if wanted is None:
            return sorted(_number(row["core"]) for row in core if _number(row["online"]) == 1)
        virtual = (await self._knowledge.rows("virtual_core", {}, 10**6, 0)).rows
        known = {_number(row["core"]) for row in (*core, *virtual)}
        if unknown := sorted(set(wanted) - known):
            raise InvalidRequest(f"no core {unknown[0]} is known; known are {short(sorted(known))}")
        if len(set(wanted)) != len(wanted) or not wanted:
            raise InvalidRequest("cores must name at least one core, and each once")
        return wanted


def _number(value: Raw) -> int:
    return msgspec.json.decode(value, type=int)
