"""Requests about rules and declared queries, as data (see `exchange`), and what comes back."""

from typing import Any
from urllib.parse import quote

from msgspec import Struct

from skb.client.exchange import Exchange
from skb.client.types import Answer


class QueryParameter(Struct, frozen=True):
    """A parameter of a declared query. `mode`: `in` (given), `out` (answered), `both`. `type` says in words what a value must be."""

    name: str
    mode: str
    type: str
    required: bool
    default: Any = None


class DeclaredQuery(Struct, frozen=True):
    """A query that a rule module declares."""

    name: str
    module: str
    doc: str
    parameters: list[QueryParameter]


class RuleModule(Struct, frozen=True):
    """A module of rules. `installed`: it belongs to the installation; its version is 0. `time` is in seconds since 1970."""

    name: str
    title: str
    installed: bool
    version: int
    time: float | None
    queries: list[str]


class RuleVersion(Struct, frozen=True):
    """A version of a module."""

    version: int
    time: float
    removed: bool
    current: bool


class Rules(Struct, frozen=True):
    """A module of rules, whole."""

    name: str
    installed: bool
    version: int
    text: str
    tests: str
    versions: list[RuleVersion]


class Remark(Struct, frozen=True):
    """Something about a text of rules; `severity` is `error` or `warning`."""

    severity: str
    line: int
    column: int
    message: str


class TestResult(Struct, frozen=True):
    """What came of a test; `outcome` is `passed`, `failed` or `blocked`."""

    __test__ = False  # for pytest, which takes classes of such names for tests

    unit: str
    test: str
    line: int
    outcome: str
    message: str


class RulesChecked(Struct, frozen=True):
    """What can be said of a module before it answers anybody."""

    ok: bool
    problems: list[Remark]
    exports: list[str]
    queries: list[str]


class RulesTested(Struct, frozen=True):
    """What came of the tests of a module; with errors among the problems, none was run."""

    ok: bool
    problems: list[Remark]
    tests: list[TestResult]


class RulesPushed(Struct, frozen=True):
    """The version that answers from now on."""

    name: str
    version: int
    problems: list[Remark]
    tests: list[TestResult]
    queries: list[str]


class RulesRolledBack(Struct, frozen=True):
    """The version that answers from now on; if `removed`, there is no such module."""

    name: str
    version: int
    removed: bool


def queries() -> Exchange[list[DeclaredQuery]]:
    """Which queries are declared?"""
    return Exchange("GET", "/v1/queries", list[DeclaredQuery])


def ask(name: str, params: dict[str, Any], limit: int | None, timeout_ms: int | None) -> Exchange[Answer]:
    """Answer a declared query."""
    body: dict[str, Any] = {"params": params}
    if limit is not None:
        body["limit"] = limit
    if timeout_ms is not None:
        body["timeout_ms"] = timeout_ms
    return Exchange(
        "POST", f"/v1/queries/{quote(name, safe='')}", Answer, body=body, seconds=(timeout_ms or 10_000) / 1000
    )


def modules() -> Exchange[list[RuleModule]]:
    """Which modules are there?"""
    return Exchange("GET", "/v1/rules", list[RuleModule])


def module(name: str, version: int | None) -> Exchange[Rules]:
    """What does a module say?"""
    return Exchange("GET", _path(name), Rules, query={} if version is None else {"version": version})


def check(name: str, text: str | None) -> Exchange[RulesChecked]:
    """Is a text well?"""
    return Exchange("POST", f"{_path(name)}/check", RulesChecked, body={"text": text}, seconds=30)


def test(name: str, text: str | None, tests: str | None, timeout_ms: int) -> Exchange[RulesTested]:
    """Do its tests pass?"""
    body = {"text": text, "tests": tests, "timeout_ms": timeout_ms}
    return Exchange("POST", f"{_path(name)}/test", RulesTested, body=body, seconds=timeout_ms / 1000 + 30)


def push(
    name: str, text: str, tests: str, if_version: int | None, *, untested: bool, timeout_ms: int
) -> Exchange[RulesPushed]:
    """Have it answer."""
    body = {"text": text, "tests": tests, "if_version": if_version, "untested": untested, "timeout_ms": timeout_ms}
    return Exchange("PUT", _path(name), RulesPushed, body=body, seconds=timeout_ms / 1000 + 60)


def rollback(name: str) -> Exchange[RulesRolledBack]:
    """Return to the version before."""
    return Exchange("POST", f"{_path(name)}/rollback", RulesRolledBack, body={}, seconds=60)


def remove(name: str) -> Exchange[None]:
    """Have no such module any more."""
    return Exchange("DELETE", _path(name), None, seconds=60)


def _path(name: str) -> str:
    return f"/v1/rules/{quote(name, safe='')}"
