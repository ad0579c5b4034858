"""Shared memory against messages: what it costs k cores to change n cache lines of shared state, and to send the operation to their owner.

python bench/bench_crossover.py [--json FILE] [--picture FILE.svg|FILE.png] [--rounds N]

The multikernel paper's argument (its figure 3), on the machine at hand, with the number of lines from which messages win.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from crossover_chart import chart
from rich.console import Console
from rich.progress import Progress

from multikernel.drawing import write
from multikernel.errors import MultikernelError
from multikernel.show_bench import crossover
from multikernel.urpc import UrpcError
from multikernel.urpc.crossover import measure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", "--output", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the curves there, as .svg or .png")
    parser.add_argument("--rounds", type=int, default=7, help="times that every figure is taken (default 7)")
    options = parser.parse_args()
    try:
        with Progress(console=Console(stderr=True), transient=True) as steps:
            task = steps.add_task("measuring", total=options.rounds)
            report = measure(rounds=options.rounds, progress=lambda done, _: steps.update(task, completed=done))
        Console().print(crossover(report))
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
        if options.picture:
            write(chart(report), options.picture)
    except (UrpcError, MultikernelError, OSError) as error:
        print(f"bench_crossover: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
