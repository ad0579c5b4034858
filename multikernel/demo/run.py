"""The demo from beginning to end: each step is a function, and `Demo` is what they found out.

The order is that in which a multikernel boots: boot, measure, tell the SKB, ask it for tree and placement, follow
them. Nothing is decided here that the SKB can decide.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from msgspec import Struct, structs

from multikernel import publish
from multikernel.boot import Multikernel
from multikernel.buffers import ChannelMemory, Ring
from multikernel.buffers import ask as ask_for_buffers
from multikernel.cores import KernelPlan
from multikernel.demo import kvstore
from multikernel.demo.kvstore import ReplicaReport, Workload
from multikernel.demo.machine import Machine, describe
from multikernel.messages import Cost
from skb.client import Client, Placement, SkbError, Tree

BROADCASTS = 200
"""Timed broadcasts over the monitors' tree."""

APPLICATION = "kvstore"


class BroadcastReport(Struct, frozen=True):
    """The SKB's prediction beside what was measured, and whether every monitor heard from its parent in the tree only."""

    predicted_ps: int
    median_ns: int
    best_ns: int
    rounds: int
    followed: bool


class StoreReport(Struct, frozen=True):
    """What the replicated store did. Latencies in nanoseconds; throughput in operations a second, over all dispatchers."""

    reads: int
    writes: int
    seconds: float
    reads_per_second: int
    writes_per_second: int
    read_p50_ns: int
    read_p99_ns: int
    write_p50_ns: int
    write_p99_ns: int
    violations: int
    agreed: bool
    order_digests: tuple[str, ...]
    state_digests: tuple[str, ...]


class Buffers(Struct, frozen=True):
    """The memory of channels: the rings that the SKB decided on (none if it had no answer), and what channels between kernels got.

    `homes`: the node of each kernel, as the SKB knows it.
    """

    decided: tuple[Ring, ...]
    channels: tuple[ChannelMemory, ...]
    homes: dict[int, int]


class CostRow(Struct, frozen=True):
    """What messages between two kernels cost."""

    sender: int
    receiver: int
    cost: Cost


class Demo(Struct, kw_only=True):
    """Everything that the demo found out, decided and did."""

    url: str
    machine: Machine
    kernels: tuple[KernelPlan, ...]
    buffers: Buffers
    costs: tuple[CostRow, ...]
    revision: int
    monitors_tree: Tree
    broadcast: BroadcastReport
    traffic: list[list[int]]
    placement: Placement
    tree: Tree
    store: StoreReport


def demo(
    url: str,
    kernels: Sequence[KernelPlan],
    dispatchers: int,
    workload: Workload,
    *,
    step: Callable[[str], None],
    progress: Callable[[int, int], None],
    found: Callable[[str, object], None],
) -> Demo:
    """Run the demo against the SKB at `url`.

    `step` is told what happens now, `progress` how far the measurement is, `found(name, value)` of each field of `Demo` as soon as
    it is known. Raises MultikernelError, SkbError, TimeoutError.
    """
    values: dict[str, object] = {}

    def note(**known: object) -> None:
        for name, value in known.items():
            values[name] = value
            found(name, value)

    with Client(url) as client:
        note(url=url, machine=describe(client))
        step(f"booting {len(kernels)} kernels, with rings as the SKB wants them")
        rings = ask_for_buffers(client, kernels)
        with Multikernel.boot(kernels, buffers=rings) as multikernel, _published(client, kernels):
            note(kernels=tuple(kernels))
            note(buffers=Buffers(rings, multikernel.channels, _homes(client, kernels)))
            step("measuring messages between all pairs of cores")
            costs = multikernel.measure(progress=progress)
            note(revision=client.update(publish.measured(costs)))
            note(costs=tuple(CostRow(a, b, cost) for (a, b), cost in costs.items()))
            step("asking the SKB for a tree over all cores, and following it")
            monitors_tree = _bring_up_monitors(client, multikernel)
            note(monitors_tree=monitors_tree)
            note(broadcast=_time_broadcasts(multikernel, monitors_tree))
            step("asking the SKB where to place the dispatchers")
            note(traffic=kvstore.traffic(dispatchers, workload))
            placement = _place(client, multikernel, dispatchers, workload)
            note(placement=placement)
            cores = list(placement.assignment)
            tree = client.tree(root=cores[0], cores=sorted(set(cores)))
            note(tree=tree)
            client.update(publish.dispatchers(APPLICATION, cores))
            step(f"running the replicated store on {dispatchers} dispatchers for {workload.seconds:g} s")
            note(store=_run_store(multikernel, cores, tree, workload))
    return Demo(**values)  # type: ignore[arg-type]  # each field was noted above


