"""When a request is sent again, and how long after. No I/O: the clients ask, and wait in their own way.

Sent again is what can be done twice without harm: requests that change nothing, and writes that carry `if_revision` (or `if_version`), of
which a second copy is refused. When the first copy had arrived, the answer to such a write is a conflict, and whoever wrote looks again.
Any request is sent again after 429, and when no connection could be made to a service that answered before: then nothing was done.

A service that never answered is not waited for: more likely there is none. Nor is one that let a request run out of time: asking the
same again would cost the same again.
"""

import random
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

PATIENCE = 10.0
"""Seconds after the first copy in which further ones are sent: a service takes about two to start again."""

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""Seconds between copies: each pause is twice the one before, and a random part of it is left out, so that clients do not come together."""

_READS = re.compile(
    r"/v1/(machines/[^/]+/)?(query|query/stream|explain|placement|tree|routes|optimize|pci-plan|queries/[^/]+|rules/[^/]+/(check|test))"
)


def changes_nothing(method: str, path: str) -> bool:
    """Whether a request only asks. Most questions are POSTs, since they have bodies."""
    return method in ("GET", "HEAD") or (method == "POST" and _READS.fullmatch(path) is not None)


def repeatable(method: str, path: str, body: object) -> bool:
    """Whether a request may be done twice."""
    conditional = isinstance(body, Mapping) and (
        body.get("if_revision") is not None or body.get("if_version") is not None
    )
    return conditional or changes_nothing(method, path)


class Attempts:
    """The copies of one request. `met`: whether the service has answered this client before."""

    def __init__(self, *, repeatable: bool, met: bool, patience: float) -> None:
        self._repeatable = repeatable
        self._met = met
        self._until = time.monotonic() + patience
        self._pause = FIRST_PAUSE

    def after(self, outcome: httpx.Response | httpx.TransportError) -> float | None:
        """Give the seconds to wait before the request is sent again; None if this is what it came to."""
        if not self._again(outcome):
            return None
        pause = random.uniform(self._pause / 2, self._pause)  # not to be secret, only different
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        if isinstance(outcome, httpx.Response):
            pause = max(pause, retry_after(outcome.headers))
        return pause if time.monotonic() + pause <= self._until else None

    def _again(self, outcome: httpx.Response | httpx.TransportError) -> bool:
        match outcome:
            case httpx.Response(status_code=429):
                return True
            case httpx.Response(status_code=502 | 503 | 504):
                return self._repeatable
            case httpx.Response() | httpx.TimeoutException():
                return False
            case httpx.ConnectError():
                return self._met
            case httpx.NetworkError() | httpx.RemoteProtocolError():
                return self._repeatable
            case _:
                return False


def retry_after(headers: Mapping[str, Any]) -> float:
    """Give the seconds that a service asks to be left alone: as a number, or until a date (RFC 9110, 10.2.3). 0 if it does not."""
    text = str(headers.get("Retry-After", "")).strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0.0)
