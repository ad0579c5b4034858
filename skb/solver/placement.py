"""Where to put dispatchers: the assignment to cores that makes their traffic travel least.

    place(distance, traffic).assignment     # the core of each dispatcher

This is the quadratic assignment problem, with room for `max_per_core` dispatchers on a core. No method is known that
solves it in general beyond about thirty dispatchers, so the answer is honest rather than silent: a placement found by
tabu search (`placement_search`), a bound below which no placement can be, proved by branch and bound
(`placement_proof`), and a status that says whether the two meet. Machines are symmetric and traffic is structured; both
are used, so that many practical cases are proved optimal at sizes where random ones are hopeless.

The same question gives the same answer, except that a search cut short by the clock stops where the clock says.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.levels import lowered
from skb.solver.matrix import checked
from skb.solver.placement_problem import Problem
from skb.solver.placement_problem import problem as working_form
from skb.solver.placement_proof import prove_placement
from skb.solver.placement_search import construct, improve
from skb.solver.symmetry import symmetry

PROVABLE = 20  # dispatchers; beyond, seldom more can be proved than the first bound, and finding gets most of the time


@dataclass(frozen=True)
class Placement:
    """A placement with its proof.

    `status` is `optimal` (cost == bound), `feasible` (time ran out; no placement costs less than `bound`) or
    `infeasible` (there is none, for the `reason` given; the assignment is empty).
    """

    assignment: tuple[int, ...]
    cost: int
    bound: int
    status: str
    seconds: float
    reason: str = ""


def place(
    distance: Sequence[Sequence[int]],
    traffic: Sequence[Sequence[int]],
    *,
    max_per_core: int = 1,
    avoid: Collection[int] = (),
    seconds: float = 2.0,
) -> Placement:
    """Assign each dispatcher (row of `traffic`) a core (row of `distance`) so that the cost is least.

    The cost is the sum over ordered pairs of `traffic[a][b] * distance[core of a][core of b]`. Cores in `avoid` are not
    used. Raises SolverError when an argument makes no sense.
    """
    deadline = Deadline.after(seconds)
    all_distances = checked("distance", distance)
    all_traffic = checked("traffic", traffic)
    if type(max_per_core) is not int or max_per_core < 1:
        raise SolverError(f"max_per_core is {max_per_core!r}; give an integer from 1")
    avoided = set(avoid)
    for core in avoided:
        if type(core) is not int or not 0 <= core < len(all_distances):
            raise SolverError(
                f"avoid has {core!r}, which is no row of distance; give numbers from 0 to {len(distance) - 1}"
            )
    usable = [core for core in range(len(all_distances)) if core not in avoided]
    if len(all_traffic) > len(usable) * max_per_core:
        reason = (
            f"{len(all_traffic)} dispatchers do not fit on {len(usable)} cores"
            f"{f' ({len(avoided)} avoided)' if avoided else ''} with at most {max_per_core} on each"
        )
        return Placement((), 0, 0, "infeasible", deadline.elapsed(), reason)
    if not all_traffic:
        return Placement((), 0, 0, "optimal", deadline.elapsed())

    distances = tuple(tuple(all_distances[i][j] for j in usable) for i in usable)
    room = min(max_per_core, len(all_traffic))
    problem = working_form(all_traffic, distances, room)
    start = construct(problem, deadline)
    best = improve(problem, start, deadline.share(0.5 if len(all_traffic) <= PROVABLE else 0.8))
    levels = lowered(distances)
    floor = 0
    if levels != distances and len(set(symmetry(levels).twins())) < len(levels):
        floor = _proven(working_form(all_traffic, levels, room), best, deadline.share(0.5)) * problem.scale
    proof = prove_placement(problem, problem.cost(best), floor, deadline)
    assignment = best if proof.solution is None else proof.solution
    return Placement(
        assignment=tuple(usable[core] for core in assignment),
        cost=proof.cost // problem.scale,
        bound=-(-proof.bound // problem.scale),
        status="optimal" if proof.bound >= proof.cost else "feasible",
        seconds=deadline.elapsed(),
    )


def _proven(problem: Problem, known: Sequence[int], deadline: Deadline) -> int:
    """Return a cost that no placement undercuts, given one that is known."""
    proof = prove_placement(problem, problem.cost(known), 0, deadline)
    return -(-proof.bound // problem.scale)
