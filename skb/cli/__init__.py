"""The command `skb`."""

import os
import sys


def main() -> None:
    """Run the command line. What goes wrong ends in one message on standard error: status 1, or 2 for the command line itself."""
    try:
        _run()
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> None:
    from skb.cli import offline  # a command loads what it needs: probing is to take less time than loading all of it

    if sys.argv[1:2] and sys.argv[1] in offline.COMMANDS:
        from probes.recorded import RecordingError

        try:
            offline.run(sys.argv[1:])
        except (RecordingError, OSError) as error:
            _say(error)
        return
    from skb.cli.main import app
    from skb.client import SkbError
    from skb.errors import ServiceError

    try:
        app(prog_name="skb")
    except (SkbError, ServiceError, OSError) as error:
        _say(error)


def _say(error: Exception) -> None:
    if isinstance(error, BrokenPipeError):
        raise error
    print(f"skb: {error}", file=sys.stderr)  # noqa: T201  # this is the terminal
    sys.exit(1)


__all__ = ["main"]
