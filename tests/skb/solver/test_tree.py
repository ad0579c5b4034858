import heapq
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solver_cases import DATA, Rows, latencies, machine, read_latency, split

from skb.solver.clusters import clusterings
from skb.solver.deadline import Deadline
from skb.solver.errors import SolverError
from skb.solver.matrix import added, checked
from skb.solver.tree import Tree, broadcast_tree, completion_ps
from skb.solver.tree_bound import bound
from skb.solver.tree_growth import growth_bound
from skb.solver.tree_network import Network, served_in_best_order
from skb.solver.tree_proof import prove_tree
from skb.solver.tree_shapes import classic, greedy, nodes

GENEROUS = 60.0  # seconds that a small problem never needs; the answer comes as soon as it is proved


def simulated(children: Mapping[int, Sequence[int]], send: Rows, receive: Rows, root: int) -> int:
    """When the last core has received, by playing all events in the order of time."""
    events: list[tuple[int, str, int, int]] = [(0, "received", root, 0)]  # time, what, who, how many it has sent
    last = 0
    while events:
        now, what, core, sent = heapq.heappop(events)
        if what == "received":
            last = max(last, now)
            what, sent = "idle", 0
        if sent < len(children.get(core, ())):
            child = children[core][sent]
            free = now + send[core][child]
            heapq.heappush(events, (free, "idle", core, sent + 1))
            heapq.heappush(events, (free + receive[core][child], "received", child, 0))
    return last


def ordered_trees(size: int, root: int) -> Iterator[dict[int, tuple[int, ...]]]:
    """All trees of so many cores from the root, with all orders of children."""
    others = [core for core in range(size) if core != root]
    for parents in itertools.product(range(size), repeat=len(others)):
        above = dict(zip(others, parents, strict=True))

        def rooted(core: int, above: dict[int, int] = above) -> bool:
            for _ in range(size):
                if core == root:
                    return True
                core = above[core]
            return False

        if all(map(rooted, others)):
            served = {core: [child for child in others if above[child] == core] for core in range(size)}
            orders = [itertools.permutations(children) for children in served.values()]
            yield from (dict(enumerate(order)) for order in itertools.product(*orders))


def network(send: Rows, receive: Rows, root: int) -> Network:
    sends, receives = checked("send", send), checked("receive", receive)
    return Network(sends, receives, added(sends, receives), root)


@st.composite
def questions(draw: st.DrawFn, most: int) -> tuple[Rows, Rows, int]:
    size = draw(st.integers(1, most))
    value = st.one_of(st.integers(0, 3), st.integers(0, 100), st.sampled_from([1, 10, 100]))
    rows = st.lists(st.lists(value, min_size=size, max_size=size), min_size=size, max_size=size)
    return draw(rows), draw(rows), draw(st.integers(0, size - 1))


@settings(deadline=None, max_examples=60)
@given(questions(5))
def test_small_trees_are_the_best_of_all(question: tuple[Rows, Rows, int]) -> None:
    send, receive, root = question
    best = min(simulated(tree, send, receive, root) for tree in ordered_trees(len(send), root))
    found = broadcast_tree(send, receive, root, seconds=GENEROUS)
    assert (found.status, found.cost_ps, found.bound_ps) == ("optimal", best, best)
    assert simulated(found.children, send, receive, root) == best


@pytest.mark.parametrize("root", [0, 1])
def test_messages_that_cost_nothing_lead_nobody_in_circles(root: int) -> None:
    for free in itertools.product([0, 7], repeat=4):
        send = [[0, free[0]], [free[1], 0]]
        receive = [[0, free[2]], [free[3], 0]]
        found = broadcast_tree(send, receive, root, seconds=GENEROUS)
        assert found.cost_ps == send[root][1 - root] + receive[root][1 - root]


@settings(deadline=None)
@given(questions(5), st.integers(0, 100))
def test_the_bound_is_below_every_tree(question: tuple[Rows, Rows, int], extra: int) -> None:
    send, receive, root = question
    costs = network(send, receive, root)
    best = min(simulated(tree, send, receive, root) for tree in ordered_trees(len(send), root))
    assert bound(costs, clusterings(costs.total)) <= best
    assert growth_bound(costs, clusterings(costs.total), best + extra, Deadline.after(GENEROUS)) <= best


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([(1, 1, 3, 2), (1, 2, 3, 1), (2, 1, 3, 1), (1, 3, 2, 1)]), st.data())
def test_the_bound_of_nested_machines_is_below_every_tree(
    shape: tuple[int, int, int, int], data: st.DataObject
) -> None:
    noise = data.draw(st.sampled_from([1, 300, 30_000]))
    rows = [[value + data.draw(st.integers(0, noise)) for value in row] for row in machine(*shape)]
    send, receive = split(rows)
    costs = network(send, receive, 0)
    best = broadcast_tree(send, receive, 0, seconds=GENEROUS)
    without = prove_tree(costs, best.cost_ps + 1, 0, Deadline.after(GENEROUS))
    assert (best.status, best.cost_ps) == ("optimal", without.cost)  # proved once more, without these bounds
    parts = clusterings(costs.total)
    assert growth_bound(costs, parts, 2 * best.cost_ps, Deadline.after(GENEROUS)) <= best.cost_ps
    assert bound(costs, parts) <= best.cost_ps


def test_the_bound_sees_that_a_core_has_few_siblings() -> None:
    send, receive = split(machine(2, 1, 24, 2))
    costs = network(send, receive, 0)
    parts = clusterings(costs.total)
    adaptive = served_in_best_order(costs, classic(costs, nodes(costs, parts))["adaptive"])[0]
    assert growth_bound(costs, parts, adaptive, Deadline.after(GENEROUS)) > 1.2 * bound(costs, parts)


