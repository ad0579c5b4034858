"""Answers optimisation questions: models as they are asked with, to whichever back end solves them.

A model is data, so where it comes from and where it is solved are two things. It comes as JSON, as Prolog text, or from a goal that an
engine solves; an engine solves it by CLP(FD), or a process of its own by CP-SAT. No engine ever runs CP-SAT or waits for it: engines are
forked, have one thread and run what anybody may ask, and a solver with threads of its own belongs in neither.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from skb.api.optimize_models import OptimizeRequest, Optimum
from skb.errors import InvalidRequest
from skb.knowledge import Answers, Knowledge
from skb.solver.errors import SolverError
from skb.solver.language import read
from skb.solver.optimization import Optimum as Found
from skb.solver.optimization import Options, checked_objective, easy, optimize, optimum_of, option_terms, options_of
from skb.solving import SolvingProcesses

INFERENCES = 10**9
"""Of a goal that makes a model."""

MARGIN_SECONDS = 5.0
"""What CLP(FD) may take beyond its time before its engine is interrupted: it looks at the clock between steps."""

LOOK_ITEMS = 16
"""A model with more declarations and constraints is not looked at to see whether it is easy."""


@dataclass(frozen=True)
class _Question:
    """A model, an objective and options in JSON form, and the revision of the facts that they rest on."""

    model: Any
    objective: Any
    options: Mapping[str, Any]
    revision: int


class Optimizer:
    """Answers optimisation questions about one machine."""

    def __init__(self, knowledge: Knowledge, processes: SolvingProcesses) -> None:
        self._knowledge = knowledge
        self._processes = processes

    async def optimize(self, request: OptimizeRequest) -> Optimum:
        """Solve a model. Raises InvalidRequest, SyntaxProblem, and for a goal as Knowledge.query does."""
        question = await (self._asked(request) if request.goal is None else self._made(request, request.goal))
        own = request.options.model_dump(exclude_unset=True)
        try:
            options = Options(**{**question.options, **own})
            found = await self._solve(question, options)
        except SolverError as error:
            raise InvalidRequest(str(error)) from error
        return Optimum(**asdict(found), revision=question.revision)

    # What is asked

    async def _asked(self, request: OptimizeRequest) -> _Question:
        if request.model is None:
            raise InvalidRequest("there is no model: give model, or a goal that binds Model")
        if request.params:
            raise InvalidRequest("params are for a goal; there is none")
        objective = "satisfy" if request.objective is None else request.objective
        return _Question(await self._term(request.model), await self._term(objective), {}, self._knowledge.revision)

    async def _term(self, given: Any) -> Any:
        """Give what is text as the term that it says."""
        return _named(await self._knowledge.term(given), {}) if isinstance(given, str) else given

    async def _made(self, request: OptimizeRequest, goal: str) -> _Question:
        if request.model is not None:
            raise InvalidRequest("there is a model and a goal; give one of them")
        answers: Answers = await self._knowledge.query(
            goal,
            request.params,
            1,
            0,
            round(1000 * MARGIN_SECONDS + 1000 * (request.options.seconds or 10)),
            INFERENCES,
        )
        if not answers.solutions:
            raise InvalidRequest("the goal has no solution, so there is no model; does it fail, or are facts missing?")
        bound = {name: msgspec.json.decode(value) for name, value in answers.solutions[0].items()}
        if "Model" not in bound:
            raise InvalidRequest("the goal has no variable Model; bind it to the list of declarations and constraints")
        names = {value["var"]: name for name, value in bound.items() if isinstance(value, dict) and "var" in value}
        model = _named(bound["Model"], names)
        objective = _named(bound.get("Objective", "satisfy"), names)
        if request.objective is not None:
            objective = await self._term(request.objective)
        try:
            options = options_of(_named(bound.get("Options", []), names))
        except SolverError as error:
            raise InvalidRequest(str(error)) from error
        return _Question(model, objective, options, answers.revision)

    # Who solves it

    async def _solve(self, question: _Question, options: Options) -> Found:
        backend = options.backend
        if backend == "auto":
            small = isinstance(question.model, list) and len(question.model) <= LOOK_ITEMS
            backend = "clpfd" if small and easy(read(question.model)) else "cpsat"
        if backend != "clpfd":
            return await self._processes.solve(optimize, question.model, question.objective, options)
        model = await asyncio.to_thread(read, question.model)
        checked_objective(question.objective, model)
        terms = option_terms(replace(options, backend="clpfd"), model)
        (result,), _ = await self._knowledge.rule(
            "optimize", question.model, question.objective, terms, seconds=options.seconds + MARGIN_SECONDS
        )
        return optimum_of(result)


def _named(term: Any, names: Mapping[str, str]) -> Any:
    """Give a term with names where its variables are: those of the goal's own, or the numbers that they have. Raises InvalidRequest."""
    match term:
        case {"var": str(variable)}:
            if "constraints" in term:
                raise InvalidRequest("a variable of the model is under constraints; state them in the model")
            return names.get(variable, variable)
        case {"f": name, "args": arguments}:
            return {"f": name, "args": [_named(argument, names) for argument in arguments]}
        case list():
            return [_named(element, names) for element in term]
    return term
