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
from skb.solver.posting import Posting
from skb.solver.terms import Term, key_of, text_of


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


def _best(task: _Task) -> Optimum:
    posting = _posted(task, task.model.constraints)
    for name, domain in task.model.domains.items():
        value = task.options.hint.get(key_of(name))
        if value is not None and any(low <= value <= high for low, high in domain):
            posting.cp.add_hint(posting.variable(name), value)
    cost = posting.affine(task.expression)
    if task.kind == "minimize":
        posting.cp.minimize(posting.built(cost))
    elif task.kind == "maximize":
        posting.cp.maximize(posting.built(cost))
    solver = task.solver()
    status = _solve(posting, solver)
    seconds = task.deadline.elapsed()
    if status == cp_model.INFEASIBLE:
        return Optimum("infeasible", None, None, None, None, seconds, "cpsat")
    low, high = posting.bounds(cost)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        known = {"minimize": low, "maximize": high}.get(task.kind)
        return Optimum("unknown", None, _bound(task, solver, known), None, None, seconds, "cpsat")
    integers = [solver.value(variable) for variable in posting.declared]
    values = _values(task.model, integers)
    if task.kind == "satisfy":
        return Optimum("optimal", None, None, 0.0, values, seconds, "cpsat")
    least = int(solver.value(posting.built(cost))) if cost.factors else cost.constant
    if status == cp_model.OPTIMAL:
        return Optimum("optimal", least, least, 0.0, values, seconds, "cpsat")
    bound = _bound(task, solver, low if task.kind == "minimize" else high)
    assert bound is not None
    gap = abs(least - bound) / max(1, abs(least))
    return Optimum("feasible" if gap else "optimal", least, bound, gap, values, seconds, "cpsat")


def _bound(task: _Task, solver: cp_model.CpSolver, known: int | None) -> int | None:
    """Give what CP-SAT has proved, and what the domains alone say; it tells in floating point, so on the safe side of that."""
    if known is None:
        return None
    told = solver.best_objective_bound
    if not math.isfinite(told):
        return known
    if task.kind == "minimize":
        return max(known, math.ceil(told - max(1e-6, 2 * math.ulp(told))))
    return min(known, math.floor(told + max(1e-6, 2 * math.ulp(told))))


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
