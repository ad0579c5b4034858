"""Running the service: its socket, its log, its probes, its end."""

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
import uvicorn
import uvloop

from skb.api.app import make_app
from skb.errors import StartFailed
from skb.knowledge import Knowledge
from skb.machines import probe_local
from skb.store.log import Store

log = structlog.get_logger()

FINISH_SECONDS = 2
"""What work has, after the service was told to end, to be finished; then it is given up, and its client told."""
FORCE_SECONDS = 5
"""After this, connections that are still open are cut."""


def serve(host: str, port: int, data: Path, *, probe: bool, engines: int | None = None) -> None:
    """Run the service until it is told to stop (SIGINT, SIGTERM). Raises StartFailed if it cannot start."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("uvicorn").setLevel(
        logging.CRITICAL
    )  # what it would say of errors, we say ourselves, without a stack
    with (
        _listen(host, port) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        suppress(asyncio.CancelledError),  # told to stop before it was ready
    ):
        runner.run(
            _serve(listener, f"http://{_printed(host)}:{listener.getsockname()[1]}", data, probe=probe, engines=engines)
        )


async def _serve(listener: socket.socket, url: str, data: Path, *, probe: bool, engines: int | None) -> None:
    main = asyncio.current_task()
    assert main is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, main.cancel)
    with Store(data) as store:
        known = Knowledge(store, engines)
        try:
            await known.open()
            if probe:
                await _probe(known)
            app = make_app(known)
            config = uvicorn.Config(
                app, http="httptools", log_config=None, access_log=False, timeout_graceful_shutdown=FORCE_SECONDS
            )
            server = _Server(config, url, app.state.ending)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.handle_exit, number, None)
            await server.serve(sockets=[listener])
        finally:
            await known.close()


class _Server(uvicorn.Server):
    """Says where it is once it is ready. Leaves signals to the loop: uvicorn would end the process by the one that stopped it."""

    def __init__(self, config: uvicorn.Config, url: str, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._url = url
        self._ending = ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"SKB ready at {self._url}", flush=True)  # noqa: T201  # what whoever started us waits for

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(FINISH_SECONDS, self._ending.set)
        await super().shutdown(sockets)


async def _probe(known: Knowledge) -> None:
    facts, problems = await probe_local()
    for words in problems:
        log.warning("not read", what=words)
    revision = await known.survey(facts)
    log.info("probed", facts=len(facts), revision=revision)


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything else is started, so that a port in use costs nothing."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise StartFailed(f"--host {host}: give an address of this machine's loopback, like 127.0.0.1") from None
    if not address.is_loopback:
        raise StartFailed(
            f"--host {host}: whoever reaches the service may ask and write; it has no tokens yet and listens on loopback only. "
            "Use 127.0.0.1, and a tunnel (ssh -L) from elsewhere"
        )
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise StartFailed(
            f"port {port} of {host} cannot be had: {error.strerror}; is a service running there already? Choose another with --port"
        ) from error
    return listener


def _printed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
