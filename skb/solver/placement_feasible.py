"""Whether any placement keeps all conditions, and if none does, which of them cannot hold together.

Asked of CP-SAT: a truth for each dispatcher and each *cell*, which is all cores that no condition tells apart, and the conditions as
linear inequalities over them. A conflict is made minimal by leaving out one condition after the other and asking again, which is quicker
than asking for the cause: with conditions that may be switched off, the solver sees little in advance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from skb.solver.deadline import Deadline
from skb.solver.placement_conditions import AtMost, Condition, Different, Only, Same, Verdict, core_likeness

LEAST_SECONDS = 0.3  # a look is never shorter: without any placement there is no answer


@dataclass(frozen=True)
class Feasibility:
    """A placement that keeps all conditions; or names of conditions that no placement keeps together, none of them to be spared."""

    status: Verdict
    assignment: tuple[int, ...] = ()
    conflict: tuple[str, ...] = ()


def feasible(
    dispatchers: int,
    room: Sequence[int],
    conditions: Sequence[Condition],
    near: Sequence[int],
    deadline: Deadline,
) -> Feasibility:
    """Find a placement that keeps the conditions, close to the assignment `near`, or the conflict that rules it out.

    `room` says for each core how many dispatchers it takes. That all have a place is a condition by the name of `max_per_core`.
    """
    everyone = (1,) * dispatchers
    crowd = AtMost("max_per_core", everyone, tuple(range(len(room))), tuple(room))
    all_conditions = [crowd, *conditions]
    status, assignment = _solve(dispatchers, all_conditions, near, max(LEAST_SECONDS, deadline.left()))
    if status != "infeasible":
        return Feasibility(status, assignment)
    return Feasibility("infeasible", (), _minimal(dispatchers, all_conditions, deadline))


def _minimal(dispatchers: int, conditions: Sequence[Condition], deadline: Deadline) -> tuple[str, ...]:
    """Return the names of conditions that cannot hold together, while any of them could be spared no longer."""
    kept = list(conditions)
    for condition in reversed(conditions):
        rest = [other for other in kept if other is not condition]
        seconds = max(LEAST_SECONDS, deadline.left() / len(conditions))
        if _solve(dispatchers, rest, (), seconds)[0] == "infeasible":
            kept = rest
    return tuple(condition.name for condition in kept)


def _cells(conditions: Sequence[Condition], cores: int) -> list[list[int]]:
    """Group the cores that no condition tells apart, except that a part of one core each is what `max_per_core` speaks of."""
    seen: dict[tuple[object, ...], list[int]] = {}
    alike = [core_likeness(condition, range(cores)) for condition in conditions]
    parts = [condition.part for condition in conditions if not isinstance(condition, Only) and not _by_core(condition)]
    for core in range(cores):
        key = (*(each[core] for each in alike), *(part[core] for part in parts))
        seen.setdefault(key, []).append(core)
    return list(seen.values())


def _by_core(condition: Condition) -> bool:
    """Tell whether a condition limits only how many each core takes, so that a cell takes the sum."""
    return (
        isinstance(condition, AtMost)
        and set(condition.weight) <= {1}
        and len(set(condition.part)) == len(condition.part)
    )


def _solve(
    dispatchers: int, conditions: Sequence[Condition], near: Sequence[int], seconds: float
) -> tuple[Verdict, tuple[int, ...]]:
    cores = next((len(condition.part) for condition in conditions if not isinstance(condition, Only)), 0)
    cores = cores or 1 + max((core for c in conditions if isinstance(c, Only) for core in c.cores), default=0)
    cells = _cells(conditions, cores)
    model = cp_model.CpModel()
    on = [[model.new_bool_var("") for _ in cells] for _ in range(dispatchers)]
    for row in on:
        model.add_exactly_one(row)
    for condition in conditions:
        _post(model, on, cells, condition)
        if isinstance(condition, Same):
            _post_crowding(model, on, cells, condition, conditions)
    for a, core in enumerate(near):
        for variable, cell in zip(on[a], cells, strict=True):
            model.add_hint(variable, core in cell)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1  # so that answers are the same each time
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        chosen = [next(i for i, variable in enumerate(row) if solver.boolean_value(variable)) for row in on]
        return "feasible", _spread(chosen, cells, conditions)
    return ("infeasible" if status == cp_model.INFEASIBLE else "unknown"), ()


def _spread(chosen: Sequence[int], cells: Sequence[Sequence[int]], conditions: Sequence[Condition]) -> tuple[int, ...]:
    """Give each dispatcher a core of its cell with room."""
    limits = [condition for condition in conditions if isinstance(condition, AtMost) and _by_core(condition)]
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
    model: cp_model.CpModel, on: list[list[cp_model.IntVar]], cells: list[list[int]], condition: Condition
) -> None:
    if isinstance(condition, Only):
        good = [i for i, cell in enumerate(cells) if cell[0] in condition.cores]
        for a in condition.dispatchers:
            model.add(_sum([on[a][i] for i in good]) >= 1)
    elif isinstance(condition, AtMost) and _by_core(condition):
        for i, cell in enumerate(cells):
            model.add(_sum([row[i] for row in on]) <= sum(condition.most[condition.part[core]] for core in cell))
    elif isinstance(condition, AtMost):
        for part, inside in _inside(cells, condition.part).items():
            weighed = [
                (row[i], weight) for row, weight in zip(on, condition.weight, strict=True) if weight for i in inside
            ]
            total = cp_model.LinearExpr.weighted_sum([each for each, _ in weighed], [weight for _, weight in weighed])
            model.add(total <= condition.most[part])
    else:
        for inside in _inside(cells, condition.part).values():
            own = [_sum([on[a][i] for i in inside]) for a in condition.dispatchers]
            if isinstance(condition, Same):
                for each in own[1:]:
                    model.add(each == own[0])
            elif isinstance(condition, Different):
                model.add(_sum(own) <= 1)
            else:
                everyone = _sum([row[i] for row in on for i in inside])
                for each in own:
                    model.add(everyone + (len(on) - 1) * each <= len(on))


def _post_crowding(
    model: cp_model.CpModel,
    on: list[list[cp_model.IntVar]],
    cells: list[list[int]],
    condition: Same,
    conditions: Sequence[Condition],
) -> None:
    """Say what follows for dispatchers that are all in one part: what that holds must hold all of them.

    A solver that sees one inequality at a time finds this only by trying.
    """
    for inside in _inside(cells, condition.part).values():
        chosen = model.new_bool_var("")
        model.add(_sum([on[condition.dispatchers[0]][i] for i in inside]) == chosen)
        cores = [core for i in inside for core in cells[i]]
        for limit in conditions:
            if isinstance(limit, AtMost):
                held = sum(limit.most[each] for each in {limit.part[core] for core in cores})
                if sum(limit.weight[a] for a in set(condition.dispatchers)) > held:
                    model.add(chosen == 0)


def _inside(cells: list[list[int]], part: Sequence[int]) -> dict[int, list[int]]:
    """Return the cells of each part."""
    members: dict[int, list[int]] = {}
    for i, cell in enumerate(cells):
        members.setdefault(part[cell[0]], []).append(i)
    return members


def _sum(terms: Sequence[cp_model.LinearExpr]) -> cp_model.LinearExpr:
    return cp_model.LinearExpr.sum(terms)  # type: ignore[no-any-return,return-value,unused-ignore]  # a sum of none is 0
