"""How the demo looks on a terminal: one panel or table for each thing that it found out, in the order in which it does."""

from collections import Counter

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree as RichTree

from multikernel.cores import KernelPlan
from multikernel.demo.machine import Machine
from multikernel.demo.run import BroadcastReport, Buffers, CostRow, StoreReport
from skb.client import Placement, Tree

WIDEST_MATRIX = 16
"""Cores whose latencies are shown one by one; of more, a summary is."""

HEAT = ("bright_green", "green", "yellow", "dark_orange", "red")
"""From near to far."""


class Show:
    """Prints what the demo finds, as it finds it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._kernels: tuple[KernelPlan, ...] = ()
        self._traffic: list[list[int]] = []

    def found(self, name: str, value: object) -> None:
        """Show one field of `Demo`."""
        match value:
            case Machine():
                self._console.print(machine(value))
            case Placement():
                self._console.print(placement(value, self._traffic))
            case Tree() if name == "monitors_tree":
                self._console.print(tree(value, "Broadcast tree over all cores, from the SKB"))
            case Tree():
                self._console.print(tree(value, "Tree of the store's dispatchers, from the SKB"))
            case Buffers():
                self._console.print(buffers(value))
            case BroadcastReport():
                self._console.print(broadcast(value))
            case StoreReport():
                self._console.print(store(value))
            case _ if name == "kernels":
                self._kernels = value  # type: ignore[assignment]  # the field of this name
                self._console.print(kernels(self._kernels))
            case _ if name == "traffic":
                self._traffic = value  # type: ignore[assignment]  # the field of this name
            case _ if name == "costs":
                self._console.print(latencies(value))  # type: ignore[arg-type]  # the field of this name


def size(number: int) -> str:
    """Write a size in bytes with a binary unit."""
    amount = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"


def duration(ps: float) -> str:
    """Write a time in picoseconds with a unit that suits it."""
    for unit, length in (("ns", 1e3), ("µs", 1e6), ("ms", 1e9)):
        if ps < length * 1000:
            return f"{ps / length:.3g} {unit}" if ps < length * 100 else f"{ps / length:.0f} {unit}"
    return f"{ps / 1e12:.3g} s"


def counted(number: int, thing: str) -> str:
    """Write a number of things."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def machine(known: Machine) -> RenderableType:
    """Show the machine as the SKB knows it."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold")
    lines.add_column()
    lines.add_row("processor", known.processor)
    lines.add_row(
        "cores",
        ", ".join(
            (
                counted(known.cores, "hardware thread"),
                counted(known.physical_cores, "physical core"),
                counted(known.packages, "package"),
            )
        ),
    )
    for cache in known.caches:
        kind = {"data": "d", "instruction": "i", "unified": ""}[cache.type]
        lines.add_row(f"L{cache.level}{kind}", f"{cache.count} x {size(cache.size)}, each shared by {cache.shared_by}")
    for node, bytes_ in known.nodes.items():
        lines.add_row(f"node {node}", size(bytes_))
    classes = Counter(function.class_name for function in known.pci)
    lines.add_row(
        "PCI",
        counted(len(known.pci), "function") + ": " + ", ".join(f"{n} {name}" for name, n in classes.most_common()),
    )
    for function in known.pci[:WIDEST_MATRIX]:
        lines.add_row(
            "",
            f"{function.address} \\[{function.vendor}:{function.device}] {function.class_name} {function.driver or ''}",
        )
    if len(known.pci) > WIDEST_MATRIX:
        lines.add_row("", f"... and {len(known.pci) - WIDEST_MATRIX} more: skb facts device")
    lines.add_row("ACPI", " ".join(known.acpi) or "no tables readable")
    return Panel(lines, title=f"{known.name}: {known.arch}, {known.os}", title_align="left", expand=False)


def kernels(plans: tuple[KernelPlan, ...]) -> RenderableType:
    """Show which kernels were booted, and where."""
    virtual = [plan for plan in plans if plan.virtual]
    text = f"{len(plans)} kernels up, one process each, pinned"
    if virtual:
        shared = ", ".join(f"{plan.core} on core {plan.host}" for plan in virtual)
        text += f"; {len(virtual)} in excess of the cores share them: {shared}"
    return Text(text)


def buffers(known: Buffers) -> RenderableType:
    """Show which memory channels between kernels have, and who decided that."""
    return Text(f"Channels: {_lines(known)}, {_place(known)}, {_pages(known)}, {_decided(known)}")


def _lines(known: Buffers) -> str:
    lines = sorted({channel.lines for channel in known.channels})
    text = f"{lines[0]} lines a ring" if len(lines) == 1 else f"{lines[0]} to {lines[-1]} lines a ring"
    enough = max((ring.lines for ring in known.decided), default=lines[0])
    return text if enough >= lines[0] else f"{text} ({enough} would do for speed, messages of kernels need more)"


def _place(known: Buffers) -> str:
    """Say where rings lie: at their receivers, if that is where all of them do."""
    rings = [(channel, side) for channel in known.channels for side in (0, 1)]
    nodes = {channel.nodes[side] for channel, side in rings}
    if None in nodes:
        return "where they were first touched"
    if len(nodes) == 1:
        return f"on node {nodes.pop()}"
    if all(channel.nodes[side] == known.homes.get(channel.kernels[1 - side]) for channel, side in rings):
        return "on the receiver's node"
    return "on nodes " + ", ".join(map(str, sorted(node for node in nodes if node is not None)))


def _pages(known: Buffers) -> str:
    got = {channel.page_size for channel in known.channels}
    text = f"{' and '.join(size(each) for each in sorted(got))} pages"
    missed = {ring.page_size for ring in known.decided if ring.page_size} - got
    return text if not missed else f"{text} (no {size(max(missed))} pages were free)"


def _decided(known: Buffers) -> str:
    if not known.decided:
        return "as they come: the SKB had no answer"
    measured = any(ring.source == "measured" for ring in known.decided)
    return "by the SKB, from measured messages" if measured else "by the SKB"


def latencies(rows: tuple[CostRow, ...]) -> RenderableType:
    """Show round trips between all cores as a heat map."""
    cores = sorted({row.sender for row in rows})
    average = {(row.sender, row.receiver): row.cost.sending.avg for row in rows}
    low, high = min(average.values()), max(average.values())
    if len(cores) > WIDEST_MATRIX:
        return Text(
            f"Round trips between {len(cores)} cores: {duration(low)} to {duration(high)} (skb facts message_rtt)"
        )
    table = Table(box=None)
    table.add_column("core", justify="right", style="bold")
    for core in cores:
        table.add_column(str(core), justify="right")
    for sender in cores:
        cells = [
            Text("·", style="dim")
            if sender == receiver
            else Text(duration(average[sender, receiver]), style=_heat(average[sender, receiver], low, high))
            for receiver in cores
        ]
        table.add_row(str(sender), *cells)
    return Group(Text("Round trip of a 64-byte message, row to column", style="italic"), table)


def _heat(value: int, low: int, high: int) -> str:
    return HEAT[0] if high == low else HEAT[min(len(HEAT) - 1, (value - low) * len(HEAT) // (high - low))]


def placement(answer: Placement, traffic: list[list[int]]) -> RenderableType:
    """Show where the dispatchers go, and how good that is known to be."""
    table = Table(box=None)
    table.add_column("dispatcher", justify="right", style="bold")
    table.add_column("core", justify="right")
    table.add_column("messages out", justify="right")
    table.add_column("role")
    for index, core in enumerate(answer.assignment):
        table.add_row(
            str(index), str(core), str(sum(traffic[index])), "orders writes, replica" if index == 0 else "replica"
        )
    verdict = Text.assemble(
        ("status ", "bold"),
        answer.status,
        ("  cost ", "bold"),
        duration(answer.cost),
        ("  bound ", "bold"),
        duration(answer.bound),
        ("  distances ", "bold"),
        answer.distances,
        ("  solved in ", "bold"),
        f"{answer.seconds * 1000:.0f} ms",
    )
    return Group(Text("Placement, from the SKB", style="italic"), table, verdict)


def tree(answer: Tree, title: str) -> RenderableType:
    """Show a tree, children in the order in which they are sent to."""
    top = RichTree(f"core {answer.root}")
    _grow(top, answer.root, answer)
    verdict = Text.assemble(
        ("status ", "bold"),
        answer.status,
        ("  cost ", "bold"),
        duration(answer.cost_ps),
        ("  bound ", "bold"),
        duration(answer.bound_ps),
        ("  costs ", "bold"),
        answer.costs,
    )
    return Group(Text(title, style="italic"), top, verdict)


def _grow(branch: RichTree, core: int, answer: Tree) -> None:
    for child in answer.children.get(core, ()):
        _grow(branch.add(f"core {child}"), child, answer)


def broadcast(report: BroadcastReport) -> RenderableType:
    """Show what broadcasts over the tree took, beside the prediction."""
    return Text(
        f"{report.rounds} broadcasts over it: last core after {duration(report.median_ns * 1000)} (median), "
        f"{duration(report.best_ns * 1000)} (best), by Python monitors; the channels alone: {duration(report.predicted_ps)} "
        f"(predicted). Tree {'followed: every core heard from its parent only' if report.followed else 'NOT FOLLOWED'}"
    )


def store(report: StoreReport) -> RenderableType:
    """Show what the store did, and whether its replicas agree."""
    table = Table(box=None)
    for column in ("operation", "count", "a second", "median", "99 %"):
        table.add_column(column, justify="left" if column == "operation" else "right")
    table.add_row(
        "read (local)",
        f"{report.reads:,}",
        f"{report.reads_per_second:,}",
        duration(report.read_p50_ns * 1000),
        duration(report.read_p99_ns * 1000),
    )
    table.add_row(
        "write (ordered, all replicas)",
        f"{report.writes:,}",
        f"{report.writes_per_second:,}",
        duration(report.write_p50_ns * 1000),
        duration(report.write_p99_ns * 1000),
    )
    replicas = len(report.state_digests)
    verdict = (
        Text(
            f"{replicas} replicas agree: {report.writes:,} writes in one order, contents {report.state_digests[0][:12]}",
            style="bold green",
        )
        if report.agreed
        else Text(
            f"REPLICAS DISAGREE: {len(set(report.order_digests))} orders, {len(set(report.state_digests))} contents, "
            f"{report.violations} clients missed their own writes",
            style="bold red",
        )
    )
    return Group(Text("Replicated key-value store", style="italic"), table, verdict)
