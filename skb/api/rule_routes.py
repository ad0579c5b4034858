"""Teaching: rule modules listed, read, checked, tested, pushed, rolled back, removed."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from skb.api import models
from skb.api.connection import while_connected
from skb.api.context import Known, machines_of
from skb.errors import InvalidRequest
from skb.rules.queries import DeclaredQuery
from skb.rules.teaching import Remark, Result, Teacher, installed, installed_text, title
from skb.rules.versions import Versions

router = APIRouter(prefix="/rules", tags=["rules"])

Module = Annotated[str, Path(description="Small letters, digits and _, a letter first, at most 64.")]


def versions_of(request: Request) -> Versions:
    """Give the rules that were taught."""
    return machines_of(request).rules


def teacher_of(request: Request, known: Known) -> Teacher:
    """Give who teaches."""
    return Teacher(machines_of(request), known)


Kept = Annotated[Versions, Depends(versions_of)]
Teaching = Annotated[Teacher, Depends(teacher_of)]


@router.get("")
async def modules(kept: Kept, knowledge: Known) -> list[models.RuleModule]:
    """List the modules of rules: those of the installation, and those that were taught."""
    queries = (await knowledge.queries()).values()
    ours = [
        models.RuleModule(name=name, title=title(text), installed=True, version=0, queries=_queries(queries, name))
        for name, text in installed().items()
    ]
    taught = [
        models.RuleModule(
            name=name,
            title=title(version.text or ""),
            installed=False,
            version=version.version,
            time=version.time,
            queries=_queries(queries, name),
        )
        for name, version in sorted(kept.current.items())
    ]
    return [*ours, *taught]


@router.get("/{module}")
async def module(
    module: Module,
    kept: Kept,
    version: Annotated[int | None, Query(ge=1, description="A version that is kept; the current one without.")] = None,
) -> models.Rules:
    """Give a module: its text, its tests, and which versions there are."""
    if module in installed():
        return models.Rules(name=module, installed=True, version=0, text=installed_text(module), tests="", versions=[])
    found = kept.get(module, version)
    current = kept.current.get(module)
    versions = [
        models.RuleVersion(
            version=each.version,
            time=each.time,
            removed=each.text is None,
            current=current is not None and each.version == current.version,
        )
        for each in kept.all(module)
    ]
    return models.Rules(
        name=module, installed=False, version=found.version, text=found.text or "", tests=found.tests, versions=versions
    )


@router.put(
    "/{module}", status_code=201, responses={200: {"model": models.RulesPushed, "description": "A new version."}}
)
async def push(module: Module, body: models.RulePush, teacher: Teaching, response: Response) -> models.RulesPushed:
    """Have a module answer from now on, for every machine. It is checked and tested first; what is not well changes nothing."""
    version, checked, tested = await teacher.push(
        module,
        body.text,
        body.tests,
        if_version=body.if_version,
        untested=body.untested,
        seconds=body.timeout_ms / 1000,
    )
    response.status_code = 201 if version.before == 0 else 200
    return models.RulesPushed(
        name=module,
        version=version.version,
        problems=_remarks(checked.problems),
        tests=_results(tested.results),
        queries=checked.queries,
    )


@router.delete("/{module}", status_code=204)
async def remove(module: Module, teacher: Teaching) -> None:
    """Have no such module any more. Its versions are kept: a rollback brings it back."""
    _changeable(module)
    await teacher.remove(module)


@router.post("/{module}/check")
async def check(
    module: Module, body: models.RuleCheck, request: Request, teacher: Teaching, kept: Kept
) -> models.RulesChecked:
    """Look at a text as a module, without teaching it: syntax, undefined predicates, singletons, sandbox, types of facts, queries."""
    text = body.text if body.text is not None else (kept.get(module).text or "")
    checked = await while_connected(request, teacher.check(module, text))
    return models.RulesChecked(
        ok=checked.good, problems=_remarks(checked.problems), exports=checked.exports, queries=checked.queries
    )


@router.post("/{module}/test")
async def test(
    module: Module, body: models.RuleTest, request: Request, teacher: Teaching, kept: Kept
) -> models.RulesTested:
    """Run the tests of a module, without teaching it."""
    text = body.text if body.text is not None else (kept.get(module).text or "")
    tests = body.tests if body.tests is not None else kept.get(module).tests
    tested = await while_connected(request, teacher.test(module, text, tests, body.timeout_ms / 1000))
    return models.RulesTested(ok=tested.good, problems=_remarks(tested.problems), tests=_results(tested.results))


@router.post("/{module}/rollback")
async def rollback(module: Module, teacher: Teaching) -> models.RulesRolledBack:
    """Return to the version before the current one."""
    _changeable(module)
    version = await teacher.rollback(module)
    return models.RulesRolledBack(name=module, version=version.version, removed=version.text is None)


def _changeable(module: str) -> None:
    if module in installed():
        raise InvalidRequest(f"{module} is a module of this installation, and stays as it is")


def _queries(queries: Iterable[DeclaredQuery], module: str) -> list[str]:
    return [query.name for query in queries if query.module == module]


def _remarks(problems: list[Remark]) -> list[models.Remark]:
    return [models.Remark(**problem._asdict()) for problem in problems]


def _results(results: list[Result]) -> list[models.TestResult]:
    return [models.TestResult(**result._asdict()) for result in results]
