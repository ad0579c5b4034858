"""Along which tree to broadcast: the one whose last core has received soonest.

    broadcast_tree(send, receive, root).children    # whom each core sends to, in this order

The costs differ by pair and direction, as they do on real machines; then the problem is NP-hard even for two kinds of
message. So a tree is chosen among classic and greedy shapes (`tree_shapes`), improved by local search (`tree_search`),
and held against what no tree can undercut (`tree_bound`); for some ten cores, more if many are alike, branch and bound
(`tree_proof`) closes the gap. The status says whether it is closed.

The same question gives the same answer, except that a search cut short by the clock stops where the clock says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skb.solver.clusters import clusterings
from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.matrix import Matrix, added, checked
from skb.solver.tree_bound import bound as proven_bound
from skb.solver.tree_network import Network, from_the_top, served_in_best_order
from skb.solver.tree_proof import prove_tree
from skb.solver.tree_search import improve
from skb.solver.tree_shapes import classic, greedy

PROVABLE = 12  # cores; beyond, the proof seldom gets further than the first bound, and searching gets most of the time


@dataclass(frozen=True)
class Tree:
    """A broadcast tree with its proof.

    `children` has an entry for every core, in order of sending. `status` is `optimal` (cost_ps == bound_ps) or
    `feasible` (no tree costs less than `bound_ps`); a tree always exists.
    """

    root: int
    children: dict[int, tuple[int, ...]]
    cost_ps: int
    bound_ps: int
    status: str
    seconds: float


def broadcast_tree(
    send: Sequence[Sequence[int]], receive: Sequence[Sequence[int]], root: int, *, seconds: float = 2.0
) -> Tree:
    """Find the tree from `root` to all cores (rows of the matrices) whose last core receives soonest.

    `send[i][j]` and `receive[i][j]` are how long a message from i to j keeps i, and then j, busy; what stands on their
    diagonals has no meaning. Raises SolverError when an argument makes no sense.
    """
    deadline = Deadline.after(seconds)
    network = _network(send, receive, root)
    parts = clusterings(network.total)
    floor = proven_bound(network, parts)

    cost, best = min((served_in_best_order(network, parents)[0], parents) for parents in classic(network))
    for parents in greedy(network, parts):
        if cost == floor or deadline.passed():
            break
        cost, best = min((cost, best), (served_in_best_order(network, parents)[0], parents))
    best = improve(network, best, floor, deadline.share(0.4 if network.size <= PROVABLE else 0.8))
    cost, _ = served_in_best_order(network, best)
    proof = prove_tree(network, cost, floor, deadline)
    if proof.solution is not None:
        best = list(proof.solution)
    cost, children = served_in_best_order(network, best)
    status = "optimal" if proof.bound >= cost else "feasible"
    return Tree(root, children, cost, min(proof.bound, cost), status, deadline.elapsed())


def completion_ps(
    children: Mapping[int, Sequence[int]],
    send: Sequence[Sequence[int]],
    receive: Sequence[Sequence[int]],
    root: int,
) -> int:
    """Return when the last core has received: each core sends to its children in order, as soon as it has received.

    Raises SolverError unless `children` is a tree from `root` to every core (row of the matrices). Cores without
    children may be left out.
    """
    network = _network(send, receive, root)
    received = {root: 0}
    for core in _checked_order(children, network):
        now = received[core]
        for child in children.get(core, ()):
            now += network.send[core][child]
            received[child] = now + network.receive[core][child]
    return max(received.values())


def _network(send: Sequence[Sequence[int]], receive: Sequence[Sequence[int]], root: int) -> Network:
    sends, receives = _without_diagonal(checked("send", send)), _without_diagonal(checked("receive", receive))
    if len(sends) != len(receives):
        raise SolverError(f"send has {len(sends)} rows and receive {len(receives)}; give one for each core in both")
    if not sends:
        raise SolverError("send has no rows; give one for each core, the root at least")
    if type(root) is not int or not 0 <= root < len(sends):
        raise SolverError(f"root is {root!r}, which is no row of send; give a number from 0 to {len(sends) - 1}")
    return Network(sends, receives, added(sends, receives), root)


def _without_diagonal(matrix: Matrix) -> Matrix:
    return tuple((*row[:i], 0, *row[i + 1 :]) for i, row in enumerate(matrix))


def _checked_order(children: Mapping[int, Sequence[int]], network: Network) -> list[int]:
    parent: dict[int, int] = {}
    for core, served in children.items():
        for child in served:
            if child not in range(network.size):
                raise SolverError(
                    f"children[{core}] has {child!r}, which is no core; give numbers from 0 to {network.size - 1}"
                )
            if child in parent or child == network.root:
                other = f"children[{parent[child]}] has too" if child in parent else "is the root"
                raise SolverError(f"children[{core}] has core {child}, which {other}; let each core receive once")
            parent[child] = core
    order = from_the_top(network.root, [children.get(core, ()) for core in range(network.size)])
    if len(order) != network.size:
        missed = min(set(range(network.size)) - set(order))
        raise SolverError(f"core {missed} is not reached from the root {network.root}; give a tree of all cores")
    return order
