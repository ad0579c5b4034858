"""URPC: messages between cores at the speed of the cache lines.

A *channel* is two rings of 64-byte lines in shared memory, one for each direction. Each line holds a message of up to
56 bytes and its header, so a message costs one invalidate and one fill of a cache line and no system call while the
receiver is awake. A receiver spins for a while, then sleeps on its *doorbell*, one for all its channels; senders ring
it only when it sleeps. A *wait set* waits for many channels at once, and for file descriptors; `await
channel.receive_async()` waits in an event loop. A *pool* holds payloads that are passed by reference. A *relay* makes channels a
multicast tree, which passes messages on, and gathers acknowledgements and numbers, without running Python.

Where memory lies, and in which pages, can be asked for (`nodes`, `page_size`): `memory.h`.

The protocols, and the arguments that they are right, stand at the top of the C headers beside this file: `line.h`, `channel.h`,
`doorbell.h`, `wait.h`, `waitset.h`, `pool.h`, `relay.h`, `pace.h`, `calls.h`, `measure.h`. This package needs nothing but the
standard library.

Why not `multiprocessing.Pipe`: every message crosses the kernel twice and wakes a process, which costs a hundred times
as much while the receiver is awake (`make bench ARGS=urpc`).
Why not POSIX shared memory: it has names, and what has a name is left behind by a process that is killed.
"""

from __future__ import annotations

from contextlib import nullcontext

from multikernel.urpc._urpc import (
    MAX_INLINE,
    Buffer,
    Channel,
    Closed,
    Corrupt,
    Doorbell,
    MessageTooLong,
    PeerDied,
    Pool,
    Relay,
    Segment,
    UrpcError,
    WaitSet,
    bare_ping_pong,
    calibrate,
    futex_ping_pong,
    max_message,
    ordering_costs,
)
from multikernel.urpc.peers import watch_peer

__all__ = [
    "MAX_INLINE",
    "Buffer",
    "Channel",
    "Closed",
    "Corrupt",
    "Doorbell",
    "MessageTooLong",
    "PeerDied",
    "Pool",
    "Relay",
    "Segment",
    "UrpcError",
    "WaitSet",
    "attend",
    "bare_ping_pong",
    "calibrate",
    "futex_ping_pong",
    "max_message",
    "ordering_costs",
    "pair",
    "watch_peer",
]


def attend(relay: Relay) -> None:
    """Have the running asyncio event loop do a relay's work from now on, until the relay is closed.

    For a member whose loop waits for nothing on the relay's doorbell: a loop that awaits `receive_async()` of a channel or relay of that
    doorbell does the work of all its relays while it waits. Raises RuntimeError if no loop runs.
    """
    from multikernel.urpc import asynchronous  # most programs need no event loop

    asynchronous.attend(relay)


def pair(
    capacity: int = 64,
    *,
    spin_ns: int | None = None,
    pool: int = 0,
    nodes: tuple[int | None, int | None] | None = None,
    page_size: int | None = None,
) -> tuple[Channel, Channel]:
    """Make both ends of a channel, each with a doorbell of its own.

    They survive fork: let each process use one end, and close it. `spin_ns` is the budget of both doorbells; None
    has it learnt. With a `pool`, of so many bytes for each end, payloads can be passed by reference (`Channel.allocate`), and messages may
    be longer than the ring. `nodes` and `page_size` say where the ring that each end writes and its half of the pool should lie, and in
    pages of which size (`Segment.create`).
    """
    with (
        Segment.create(capacity, nodes=nodes, page_size=page_size) as segment,
        Doorbell.create(spin_ns) as first,
        Doorbell.create(spin_ns) as second,
        Pool.create(pool, nodes=nodes, page_size=page_size) if pool else nullcontext() as memory,
    ):
        return Channel(segment, 0, first, second, memory), Channel(segment, 1, second, first, memory)
