"""`python -m probes [--root DIR]`: the facts of a machine, one JSON object a line; problems on standard error.

Exit status: 0 if anything could be read, 1 if nothing could or the output could not be written, 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from probes.fact import to_json
from probes.machine import live, survey
from probes.source import Source, Tree


def main(arguments: Sequence[str] | None = None) -> int:
    """Survey a machine and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m probes", description="Print the facts of a machine as NDJSON.")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        help="a recorded machine: a directory with sys/ and proc/ (default: this one)",
    )
    root: Path | None = parser.parse_args(arguments).root
    try:
        source: Source = live() if root is None else Tree(root)
    except OSError as error:
        parser.error(f"{root}: {error.strerror}; give a directory that holds sys/ and proc/")
    try:
        found = survey(source)
        for problem in found.problems:
            print(problem, file=sys.stderr)  # noqa: T201 - printing is what this module is for
        for fact in found.facts:
            print(json.dumps(to_json(fact)))  # noqa: T201 - printing is what this module is for
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _discard_output()
        return 0
    except OSError as error:
        print(f"standard output: {error.strerror}; not all facts were written", file=sys.stderr)  # noqa: T201 - as above
        _discard_output()
        return 1
    if not found.facts:
        print(f"{root or '/'}: nothing could be read; does it hold sys/ and proc/?", file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


def _discard_output() -> None:
    # The interpreter flushes standard output once more when it ends; let that go nowhere rather than fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
