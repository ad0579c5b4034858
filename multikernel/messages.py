"""What travels between kernels, and between the console and the monitors.

Every URPC message starts with 8 bytes that say where it goes, so that a message of up to 48 bytes fits the 56 that one cache line
carries. What follows is the application's own bytes, or one of the structures below in MessagePack.
"""

import struct
from enum import IntEnum

import msgspec
from msgspec import Struct

from multikernel.protocols import barrier, broadcast
from multikernel.protocols.tree import Position

HEADER = struct.Struct("<BxHHH")
"""Kind, application, receiving member, sending member."""

MONITORS = 0
"""The application number of the monitors; a monitor's member number is its core."""


class Kind(IntEnum):
    """What a message is."""

    REQUEST = 1
    """From the console to a monitor: a `Request`."""
    REPLY = 2
    """From a monitor to the console: a `Reply`."""
    DATA = 3
    """From dispatcher to dispatcher: the application's bytes."""
    COLLECTIVE = 4
    """From member to member of a group: a broadcast's or barrier's message."""


class Slice(Struct, frozen=True, array_like=True):
    """How much of a pair's messages is measured at once: round trips, messages of bursts, blocks of a stream. What is 0 is left out."""

    rounds: int
    burst: int
    blocks: int


class Hello(Struct, frozen=True, array_like=True, tag=1):
    """Are you up? Answered with the kernel's process id."""

    call: int


class Echo(Struct, frozen=True, array_like=True, tag=2):
    """Answer a slice of `peer`'s measurement, and have it begin: pass it a `Measure` numbered `measuring` over the channel itself.

    Answered with what receives took, each in ps.
    """

    call: int
    peer: int
    slice: Slice
    measuring: int


class Measure(Struct, frozen=True, array_like=True, tag=3):
    """Measure a slice of the cost of messages to `peer`, which has passed this on and echoes. The console is answered: `Taken`."""

    call: int
    peer: int
    slice: Slice


class Route(Struct, frozen=True, array_like=True, tag=4):
    """Take this place in the tree of the monitors."""

    call: int
    position: Position


class Meet(Struct, frozen=True, array_like=True, tag=5):
    """Arrive at the monitors' barrier; answered when released."""

    call: int


class Probe(Struct, frozen=True, array_like=True, tag=6):
    """To the root: broadcast this many timed payloads to all monitors, one after another; answered when all are stable."""

    call: int
    rounds: int


class Observe(Struct, frozen=True, array_like=True, tag=7):
    """What did the timed broadcasts look like from where you are? Answered with an `Observation`."""

    call: int


class Spawn(Struct, frozen=True, array_like=True, tag=8):
    """Make a dispatcher, and do not start it yet: its peers may not be there."""

    call: int
    application: int
    position: Position
    entry: str
    arguments: bytes
    cores: tuple[int, ...]


class Start(Struct, frozen=True, array_like=True, tag=9):
    """Run the dispatchers of an application here. Each says later how it ended with an `Ended`."""

    call: int
    application: int


class Shutdown(Struct, frozen=True, array_like=True, tag=10):
    """Stop; the kernel's process ends."""

    call: int


class Calibrate(Struct, frozen=True, array_like=True, tag=11):
    """Have the clock ready for measurements, so that the first does not wait for it."""

    call: int


Request = Hello | Echo | Measure | Route | Meet | Probe | Observe | Spawn | Start | Shutdown | Calibrate


class Done(Struct, frozen=True, array_like=True, tag=21):
    """The request was carried out; `result` is MessagePack."""

    call: int
    result: msgspec.Raw


class Failed(Struct, frozen=True, array_like=True, tag=22):
    """The request could not be carried out."""

    call: int
    reason: str


class Ended(Struct, frozen=True, array_like=True, tag=23):
    """A dispatcher returned `result` (MessagePack), or failed with `error`, a traceback."""

    application: int
    index: int
    result: msgspec.Raw
    error: str


Reply = Done | Failed | Ended


class Taken(Struct, frozen=True, array_like=True):
    """What a sender measured in a slice, in ps: each round trip, each send, and a message's time in each block of a stream.

    `spent_ns`: what each of the three kept it busy for, with all that is not timed.
    """

    trips: list[int]
    sends: list[int]
    stream: list[int]
    spent_ns: tuple[int, int, int]


class Sending(Struct, frozen=True):
    """What the sender knows of messages to a peer, in ps.

    The round trip's statistics, how long a send keeps it busy, and what a message takes (`stream`) that is one of many under way.
    `samples` round trips were counted; `interrupted` ones were left out.
    """

    avg: int
    stddev: int
    min: int
    max: int
    send: int
    samples: int
    interrupted: int
    median: int
    stream: int


class Cost(Struct, frozen=True):
    """What messages from one core to another cost, in ps.

    What the sender measured, how long a receive keeps the receiver busy, an estimate of the way there, which is half of the median
    round trip, and how long it took to find all this out.
    """

    sending: Sending
    receive: int
    one_way: int
    measured_for: int


class Observation(Struct, frozen=True):
    """What one monitor saw of the timed broadcasts: from which members copies came, and after how many ns each round arrived."""

    heard_from: tuple[int, ...]
    delays_ns: tuple[int, ...]


Collective = (
    broadcast.Submit
    | broadcast.Ordered
    | broadcast.Acknowledge
    | broadcast.Committed
    | barrier.Arrive
    | barrier.Release
)

encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
decode_collective = msgspec.msgpack.Decoder(Collective).decode
