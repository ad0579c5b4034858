"""The engine process: requests in, replies out, in order.

Started by `skb.engine.pool` as `python -m skb.engine.worker SOCKET PARENT`, it is a machine's *template*: it loads Prolog and the rules,
is told the facts and every write, and forks a *replica* of itself when asked to, which serves on the socket that came with the request.
Frames are a length of 4 bytes (little-endian) and that many bytes of JSON.

Forking works because the template has one thread: Prolog's collector of atoms runs in it rather than in a thread of its own, and no goal
with a time limit, which would start the thread that watches clocks, is ever run in it.
"""

import gc
import os
import resource
import signal
import socket
import sys

import msgspec

from skb.engine.prolog import Prolog, PrologMissing
from skb.lifeline import die_with_parent

MEMORY_BYTES = 8 * 1024 * 1024 * 1024
"""Address space of a template: facts, atoms and texts."""

STREAM = b'{"f":"stream",'
"""How a request begins that has many replies."""

GOAL_BYTES = 1024 * 1024 * 1024
"""Address space that a replica may have beyond the template's. Prolog's stacks have their own limit; this one ends the process."""


def main() -> None:
    """Serve requests until the other end closes."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    channel = socket.socket(fileno=descriptor)
    try:
        prolog = Prolog()
    except (PrologMissing, FileNotFoundError) as error:
        if _receive(channel) is not None:
            _send(channel, msgspec.json.encode({"f": "missing", "args": [str(error)]}))
        return
    gc.disable()  # a template makes requests into terms, which are no cycles; a million facts are not to be looked at again and again
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # replicas that end are nobody's to wait for
    _serve_template(channel, prolog)


def _serve_template(channel: socket.socket, prolog: Prolog) -> None:
    while (received := _receive_with_socket(channel)) is not None:
        frame, passed = received
        request = msgspec.json.decode(frame)
        match request:
            case "greet":
                _send(channel, b'{"f":"ready","args":[]}')
            case "fork" if passed is not None:
                try:
                    child = os.fork()
                except OSError as error:
                    passed.close()
                    _send(channel, _no_fork(error))
                    continue
                if child == 0:
                    channel.close()
                    _serve_replica(passed, prolog)
                    os._exit(0)
                passed.close()
                _send(channel, msgspec.json.encode({"f": "forked", "args": [child]}))
            case _:
                _send(channel, prolog.perform(request))


def _serve_replica(channel: socket.socket, prolog: Prolog) -> None:
    template = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die_with_parent(template)
    gc.enable()
    gc.freeze()  # what is shared with the template stays shared: the collector writes to what it looks at
    limit = _address_space() + GOAL_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    prolog.become_replica()
    while (frame := _receive(channel)) is not None:
        request = msgspec.json.decode(frame)
        if frame.startswith(STREAM):
            for reply in prolog.stream(request):
                _send(channel, reply)
        else:
            _send(channel, prolog.perform(request))


def _no_fork(error: OSError) -> bytes:
    detail = f"no engine process could be forked ({error.strerror}); there are too many processes, or too little memory: try later"
    return msgspec.json.encode({"f": "problem", "args": ["failed", detail, 0, 0]})


def _address_space() -> int:
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - quicker than pathlib, and this is between a client and its answer
        return int(statm.read().split()[0]) * resource.getpagesize()


def _send(channel: socket.socket, data: bytes) -> None:
    channel.sendall(len(data).to_bytes(4, "little") + data)


def _receive(channel: socket.socket) -> bytes | None:
    header = _exactly(channel, 4)
    return None if header is None else _exactly(channel, int.from_bytes(header, "little"))


def _exactly(channel: socket.socket, size: int) -> bytes | None:
    """Give so many bytes; None if the other end closes before. An interrupt may cut short what the system gives at once."""
    parts = []
    while size > 0:
        part = channel.recv(size, socket.MSG_WAITALL)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _receive_with_socket(channel: socket.socket) -> tuple[bytes, socket.socket | None] | None:
    header, descriptors, _, _ = socket.recv_fds(channel, 4, 1, socket.MSG_WAITALL)
    if len(header) < 4:
        return None
    passed = socket.socket(fileno=descriptors[0]) if descriptors else None
    frame = _exactly(channel, int.from_bytes(header, "little"))
    return None if frame is None else (frame, passed)


if __name__ == "__main__":
    main()
