"""`python -m probes`: the facts of a machine, one JSON object a line; problems on standard error.

Exit status: 0 if anything could be read, 1 if nothing could or the output could not be written, 2 for a wrong call.
"""

from __future__ import annotations

import gc
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from probes import command
from probes.recorded import RecordingError


def main(arguments: Sequence[str] | None = None) -> int:
    """Survey a machine and print what was found."""
    parser = ArgumentParser(prog="python -m probes", description="Print the facts of a machine as JSON lines.")
    command.add_arguments(parser)
    given = parser.parse_args(arguments)
    command.check(given, parser)
    gc.disable()  # a large machine has a hundred thousand facts, which live until the end and hold no cycles
    try:
        found = command.find(given)
    except KeyboardInterrupt:
        return 130
    except (RecordingError, OSError) as error:
        _say(error)
        return 1
    for problem in found.problems:
        _say(problem)
    try:
        sys.stdout.buffer.write(command.json_lines(found.facts))
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _say(f"standard output: {error.strerror}; not all facts were written")
        _discard_output()
        return 1
    except KeyboardInterrupt:
        return 130
    if nothing := command.nothing_found(given, found):
        _say(nothing)
        return 1
    return 0


def _say(what: object) -> None:
    print(what, file=sys.stderr)  # noqa: T201 - printing is what this module is for


def _discard_output() -> None:
    # The interpreter flushes standard output once more when it ends; let that go nowhere rather than fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