def _homes(client: Client, kernels: Sequence[KernelPlan]) -> dict[int, int]:
    nodes = {row["core"]: row["node"] for row in client.rows("numa_core")}
    return {kernel.core: nodes[kernel.host] for kernel in kernels if kernel.host in nodes}


def _bring_up_monitors(client: Client, multikernel: Multikernel) -> Tree:
    tree = client.tree(root=multikernel.cores[0], cores=multikernel.cores)
    multikernel.route(tree.root, tree.children)
    return tree


def _time_broadcasts(multikernel: Multikernel, tree: Tree) -> BroadcastReport:
    times = multikernel.time_broadcasts(tree.root, BROADCASTS)
    planned = {child: parent for parent, children in tree.children.items() for child in children}
    return BroadcastReport(
        predicted_ps=tree.cost_ps,
        median_ns=round(statistics.median(times.completion_ns)),
        best_ns=min(times.completion_ns),
        rounds=len(times.completion_ns),
        followed=times.parents == {child: (parent,) for child, parent in planned.items()},
    )


def _place(client: Client, multikernel: Multikernel, dispatchers: int, workload: Workload) -> Placement:
    return client.place(
        dispatchers,
        kvstore.traffic(dispatchers, workload),
        cores=multikernel.cores,
        max_per_core=-(-dispatchers // len(multikernel.cores)),
    )


def _run_store(multikernel: Multikernel, cores: list[int], tree: Tree, workload: Workload) -> StoreReport:
    application = multikernel.spawn(
        kvstore.ENTRY, cores=cores, root=0, children=tree.children, arguments=[structs.asdict(workload)]
    )
    reports = [ReplicaReport(**result) for result in application.wait(workload.seconds + 30)]
    return summarise(reports)


def summarise(reports: Sequence[ReplicaReport]) -> StoreReport:
    """Put the replicas' reports together. They agree if all applied all writes in one order and hold the same contents."""
    reads = sum(report.reads for report in reports)
    writes = sum(report.writes for report in reports)
    seconds = max(report.seconds for report in reports)
    read_ns = sum((Counter(report.read_ns) for report in reports), Counter())
    write_ns = sum((Counter(report.write_ns) for report in reports), Counter())
    orders = tuple(report.order for report in reports)
    states = tuple(report.state for report in reports)
    violations = sum(report.violations for report in reports)
    complete = all(report.applied == writes for report in reports)
    return StoreReport(
        reads=reads,
        writes=writes,
        seconds=seconds,
        reads_per_second=round(reads / seconds),
        writes_per_second=round(writes / seconds),
        read_p50_ns=quantile(read_ns, 0.50),
        read_p99_ns=quantile(read_ns, 0.99),
        write_p50_ns=quantile(write_ns, 0.50),
        write_p99_ns=quantile(write_ns, 0.99),
        violations=violations,
        agreed=complete and violations == 0 and len(set(orders)) == 1 and len(set(states)) == 1,
        order_digests=orders,
        state_digests=states,
    )


def quantile(histogram: Counter[int], part: float) -> int:
    """Give the smallest value with at least `part` of all counts at or below it; 0 for an empty histogram."""
    needed = part * histogram.total()
    seen = 0
    for value in sorted(histogram):
        seen += histogram[value]
        if seen >= needed:
            return value
    return 0


@contextmanager
def _published(client: Client, kernels: Sequence[KernelPlan]) -> Iterator[None]:
    """Have the SKB know what runs, for as long as it does."""
    client.update(publish.running(kernels))
    try:
        yield
    except BaseException:
        with suppress(SkbError):  # what went wrong first is what the user must hear of
            client.update(retract=publish.stopped(kernels))
        raise
    client.update(retract=publish.stopped(kernels))
