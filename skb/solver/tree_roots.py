"""One tree for several roots: the same undirected tree, seen from each of them.

    shared_tree(send, receive, roots=[0, 8]).children[8]        # whom each core sends to when 8 broadcasts

A channel takes memory, and a core looks at every channel that it has; so those who broadcast in turn had better use the
same ones. What counts is the worst cost over the roots, or their weighted sum. From each root every core serves its
children in the best order for that root.

A tree is searched for by late-acceptance hill climbing over its edges, from the best trees for single roots; all roots
are costed together, since most of what lies below a core is the same from all sides. No shared tree does better for a
root than the best tree for that root alone, which bounds what can be reached; up to `PROVABLE` cores the rest of the
gap is closed by branch and bound over trees grown from one root, generation by generation: a tree that grows gets
cheaper for nobody.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from skb.solver.best_first import Branch, Expansion, prove
from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.tree import broadcast_tree, shaped
from skb.solver.tree_network import Children, Network, Parents, excess, fitted, served_in_best_order
from skb.solver.tree_question import Question, Wanted, question

PROVABLE = 9  # cores, relays among them
MEMORY = 40  # steps; how long ago the tree is that a step must not be worse than
PATIENCE = 400  # steps per core without a better tree before the search is content


@dataclass(frozen=True)
class SharedTree:
    """One tree for all `roots`: whom each core serves, in order, and what it costs, by root.

    `cost` and `bound` are in ps: the worst of `costs_ps`, or their weighted sum.
    """

    children: dict[int, Children]
    costs_ps: dict[int, int]
    cost_ps: int
    bound_ps: int
    status: str
    seconds: float


@dataclass(frozen=True)
class _Aim:
    """What is made of the costs of all roots; without weights their worst."""

    weights: tuple[int, ...] | None

    def of(self, costs: Sequence[int]) -> int:
        if self.weights is None:
            return max(costs)
        return sum(cost * weight for cost, weight in zip(costs, self.weights, strict=True))


Edges = list[set[int]]  # of each core: its neighbours


def shared_tree(
    send: Sequence[Sequence[int]],
    receive: Sequence[Sequence[int]],
    roots: Sequence[int],
    wanted: Wanted | None = None,
    *,
    weights: Sequence[int] | None = None,
    seconds: float = 2.0,
) -> SharedTree:
    """Find the tree whose worst cost over `roots` is least, or, with `weights`, the sum of weight times cost.

    Limits hold from every root. Raises SolverError when an argument makes no sense, or the limits leave no tree.
    """
    deadline = Deadline.after(seconds)
    wanted = wanted or Wanted()
    if not roots:
        raise SolverError("roots names no core; give one at least")
    if len(set(roots)) != len(roots):
        raise SolverError(f"roots names a core more than once: {list(roots)}; name each once")
    if wanted.shape is not None:
        raise SolverError("shape goes with one root; leave it out, or give one root")
    if weights is not None and (len(weights) != len(roots) or any(type(w) is not int or w < 1 for w in weights)):
        raise SolverError(f"weights is {list(weights)!r}; give an integer from 1 for each of the {len(roots)} roots")
    asked = [question(send, receive, root, wanted) for root in roots]
    aim = _Aim(None if weights is None else tuple(weights))

    networks = [each.network for each in asked]
    each = deadline.share(0.3).left() / len(roots)
    alone = [broadcast_tree(send, receive, root, wanted, seconds=each) for root in roots]
    floors = [tree.bound_ps for tree in alone]
    floor = aim.of(floors)
    starts = [_edges(networks[0].size, _inward(one, tree.children)) for one, tree in zip(asked, alone, strict=True)]
    starts += [_undirected(shape) for shape in shaped(asked[0]).values()]
    best = _Search(networks, aim).run(starts, floor, deadline)
    if best is None:
        raise SolverError(
            f"max_degree {wanted.max_degree} and max_depth {wanted.max_depth}: no tree was found that keeps to both "
            f"from each of the roots {list(roots)}; raise one of the limits"
        )
    bound = floor
    if networks[0].size <= PROVABLE:
        proof = prove(
            _start(networks, floor),
            _Growth(networks, aim, floors, deadline).expand,
            aim.of(_costs(networks, best)),
            deadline,
        )
        best = best if proof.solution is None else _undirected(proof.solution)
        bound = max(bound, proof.bound)
    return _shared(asked, best, aim, bound, deadline)


def _shared(asked: Sequence[Question], edges: Edges, aim: _Aim, bound: int, deadline: Deadline) -> SharedTree:
    children: dict[int, Children] = {}
    costs: dict[int, int] = {}
    for one in asked:
        root = one.rows[one.network.root]
        costs[root], served = served_in_best_order(one.network, _rooted(edges, one.network.root))
        children[root] = one.answer(served)
    cost = aim.of(list(costs.values()))
    status = "optimal" if bound >= cost else "feasible"
    return SharedTree(children, costs, cost, min(bound, cost), status, deadline.elapsed())


def _inward(asked: Question, children: Mapping[int, Sequence[int]]) -> Parents:
    """Return the parents of an answer in the network's numbers, relays that it does without hanging from the root."""
    places = {row: place for place, row in enumerate(asked.rows)}
    parents = [asked.network.root] * asked.network.size
    parents[asked.network.root] = -1
    for core, served in children.items():
        for child in served:
            parents[places[child]] = places[core]
    return parents


