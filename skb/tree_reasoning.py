"""Trees and routes of a machine: costs from the rules, answers from the solver, cores by their numbers on the machine."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from skb.api.tree_models import RootedTree, Routes, RoutesRequest, Tree, TreeRequest, WorstPath
from skb.errors import InvalidRequest
from skb.knowledge import Knowledge
from skb.solver import routes as route_solver
from skb.solver import tree as tree_solver
from skb.solver import tree_roots
from skb.solver.tree_question import Wanted, some

if TYPE_CHECKING:
    from skb.reasoning import Solvers


async def tree(
    knowledge: Knowledge, solvers: "Solvers", members: Sequence[int], relays: Sequence[int], request: TreeRequest
) -> Tree:
    """Find a tree. Raises InvalidRequest."""
    roots = _roots(request, members)
    if both := sorted(set(relays).intersection(members)):
        raise InvalidRequest(f"relays names core {both[0]}, which is a member and may forward anyway; leave it out")
    cores = [*members, *relays]
    (send, receive, source), revision = await knowledge.rule("tree_costs", cores)
    wanted = Wanted(
        members=range(len(members)),
        relays=range(len(members), len(cores)),
        max_degree=request.max_degree,
        max_depth=request.max_depth,
        reduce=request.reduce,
        shape=request.shape,
        nodes=await _nodes(knowledge, cores),
        names=cores,
    )
    rows = [cores.index(root) for root in roots]
    if request.roots is None:
        answer = await solvers.solve(
            tree_solver.broadcast_tree, send, receive, rows[0], wanted, seconds=request.seconds
        )
        return Tree(
            root=roots[0],
            children=_named(answer.children, cores),
            cost_ps=answer.cost_ps,
            bound_ps=answer.bound_ps,
            status=answer.status,  # type: ignore[arg-type]  # the model checks it when it is made
            seconds=answer.seconds,
            costs=source,
            revision=revision,
            shapes=answer.shapes,
            by_root={},
        )
    shared = await solvers.solve(
        tree_roots.shared_tree, send, receive, rows, wanted, weights=request.weights, seconds=request.seconds
    )
    by_root = {
        root: RootedTree(children=_named(shared.children[row], cores), cost_ps=shared.costs_ps[row])
        for root, row in zip(roots, rows, strict=True)
    }
    return Tree(
        root=roots[0],
        children=by_root[roots[0]].children,
        cost_ps=shared.cost_ps,
        bound_ps=shared.bound_ps,
        status=shared.status,  # type: ignore[arg-type]  # the model checks it when it is made
        seconds=shared.seconds,
        costs=source,
        revision=revision,
        shapes={},
        by_root=by_root,
    )


async def routes(knowledge: Knowledge, solvers: "Solvers", cores: Sequence[int], request: RoutesRequest) -> Routes:
    """Choose channels, and the ways through them. Raises InvalidRequest."""
    if request.traffic is not None and (
        len(request.traffic) != len(cores) or any(len(row) != len(cores) for row in request.traffic)
    ):
        raise InvalidRequest(f"traffic must have {len(cores)} rows of {len(cores)} numbers, one for each core")
    (latency, source), revision = await knowledge.rule("core_distance", list(cores))
    answer = await solvers.solve(
        route_solver.routes, latency, request.max_neighbours, request.traffic, seconds=request.seconds
    )
    return Routes(
        cores=list(cores),
        channels=[(cores[a], cores[b]) for a, b in answer.channels],
        next_hop={
            core: {cores[end]: cores[hop] for end, hop in enumerate(row) if end != place}
            for place, (core, row) in enumerate(zip(cores, answer.via, strict=True))
        },
        cost=answer.cost,
        bound=answer.bound,
        worst=WorstPath(path=[cores[core] for core in answer.worst], cost_ps=answer.worst_cost),
        status=answer.status,  # type: ignore[arg-type]  # the model checks it when it is made
        seconds=answer.seconds,
        distances=source,
        revision=revision,
    )


def _roots(request: TreeRequest, members: Sequence[int]) -> list[int]:
    if (request.root is None) == (request.roots is None):
        raise InvalidRequest("name one core as root, or several as roots, and not both")
    if request.weights is not None and request.roots is None:
        raise InvalidRequest("weights go with roots: one for each of them")
    roots = [request.root] if request.root is not None else request.roots or []
    for root in roots:
        if root not in members:
            raise InvalidRequest(f"the root {root} is not among the cores {some(members)}")
    return roots


async def _nodes(knowledge: Knowledge, cores: Sequence[int]) -> list[int] | None:
    """Give the NUMA node of each core; nothing unless that of all is known."""
    rows = (await knowledge.rows("numa_core", {}, 10**6, 0)).rows
    node = {msgspec.json.decode(row["core"], type=int): msgspec.json.decode(row["node"], type=int) for row in rows}
    found = [node[core] for core in cores if core in node]
    return found if len(found) == len(cores) else None


def _named(children: Mapping[int, Sequence[int]], cores: Sequence[int]) -> dict[int, list[int]]:
    return {cores[core]: [cores[child] for child in served] for core, served in children.items()}
