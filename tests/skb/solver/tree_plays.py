"""Trees played event by event, and all trees there are: what the tree solver is held against."""

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence

from solver_cases import Rows

Children = Mapping[int, Sequence[int]]


def told(children: Children, send: Rows, receive: Rows, root: int) -> int:
    """When the last core has received, by playing all events in the order of time."""
    events: list[tuple[int, str, int, int]] = [(0, "received", root, 0)]  # time, what, who, how many it has sent
    last = 0
    while events:
        now, what, core, sent = heapq.heappop(events)
        if what == "received":
            last = max(last, now)
            sent = 0
        if sent < len(children.get(core, ())):
            child = children[core][sent]
            free = now + send[core][child]
            heapq.heappush(events, (free, "idle", core, sent + 1))
            heapq.heappush(events, (free + receive[core][child], "received", child, 0))
    return last


def heard(children: Children, send: Rows, receive: Rows, root: int) -> int:
    """When the root has heard from all, by playing all events in the order of time.

    A core reads from its children in order, each as soon as its message is there and the one before is read; when it has read all, it
    sends to its parent.
    """
    parent = {child: core for core, served in children.items() for child in served}
    read = dict.fromkeys([root, *parent], 0)  # how many each core has read
    there: dict[int, int] = {}  # child -> when its message can be read
    free = dict.fromkeys(read, 0)
    events: list[tuple[int, int, int]] = [(0, 1, core) for core in sorted(read)]  # time, 0: message is there, 1: look
    while events:
        now, what, core = heapq.heappop(events)
        if what == 0:
            there[core] = now
            core = parent[core]
        served = children.get(core, ())
        if now < free[core]:
            continue  # it is reading, and looks when it has read
        if read[core] < len(served):
            child = served[read[core]]
            if child in there:
                read[core] += 1
                free[core] = now + receive[child][core]
                heapq.heappush(events, (free[core], 1, core))
        elif read[core] == len(served):
            read[core] += 1  # it sends once
            if core == root:
                return now
            heapq.heappush(events, (now + send[core][parent[core]], 0, core))
    raise AssertionError("the root has not heard from all")


def trees(cores: Sequence[int], root: int) -> Iterator[dict[int, list[int]]]:
    """All trees over these cores from the root, children in the order of numbers."""
    others = [core for core in cores if core != root]
    for parents in itertools.product(cores, repeat=len(others)):
        above = dict(zip(others, parents, strict=True))
        if all(_leads_up(core, above, root, len(cores)) for core in others):
            yield {core: [child for child in others if above[child] == core] for core in cores}


def orders(tree: Mapping[int, Sequence[int]]) -> Iterator[dict[int, tuple[int, ...]]]:
    """The tree with all orders of children."""
    names = list(tree)
    for order in itertools.product(*(itertools.permutations(tree[core]) for core in names)):
        yield dict(zip(names, order, strict=True))


def depth(tree: Children, root: int) -> int:
    """How many messages lie between the root and the farthest core."""
    return max((1 + depth(tree, child) for child in tree.get(root, ())), default=0)


def _leads_up(core: int, above: Mapping[int, int], root: int, steps: int) -> bool:
    for _ in range(steps):
        if core == root:
            return True
        core = above[core]
    return False
