"""What can go wrong in the service. Each error knows the problem type, the HTTP status and the title that the API gives it."""


class ServiceError(Exception):
    """Base of all. `detail` is for the user: place, cause, remedy."""

    type = "internal"
    status = 500
    title = "The service failed"

    def __init__(self, detail: str, **more: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.more = more


class UnknownFact(ServiceError):
    """No fact of this name is declared."""

    type, status, title = "unknown-fact", 404, "No such fact is declared"


class UnknownMachine(ServiceError):
    """No machine of this name is known."""

    type, status, title = "unknown-machine", 404, "No such machine is known"


class UnknownRules(ServiceError):
    """No rule module of this name, or no such version of it, is known."""

    type, status, title = "unknown-rules", 404, "No such rules are known"


class UnknownQuery(ServiceError):
    """No query of this name is declared."""

    type, status, title = "unknown-query", 404, "No such query is declared"


class RulesRefused(ServiceError):
    """Rules were not taken; `problems` and `tests` say what is wrong with them."""

    type, status, title = "rules-refused", 422, "The rules were not taken"


class RulesConflict(ServiceError):
    """A push asked for a version that is not the current one."""

    type, status, title = "rules-conflict", 409, "The rules have changed"


class InvalidFact(ServiceError):
    """A fact is not what its declaration says."""

    type, status, title = "invalid-fact", 422, "The fact does not match its declaration"


class InvalidRequest(ServiceError):
    """A request cannot be carried out as it stands."""

    type, status, title = "invalid-request", 422, "The request does not make sense"


class SyntaxProblem(ServiceError):
    """Prolog text that cannot be read; `line` and `column` say where."""

    type, status, title = "prolog-syntax", 422, "The goal is no valid Prolog"


class GoalRefused(ServiceError):
    """A goal does what the sandbox does not allow."""

    type, status, title = "goal-refused", 403, "The goal is not allowed"


class GoalError(ServiceError):
    """A goal raised an error."""

    type, status, title = "goal-error", 422, "The goal raised an error"


class LimitExceeded(ServiceError):
    """A goal went over a limit on time, inferences or memory."""

    type, status, title = "limit-exceeded", 422, "The goal exceeded a limit"


class RevisionConflict(ServiceError):
    """A write asked for a revision that is not the latest."""

    type, status, title = "revision-conflict", 409, "The facts have changed"


class KeyExists(ServiceError):
    """A write that was to add rows only would have replaced some."""

    type, status, title = "key-exists", 409, "A row with this key is there"


class FellBehind(ServiceError):
    """Who watches is slower than the log is cut."""

    type, status, title = "fell-behind", 410, "These changes are gone"


class RevisionNotReached(ServiceError):
    """A read asked for a revision that has not come."""

    type, status, title = "revision-not-reached", 409, "The facts are not that far"


class Unauthorized(ServiceError):
    """A request has no token, or one that is not known."""

    type, status, title = "unauthorized", 401, "A token is needed"


class Forbidden(ServiceError):
    """A token does not reach that far."""

    type, status, title = "forbidden", 403, "The token does not allow this"


class TooManyRequests(ServiceError):
    """A token asks more often than it may."""

    type, status, title = "too-many-requests", 429, "Too many requests"


class StorageFailed(ServiceError):
    """The log could not be written; nothing was changed."""

    type, status, title = "storage-failed", 507, "The facts could not be stored"


class EngineFailed(ServiceError):
    """The engine process ended while it worked on this request; it is replaced."""

    type, status, title = "engine-failed", 503, "The engine failed"


class ClientGone(ServiceError):
    """The client closed its connection before it was answered."""

    type, status, title = "client-gone", 499, "The client is gone"

    def __init__(self) -> None:
        super().__init__("the connection was closed before the answer; the work was given up")


class StartFailed(ServiceError):
    """The service cannot start."""
