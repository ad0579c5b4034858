"""What a URPC message costs, beside the bare cache lines, a hand-written ring, a bare futex, mpi4py, iceoryx2 and multiprocessing.Pipe.

python bench/bench_urpc.py [--json FILE] [--rounds N] [--cores A B] [--no-peers]

mpi4py and iceoryx2 are installed into build/bench-peers on the first run (see peers.py); one that cannot be is left out, with the reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path

from peers import Unavailable, started
from rich.console import Console
from rich.progress import Progress

from multikernel.show_bench import urpc
from multikernel.urpc import UrpcError
from multikernel.urpc.bench import RoundTrip, measure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", "--output", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=15, help="times that every figure is taken (default 15)")
    parser.add_argument("--cores", type=int, nargs=2, metavar=("A", "B"), help="between which cores (default: chosen)")
    parser.add_argument("--scale", type=float, default=1.0, help="length of every figure (default 1)")
    parser.add_argument("--no-peers", action="store_true", help="leave mpi4py and iceoryx2 out")
    options = parser.parse_args()
    cores = None if options.cores is None else (options.cores[0], options.cores[1])
    peers: dict[str, RoundTrip] = {}
    missing: dict[str, str] = {}
    try:
        with ExitStack() as context:
            if options.no_peers:
                missing = dict.fromkeys(("mpi4py", "iceoryx2"), "left out by --no-peers")
            else:
                running, missing = map(dict, context.enter_context(started()))
                peers = {name: peer.round_trip for name, peer in running.items()}
            steps = context.enter_context(Progress(console=Console(stderr=True), transient=True))
            task = steps.add_task("measuring", total=options.rounds)
            report = measure(
                cores,
                rounds=options.rounds,
                scale=options.scale,
                peers=peers,
                missing=missing,
                progress=lambda done, _: steps.update(task, completed=done),
            )
    except (UrpcError, Unavailable, ValueError, TimeoutError) as error:
        print(f"bench_urpc: {error}", file=sys.stderr)
        return 1
    Console().print(urpc(report))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report.as_dict(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