def _edges(size: int, parents: Sequence[int]) -> Edges:
    edges: Edges = [set() for _ in range(size)]
    for core, parent in enumerate(parents):
        if parent >= 0:
            edges[core].add(parent)
            edges[parent].add(core)
    return edges


def _undirected(parents: Sequence[int]) -> Edges:
    return _edges(len(parents), parents)


def _rooted(edges: Edges, root: int) -> Parents:
    parents = [-2] * len(edges)
    parents[root] = -1
    waiting = [root]
    for core in waiting:
        for other in sorted(edges[core]):
            if parents[other] == -2:
                parents[other] = core
                waiting.append(other)
    return [root if parent == -2 else parent for parent in parents]


def _costs(networks: Sequence[Network], edges: Edges) -> list[int]:
    """Return the cost from each root. What lies behind an edge, seen from one side, is worked out once."""
    network = networks[0]
    send, receive, optional = network.send, network.receive, network.optional
    known: dict[tuple[int, int], int] = {}  # (core, its parent) -> from having received until all below have
    for root in (one.root for one in networks):
        waiting = [(root, -1)]
        for core, parent in waiting:
            waiting += [(other, core) for other in edges[core] if other != parent and (other, core) not in known]
        for core, parent in reversed(waiting):
            busy, rest = send[core], receive[core]
            served = [
                (rest[other] + known[other, core], busy[other])
                for other in edges[core]
                if other != parent and known[other, core] >= 0
            ]
            served.sort(reverse=True)
            latest = sent = 0
            for later, takes in served:
                sent += takes
                latest = max(latest, sent + later)
            known[core, parent] = -1 if not served and core in optional else latest
    return [known[one.root, -1] for one in networks]


def _within(networks: Sequence[Network], edges: Edges) -> bool:
    if not networks[0].limited:
        return True
    return not any(excess(one, served_in_best_order(one, _rooted(edges, one.root))[1]) for one in networks)


