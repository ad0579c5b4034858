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
    from probes.recorded import RecordingError
    from skb.cli.main import app
    from skb.client import SkbError
    from skb.errors import ServiceError

    try:
        app(prog_name="skb")
    except (SkbError, ServiceError, RecordingError, OSError) as error:
        _say(error)


def _say(error: Exception) -> None:
    if isinstance(error, BrokenPipeError):
        raise error
    from skb.cli.output import say_error

    document = getattr(error, "document", None) or {
        "type": "about:blank",
        "title": "The command failed",
        "detail": str(error),
    }
    say_error(document, str(error))
    sys.exit(1)


__all__ = ["main"]
