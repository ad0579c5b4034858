"""Options that several commands have, and the client that they give."""

import os
from pathlib import Path
from typing import Annotated

import typer

from skb.client import Client
from skb.client.exchange import LOCAL, URL

Url = Annotated[str, typer.Option("--url", envvar="SKB_URL", help="Where the service is.")]
MachineName = Annotated[
    str, typer.Option("--machine", "-m", envvar="SKB_MACHINE", help="Which machine is meant; skb machines lists them.")
]
Data = Annotated[Path | None, typer.Option(help="Folder of facts and tokens. Default: ~/.local/share/skb.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def connect(url: str, machine: str = LOCAL) -> Client:
    """Give a client of the service, with the token that SKB_TOKEN holds."""
    return Client(url, token=os.environ.get("SKB_TOKEN") or None, machine=machine)


def default_data() -> Path:
    """Give the folder of the facts where none is named: by the XDG base directory specification."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "skb"


__all__ = ["LOCAL", "URL", "Data", "Json", "MachineName", "Url", "connect", "default_data"]
