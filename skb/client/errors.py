"""What a client can run into. What the service says is wrong has a type for each `type` of its problem documents.

try:
    skb.update([fact], if_revision=7)
except RevisionConflict:
    ...  # read again, then write again
"""

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


class UnknownFact(SkbProblem):
    """No fact of this name is declared."""


class UnknownMachine(SkbProblem):
    """No machine of this name is known."""


class UnknownRules(SkbProblem):
    """No module of rules of this name, or version, is known."""


class UnknownQuery(SkbProblem):
    """No query of this name is declared."""


class RulesRefused(SkbProblem):
    """The rules are not well, or their tests fail; `document` says what is wrong."""


class RulesConflict(SkbProblem):
    """A push asked for a version that is not the current one."""


class InvalidFact(SkbProblem):
    """A fact is not what its declaration says."""


class InvalidRequest(SkbProblem):
    """A request cannot be carried out as it stands."""


class PrologSyntax(SkbProblem):
    """Prolog text that cannot be read."""


class GoalRefused(SkbProblem):
    """A goal does what the sandbox does not allow."""


class GoalError(SkbProblem):
    """A goal raised an error."""


class LimitExceeded(SkbProblem):
    """A goal went over a limit on time, inferences or memory."""


class RevisionConflict(SkbProblem):
    """A write asked for a revision that is not the latest."""


class KeyExists(SkbProblem):
    """A write that was to add rows only would have replaced some."""


class FellBehind(SkbProblem):
    """These changes are gone from the log."""


class RevisionNotReached(SkbProblem):
    """A read asked for a revision that has not come."""


class Unauthorized(SkbProblem):
    """A token is needed."""


class Forbidden(SkbProblem):
    """The token does not reach that far."""


class TooManyRequests(SkbProblem):
    """The token asks more often than it may."""


class StorageFailed(SkbProblem):
    """The log could not be written; nothing was changed."""


class EngineFailed(SkbProblem):
    """The engine ended while it worked on this request."""


PREFIX = "/problems/"

TYPES: Mapping[str, type[SkbProblem]] = {
    "unknown-fact": UnknownFact,
    "unknown-machine": UnknownMachine,
    "unknown-rules": UnknownRules,
    "unknown-query": UnknownQuery,
    "rules-refused": RulesRefused,
    "rules-conflict": RulesConflict,
    "invalid-fact": InvalidFact,
    "invalid-request": InvalidRequest,
    "prolog-syntax": PrologSyntax,
    "goal-refused": GoalRefused,
    "goal-error": GoalError,
    "limit-exceeded": LimitExceeded,
    "revision-conflict": RevisionConflict,
    "key-exists": KeyExists,
    "fell-behind": FellBehind,
    "revision-not-reached": RevisionNotReached,
    "unauthorized": Unauthorized,
    "forbidden": Forbidden,
    "too-many-requests": TooManyRequests,
    "storage-failed": StorageFailed,
    "engine-failed": EngineFailed,
}
"""By the last part of a problem's `type`. Others, which a newer service may have, are SkbProblem."""


def problem(document: Mapping[str, Any], status: int | None = None) -> SkbProblem:
    """Give the error for a problem document. Raises KeyError if it is none."""
    type_ = str(document["type"])
    class_ = TYPES.get(type_.removeprefix(PREFIX), SkbProblem)
    return class_(
        document["status"] if status is None else status,
        type_,
        document["title"],
        document["detail"],
        document.get("line"),
        document.get("column"),
        document,
    )
