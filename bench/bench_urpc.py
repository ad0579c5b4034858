"""What a URPC message costs, beside the bare cache lines, a bare futex and multiprocessing.Pipe.

python bench/bench_urpc.py [--json FILE] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from multikernel.show_bench import urpc
from multikernel.urpc import UrpcError
from multikernel.urpc.bench import measure


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
    Console().print(urpc(report))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
