"""Who asks, whether they may, and how often."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from skb import tokens
from skb.api.problems import of_service_error
from skb.api.settings import Settings
from skb.errors import Forbidden, ServiceError, TooManyRequests, Unauthorized
from skb.tokens import Token

OPEN = frozenset(("/v1/health", "/v1/version"))
"""What anybody may ask: whoever watches over the service has no token."""

_BY_END: Mapping[tuple[str, str], tokens.Scope] = {
    ("POST", "query"): "query",
    ("POST", "stream"): "query",
    ("POST", "explain"): "query",
    ("POST", "placement"): "query",
    ("POST", "pci-plan"): "query",
    ("POST", "tree"): "query",
    ("POST", "routes"): "query",
    ("POST", "optimize"): "query",
    ("POST", "facts"): "write",
}


def needed(method: str, path: str) -> tokens.Scope:
    """Give the scope that a request needs. What is not known here needs the most."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return "read"
    parts = path.strip("/").split("/")
    if parts[:2] == ["v1", "machines"]:
        parts = parts[:1] + parts[3:]
    if parts[1:2] == ["rules"]:
        return "author"
    if parts[1:2] == ["queries"]:
        return "query"
    return _BY_END.get((method, parts[-1]), "admin") if len(parts) > 1 else "admin"


@dataclass
class _Bucket:
    """What is left of a second's requests: filled at the rate, up to one second's worth."""

    left: float
    at: float


class Authority:
    """Lets pass who may, and refuses who may not."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._buckets: dict[str, _Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it (ASGI)."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except ServiceError as error:
            await self._refuse(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @staticmethod
    def _refuse(error: ServiceError) -> ASGIApp:
        response = of_service_error(error)
        if isinstance(error, Unauthorized):
            response.headers["WWW-Authenticate"] = 'Bearer realm="skb"'
        if isinstance(error, TooManyRequests):
            response.headers["Retry-After"] = "1"
        return response

    def _check(self, scope: Scope) -> None:
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        if shown is None:
            if self._settings.tokens_required:
                raise Unauthorized(
                    "this service is asked with a token: Authorization: Bearer skb_...; `skb token create` makes one"
                )
            return
        scheme, _, text = shown.decode("latin-1").partition(" ")
        token = (
            self._settings.tokens.find(text.strip()) if self._settings.tokens and scheme.lower() == "bearer" else None
        )
        if token is None:
            raise Unauthorized(
                "this token is not known, was revoked, or has expired; `skb token list` shows those that are"
            )
        scope.setdefault("state", {})["token"] = token.name
        wanted = needed(scope["method"], scope["path"])
        if not token.allows(wanted):
            raise Forbidden(f"this needs a token with scope {wanted}; {token.name} has {', '.join(token.scopes)}")
        self._spend(token)

    def _spend(self, token: Token) -> None:
        rate = token.rate or self._settings.rate
        if rate is None:
            return
        now = time.monotonic()
        bucket = self._buckets.setdefault(token.name, _Bucket(max(rate, 1.0), now))
        bucket.left = min(max(rate, 1.0), bucket.left + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.left < 1:
            raise TooManyRequests(f"{token.name} may ask {rate:g} times a second; ask again later")
        bucket.left -= 1
