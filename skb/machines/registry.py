"""Which machines there are, and what is known of each.

Each machine has a log of its own and engines of its own, so one machine's facts never get into another's answers. A log is opened when its
machine is first asked for; its engines start with the first question and are let go when nobody has asked for long.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from skb.errors import InvalidRequest, UnknownMachine
from skb.knowledge import Knowledge
from skb.rules.versions import Versions
from skb.spelling import meant
from skb.store.log import Store, remove

LOCAL = "local"
"""The name of the machine that the service runs on."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

IDLE_SECONDS = 600.0
"""After which the engines of a machine that nobody asks are let go; not the local one's."""


class Machine(NamedTuple):
    """A machine that is known, and what it was loaded from."""

    name: str
    revision: int
    engines: int
    about: dict[str, Any]


class Machines:
    """All machines of a data folder. A context manager; `local` is open for as long."""

    def __init__(self, directory: Path, engines: int | None = None) -> None:
        """Open the local machine's log. Raises StartFailed."""
        self._directory = directory
        self._engines = engines
        self._open: dict[str, Knowledge] = {}
        self._used: dict[str, float] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self.rules = Versions(directory)
        """The rules that people taught, which hold for every machine."""
        self.teaching = asyncio.Lock()
        """Held by who changes them."""
        self.local = self._knowledge(LOCAL)

    def names(self) -> list[str]:
        """Give the names of all machines, the local one first."""
        loaded = {path.stem for path in self._directory.glob("*.sqlite")} - {LOCAL}
        return [LOCAL, *sorted(name for name in loaded if NAME.fullmatch(name))]

    def get(self, name: str) -> Knowledge:
        """Give what is known of a machine. Raises UnknownMachine, StartFailed."""
        self._used[name] = time.monotonic()
        if (known := self._open.get(name)) is not None:
            return known
        if name not in self.names():
            raise UnknownMachine(
                f"there is no machine {name[:64]!r}; {meant(name, self.names())}GET /v1/machines lists those that are known"
            )
        return self._knowledge(name)

    def opened(self) -> list[tuple[str, Knowledge]]:
        """Give the machines whose logs are open."""
        return list(self._open.items())

    def machines(self) -> Iterator[Machine]:
        """Say what machines there are."""
        for name in self.names():
            known = self._open.get(name) or self.get(name)
            yield Machine(name, known.revision, len(known.pool.engines), known.about)

    async def put(self, name: str, facts: list[dict[str, Any]], about: dict[str, Any]) -> tuple[int, bool]:
        """Have a machine with these facts, and no others; gives its revision, and whether it is new.

        Raises InvalidRequest, UnknownFact, InvalidFact; then nothing has changed.
        """
        if name == LOCAL:
            raise InvalidRequest(
                f"{LOCAL} is the machine that the service runs on; load others under names of their own"
            )
        if not NAME.fullmatch(name):
            raise InvalidRequest(
                f"{name[:80]!r} is no name of a machine; take small letters, digits, '.', '_' and '-', at most 64"
            )
        async with self._changing.setdefault(name, asyncio.Lock()):
            new = name not in self.names()
            try:
                known = self.get(name) if not new else self._knowledge(name)
                revision = await known.survey(facts)
                known.describe(about)
            except BaseException:
                if new:
                    await self._drop(name)
                raise
            return revision, new

    async def delete(self, name: str) -> None:
        """Drop a machine, and all that is known of it. Raises UnknownMachine, InvalidRequest."""
        if name == LOCAL:
            raise InvalidRequest(f"{LOCAL} is the machine that the service runs on, and stays")
        async with self._changing.setdefault(name, asyncio.Lock()):
            self.get(name)
            await self._drop(name)

    async def retire(self, idle: float = IDLE_SECONDS) -> None:
        """Let go of the engines of machines that nobody has asked for so long."""
        now = time.monotonic()
        for name, known in list(self._open.items()):
            if name != LOCAL and now - self._used.get(name, now) > idle:
                await known.rest()

    def relearn(self) -> None:
        """Have whatever is asked of any machine from now on answered by the rules of today."""
        for known in self._open.values():
            known.relearn()

    async def close(self) -> None:
        """End all engines and close all logs."""
        for name in list(self._open):
            await self._close(name)
        self.rules.close()

    def _knowledge(self, name: str) -> Knowledge:
        known = self._open[name] = Knowledge(Store(self._directory, name), self._engines, self.rules.current)
        self._used[name] = time.monotonic()
        return known

    async def _close(self, name: str) -> None:
        known = self._open.pop(name, None)
        if known is not None:
            await known.close()
            known.store.close()

    async def _drop(self, name: str) -> None:
        with suppress(KeyError):
            del self._used[name]
        await self._close(name)
        remove(self._directory, name)
