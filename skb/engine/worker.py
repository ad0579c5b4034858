"""The engine process: requests in, replies out, one at a time.

Started by `skb.engine.process` as `python -m skb.engine.worker SOCKET PARENT`. Frames on the socket are a length of 4 bytes
(little-endian) and that many bytes of JSON. A first frame of its own says that it is up, or why not.
"""

import resource
import socket
import sys

import msgspec

from skb.engine.prolog import Prolog, PrologMissing
from skb.lifeline import die_with_parent

MEMORY_BYTES = 2 * 1024 * 1024 * 1024
"""Address space of an engine. Facts, atoms and texts are outside of Prolog's stacks, and their limit; this one ends the process."""


def main() -> None:
    """Serve requests until the other end closes."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    channel = socket.socket(fileno=descriptor)
    try:
        prolog = Prolog()
    except (PrologMissing, FileNotFoundError) as error:
        _send(channel, msgspec.json.encode({"f": "missing", "args": [str(error)]}))
        return
    _send(channel, msgspec.json.encode({"f": "ready", "args": []}))
    while (request := _receive(channel)) is not None:
        _send(channel, prolog.perform(msgspec.json.decode(request)))


def _send(channel: socket.socket, data: bytes) -> None:
    channel.sendall(len(data).to_bytes(4, "little") + data)


def _receive(channel: socket.socket) -> bytes | None:
    header = channel.recv(4, socket.MSG_WAITALL)
    if len(header) < 4:
        return None
    return channel.recv(int.from_bytes(header, "little"), socket.MSG_WAITALL)


if __name__ == "__main__":
    main()
