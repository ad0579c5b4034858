"""What a multicast tree costs: relays in C beside Python loops over the same channels, in the same run.

python bench/bench_relay.py [--json FILE] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from multikernel.urpc.bench_relay import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=9, help="times that every figure is taken (default 9)")
    options = parser.parse_args()
    reports = [measure(members, rounds=options.rounds) for members in (4, 8)]
    table = Table(
        "members",
        "cores",
        "operation",
        "relays, µs",
        "Python, µs",
        "Python / relays",
        title="Binary trees: a broadcast acknowledged by all; a sum that all are told",
    )
    for report in reports:
        shape = (str(report.members), str(report.cores))
        broadcast = (report.relay_broadcast, report.python_broadcast, report.broadcast_ratio)
        reduction = (report.relay_reduce, report.python_reduce, report.reduce_ratio)
        for name, (relay, python, ratio) in (("broadcast", broadcast), ("reduction", reduction)):
            table.add_row(*shape, name, f"{relay / 1e6:.1f}", f"{python / 1e6:.1f}", f"{ratio:.2f}")
    Console().print(table)
    if any(report.cores < report.members for report in reports):
        print(
            "Members share cores and sleep: both columns are mostly wake-ups, and the ratio is what the interpreter adds."
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([report.as_dict() for report in reports], indent=2) + "\n")


if __name__ == "__main__":
    main()