class _Search:
    """A walk through trees, changing an edge at a time, or letting two cores change places."""

    def __init__(self, networks: Sequence[Network], aim: _Aim) -> None:
        self._networks = networks
        self._aim = aim
        self._random = random.Random(1)

    def run(self, starts: Sequence[Edges], floor: int, deadline: Deadline) -> Edges | None:
        """Return the best tree met within the limits."""
        inner = replace(self._networks[0], max_degree=self._narrow())
        for edges in starts if self._networks[0].limited else ():
            starts = [*starts, _undirected(fitted(inner, _rooted(edges, inner.root)))]
        fitting = [edges for edges in starts if _within(self._networks, edges)]
        if not fitting:
            return self._regular()
        edges = min(fitting, key=self._cost)
        cost = best_cost = self._cost(edges)
        best = [set(around) for around in edges]
        memory = [cost] * MEMORY
        size, step, found = len(edges), 0, 0
        while size > 2 and best_cost > floor and step - found < PATIENCE * size and not deadline.passed():
            step += 1
            changed = self._exchanged(edges) if self._random.random() < 0.4 else self._bent(edges)
            if changed is None or not _within(self._networks, changed):
                continue
            after = self._cost(changed)
            if after <= memory[step % MEMORY] or after <= cost:
                edges, cost = changed, after
                if cost < best_cost:
                    best_cost, best, found = cost, [set(around) for around in edges], step
            memory[step % MEMORY] = min(memory[step % MEMORY], cost)
        return best

    def _narrow(self) -> int | None:
        """The degree that fits from every root: a root that is not the top has its parent as one more child."""
        most = self._networks[0].max_degree
        return most if most is None or len(self._networks) == 1 else max(1, most - 1)

    def _regular(self) -> Edges | None:
        """Return a tree as shallow and narrow as can be: from its middle, every core has as many neighbours as allowed."""
        network = self._networks[0]
        members = [core for core in range(network.size) if core not in network.optional]
        most = network.max_degree or network.size
        for middle in members:
            edges: Edges = [set() for _ in range(network.size)]
            waiting, place = [core for core in members if core != middle], 0
            order = [middle]
            while waiting and place < len(order):
                core = order[place]
                place += 1
                while waiting and len(edges[core]) < most:
                    other = min(waiting, key=lambda j: (network.total[core][j], j))
                    waiting.remove(other)
                    edges[core].add(other)
                    edges[other].add(core)
                    order.append(other)
            for relay in network.optional:
                edges[relay].add(network.root)
                edges[network.root].add(relay)
            if not waiting and _within(self._networks, edges):
                return edges
        return None

    def _cost(self, edges: Edges) -> int:
        return self._aim.of(_costs(self._networks, edges))

    def _core(self) -> int:
        return int(self._random.random() * self._networks[0].size)

    def _bent(self, edges: Edges) -> Edges | None:
        """Take an edge out and put one in that joins the two parts again, at one of its ends or anywhere."""
        core = self._core()
        around = sorted(edges[core])
        other = around[int(self._random.random() * len(around))]
        new, end = self._core(), core if self._random.random() < 0.7 else self._core()
        result = [set(each) for each in edges]
        result[core].remove(other)
        result[other].remove(core)
        part = {core}
        waiting = [core]
        for one in waiting:
            found = result[one] - part
            part |= found
            waiting += found
        if (end in part) == (new in part) or new in result[end]:
            return None
        result[end].add(new)
        result[new].add(end)
        return result

    def _exchanged(self, edges: Edges) -> Edges | None:
        a, b = self._core(), self._core()
        if a == b:
            return None
        turned = {a: b, b: a}
        result: Edges = [set() for _ in edges]
        for core, around in enumerate(edges):
            if a in around or b in around or core in turned:
                result[turned.get(core, core)] = {turned.get(other, other) for other in around}
            else:
                result[core] = around
        return result


@dataclass(frozen=True)
class _Grown:
    """A part of a tree: the parents so far (-2: not in it yet), and the cores whose children are still open."""

    parents: tuple[int, ...]
    open: tuple[int, ...]


def _start(networks: Sequence[Network], floor: int) -> Branch[_Grown]:
    root = networks[0].root
    parents = tuple(-1 if core == root else -2 for core in range(networks[0].size))
    return Branch(floor, 0, _Grown(parents, (root,)))


class _Growth:
    """Grow trees from the first root, the children of one core at a time; every tree arises once."""

    def __init__(self, networks: Sequence[Network], aim: _Aim, floors: Sequence[int], deadline: Deadline) -> None:
        self._networks = networks
        self._aim = aim
        self._floors = floors
        self._deadline = deadline
        self._needed = set(networks[0].needed)

    def expand(self, branch: Branch[_Grown], limit: int) -> Expansion[_Grown, tuple[int, ...]]:
        parents, (core, *others) = branch.part.parents, branch.part.open
        waiting = [other for other, parent in enumerate(parents) if parent == -2]
        found: tuple[int, tuple[int, ...]] | None = None
        branches = []
        for count in range(len(waiting) + 1):
            for children in itertools.combinations(waiting, count):
                if self._deadline.passed():
                    return Expansion([branch], found)
                grown = list(parents)
                for child in children:
                    grown[child] = core
                after = _Grown(tuple(grown), (*others, *children))
                whole = not self._needed.intersection(other for other in waiting if grown[other] == -2)
                if not whole and not after.open:
                    continue
                cost = self._so_far(grown)
                if whole and cost < limit:
                    complete = [self._networks[0].root if parent == -2 else parent for parent in grown]
                    edges = _undirected(complete)
                    if _within(self._networks, edges):
                        cost = self._aim.of(_costs(self._networks, edges))
                        if found is None or cost < found[0]:
                            found = cost, tuple(complete)
                elif cost < limit:
                    branches.append(Branch(max(branch.bound, cost), branch.depth + len(children), after))
        return Expansion(branches, found)

    def _so_far(self, parents: Sequence[int]) -> int:
        """Return what a part of a tree costs each root that is in it, at least; the others cost their own bound."""
        edges = _undirected(parents)
        inside = [one for one in self._networks if parents[one.root] != -2]
        # A relay at the end of a branch may yet lead somewhere, and is no cost before.
        costs = dict(zip([one.root for one in inside], _costs(inside, edges), strict=True))
        return self._aim.of(
            [max(floor, costs.get(one.root, 0)) for one, floor in zip(self._networks, self._floors, strict=True)]
        )
