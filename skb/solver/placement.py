"""Where to put dispatchers: the assignment to cores that makes their traffic travel least.

    place(distance, traffic).assignment     # the core of each dispatcher

This is the quadratic assignment problem, with room for `max_per_core` dispatchers on a core, a price of each dispatcher on each core
if there is one, and constraints (`placement_constraints`). No method is known that
solves it in general beyond about thirty dispatchers, so the answer is honest rather than silent: a placement found by
tabu search and local search (`placement_search`), a bound below which no placement can be, proved by branch and bound
(`placement_proof`), and a status that says whether the two meet. Machines are symmetric and traffic is structured; both
are used, so that many practical cases are proved optimal at sizes where random ones are hopeless.

The same question gives the same answer, except that a search cut short by the clock stops where the clock says.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.levels import lowered
from skb.solver.matrix import checked, checked_rows
from skb.solver.placement_bound import root_bound
from skb.solver.placement_constraints import Constraint, Only, checked_constraints, restricted
from skb.solver.placement_feasible import Feasibility, feasible
from skb.solver.placement_problem import Problem
from skb.solver.placement_problem import problem as working_form
from skb.solver.placement_proof import prove_placement
from skb.solver.placement_relaxed import relaxed
from skb.solver.placement_search import construct, improve, in_order
from skb.solver.symmetry import symmetry

PROVABLE = 20  # dispatchers; beyond, seldom more can be proved than the first bound, and finding gets most of the time


RELAXED = 512  # places; beyond, the continuous problem takes its time
MANY = 60  # starts from there; more hardly bring anything


@dataclass(frozen=True)
class Placement:
    """A placement with its proof.

    `status` is `optimal` (cost == bound), `feasible` (time ran out; no placement costs less than `bound`), `infeasible` (there is none,
    for the `reason` given, because the constraints named in `conflict` cannot hold together; the assignment is empty) or `unknown` (time
    ran out before any placement was found).
    """

    assignment: tuple[int, ...]
    cost: int
    bound: int
    status: str
    seconds: float
    reason: str = ""
    conflict: tuple[str, ...] = ()


def place(
    distance: Sequence[Sequence[int]],
    traffic: Sequence[Sequence[int]],
    *,
    max_per_core: int = 1,
    avoid: Collection[int] = (),
    price: Sequence[Sequence[int]] = (),
    constraints: Sequence[Constraint] = (),
    start: Sequence[int] = (),
    seconds: float = 2.0,
) -> Placement:
    """Assign each dispatcher (row of `traffic`) a core (row of `distance`) so that the cost is least.

    The cost is the sum over ordered pairs of `traffic[a][b] * distance[core of a][core of b]`, plus `price[a][core of a]` for each
    dispatcher where prices are given. Cores in `avoid` are not used. The search begins at `start`, among others, if that is given and
    keeps all constraints. Raises SolverError when an argument makes no sense.
    """
    deadline = Deadline.after(seconds)
    distances, messages = checked("distance", distance), checked("traffic", traffic)
    prices = checked_rows("price", price, len(messages), len(distances)) if price else ()
    usable = _usable(len(distances), max_per_core, avoid)
    wanted = checked_constraints(constraints, len(messages), len(distances))
    if len(messages) > len(usable) * max_per_core:
        return _too_many(len(messages), len(distances), len(usable), max_per_core, deadline)
    if not messages:
        return Placement((), 0, 0, "optimal", deadline.elapsed())

    room = min(max_per_core, len(messages))
    problem = working_form(
        messages,
        tuple(tuple(distances[i][j] for j in usable) for i in usable),
        room,
        tuple(tuple(row[k] for k in usable) for row in prices),
        tuple(restricted(constraint, usable) for constraint in wanted),
    )
    starts = [construct(problem), in_order(problem)]
    starts += _relaxed(problem, deadline.share(0.3))
    if len(start) == len(messages) and set(start) <= set(usable) and max(map(start.count, start)) <= max_per_core:
        starts.append([usable.index(core) for core in start])
    starts = [each for each in starts if problem.keeps(each)] or starts[:1]
    if not problem.keeps(starts[0]):
        near = [usable[core] for core in starts[0]]
        found = _feasible(len(messages), len(distances), usable, max_per_core, wanted, near, deadline.share(0.6))
        if found.status != "feasible":
            return _nowhere(found, deadline)
        starts = [[usable.index(core) for core in found.assignment]]

    best, bound = _solve(problem, starts, deadline)
    cost = problem.cost(best)
    return Placement(
        assignment=tuple(usable[core] for core in best),
        cost=cost // problem.scale,
        bound=-(-bound // problem.scale),
        status="optimal" if bound >= cost else "feasible",
        seconds=deadline.elapsed(),
    )


def _relaxed(problem: Problem, deadline: Deadline) -> list[list[int]]:
    """Return starts from the continuous problem: one if the problem is small, as many as there is time for if it is large."""
    found: list[list[int]] = []
    few = len(problem.traffic) <= PROVABLE
    while (
        len(problem.distance) * problem.room <= RELAXED and not deadline.passed() and len(found) < (1 if few else MANY)
    ):
        assignment = relaxed(problem, deadline, seed=len(found))
        if assignment is None:
            break
        found.append(assignment)
    return found


def _solve(problem: Problem, starts: Sequence[Sequence[int]], deadline: Deadline) -> tuple[Sequence[int], int]:
    """Return a placement and a bound. A first bound comes before the search: often that has no more to find than what it says."""
    few = len(problem.traffic) <= PROVABLE
    floor = root_bound(problem)
    if few or floor >= min(map(problem.cost, starts)):
        best = improve(problem, starts, deadline.share(0.5), floor)
        floor = max(floor, _floor(problem, best, deadline.share(0.5)))
    else:
        best = improve(problem, starts, deadline.share(0.85), floor)
        floor = max(floor, _floor(problem, best, deadline.share(0.4)))
    proof = prove_placement(problem, problem.cost(best), floor, deadline)
    return best if proof.solution is None else proof.solution, proof.bound


def _floor(problem: Problem, known: Sequence[int], deadline: Deadline) -> int:
    """Return what no placement costs less than, proved where the noise of measured distances hides no symmetry."""
    if deadline.passed():
        return 0
    levels = lowered(problem.distance)
    if levels == problem.distance or len(set(symmetry(levels).twins())) == len(levels):
        return 0
    lower = working_form(problem.traffic, levels, problem.room, problem.price, problem.constraints)
    proof = prove_placement(lower, lower.cost(known), 0, deadline)
    return -(-proof.bound // lower.scale)


def _usable(cores: int, max_per_core: int, avoid: Collection[int]) -> list[int]:
    if type(max_per_core) is not int or max_per_core < 1:
        raise SolverError(f"max_per_core is {max_per_core!r}; give an integer from 1")
    for core in avoid:
        if type(core) is not int or not 0 <= core < cores:
            raise SolverError(f"avoid has {core!r}, which is no row of distance; give numbers from 0 to {cores - 1}")
    return [core for core in range(cores) if core not in set(avoid)]


def _too_many(dispatchers: int, cores: int, usable: int, max_per_core: int, deadline: Deadline) -> Placement:
    avoided = f" ({cores - usable} avoided)" if usable < cores else ""
    reason = f"{dispatchers} dispatchers do not fit on {usable} cores{avoided} with at most {max_per_core} on each"
    conflict = ("avoid", "max_per_core") if usable < cores else ("max_per_core",)
    return Placement((), 0, 0, "infeasible", deadline.elapsed(), reason, conflict)


def _feasible(
    dispatchers: int,
    cores: int,
    usable: Sequence[int],
    max_per_core: int,
    constraints: Sequence[Constraint],
    near: Sequence[int],
    deadline: Deadline,
) -> Feasibility:
    """Look for a placement on all cores, with what narrows it down as constraints, so that a conflict names these too."""
    everyone = tuple(range(dispatchers))
    narrowing = [Only("avoid", everyone, frozenset(usable))] if len(usable) < cores else []
    return feasible(dispatchers, [max_per_core] * cores, [*narrowing, *constraints], near, deadline)


def _nowhere(found: Feasibility, deadline: Deadline) -> Placement:
    if found.status == "unknown":
        reason = "no placement that keeps all constraints was found in the time; give more seconds"
        return Placement((), 0, 0, "unknown", deadline.elapsed(), reason)
    names = ", ".join(found.conflict)
    reason = f"these constraints cannot hold together: {names}" if len(found.conflict) > 1 else f"{names} cannot hold"
    return Placement((), 0, 0, "infeasible", deadline.elapsed(), reason, found.conflict)
