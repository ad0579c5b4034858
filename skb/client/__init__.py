"""The client of the service: the only way in which others talk to it.

    with Client("http://127.0.0.1:7411") as skb:
        for row in skb.rows("cpu_thread", package=0):
            print(row["core"])
        answer = skb.query("message_rtt(0, Core, Avg, _, _, _)")

`AsyncClient` has the same methods, to be awaited.
"""

from skb.client.asynchronous import AsyncClient
from skb.client.errors import SkbError, SkbProblem, SkbUnreachable
from skb.client.optimization import Optimum
from skb.client.rules import (
    DeclaredQuery,
    QueryParameter,
    Remark,
    RuleModule,
    Rules,
    RulesChecked,
    RulesPushed,
    RulesRolledBack,
    RulesTested,
    RuleVersion,
    TestResult,
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
    "DeclaredQuery",
    "Explanation",
    "FactJson",
    "FieldInfo",
    "Health",
    "Loaded",
    "Machine",
    "Optimum",
    "Placement",
    "Predicate",
    "QueryParameter",
    "Remark",
    "RuleModule",
    "RuleVersion",
    "Rules",
    "RulesChecked",
    "RulesPushed",
    "RulesRolledBack",
    "RulesTested",
    "SkbError",
    "SkbProblem",
    "SkbUnreachable",
    "Step",
    "TestResult",
    "Tree",
    "Version",
]
