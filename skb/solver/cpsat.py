"""Solves checked models by OR-Tools CP-SAT.

With one worker, which is the default, an answer is the same each time, unless the clock cuts the search short.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ortools.sat.python import cp_model

from skb.solver.deadline import Deadline
from skb.solver.global_constraints import is_global, post
from skb.solver.language import Constraint, Model, ModelError
from skb.solver.optimization import Optimum, Options
from skb.solver.posting import Affine, Posting
from skb.solver.terms import Term, key_of, text_of

LARGE = 2000
"""Variables and constraints of a model, from which looking for a first solution before simplifying the model is worth it."""

QUICK_SHARE = 0.2
"""Of the time, for that first solution: simplifying a large model may take all there is, and find nothing."""


@dataclass(frozen=True)
class _Task:
    """A model, and what to do with it."""

    model: Model
    kind: str
    expression: Term
    options: Options
    deadline: Deadline

    def solver(self) -> cp_model.CpSolver:
        """Give a solver that stops at the deadline."""
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = max(self.deadline.left(), 0.0)
        solver.parameters.num_workers = self.options.workers
        solver.parameters.random_seed = self.options.seed
        return solver


def solve(model: Model, kind: str, expression: Term, options: Options) -> Optimum:
    """Solve a model. `kind`: minimize, maximize, satisfy."""
    task = _Task(model, kind, expression, options, Deadline.after(options.seconds))
    found = _best(task)
    if found.status == "optimal" and options.all_optimal:
        return _with_all(task, found)
    if found.status == "infeasible" and options.explain_infeasible:
        return _with_conflict(task)
    return found


def _posted(task: _Task, constraints: Sequence[Constraint]) -> Posting:
    posting = Posting(task.model)
    for constraint in constraints:
        _post(posting, constraint, [])
    return posting


def _post(posting: Posting, constraint: Constraint, enforced: Sequence[Any]) -> None:
    if is_global(constraint.term):
        post(posting, constraint.term)
    else:
        posting.state(constraint.term, enforced)


def _solve(posting: Posting, solver: cp_model.CpSolver, callback: Any = None) -> Any:
    status = solver.solve(posting.cp, callback)
    if status == cp_model.MODEL_INVALID:
        why = posting.cp.validate().splitlines() or ["it does not say why"]
        raise ModelError(f"model: CP-SAT does not take it: {why[0]}")
    return status


@dataclass(frozen=True)
class _Run:
    """How a search ended: the values of the declared variables, what they cost, what no solution undercuts."""

    status: Any
    integers: Sequence[int] | None
    cost: int
    bound: int


def _best(task: _Task) -> Optimum:
    posting = _posted(task, task.model.constraints)
    cost = posting.affine(task.expression)
    if task.kind == "minimize":
        posting.cp.minimize(posting.built(cost))
    elif task.kind == "maximize":
        posting.cp.maximize(posting.built(cost))
    hint = [task.options.hint.get(key_of(name)) for name in task.model.domains]
    first = None
    if posting.size >= LARGE:
        first = _run(task, posting, cost, hint, quick=True)
        if first.status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
            return _told(task, first)
        hint = list(first.integers) if first.integers is not None else hint
    found = _run(task, posting, cost, hint)
    if first is not None and first.integers is not None and found.integers is None:
        found = replace(first, bound=_tighter(task, first.bound, found.bound))
    return _told(task, found)


def _run(task: _Task, posting: Posting, cost: Affine, hint: Sequence[int | None], *, quick: bool = False) -> _Run:
    posting.cp.clear_hints()  # type: ignore[no-untyped-call]
    for variable, value, domain in zip(posting.declared, hint, task.model.domains.values(), strict=True):
        if value is not None and any(low <= value <= high for low, high in domain):
            posting.cp.add_hint(variable, value)
    solver = task.solver()
    if quick:
        solver.parameters.max_time_in_seconds *= QUICK_SHARE
        solver.parameters.cp_model_presolve = False
    bounds: list[float] = []
    solver.best_bound_callback = bounds.append
    status = _solve(posting, solver)
    low, high = posting.bounds(cost)
    bound = high if task.kind == "maximize" else low
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):  # what the solver itself calls its bound is 0 then
        return _Run(status, None, 0, _safe(task, bounds[-1], bound) if bounds else bound)
    value = int(solver.value(posting.built(cost))) if cost.factors else cost.constant
    return _Run(
        status,
        [solver.value(variable) for variable in posting.declared],
        value,
        value if status == cp_model.OPTIMAL else _safe(task, solver.best_objective_bound, bound),
    )


def _safe(task: _Task, told: float, known: int) -> int:
    """Give what CP-SAT has proved, which it tells in floating point, on the safe side of that; or what the domains say, if that is more."""
    if not math.isfinite(told):
        return known
    margin = max(1e-6, 2 * math.ulp(told))
    return _tighter(task, known, math.floor(told + margin) if task.kind == "maximize" else math.ceil(told - margin))


def _tighter(task: _Task, one: int, other: int) -> int:
    return min(one, other) if task.kind == "maximize" else max(one, other)


def _told(task: _Task, run: _Run) -> Optimum:
    seconds = task.deadline.elapsed()
    if run.status == cp_model.INFEASIBLE:
        return Optimum("infeasible", None, None, None, None, seconds, "cpsat")
    if run.integers is None:
        bound = None if task.kind == "satisfy" else run.bound
        return Optimum("unknown", None, bound, None, None, seconds, "cpsat")
    values = _values(task.model, run.integers)
    if task.kind == "satisfy":
        return Optimum("optimal", None, None, 0.0, values, seconds, "cpsat")
    gap = abs(run.cost - run.bound) / max(1, abs(run.cost))
    return Optimum("feasible" if gap else "optimal", run.cost, run.bound, gap, values, seconds, "cpsat")


def _values(model: Model, integers: Sequence[int]) -> dict[str, int]:
    return {key_of(name): value for name, value in zip(model.domains, integers, strict=True)}


class _Collect(cp_model.CpSolverSolutionCallback):
    """Takes solutions up to a number."""

    def __init__(self, variables: Sequence[cp_model.IntVar], most: int) -> None:
        super().__init__()
        self._variables = variables
        self._most = most
        self.found: set[tuple[int, ...]] = set()

    def on_solution_callback(self) -> None:
        """Take a solution (CP-SAT calls this)."""
        self.found.add(tuple(self.value(variable) for variable in self._variables))
        if len(self.found) >= self._most:
            self.stop_search()


def _with_all(task: _Task, best: Optimum) -> Optimum:
    """Add all solutions that cost as little: a problem of its own."""
    posting = _posted(task, task.model.constraints)
    if best.cost is not None:
        cost = posting.affine(task.expression)
        posting.within(cost, ((best.cost, best.cost),))
    collect = _Collect(posting.declared, task.options.all_optimal + 1)
    solver = task.solver()
    solver.parameters.num_workers = 1
    solver.parameters.enumerate_all_solutions = True
    status = _solve(posting, solver, collect)
    listed = sorted(collect.found)[: task.options.all_optimal]
    return replace(
        best,
        seconds=task.deadline.elapsed(),
        solutions=[_values(task.model, integers) for integers in listed],
        complete=len(collect.found) <= task.options.all_optimal and status == cp_model.OPTIMAL,
    )


# Conflicts


def _with_conflict(task: _Task) -> Optimum:
    labels = dict.fromkeys(text_of(one.label) for one in task.model.constraints if one.label is not None)
    conflict = _core(task, list(labels))
    minimal = True
    for label in list(conflict):
        others = [other for other in conflict if other != label]
        satisfiable = _satisfiable(task, others)
        if satisfiable is False:
            conflict = others
        minimal = minimal and satisfiable is not None
    return Optimum(
        "infeasible",
        None,
        None,
        None,
        None,
        task.deadline.elapsed(),
        "cpsat",
        conflict=conflict,
        minimal=minimal,
    )


def _core(task: _Task, labels: list[str]) -> list[str]:
    """Give names that conflict, probably not all: those of constraints that CP-SAT needed, and those that it cannot switch off."""
    posting = Posting(task.model)
    switches = {label: posting.cp.new_bool_var("") for label in labels}
    fixed = set()
    for constraint in task.model.constraints:
        if constraint.label is None:
            _post(posting, constraint, [])
        elif is_global(constraint.term):
            fixed.add(text_of(constraint.label))
            _post(posting, constraint, [])
        else:
            _post(posting, constraint, [switches[text_of(constraint.label)]])
    posting.cp.add_assumptions(list(switches.values()))
    solver = task.solver()
    solver.parameters.num_workers = 1
    if _solve(posting, solver) != cp_model.INFEASIBLE:
        return labels
    needed = set(solver.sufficient_assumptions_for_infeasibility())
    return [label for label, switch in switches.items() if switch.index in needed or label in fixed]


def _satisfiable(task: _Task, labels: list[str]) -> bool | None:
    """Tell whether these constraints and what has no name go together; None if there was no time to find out."""
    if task.deadline.passed():
        return None
    some = [one for one in task.model.constraints if one.label is None or text_of(one.label) in labels]
    status = _solve(_posted(task, some), task.solver())
    return {cp_model.INFEASIBLE: False, cp_model.OPTIMAL: True, cp_model.FEASIBLE: True}.get(status)
