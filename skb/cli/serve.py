"""Running the service: its socket, its log, its probes, its end."""

import asyncio
import ipaddress
import json
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import uvicorn
import uvloop

from skb.api.app import make_app
from skb.api.settings import Settings
from skb.errors import StartFailed
from skb.knowledge import Knowledge
from skb.machines.hotplug import keep_true
from skb.machines.live import probe_local
from skb.machines.registry import Machines
from skb.tokens import Tokens

log = structlog.get_logger()

FINISH_SECONDS = 2
"""What work has, after the service was told to end, to be finished; then it is given up, and its client told."""
FORCE_SECONDS = 5
"""After this, connections that are still open are cut."""


@dataclass(frozen=True)
class Options:
    """How to serve."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 7411
    probe: bool = True
    engines: int | None = None
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False
    require_tokens: bool = False
    rate: float | None = None
    origins: tuple[str, ...] = ()
    log_requests: bool = False
    json: bool = False


def serve(options: Options) -> None:
    """Run the service until it is told to stop (SIGINT, SIGTERM). Raises StartFailed if it cannot start."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.getLogger("uvicorn").setLevel(
        logging.CRITICAL
    )  # what it would say of errors, we say ourselves, without a stack
    address = _address(options.host)
    settings = _settings(options, loopback=address.is_loopback)
    with (
        _listen(address, options) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        suppress(asyncio.CancelledError),  # told to stop before it was ready
    ):
        runner.run(_serve(listener, options, settings))


def _settings(options: Options, *, loopback: bool) -> Settings:
    """Give what requests have to pass. Raises StartFailed for what would let anybody in."""
    tokens = Tokens(options.data)
    known = tokens.all()
    outside = not loopback or options.behind_proxy
    if outside and not known:
        where = "--behind-proxy" if options.behind_proxy else f"--host {options.host}"
        raise StartFailed(
            f"{where}: whoever reaches the service may ask and write, and no tokens are known. Make one "
            f"(skb token create NAME --scope read --data {options.data}), or use 127.0.0.1 and a tunnel (ssh -L) from elsewhere"
        )
    if not loopback and not options.certificate and not options.behind_proxy:
        raise StartFailed(
            f"--host {options.host}: tokens would cross the network in the clear. Give --tls-cert and --tls-key, or --behind-proxy where "
            "a proxy ends TLS in front of the service"
        )
    return Settings(
        tokens=tokens,
        tokens_required=outside or options.require_tokens,
        rate=options.rate,
        origins=options.origins,
        loopback_names_only=not outside,
        log_requests=options.log_requests,
    )


async def _serve(listener: socket.socket, options: Options, settings: Settings) -> None:
    main = asyncio.current_task()
    assert main is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, main.cancel)
    machines = Machines(options.data, options.engines)
    live = None
    try:
        await machines.local.open()
        if options.probe:
            await _probe(machines.local)
            live = asyncio.create_task(keep_true(partial(_probe, machines.local)))
        app = make_app(machines, settings)
        config = uvicorn.Config(
            app,
            http="httptools",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=FORCE_SECONDS,
            proxy_headers=options.behind_proxy,
            ssl_certfile=options.certificate,
            ssl_keyfile=options.key,
        )
        server = _Server(config, _ready(_url(listener, options), options), app.state.ending)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, server.handle_exit, number, None)
        await server.serve(sockets=[listener])
    finally:
        if live is not None:
            live.cancel()
            await asyncio.gather(live, return_exceptions=True)
        await machines.close()


def _ready(url: str, options: Options) -> str:
    return json.dumps({"url": url}) if options.json else f"SKB ready at {url}"


def _url(listener: socket.socket, options: Options) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http{'s' if options.certificate else ''}://{host}:{listener.getsockname()[1]}"


class _Server(uvicorn.Server):
    """Says where it is once it is ready. Leaves signals to the loop: uvicorn would end the process by the one that stopped it."""

    def __init__(self, config: uvicorn.Config, ready: str, ending: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready
        self._ending = ending

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._ready, flush=True)  # noqa: T201  # what whoever started us waits for

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(FINISH_SECONDS, self._ending.set)
        await super().shutdown(sockets)


async def _probe(known: Knowledge) -> None:
    facts, problems = await probe_local()
    for words in problems:
        log.warning("not read", what=words)
    revision = await known.survey(facts)
    log.info("probed", facts=len(facts), revision=revision)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        raise StartFailed(f"--host {host}: give an address of this machine, like that of loopback, 127.0.0.1") from None


def _listen(address: ipaddress.IPv4Address | ipaddress.IPv6Address, options: Options) -> socket.socket:
    """Bind before anything else is started, so that a port in use costs nothing."""
    listener = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((str(address), options.port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise StartFailed(
            f"port {options.port} of {options.host} cannot be had: {error.strerror}; is a service running there already? "
            "Choose another with --port"
        ) from error
    return listener
