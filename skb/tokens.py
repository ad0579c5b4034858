"""Tokens: who may do what, from elsewhere than this machine.

A token is 256 bits of chance behind the name that it goes by: `skb_NAME_SECRET`. Its file holds only SHA-256 hashes: with so much chance in
a secret, nothing slower is needed to keep it from being guessed. Comparing takes the same time however much is right.
"""

import hashlib
import hmac
import os
import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec import Struct

from skb.errors import InvalidRequest, StartFailed

Scope = Literal["read", "query", "write", "author", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a token may do: read facts; ask goals, placements, trees; write facts; change rules; load and drop machines, and all of these."""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NOBODY = hashlib.sha256(b"").hexdigest()


class Token(Struct, frozen=True):
    """A token that is known. `expires` is in seconds since 1970; `rate` in requests a second; None: never, any number."""

    name: str
    hash: str
    scopes: tuple[Scope, ...]
    created: float
    expires: float | None = None
    rate: float | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether it reaches that far."""
        return scope in self.scopes or "admin" in self.scopes


class Tokens:
    """The file of tokens in a data folder. Changes made by another process are seen."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "tokens.json"
        self._read_at: tuple[int, int] | None = None
        self._tokens: dict[str, Token] = {}

    def all(self) -> list[Token]:
        """Give all tokens. Raises StartFailed if the file cannot be read."""
        self._refresh()
        return list(self._tokens.values())

    def find(self, text: str) -> Token | None:
        """Give the token that a text is, if it is one that is known and not expired."""
        self._refresh()
        prefix, _, rest = text.partition("_")
        name, _, secret = rest.partition("_")
        token = self._tokens.get(name) if prefix == "skb" else None
        right = hmac.compare_digest(_hash(secret), token.hash if token else _NOBODY)
        if token is None or not right or (token.expires is not None and token.expires < time.time()):
            return None
        return token

    def create(
        self, name: str, scopes: Iterable[str], *, expires: float | None = None, rate: float | None = None
    ) -> str:
        """Make a token; gives its text, which is not kept. Raises InvalidRequest."""
        chosen = tuple(scopes)
        if not NAME.fullmatch(name):
            raise InvalidRequest(f"{name[:80]!r} is no name of a token; take small letters, digits and '-', at most 32")
        if not chosen or (unknown := [scope for scope in chosen if scope not in SCOPES]):
            wrong = repr(unknown[0]) if chosen else "none"
            raise InvalidRequest(f"{wrong} is no scope; scopes are {', '.join(SCOPES)}")
        self._refresh()
        if name in self._tokens:
            raise InvalidRequest(f"there is a token {name!r} already; revoke it first, or take another name")
        secret = secrets.token_urlsafe(32)
        self._write({**self._tokens, name: Token(name, _hash(secret), chosen, time.time(), expires, rate)})  # type: ignore[arg-type]  # checked above
        return f"skb_{name}_{secret}"

    def revoke(self, name: str) -> None:
        """Have a token be known no more. Raises InvalidRequest."""
        self._refresh()
        if name not in self._tokens:
            known = ", ".join(self._tokens) or "none"
            raise InvalidRequest(f"there is no token {name[:80]!r}; there are: {known}")
        self._write({key: token for key, token in self._tokens.items() if key != name})

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            self._read_at, self._tokens = None, {}
            return
        at = (found.st_mtime_ns, found.st_ino)
        if at == self._read_at:
            return
        try:
            tokens = msgspec.json.decode(self._path.read_bytes(), type=list[Token])
        except (OSError, msgspec.DecodeError) as error:
            raise StartFailed(
                f"{self._path} cannot be read: {error}; mend or remove it, and make tokens anew"
            ) from error
        self._read_at, self._tokens = at, {token.name: token for token in tokens}

    def _write(self, tokens: dict[str, Token]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(list(tokens.values()))))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        finally:
            beside.unlink(missing_ok=True)
        self._refresh()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
