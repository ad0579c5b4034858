"""What a URPC message costs, beside the bare cache lines, a bare futex and multiprocessing.Pipe.

python bench/bench_urpc.py [--json FILE] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from multikernel.urpc import UrpcError
from multikernel.urpc.bench import Report, measure


def show(report: Report) -> None:
    table = Table(title=f"URPC between cores {report.cores[0]} and {report.cores[1]}, {report.rounds} rounds")
    table.add_column("what")
    for column in ("median ns", "least", "greatest"):
        table.add_column(column, justify="right")
    for figure in report.figures.values():
        table.add_row(
            figure.what, *(f"{ps / 1000:,.1f}" for ps in (figure.median_ps, figure.least_ps, figure.greatest_ps))
        )
    ratios = Table(title="medians of ratios within a round")
    ratios.add_column("ratio")
    ratios.add_column("", justify="right")
    for name, ratio in report.ratios.items():
        ratios.add_row(name, f"{ratio:.2f}")
    console = Console()
    console.print(table)
    console.print(ratios)
    console.print(f"one-way stream: {report.stream_messages_per_second / 1e6:.1f} million messages a second")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=9, help="times that every figure is taken (default 9)")
    options = parser.parse_args()
    try:
        report = measure(rounds=options.rounds)
    except UrpcError as error:
        print(f"bench_urpc: {error}", file=sys.stderr)
        return 1
    show(report)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
