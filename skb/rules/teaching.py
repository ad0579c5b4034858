"""Teaching: rules are checked and tested in an engine of their own before they answer anybody, then all engines know them.

Facts belong to a machine, rules to the service: what is taught holds for every machine that it knows. Every replica learns the current
modules when it begins, so a push has the engines replaced, and nothing is ever unloaded.
"""

import asyncio
import re
from typing import Any, NamedTuple

import msgspec

from skb.engine.process import encode
from skb.errors import RulesRefused, UnknownRules
from skb.knowledge import Knowledge
from skb.machines.registry import Machines
from skb.rules import rules_directory
from skb.rules.versions import Version

CHECK_SECONDS = 30.0

TITLE = re.compile(r"/\*\*\s*<module>\s*(.+?)\s*(?:\n|\*/)")
"""Of a module, as PlDoc has it."""

NOT_RULES = ("schema", "facts", "queries", "testing")
"""Files of the installation's rules that declare, or help to test."""


class Remark(NamedTuple):
    """Something about a text of rules; `severity` is `error` or `warning`, line and column count from 1."""

    severity: str
    line: int
    column: int
    message: str


class Checked(NamedTuple):
    """What can be said of a module before it answers anybody."""

    problems: list[Remark]
    exports: list[str]
    queries: list[str]

    @property
    def good(self) -> bool:
        """Whether it may be taught."""
        return not any(problem.severity == "error" for problem in self.problems)


class Result(NamedTuple):
    """What came of a test; `outcome` is `passed`, `failed` or `blocked`, and `message` says why."""

    unit: str
    test: str
    line: int
    outcome: str
    message: str


class Tested(NamedTuple):
    """What came of the tests of a module; with errors among the problems, none was run."""

    problems: list[Remark]
    results: list[Result]

    @property
    def good(self) -> bool:
        """Whether all tests that ran passed."""
        return not any(problem.severity == "error" for problem in self.problems) and not any(
            result.outcome == "failed" for result in self.results
        )


class Teacher:
    """Teaches rules to all machines, on behalf of a request about one of them, whose facts are there when tests run."""

    def __init__(self, machines: Machines, known: Knowledge) -> None:
        self._machines = machines
        self._versions = machines.rules
        self._known = known

    async def check(self, module: str, text: str) -> Checked:
        """Look at a text as a module, beside the others. Raises ServiceError if that cannot be done."""
        request = {"f": "check", "args": [module, {"string": text}]}
        problems, exports, queries = await self._aside(request, module, CHECK_SECONDS)
        return Checked([Remark(*problem) for problem in problems], exports, [query[0] for query in queries])

    async def test(self, module: str, text: str, tests: str, seconds: float) -> Tested:
        """Run the tests of a module. Raises LimitExceeded if they take longer than that."""
        request = {"f": "test", "args": [module, {"string": text}, {"string": tests}]}
        problems, results = await self._aside(request, module, seconds)
        return Tested([Remark(*problem) for problem in problems], [Result(*result) for result in results])

    async def push(
        self, module: str, text: str, tests: str, *, if_version: int | None, untested: bool, seconds: float
    ) -> tuple[Version, Checked, Tested]:
        """Have a module answer from now on, if it is well and its tests pass. Raises RulesRefused, RulesConflict; then all is as before."""
        async with self._machines.teaching:
            self._versions.expect(module, if_version)
            checked = await self.check(module, text)
            if not checked.good:
                raise _refused(module, "it has errors", problems=checked.problems)
            tested = Tested([], [])
            if tests.strip() and not untested:
                tested = await self.test(module, text, tests, seconds)
                if not tested.good:
                    raise _refused(module, "its tests do not pass", problems=tested.problems, results=tested.results)
            version = await asyncio.to_thread(self._versions.push, module, text, tests, if_version)
            self._machines.relearn()
            return version, checked, tested

    async def remove(self, module: str) -> None:
        """Have no such module any more. Raises UnknownRules, RulesRefused if others need it."""
        async with self._machines.teaching:
            self._versions.get(module)
            problems, _, _ = await self._aside("check_without", module, CHECK_SECONDS)
            if problems:
                raise _refused(
                    module, "others need it", problems=[Remark(*problem) for problem in problems], what="removed"
                )
            await asyncio.to_thread(self._versions.push, module, None, "")
            self._machines.relearn()

    async def rollback(self, module: str) -> Version:
        """Return to the version before the current one. Raises UnknownRules, InvalidRequest, RulesRefused if it does not do any more."""
        async with self._machines.teaching:
            before = self._versions.before(module)
            if before.text is not None:
                checked = await self.check(module, before.text)
                problems = [problem for problem in checked.problems if problem.severity == "error"]
            else:
                found, _, _ = await self._aside("check_without", module, CHECK_SECONDS)
                problems = [Remark(*problem) for problem in found]
            if problems:
                raise _refused(
                    module, f"version {before.version} does not do any more", problems=problems, what="rolled back"
                )
            await asyncio.to_thread(self._versions.rollback, module)
            self._machines.relearn()
            return before

    async def _aside(self, request: object, module: str, seconds: float) -> list[Any]:
        """Ask an engine that is thrown away, and knows all modules but this one."""
        arguments = await self._known.aside(encode(request), without=module, seconds=seconds)
        return [msgspec.json.decode(argument) for argument in arguments]


def installed() -> dict[str, str]:
    """Give the modules of the installation, with their texts."""
    return {
        path.stem: path.read_text() for path in sorted(rules_directory().glob("*.pl")) if path.stem not in NOT_RULES
    }


def installed_text(module: str) -> str:
    """Give the text of a module of the installation. Raises UnknownRules."""
    try:
        return installed()[module]
    except KeyError:
        raise UnknownRules(f"there is no module {module[:64]!r}; GET /v1/rules lists those that are") from None


def title(text: str) -> str:
    """Give the title of a module, as its first comment has it; empty if it has none."""
    found = TITLE.search(text)
    return found[1] if found else ""


def _refused(
    module: str,
    why: str,
    *,
    problems: list[Remark],
    results: list[Result] | None = None,
    what: str = "taught",
) -> RulesRefused:
    failed = [result for result in results or [] if result.outcome == "failed"]
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        first = f"line {errors[0].line}: {errors[0].message}"
    else:
        first = f"line {failed[0].line}: test {failed[0].test}: {failed[0].message}" if failed else ""
    return RulesRefused(
        f"module {module} was not {what}, since {why}: {first}",
        problems=[problem._asdict() for problem in problems],
        tests=[result._asdict() for result in results or []],
    )
