"""`skb token`: who may ask from elsewhere. The service need not run; it sees changes at once."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from skb.cli.options import Data, Json, default_data
from skb.cli.output import write_json
from skb.tokens import SCOPES, Tokens

app = typer.Typer(no_args_is_help=True, help="Who may ask the service from elsewhere: make, list and revoke tokens.")

DAY = 86_400.0


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it: small letters, digits, '-'.")],
    scope: Annotated[
        list[str], typer.Option(help=f"What it may do, of {', '.join(SCOPES)}; may be repeated. admin may do all.")
    ],
    days: Annotated[float | None, typer.Option(min=0.001, help="Days after which it expires. Default: never.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Requests a second. Default: as the service says.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Make a token and print it. It is not kept, and cannot be shown again."""
    expires = None if days is None else time.time() + days * DAY
    token = Tokens(data or default_data()).create(name, scope, expires=expires, rate=rate)
    if json:
        write_json({"name": name, "token": token, "scopes": scope, "expires": expires, "rate": rate})
    else:
        typer.echo(token)


@app.command("list")
def list_(data: Data = None, json: Json = False) -> None:
    """List tokens: names, scopes, when they expire."""
    known = Tokens(data or default_data()).all()
    if json:
        shown = [
            {"name": each.name, "scopes": each.scopes, "expires": each.expires, "rate": each.rate} for each in known
        ]
        write_json(shown)
        return
    table = Table(box=None)
    for column in ("name", "scopes", "created", "expires", "requests a second"):
        table.add_column(column)
    for each in known:
        expires = "never" if each.expires is None else _day(each.expires)
        table.add_row(
            each.name, ", ".join(each.scopes), _day(each.created), expires, f"{each.rate:g}" if each.rate else ""
        )
    Console().print(table if known else "no tokens")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")], data: Data = None, json: Json = False
) -> None:
    """Have a token be known no more."""
    Tokens(data or default_data()).revoke(name)
    if json:
        write_json({"name": name, "revoked": True})


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
