"""PCI plans against greedy placement in post-order: what is wasted on device sets, recorded machines and sets made up by chance.

python bench/reasoning_pci.py [--json FILE] [--seconds S]

Wasted is what lies between the first and the last address used, and was not asked for. Both place the same registers into the same
windows by the same rules. Greedy takes functions in their order, or on each bus the largest alignment first. A set that is larger than
the window that comes with it has no plan; then it is planned in 2 GiB, and what is behind each of its bridges in the window that it has.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pci_sets import barrelfish_sets, made_up, named, parts, recorded, recordings, widened
from rich.console import Console
from rich.table import Table

from skb.solver.pci_plan import plan
from skb.solver.pci_plan_greedy import greedy
from skb.solver.pci_plan_problem import DeviceSet, roots
from skb.solver.pci_plan_regions import pools
from skb.solver.pci_plan_search import span

MADE_UP = 20
MIB = 1 << 20


def sets() -> Iterator[tuple[str, DeviceSet]]:
    """Give the sets by name."""
    for name, devices in barrelfish_sets().items():
        yield name, devices
        if plan(devices, seconds=1).status == "infeasible":
            yield f"{name}, in 2 GiB", widened(devices)
            yield from ((f"{name}, {part}", one) for part, one in parts(devices).items())
    for path in recordings():
        found = recorded(path)
        if found is not None and found.bars:
            yield named(path), found
    for seed in range(MADE_UP):
        yield f"made up {seed}", made_up(seed)


def report(seconds: float) -> dict[str, Any]:
    """Plan each set, with so many seconds for each; sizes are in MiB, of memory alone. What greedy finds no place for is None."""
    rows = [_row(name, devices, seconds) for name, devices in sets()]
    planned = [row for row in rows if row["status"] != "infeasible"]
    worse = [
        row["set"]
        for row in planned
        for theirs in (row["greedy"], row["greedy_largest_first"])
        if theirs is not None and row["wasted"] > theirs
    ]
    return {
        "sets": rows,
        "planned": len(planned),
        "optimal": sum(row["status"] == "optimal" for row in planned),
        "infeasible": [row["set"] for row in rows if row["status"] == "infeasible"],
        "unknown": [row["set"] for row in rows if row["status"] == "unknown"],
        "greedy_failed": sum(row["greedy"] is None for row in planned),
        "worse_than_greedy": worse,
        "wasted": sum(row["wasted"] for row in planned),
    }


def _row(name: str, devices: DeviceSet, seconds: float) -> dict[str, Any]:
    start = time.perf_counter()
    found = plan(devices, seconds=seconds)
    took = time.perf_counter() - start
    uses = [use for use in found.uses if use.space == "memory"]
    wanted = sum(use.wanted for use in uses)
    planned = found.status in ("optimal", "feasible")
    return {
        "set": name,
        "bridges": len(devices.bridges),
        "bars": sum(bar.space == "memory" for bar in devices.bars),
        "status": found.status,
        "wanted": sum(bar.size for bar in devices.bars if bar.space == "memory") / MIB,
        "wasted": sum(use.used - use.wanted for use in uses) / MIB if planned else None,
        "bound": sum(use.bound - use.wanted for use in uses) / MIB if planned else None,
        "greedy": _greedy(devices, wanted, largest_first=False),
        "greedy_largest_first": _greedy(devices, wanted, largest_first=True),
        "seconds": took,
        "reason": found.reason,
    }


def _greedy(devices: DeviceSet, wanted: int, *, largest_first: bool) -> float | None:
    used = 0
    for root in roots(devices):
        for pool in pools(devices, root, pages=False):
            if pool.space == "memory":
                windows = greedy(pool, largest_first=largest_first)
                if windows is None:
                    return None
                used += span(windows)
    return (used - wanted) / MIB


def _mib(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def table(found: dict[str, Any]) -> Table:
    """Show a report."""
    shown = Table(title="PCI plans, memory in MiB", title_justify="left", box=None)
    shown.add_column("set")
    for column in ("bridges", "BARs", "wanted", "wasted", "at least", "greedy", "largest first", "seconds"):
        shown.add_column(column, justify="right")
    shown.add_column("status")
    for row in found["sets"]:
        sizes = [_mib(row[key]) for key in ("wanted", "wasted", "bound", "greedy", "greedy_largest_first")]
        shown.add_row(row["set"], str(row["bridges"]), str(row["bars"]), *sizes, f"{row['seconds']:.2f}", row["status"])
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    found = report(arguments.seconds)
    console = Console(width=140)
    console.print(table(found))
    console.print(
        f"{found['planned']} sets with plans, {found['optimal']} proved optimal; greedy finds none for {found['greedy_failed']} of them;"
        f" worse than greedy: {', '.join(found['worse_than_greedy']) or 'none'}"
    )
    for row in found["sets"]:
        if row["status"] in ("infeasible", "unknown"):
            console.print(f"{row['set']}: {row['reason']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
