"""Peers that die: whoever waits for one is told.

A process that is killed closes nothing, and shared memory stays as it was: its peer would wait for ever. The kernel tells of the end of a
process by its *pidfd* (pidfd_open(2)), which becomes readable. One thread of this process waits for all of those, asleep; when one ends,
the channels to it count as closed by their other end: what was sent before can still be received, then `PeerDied` is raised. Waits that go
on, over one channel or many, end at once.
"""

from __future__ import annotations

import os
import select
import threading
import weakref
from contextlib import suppress

from multikernel.urpc._urpc import Channel


class _Watcher:
    """The thread that waits, and what it waits for. A fork leaves it behind: the child makes its own."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._ready = select.epoll()
        self._watched: dict[int, weakref.ref[Channel]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="urpc-peers", daemon=True).start()

    def watch(self, channel: Channel, pidfd: int) -> None:
        with self._lock:
            self._watched[pidfd] = weakref.ref(channel, lambda _: self._forget(pidfd))
            self._ready.register(pidfd, select.EPOLLIN)

    def _forget(self, pidfd: int) -> Channel | None:
        """Watch it no more; give the channel, if it is still there."""
        with self._lock:
            reference = self._watched.pop(pidfd, None)
            if reference is None:
                return None
            with suppress(OSError):
                self._ready.unregister(pidfd)
            os.close(pidfd)
        return reference()

    def _run(self) -> None:
        while True:
            for pidfd, _ in self._ready.poll():
                channel = self._forget(pidfd)
                if channel is not None:
                    channel._peer_died()
                del channel  # this thread must not be who keeps it


_watcher: _Watcher | None = None
_making = threading.Lock()


def watch_peer(channel: Channel, process: int) -> None:
    """Have `channel` raise `PeerDied` once the process at its other end, by its number, has ended and all it sent has been received.

    The process must be a child of this one that has not been waited for, or otherwise sure to be the one that is meant: numbers are used
    again. Of a channel that was handed over a Unix socket, SO_PEERCRED tells it. After a fork, watch again in the child.
    Raises ProcessLookupError if there is no such process: it has ended, and `channel` will not be told.
    """
    global _watcher
    pidfd = os.pidfd_open(process)
    with _making:
        if _watcher is None or _watcher.process != os.getpid():
            _watcher = _Watcher()
        _watcher.watch(channel, pidfd)
