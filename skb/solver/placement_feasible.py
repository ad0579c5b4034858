"""Whether any placement keeps all constraints, and if none does, which of them cannot hold together.

Asked of CP-SAT: a truth for each dispatcher and each *cell*, which is all cores that no constraint tells apart, and the constraints as
linear inequalities over them. A conflict is made minimal by leaving out one constraint after the other and asking again, which is quicker
than asking for the cause: with constraints that may be switched off, the solver sees little in advance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from skb.solver.deadline import Deadline
from skb.solver.placement_constraints import AtMost, Constraint, Different, Only, Same, Verdict, core_likeness

LEAST_SECONDS = 0.3  # a look is never shorter: without any placement there is no answer


@dataclass(frozen=True)
class Feasibility:
    """A placement that keeps all constraints; or names of constraints that no placement keeps together, none of them to be spared."""

    status: Verdict
    assignment: tuple[int, ...] = ()
    conflict: tuple[str, ...] = ()


def feasible(
    dispatchers: int,
    room: Sequence[int],
    constraints: Sequence[Constraint],
    near: Sequence[int],
    deadline: Deadline,
) -> Feasibility:
    """Find a placement that keeps the constraints, close to the assignment `near`, or the conflict that rules it out.

    `room` says for each core how many dispatchers it takes. That all have a place is a constraint by the name of `max_per_core`.
    """
    everyone = (1,) * dispatchers
    crowd = AtMost("max_per_core", everyone, tuple(range(len(room))), tuple(room))
    all_constraints = [crowd, *constraints]
    status, assignment = _solve(dispatchers, all_constraints, near, max(LEAST_SECONDS, deadline.left()))
    if status != "infeasible":
        return Feasibility(status, assignment)
    return Feasibility("infeasible", (), _minimal(dispatchers, all_constraints, deadline))


def _minimal(dispatchers: int, constraints: Sequence[Constraint], deadline: Deadline) -> tuple[str, ...]:
    """Return the names of constraints that cannot hold together, while any of them could be spared no longer."""
    kept = list(constraints)
    for constraint in reversed(constraints):
        rest = [other for other in kept if other is not constraint]
        seconds = max(LEAST_SECONDS, deadline.left() / len(constraints))
        if _solve(dispatchers, rest, (), seconds)[0] == "infeasible":
            kept = rest
    return tuple(constraint.name for constraint in kept)


def _cells(constraints: Sequence[Constraint], cores: int) -> list[list[int]]:
    """Group the cores that no constraint tells apart, except that a part of one core each is what `max_per_core` speaks of."""
    seen: dict[tuple[object, ...], list[int]] = {}
    alike = [core_likeness(constraint, range(cores)) for constraint in constraints]
    parts = [
        constraint.part for constraint in constraints if not isinstance(constraint, Only) and not _by_core(constraint)
    ]
    for core in range(cores):
        key = (*(each[core] for each in alike), *(part[core] for part in parts))
        seen.setdefault(key, []).append(core)
    return list(seen.values())


def _by_core(constraint: Constraint) -> bool:
    """Tell whether a constraint limits only how many each core takes, so that a cell takes the sum."""
    return (
        isinstance(constraint, AtMost)
        and set(constraint.weight) <= {1}
        and len(set(constraint.part)) == len(constraint.part)
    )


def _solve(
    dispatchers: int, constraints: Sequence[Constraint], near: Sequence[int], seconds: float
) -> tuple[Verdict, tuple[int, ...]]:
    cores = next((len(constraint.part) for constraint in constraints if not isinstance(constraint, Only)), 0)
    cores = cores or 1 + max((core for c in constraints if isinstance(c, Only) for core in c.cores), default=0)
    cells = _cells(constraints, cores)
    model = cp_model.CpModel()
    on = [[model.new_bool_var("") for _ in cells] for _ in range(dispatchers)]
    for row in on:
        model.add_exactly_one(row)
    for constraint in constraints:
        _post(model, on, cells, constraint)
        if isinstance(constraint, Same):
            _post_crowding(model, on, cells, constraint, constraints)
    for a, core in enumerate(near):
        for variable, cell in zip(on[a], cells, strict=True):
            model.add_hint(variable, core in cell)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1  # so that answers are the same each time
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        chosen = [next(i for i, variable in enumerate(row) if solver.boolean_value(variable)) for row in on]
        return "feasible", _spread(chosen, cells, constraints)
    return ("infeasible" if status == cp_model.INFEASIBLE else "unknown"), ()


def _spread(
    chosen: Sequence[int], cells: Sequence[Sequence[int]], constraints: Sequence[Constraint]
) -> tuple[int, ...]:
    """Give each dispatcher a core of its cell with room."""
    limits = [constraint for constraint in constraints if isinstance(constraint, AtMost) and _by_core(constraint)]
    left = {
        core: min((limit.most[limit.part[core]] for limit in limits), default=len(chosen))
        for cell in cells
        for core in cell
    }
    assignment = []
    for cell in chosen:
        core = max(cells[cell], key=lambda k: (left[k], -k))
        left[core] -= 1
        assignment.append(core)
    return tuple(assignment)


def _post(
    model: cp_model.CpModel, on: list[list[cp_model.IntVar]], cells: list[list[int]], constraint: Constraint
) -> None:
    if isinstance(constraint, Only):
        good = [i for i, cell in enumerate(cells) if cell[0] in constraint.cores]
        for a in constraint.dispatchers:
            model.add(_sum([on[a][i] for i in good]) >= 1)
    elif isinstance(constraint, AtMost) and _by_core(constraint):
        for i, cell in enumerate(cells):
            model.add(_sum([row[i] for row in on]) <= sum(constraint.most[constraint.part[core]] for core in cell))
    elif isinstance(constraint, AtMost):
        for part, inside in _inside(cells, constraint.part).items():
            weighed = [
                (row[i], weight) for row, weight in zip(on, constraint.weight, strict=True) if weight for i in inside
            ]
            total = cp_model.LinearExpr.weighted_sum([each for each, _ in weighed], [weight for _, weight in weighed])
            model.add(total <= constraint.most[part])
    else:
        for inside in _inside(cells, constraint.part).values():
            own = [_sum([on[a][i] for i in inside]) for a in constraint.dispatchers]
            if isinstance(constraint, Same):
                for each in own[1:]:
                    model.add(each == own[0])
            elif isinstance(constraint, Different):
                model.add(_sum(own) <= 1)
            else:
                everyone = _sum([row[i] for row in on for i in inside])
                for each in own:
                    model.add(everyone + (len(on) - 1) * each <= len(on))


def _post_crowding(
    model: cp_model.CpModel,
    on: list[list[cp_model.IntVar]],
    cells: list[list[int]],
    constraint: Same,
    constraints: Sequence[Constraint],
) -> None:
    """Say what follows for dispatchers that are all in one part: what that holds must hold all of them.

    A solver that sees one inequality at a time finds this only by trying.
    """
    for inside in _inside(cells, constraint.part).values():
        chosen = model.new_bool_var("")
        model.add(_sum([on[constraint.dispatchers[0]][i] for i in inside]) == chosen)
        cores = [core for i in inside for core in cells[i]]
        for limit in constraints:
            if isinstance(limit, AtMost):
                held = sum(limit.most[each] for each in {limit.part[core] for core in cores})
                if sum(limit.weight[a] for a in set(constraint.dispatchers)) > held:
                    model.add(chosen == 0)


def _inside(cells: list[list[int]], part: Sequence[int]) -> dict[int, list[int]]:
    """Return the cells of each part."""
    members: dict[int, list[int]] = {}
    for i, cell in enumerate(cells):
        members.setdefault(part[cell[0]], []).append(i)
    return members


def _sum(terms: Sequence[cp_model.LinearExpr]) -> cp_model.LinearExpr:
    return cp_model.LinearExpr.sum(terms)  # type: ignore[no-any-return,return-value,unused-ignore]  # a sum of none is 0
