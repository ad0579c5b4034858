"""Options that several commands have, and the client that they give."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from skb.cli.complete import machine_names
from skb.client import Client, exchange
from skb.client.exchange import LOCAL

URL = ""
"""No service is named: the one on this machine is meant, if there is one."""

Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="SKB_URL",
        show_default=exchange.URL,
        help="Where the service is. If none is named and none runs, what only reads is answered from a probe.",
    ),
]
MachineName = Annotated[
    str,
    typer.Option(
        "--machine",
        "-m",
        envvar="SKB_MACHINE",
        help="Which machine is meant; skb machines lists them.",
        autocompletion=machine_names,
    ),
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--from",
        exists=True,
        help="Ask a recorded machine, without a service: a bundle, a dump, or facts as JSON lines.",
    ),
]
Data = Annotated[Path | None, typer.Option(help="Folder of facts and tokens. Default: ~/.local/share/skb.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

CONNECT_SECONDS = 0.5
"""In which a service on this machine takes a connection, if there is one."""


def connect(url: str, machine: str = LOCAL, source: Path | None = None) -> Client:
    """Give a client of the service, with the token that SKB_TOKEN holds.

    Without a service where none was named, and with a `source`, the client is of one within this process: see `embedded`.
    """
    if source is None and (url or _listens()):
        return Client(url or exchange.URL, token=os.environ.get("SKB_TOKEN") or None, machine=machine)
    from skb.cli.embedded import Embedded  # the service takes longer to load than most questions to answer

    signal.signal(signal.SIGTERM, _end)  # what was started has to be ended
    signal.signal(signal.SIGHUP, _end)
    transport = Embedded(exchange.URL, source, lambda words: typer.echo(f"skb: {words}", err=True))
    return Client(exchange.URL, machine=machine, timeout=120.0, patience=0.0, transport=transport)


def number_list(text: str, option: str) -> list[int]:
    """Read numbers as Linux writes lists of cores: 0-3,8."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        low, _, high = part.partition("-")
        if not low.isdecimal() or (high and not high.isdecimal()):
            raise typer.BadParameter(f"{option}: {text!r} is no list of numbers; write it like 0-3,8")
        numbers.extend(range(int(low), int(high or low) + 1))
    return numbers


def _listens() -> bool:
    """Whether anybody is where the service is when nobody says otherwise."""
    host, _, port = exchange.URL.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


def default_data() -> Path:
    """Give the folder of the facts where none is named: by the XDG base directory specification."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "skb"


__all__ = ["LOCAL", "URL", "Data", "Json", "MachineName", "Source", "Url", "connect", "default_data", "number_list"]
