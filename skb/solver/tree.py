"""Along which tree to broadcast, or to reduce: the one by which the last core has received soonest, or the root from all.

    broadcast_tree(send, receive, root).children                            # whom each core sends to, in this order
    broadcast_tree(send, receive, root, Wanted(members=[0, 4, 5], max_degree=2))
    broadcast_tree(send, receive, root, Wanted(reduce=True)).children       # whom each core hears from, in this order

The costs differ by pair and direction, as they do on real machines; then the problem is NP-hard even for two kinds of
message. So a tree is chosen among classic and greedy shapes (`tree_shapes`), improved by local search (`tree_search`),
and held against what no tree can undercut (`tree_bound`, `tree_growth`); for some ten cores, more if many are alike, branch and bound
(`tree_proof`) closes the gap. The status says whether it is closed.

The same question gives the same answer, except that a search cut short by the clock stops where the clock says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.tree_bound import bound as proven_bound
from skb.solver.tree_growth import growth_bound
from skb.solver.tree_network import Network, Parents, among, excess, fitted, served_in_best_order
from skb.solver.tree_proof import prove_tree
from skb.solver.tree_question import Question, Wanted, checked_order, costs, question
from skb.solver.tree_search import improve
from skb.solver.tree_shapes import classic, greedy

PROVABLE = 12  # cores; beyond, the proof seldom gets further than the first bound, and searching gets most of the time


@dataclass(frozen=True)
class Tree:
    """A tree with its proof.

    `children` has an entry for every core that takes part, in order of sending (in a reduction: of hearing). `status`
    is `optimal` (cost_ps == bound_ps) or `feasible` (no tree costs less than `bound_ps`). `shapes` is what the classic
    shapes cost that keep to the limits, children in the best order.
    """

    root: int
    children: dict[int, tuple[int, ...]]
    cost_ps: int
    bound_ps: int
    status: str
    seconds: float
    shapes: dict[str, int] = field(default_factory=dict)


def broadcast_tree(
    send: Sequence[Sequence[int]],
    receive: Sequence[Sequence[int]],
    root: int,
    wanted: Wanted | None = None,
    *,
    seconds: float = 2.0,
) -> Tree:
    """Find the best tree from `root` to the cores wanted, all rows of the matrices unless `wanted` says otherwise.

    `send[i][j]` and `receive[i][j]` are how long a message from i to j keeps i, and then j, busy; what stands on their
    diagonals has no meaning. Raises SolverError when an argument makes no sense, or the limits leave no tree.
    """
    deadline = Deadline.after(seconds)
    asked = question(send, receive, root, wanted or Wanted())
    network = asked.network
    floor = proven_bound(network, asked.parts)
    shapes = shaped(asked)
    known = {
        name: cost
        for name, (cost, children) in ((name, served_in_best_order(network, shape)) for name, shape in shapes.items())
        if not excess(network, children)
    }
    if asked.wanted.shape is not None:
        best = _named(asked, shapes)
        lowest = max(floor, growth_bound(network, asked.parts, served_in_best_order(network, best)[0], deadline))
    else:
        best, lowest = searched(asked, shapes, floor, deadline)
    cost, children = served_in_best_order(network, best)
    status = "optimal" if lowest >= cost else "feasible"
    return Tree(root, asked.answer(children), cost, min(lowest, cost), status, deadline.elapsed(), known)


def shaped(asked: Question) -> dict[str, Parents]:
    """Return the classic shapes over the members; every relay hangs, dead, from the root."""
    network = asked.network
    members = [core for core in range(network.size) if core not in network.optional]
    inner = classic(among(network, members), [asked.groups[core] for core in members])
    return {name: _with_relays(network, members, parents) for name, parents in inner.items()}


def _with_relays(network: Network, members: Sequence[int], inner: Parents) -> Parents:
    """Return a tree of the members as one of all cores."""
    parents = [network.root] * network.size
    for core, parent in zip(members, inner, strict=True):
        parents[core] = members[parent] if parent >= 0 else -1
    return parents


def _named(asked: Question, shapes: Mapping[str, Parents]) -> Parents:
    name = asked.wanted.shape or ""
    if beyond := excess(asked.network, served_in_best_order(asked.network, shapes[name])[1], asked.name):
        raise SolverError(f"shape {name} is beyond the limits: {beyond}; raise that, or let the shape be chosen")
    return shapes[name]


def searched(asked: Question, shapes: Mapping[str, Parents], floor: int, deadline: Deadline) -> tuple[Parents, int]:
    """Return the best tree met, and the bound."""
    network = asked.network
    cost, best = min(_priced(network, shape) for shape in shapes.values())
    for shape in _starts(asked):
        if cost == floor or deadline.passed():
            break
        cost, best = min((cost, best), _priced(network, shape))
    if cost > floor and not deadline.passed():
        floor = max(floor, growth_bound(network, asked.parts, cost, deadline))
    best = improve(network, best, floor, deadline.share(0.4 if network.size <= PROVABLE else 0.8))
    cost, _ = served_in_best_order(network, best)
    proof = prove_tree(network, cost, floor, deadline)
    if proof.solution is not None:
        best = [network.root if parent == -2 else parent for parent in proof.solution]
    return best, proof.bound


def _starts(asked: Question) -> Iterator[Parents]:
    """Yield greedy trees; where there are relays, those without them first."""
    network = asked.network
    if network.optional:
        members = [core for core in range(network.size) if core not in network.optional]
        parts = [type(part)(tuple(part.of[core] for core in members)) for part in asked.parts]
        for inner in greedy(among(network, members), parts):
            yield _with_relays(network, members, inner)
    yield from greedy(network, asked.parts)


def _priced(network: Network, parents: Parents) -> tuple[int, Parents]:
    parents = fitted(network, parents)
    return served_in_best_order(network, parents)[0], parents


def completion_ps(
    children: Mapping[int, Sequence[int]],
    send: Sequence[Sequence[int]],
    receive: Sequence[Sequence[int]],
    root: int,
) -> int:
    """Return when the last core has received: each core sends to its children in order, as soon as it has received.

    Raises SolverError unless `children` is a tree from `root`. Cores without children may be left out.
    """
    sends, receives = costs(send, receive)
    received = {root: 0}
    for core in checked_order(children, len(sends), root):
        now = received[core]
        for child in children.get(core, ()):
            now += sends[core][child]
            received[child] = now + receives[core][child]
    return max(received.values())


def reduction_ps(
    children: Mapping[int, Sequence[int]],
    send: Sequence[Sequence[int]],
    receive: Sequence[Sequence[int]],
    root: int,
) -> int:
    """Return when the root has received from all: each core hears from its children in order, then sends to its parent.

    Raises SolverError as completion_ps.
    """
    sends, receives = costs(send, receive)
    ready: dict[int, int] = {}
    for core in reversed(checked_order(children, len(sends), root)):
        now = 0
        for child in children.get(core, ()):
            now = max(now, ready[child] + sends[child][core]) + receives[child][core]
        ready[core] = now
    return ready[root]
