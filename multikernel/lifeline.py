"""Processes that end when the one that started them does, however that one ends.

`python -m multikernel.lifeline PARENT COMMAND ...` binds itself to the parent's life and becomes the command. The kernel clears the
binding on fork but keeps it through exec (prctl(2), PR_SET_PDEATHSIG), so that any program can be started this way.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the Linux kernel kill this process when its parent, of process id `parent`, ends.

    Ends this process at once if that parent is gone already.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        sys.exit(1)


def command(argv: list[str]) -> list[str]:
    """Give the command line that runs `argv` bound to the life of this process."""
    return [sys.executable, "-m", "multikernel.lifeline", str(os.getpid()), *argv]


def main() -> None:
    """Bind to the parent, then become the command."""
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # becoming the command is the point, and there is no shell to escape from


if __name__ == "__main__":
    main()
