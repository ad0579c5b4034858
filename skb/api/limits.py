"""What every request has to pass before it is looked at: how much it brings, and by which name it asks."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skb.api import problems


class BodyLimit:
    """Refuses bodies over a limit, whatever their declared length, before they are in memory."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on (ASGI)."""
        declared = dict(scope.get("headers", ())).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._most:
            await problems.too_large(self._most)(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise problems.TooLarge(self._most)
            return message

        await self._app(scope, limited, send)


class LoopbackOnly:
    """Refuses requests that were sent to another name than the loopback's.

    Whoever can connect may ask and write, and only this machine can. But a page of any site can have the site's name resolve to
    127.0.0.1, and so have the browser of somebody on this machine ask for it (DNS rebinding). Such a request names the site as its host.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on (ASGI)."""
        host = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1")
        if scope["type"] != "http" or not host or is_loopback(host):
            await self._app(scope, receive, send)
        else:
            await problems.foreign_host(host)(scope, receive, send)


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a Host header names the loopback: `localhost:7411`, `127.0.0.1`, `[::1]:7411`."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
