"""An SKB of one's own: the service as a child process, on a free port, for as long as a context lasts.

The runtime speaks to it by HTTP only, exactly as to a service that somebody else started.
"""

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multikernel import lifeline
from multikernel.errors import BootError

READY = "SKB ready at "


@contextmanager
def embedded_skb(data: Path | None = None, *, timeout: float = 60.0) -> Iterator[str]:
    """Start a service that has probed this machine; gives its URL.

    Its facts are kept in `data`, or in a temporary folder that is removed on leaving. Raises BootError with the service's last
    words if it does not come up in time.
    """
    with tempfile.TemporaryDirectory(prefix="multikernel-") as scratch:
        words = Path(scratch) / "service.log"
        argv = [sys.executable, "-m", "skb", "serve", "--port", "0", "--data", str(data or Path(scratch) / "data")]
        with words.open("wb") as log:
            process = subprocess.Popen(
                lifeline.command(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # Ctrl-C is for whoever runs us; the service ends when the context does
            )
        try:
            yield _url(process, words, timeout)
        finally:
            process.terminate()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _url(process: subprocess.Popen[bytes], words: Path, timeout: float) -> str:
    """Read what the service says until it is ready."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    deadline = time.monotonic() + timeout
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise BootError(f"the SKB was not ready after {timeout:g} s; its last words:\n{_last(words)}")
            chunk = os.read(descriptor, 4096)
            if not chunk:
                raise BootError(
                    f"the SKB ended while starting (status {process.wait()}); its last words:\n{_last(words)}"
                )
            said += chunk
            for line in said.decode(errors="replace").splitlines(keepends=True):
                if line.startswith(READY) and line.endswith("\n"):
                    return line.removeprefix(READY).strip()


def _last(words: Path) -> str:
    return words.read_text(errors="replace")[-2000:].strip() or "(none)"
