"""The client of the service: the only way in which others talk to it.

    with Client("http://127.0.0.1:7411") as skb:
        for row in skb.rows("cpu_thread", package=0):
            print(row["core"])
        answer = skb.query("message_rtt(0, Core, Avg, _, _, _)")

`AsyncClient` has the same methods, to be awaited.
"""

from skb.client.asynchronous import AsyncClient
from skb.client.errors import (
    EngineFailed,
    FellBehind,
    Forbidden,
    GoalError,
    GoalRefused,
    InvalidFact,
    InvalidRequest,
    KeyExists,
    LimitExceeded,
    PrologSyntax,
    RevisionConflict,
    RevisionNotReached,
    SkbError,
    SkbProblem,
    SkbUnreachable,
    StorageFailed,
    TooManyRequests,
    Unauthorized,
    UnknownFact,
    UnknownMachine,
)
from skb.client.synchronous import Client
from skb.client.types import (
    Answer,
    Change,
    Explanation,
    FactJson,
    FieldInfo,
    Health,
    Loaded,
    Machine,
    Placement,
    Predicate,
    Step,
    Tree,
    Version,
)

__all__ = [
    "Answer",
    "AsyncClient",
    "Change",
    "Client",
    "EngineFailed",
    "Explanation",
    "FactJson",
    "FellBehind",
    "FieldInfo",
    "Forbidden",
    "GoalError",
    "GoalRefused",
    "Health",
    "InvalidFact",
    "InvalidRequest",
    "KeyExists",
    "LimitExceeded",
    "Loaded",
    "Machine",
    "Placement",
    "Predicate",
    "PrologSyntax",
    "RevisionConflict",
    "RevisionNotReached",
    "SkbError",
    "SkbProblem",
    "SkbUnreachable",
    "Step",
    "StorageFailed",
    "TooManyRequests",
    "Tree",
    "Unauthorized",
    "UnknownFact",
    "UnknownMachine",
    "Version",
]
