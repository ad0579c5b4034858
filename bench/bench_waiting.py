"""What waiting costs: for one of 4, 64 and 1024 channels, for who wakes a sleeper in poll(2), and in an event loop.

python bench/bench_waiting.py [--json FILE] [--rounds N]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from multikernel.urpc.bench_waiting import measure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=9, help="times that every figure is taken (default 9)")
    options = parser.parse_args()
    report = measure(rounds=options.rounds)
    console = Console()
    figures = Table("waiting (send, wait, receive by one thread)", "ns")
    for name, value in report.figures.items():
        figures.add_row(name, f"{value:,.0f}")
    ratios = Table("ratio, within this run", "")
    for name, value in report.ratios.items():
        ratios.add_row(name, f"{value:.2f}")
    console.print(figures, ratios)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(dataclasses.asdict(report), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
