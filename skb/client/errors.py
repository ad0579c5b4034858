"""What a client can run into."""

from collections.abc import Mapping
from typing import Any


class SkbError(Exception):
    """Base of all errors of the client."""


class SkbUnreachable(SkbError):
    """No service answers."""


class SkbProblem(SkbError):
    """The service answered with a problem (RFC 9457). `line` and `column` are set for Prolog text that cannot be read.

    `document` is all that the service said: of rules that were not taken, also `problems` and `tests`.
    """

    def __init__(
        self,
        status: int,
        type_: str,
        title: str,
        detail: str,
        line: int | None = None,
        column: int | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        where = f" (line {line}, column {column})" if line else ""
        super().__init__(f"{title}: {detail}{where}")
        self.status = status
        self.type = type_
        self.title = title
        self.detail = detail
        self.line = line
        self.column = column
        self.document: Mapping[str, Any] = document or {}
