"""A replicated key-value store: the application that the demo runs.

Every dispatcher holds a whole replica. A read asks the local replica; a write is broadcast in order to all of them and returns
when every replica has applied it. So replicas go through the same states (state machine replication), a client reads its own
writes, and a store that is asked on any core gives an answer without a message.
"""

import hashlib
import time
from collections import Counter, deque
from random import Random
from typing import Any

from msgspec import Struct

from multikernel.dispatcher import Dispatcher

ENTRY = "multikernel.demo.kvstore:replica"
"""How the application is named to the runtime."""

PUT, DELETE, SWAP = b"PDS"

READS_A_TURN = 64
"""Reads between two rests, so that a client which only reads does not keep its kernel from others."""


class Workload(Struct, frozen=True):
    """What clients do: for how long, with how many clients a dispatcher, on how many keys, and how much of it is writing."""

    seconds: float = 2.0
    clients: int = 2
    keys: int = 64
    write_percent: int = 20
    seed: int = 1


class ReplicaReport(Struct, frozen=True):
    """What one replica has to say at the end.

    `order` digests the writes in the order of their delivery, `state` the store's contents. Latencies are counts by nanoseconds,
    rounded to two digits. `violations` counts reads that missed the client's own write.
    """

    reads: int
    writes: int
    applied: int
    order: str
    state: str
    seconds: float
    violations: int
    read_ns: dict[int, int]
    write_ns: dict[int, int]


class Store:
    """A replica: a dictionary, and a digest of everything that was ever done to it."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._order = hashlib.blake2b(digest_size=16)
        self.applied = 0

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key, None where it has none."""
        return self._values.get(key)

    def apply(self, origin: int, write: bytes) -> bool:
        """Do a write (see `put`, `delete`, `swap`). Returns whether it changed anything."""
        self._order.update(origin.to_bytes(2, "little") + len(write).to_bytes(4, "little") + write)
        self.applied += 1
        kind, key, rest = write[0], write[2 : 2 + write[1]], write[2 + write[1] :]
        if kind == DELETE:
            return self._values.pop(key, None) is not None
        if kind == SWAP:
            expected, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
            if self._values.get(key, b"") != expected:
                return False
        changed = self._values.get(key) != rest
        self._values[key] = rest
        return changed

    def order_digest(self) -> str:
        """Digest every write and its origin, in the order in which they were applied."""
        return self._order.hexdigest()

    def state_digest(self) -> str:
        """Digest the contents, whatever way led to them."""
        digest = hashlib.blake2b(digest_size=16)
        for key, value in sorted(self._values.items()):
            digest.update(len(key).to_bytes(4, "little") + key + len(value).to_bytes(4, "little") + value)
        return digest.hexdigest()


def put(key: bytes, value: bytes) -> bytes:
    """Encode the write that sets a key (of up to 255 bytes)."""
    return bytes((PUT, len(key))) + key + value


def delete(key: bytes) -> bytes:
    """Encode the write that removes a key."""
    return bytes((DELETE, len(key))) + key


def swap(key: bytes, expected: bytes, value: bytes) -> bytes:
    """Encode the write that sets a key if its value is `expected` (empty: or if it has none)."""
    return bytes((SWAP, len(key))) + key + bytes((len(expected),)) + expected + value


def replica(me: Dispatcher, options: dict[str, Any]) -> dict[str, Any]:
    """Hold a replica, serve the clients of this dispatcher for a while, and report. Every dispatcher runs this."""
    workload = Workload(**options)
    store = Store()
    outcomes: deque[list[bool]] = deque()

    def delivered(origin: int, payload: bytes) -> None:
        changed = store.apply(origin, payload)
        if origin == me.index:  # writes of one dispatcher come back in the order in which they left
            outcomes.popleft().append(changed)

    def write(payload: bytes) -> bool:
        outcome: list[bool] = []
        outcomes.append(outcome)
        me.broadcast(payload)
        return outcome[0]

    me.on_delivery(delivered)
    me.barrier()
    began = time.monotonic()
    clients = [_Client(me, store, write, workload, number) for number in range(workload.clients)]
    threads = [me.spawn(client.run, began + workload.seconds) for client in clients]
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    me.barrier()  # every write of every client has been applied everywhere
    report = ReplicaReport(
        reads=sum(client.read_ns.total() for client in clients),
        writes=sum(client.write_ns.total() for client in clients),
        applied=store.applied,
        order=store.order_digest(),
        state=store.state_digest(),
        seconds=seconds,
        violations=sum(client.violations for client in clients),
        read_ns=dict(sum((client.read_ns for client in clients), Counter())),
        write_ns=dict(sum((client.write_ns for client in clients), Counter())),
    )
    return {name: getattr(report, name) for name in report.__struct_fields__}


class _Client:
    """A client of the store: reads and writes shared keys at random, and checks itself with a key of its own."""

    def __init__(self, me: Dispatcher, store: Store, write: Any, workload: Workload, number: int) -> None:
        self._me = me
        self._store = store
        self._write = write
        self._workload = workload
        self._random = Random(f"{workload.seed}/{me.index}/{number}")
        self._own_key = b"own/%d/%d" % (me.index, number)
        self.read_ns: Counter[int] = Counter()
        self.write_ns: Counter[int] = Counter()
        self.violations = 0

    def run(self, deadline: float) -> None:
        """Work until the deadline."""
        writes = reads = 0
        while time.monotonic() < deadline:
            key = b"key/%d" % self._random.randrange(self._workload.keys)
            if self._random.randrange(100) >= self._workload.write_percent:
                self._read(key)
                reads += 1
                if reads % READS_A_TURN == 0:
                    self._me.rest()
                continue
            writes += 1
            if writes % 8 == 0:
                mine = b"%d" % writes
                self._timed_write(put(self._own_key, mine))
                self.violations += self._store.get(self._own_key) != mine
            else:
                self._timed_write(self._shared_write(key, writes))

    def _shared_write(self, key: bytes, number: int) -> bytes:
        value = b"%d/%d" % (self._me.index, number)
        match self._random.randrange(8):
            case 0:
                return delete(key)
            case 1 | 2:
                return swap(key, self._store.get(key) or b"", value)
            case _:
                return put(key, value)

    def _read(self, key: bytes) -> None:
        began = time.perf_counter_ns()
        self._store.get(key)
        self.read_ns[two_digits(time.perf_counter_ns() - began)] += 1

    def _timed_write(self, payload: bytes) -> None:
        began = time.perf_counter_ns()
        self._write(payload)
        self.write_ns[two_digits(time.perf_counter_ns() - began)] += 1


def two_digits(number: int) -> int:
    """Round a positive integer to two significant digits, so that a histogram of latencies stays small."""
    scale = 1
    while number >= scale * 100:
        scale *= 10
    return number // scale * scale


def traffic(dispatchers: int, workload: Workload) -> list[list[int]]:
    """Messages to expect between dispatchers for every 100 operations of each, for the SKB to place them by.

    Dispatcher 0 orders all writes: each comes to it from its writer, goes from it to every replica, is acknowledged by all, and is
    confirmed to its writer.
    """
    writes = workload.write_percent
    matrix = [[0] * dispatchers for _ in range(dispatchers)]
    for index in range(1, dispatchers):
        matrix[index][0] = writes + writes * dispatchers
        matrix[0][index] = writes * dispatchers + writes
    return matrix
