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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from skb.solver.best_first import Branch, Expansion, prove
from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.tree import searched, shaped
from skb.solver.tree_bound import bound as proven_bound
from skb.solver.tree_network import Children, Network, Parents, excess, fitted, served_in_best_order
from skb.solver.tree_question import Question, Wanted, capacity, question, some

PROVABLE = 9  # cores, relays among them
STARTS = 4  # roots whose own best trees are searched for, where there are more cores
UNKNOWN = 2**62  # the cost where no tree is known
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
    first = question(send, receive, roots[0], wanted)
    asked = [first, *(_from(first, root) for root in roots[1:])]
    aim = _Aim(None if weights is None else tuple(weights))

    networks = [each.network for each in asked]
    floors, starts = _alone(asked, deadline.share(0.3))
    floor = aim.of(floors)
    best = _Search(networks, aim).run(starts, floor, deadline.share(0.6 if networks[0].size <= PROVABLE else 1.0))
    bound = floor
    if networks[0].size <= PROVABLE:
        known = UNKNOWN if best is None else aim.of(_costs(networks, best))
        growth = _Growth(networks, aim, floors, deadline)
        proof = prove(_start(networks, floor), growth.expand, known, deadline)
        best = best if proof.solution is None else _undirected(proof.solution)
        bound = max(bound, proof.bound)
    if best is None:
        found = "there is no tree" if bound == UNKNOWN else "no tree was found"
        raise SolverError(
            f"max_degree {wanted.max_degree} and max_depth {wanted.max_depth}: {found} that keeps to both from each of "
            f"the roots {[one.name(one.network.root) for one in asked]}; raise one of the limits"
        )
    return _shared(asked, best, aim, bound, deadline)


def _alone(asked: Sequence[Question], deadline: Deadline) -> tuple[list[int], list[Edges]]:
    """Return what each root costs at least, and the trees to start from: the best for single roots, and classic shapes."""
    floors = _farthest(asked)
    for place, one in enumerate(asked):
        if place and deadline.passed():
            break
        floors[place] = max(floors[place], proven_bound(one.network, one.parts))
    starts = [_undirected(shape) for shape in shaped(asked[0]).values()]
    hardest = sorted(range(len(asked)), key=lambda place: -floors[place])
    chosen = hardest if asked[0].network.size <= PROVABLE else hardest[:STARTS]
    seconds = max(0.0, deadline.left()) / len(chosen)
    for count, place in enumerate(chosen):
        if count and deadline.passed():
            break
        one = asked[place]
        best, lowest = searched(one, shaped(one), floors[place], Deadline.after(seconds))
        floors[place] = max(floors[place], lowest)
        starts.append(_undirected(best))
    return floors, starts


def _from(asked: Question, root: int) -> Question:
    """Return the same question about another root."""
    members = [row for place, row in enumerate(asked.rows) if place not in asked.network.optional]
    if root not in members:
        raise SolverError(f"roots has core {root}, which is not among the members {some(members)}; name it there too")
    return replace(asked, network=replace(asked.network, root=asked.rows.index(root)))


def _farthest(asked: Sequence[Question]) -> list[int]:
    """Return, for each root, how far the farthest member is over the cheapest path."""
    network = asked[0].network
    far = np.array(network.total, dtype=object if max(map(max, network.total)) >= 2**52 else np.int64)
    for middle in range(network.size):
        far = np.minimum(far, far[:, middle, None] + far[None, middle, :])
    return [max((int(far[one.network.root, core]) for core in one.network.needed), default=0) for one in asked]


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
        roomy = capacity(inner.max_degree, inner.max_depth, inner.size) == inner.size
        if inner.limited and roomy:
            starts = [*starts, *(_undirected(fitted(inner, _rooted(edges, inner.root))) for edges in starts)]
        fitting = [edges for edges in starts if _within(self._networks, edges)] or self._regular()
        if not fitting:
            return None
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

    def _regular(self) -> list[Edges]:
        """Return trees within the limits that are shallow from some middle: every core has all the neighbours it may have."""
        network = self._networks[0]
        members = [core for core in range(network.size) if core not in network.optional]
        roots = {one.root for one in self._networks}
        most = network.max_degree or network.size
        found = []
        for middle, roots_first in itertools.product(members, (True, False)):
            waiting = {core for core in members if core != middle}
            parents = [network.root] * network.size
            parents[middle] = -1
            order = [middle]
            for core in order:
                # Seen from a root it is a root that has no parent, and so one child more.
                room = most + (core not in roots) - (core != middle)
                near = sorted(
                    waiting,
                    key=partial(_rank, network, roots if roots_first else set(range(network.size)) - roots, core),
                )
                for other in near[:room]:
                    waiting.remove(other)
                    parents[other] = core
                    order.append(other)
            if not waiting and _within(self._networks, edges := _undirected(parents)):
                found.append(edges)
        return found

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


def _rank(network: Network, first: set[int], core: int, other: int) -> tuple[bool, int, int]:
    return other not in first, network.total[core][other], other


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
