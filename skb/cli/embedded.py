"""Answers without a service: the same application, in this process, about this machine or a recording, for as long as a command takes.

A transport for the client, so that every question gets the answer that a service would give: requests are handed to the application on a
thread of its own, where engines are this process's children and the log is in a temporary folder. Nothing listens, nothing is left.
What changes facts or rules is refused, since it would be forgotten at once; so is watching what cannot change.
"""

import asyncio
import logging
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx

from skb.client import SkbUnreachable
from skb.client.retry import changes_nothing

T = TypeVar("T")


class Embedded(httpx.BaseTransport):
    """Answers about this machine, or about the recording at `source`. `say` is told, once, where answers come from."""

    def __init__(self, url: str, source: Path | None, say: Callable[[str], None]) -> None:
        self._url = url
        self._source = source
        self._say = say
        self._application: httpx.ASGITransport | None = None
        self._opening: asyncio.Task[httpx.ASGITransport] | None = None
        self._held = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request. Raises SkbUnreachable if it needs a service, and what goes wrong with probing or reading."""
        path = request.url.path
        if not changes_nothing(request.method, path) or path.endswith("/watch"):
            asked = "follows changes" if path.endswith("/watch") else "changes what a service knows"
            why = f"no SKB answers at {self._url}" if self._source is None else "a file is no service"
            raise SkbUnreachable(
                f"this {asked}, and {why}; start one with `skb serve`, or name another with SKB_URL or --url"
            )
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop.run_forever, name="skb-embedded", daemon=True)
            self._thread.start()
        return self._run(self._answer(request))

    def close(self) -> None:
        """End the engines and remove the folder."""
        if self._thread is not None:
            try:
                self._run(self._close())
            finally:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._thread = None
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C: whoever waits is gone
            future.cancel()
            raise

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self._application is None:
            self._opening = asyncio.create_task(self._open())
            self._application = await self._opening
        response = await self._application.handle_async_request(request)
        content = await response.aread()
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
        return httpx.Response(response.status_code, headers=headers, content=content, request=request)

    async def _open(self) -> httpx.ASGITransport:
        reading = asyncio.create_task(self._facts())  # while all that answers is loaded, which takes as long
        self._held.callback(reading.cancel)
        await asyncio.sleep(0)
        _be_quiet()
        from skb.api.app import make_app
        from skb.machines.registry import Machines

        folder = self._held.enter_context(tempfile.TemporaryDirectory(prefix="skb-embedded-"))
        machines = Machines(Path(folder), engines=1)
        self._held.push_async_callback(machines.close)
        await machines.local.open()
        facts, problems, where = await reading
        for problem in problems:
            self._say(problem)
        await machines.local.survey(facts)
        app = make_app(machines)
        await self._held.enter_async_context(app.router.lifespan_context(app))
        self._say(where)
        return httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 0))

    async def _facts(self) -> tuple[list[dict[str, Any]], list[str], str]:
        """Give the facts, what could not be read of them, and where they are from."""
        if self._source is not None:
            from skb.cli.machine_file import read_machine

            facts, unread = await asyncio.to_thread(read_machine, self._source)
            return facts, [str(problem) for problem in unread], f"answered from {self._source}, without a service"
        from skb.machines.live import probe_local

        found, _ = await probe_local()  # what could not be read, `skb probe` says; here it would bury the answer
        return (
            found,
            [],
            f"no service answers at {self._url}: answered from a probe of this machine (`skb serve` starts one)",
        )

    async def _close(self) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._held.aclose()
        await self._loop.shutdown_default_executor()


def _be_quiet() -> None:
    """Have the service's log go nowhere: its reader is the one who asked, and hears of problems as answers."""
    import structlog

    # An engine that is killed at the end may be reaped by asyncio's transport before asyncio's own watcher, which would remark on that.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