@settings(deadline=None)
@given(questions(9), st.data())
def test_completion_is_what_a_simulation_sees(question: tuple[Rows, Rows, int], data: st.DataObject) -> None:
    send, receive, root = question
    joined = [root]
    children: dict[int, list[int]] = {}
    for core in data.draw(st.permutations([core for core in range(len(send)) if core != root])):
        children.setdefault(data.draw(st.sampled_from(joined)), []).append(core)
        joined.append(core)
    assert completion_ps(children, send, receive, root) == simulated(children, send, receive, root)


@settings(deadline=None)
@given(questions(9))
def test_every_shape_is_a_tree_and_costs_what_it_says(question: tuple[Rows, Rows, int]) -> None:
    send, receive, root = question
    costs = network(send, receive, root)
    parts = clusterings(costs.total)
    for parents in [*classic(costs, nodes(costs, parts)).values(), *greedy(costs, parts)]:
        cost, children = served_in_best_order(costs, parents)
        assert completion_ps(children, send, receive, root) == cost


def assert_honest(found: Tree, send: Rows, receive: Rows) -> None:
    assert found.cost_ps == simulated(found.children, send, receive, found.root)
    assert found.bound_ps <= found.cost_ps
    assert found.status == ("optimal" if found.bound_ps == found.cost_ps else "feasible")
    assert sorted(found.children) == list(range(len(send)))
    costs = network(send, receive, found.root)
    shapes = classic(costs, nodes(costs, clusterings(costs.total)))
    assert {name: served_in_best_order(costs, parents)[0] for name, parents in shapes.items()} == found.shapes
    assert found.cost_ps <= min(found.shapes.values())


def test_one_core_has_nobody_to_tell() -> None:
    found = broadcast_tree([[5]], [[5]], 0)
    assert (found.children, found.cost_ps, found.status) == ({0: ()}, 0, "optimal")


def test_two_cores_take_one_message() -> None:
    found = broadcast_tree([[0, 2], [3, 0]], [[0, 5], [7, 0]], 1)
    assert (found.children, found.cost_ps, found.status) == ({0: (), 1: (0,)}, 10, "optimal")


@pytest.mark.parametrize("shape", [(1, 1, 8, 1), (1, 1, 4, 2), (2, 1, 2, 2), (2, 2, 2, 1)])
def test_eight_cores_are_proved(shape: tuple[int, int, int, int]) -> None:
    send, receive = split(machine(*shape))
    found = broadcast_tree(send, receive, 3, seconds=GENEROUS)
    assert found.status == "optimal"
    assert_honest(found, send, receive)


def test_without_time_there_is_a_tree_all_the_same() -> None:
    send, receive = split(machine(2, 4, 4, 2))
    assert_honest(broadcast_tree(send, receive, 0, seconds=0), send, receive)


def test_time_is_kept_on_a_large_machine() -> None:
    send, receive = split(
        [[value + (a * b) % 97 for b, value in enumerate(row)] for a, row in enumerate(machine(2, 8, 8, 2))]
    )
    before = time.thread_time()  # this thread's own work, however busy the machine is
    found = broadcast_tree(send, receive, 0, seconds=1)
    assert time.thread_time() - before < 2
    assert_honest(found, send, receive)


def test_the_same_question_has_the_same_answer() -> None:
    send, receive = split(machine(2, 1, 2, 2))
    first, second = (broadcast_tree(send, receive, 0, seconds=GENEROUS) for _ in range(2))
    assert first.children == second.children


@pytest.mark.parametrize(
    ("send", "receive", "root", "message"),
    [
        ([], [], 0, "send has no rows"),
        ([[0]], [[0, 0], [0, 0]], 0, "send has 1 rows and receive 2"),
        ([[0]], [[0]], 1, "root is 1, which is no row of send"),
        ([[0, -1], [0, 0]], [[0, 0], [0, 0]], 0, r"send\[0\]\[1\] is -1"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(send: Rows, receive: Rows, root: int, message: str) -> None:
    with pytest.raises(SolverError, match=message):
        broadcast_tree(send, receive, root)


@pytest.mark.parametrize(
    ("children", "message"),
    [
        ({0: [1], 2: []}, "core 2 is not reached from the root 0"),
        ({0: [1, 2], 1: [2]}, r"children\[1\] has core 2, which children\[0\] has too"),
        ({0: [1], 1: [0, 2]}, r"children\[1\] has core 0, which is the root"),
        ({0: [1, 2, 3]}, r"children\[0\] has 3, which is no core"),
        ({1: [2], 2: [1]}, "core 1 is not reached"),
    ],
)
def test_what_is_no_tree_has_no_completion(children: dict[int, list[int]], message: str) -> None:
    three = [[1] * 3] * 3
    with pytest.raises(SolverError, match=message):
        completion_ps(children, three, three, 0)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded machines: {DATA} is not there")
def test_there_are_recorded_machines() -> None:
    assert list(latencies())


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in latencies()])
def test_recorded_machines_get_trees_no_worse_than_the_classic_ones(path: Path) -> None:
    send, receive = split(read_latency(path))
    found = broadcast_tree(send, receive, 0, seconds=0.5)
    assert_honest(found, send, receive)
    if len(send) <= 8:
        assert broadcast_tree(send, receive, 0, seconds=GENEROUS).status == "optimal"
