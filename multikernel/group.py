"""A group: members spread over cores, a tree between them, and the collectives that run over it.

This is where the sans-I/O protocols meet messages: it encodes what they want sent, decodes what comes, and calls back when
something is delivered, stable or released. Dispatchers of an application form a group; so do the monitors.
"""

from collections import Counter
from collections.abc import Callable

from multikernel.errors import ProtocolError
from multikernel.messages import decode_collective, encode
from multikernel.protocols import barrier, broadcast
from multikernel.protocols.barrier import Barrier
from multikernel.protocols.broadcast import OrderedBroadcast
from multikernel.protocols.tree import Position

Callback = Callable[[], None]


class Group:
    """One member's half of a group."""

    def __init__(
        self,
        position: Position,
        send: Callable[[int, bytes], None],
        deliver: Callable[[int, bytes], None],
    ) -> None:
        self.position = position
        self.heard_from: Counter[int] = Counter()
        """From which members copies of broadcasts came, and how many."""
        self._send = send
        self._deliver = deliver
        self._broadcast = OrderedBroadcast(position)
        self._barrier = Barrier(position)
        self._stable: dict[int, Callback] = {}
        self._released: Callback | None = None

    def submit(self, payload: bytes, stable: Callback) -> None:
        """Broadcast `payload` to all members, this one included, in one order; `stable` is called when all have it."""
        ticket, actions = self._broadcast.submit(payload)
        self._stable[ticket] = stable
        self._perform_broadcast(actions)

    def arrive(self, released: Callback) -> None:
        """Arrive at the group's barrier; `released` is called when all members have."""
        actions = self._barrier.arrive()
        self._released = released
        self._perform_barrier(actions)

    def receive(self, sender: int, data: bytes) -> None:
        """Take a collective message from a member. Raises ProtocolError if it may not say that."""
        try:
            message = decode_collective(data)
            if isinstance(message, barrier.Arrive | barrier.Release):
                self._perform_barrier(self._barrier.receive(sender, message))
            else:
                if isinstance(message, broadcast.Ordered):
                    self.heard_from[sender] += 1
                self._perform_broadcast(self._broadcast.receive(sender, message))
        except (broadcast.BroadcastViolation, barrier.BarrierViolation, ValueError) as violation:
            raise ProtocolError(f"member {self.position.member} of a group: {violation}") from violation

    def _perform_broadcast(self, actions: list[broadcast.Send | broadcast.Deliver | broadcast.Stable]) -> None:
        encoded: tuple[object, bytes] = (None, b"")
        for action in actions:
            match action:
                case broadcast.Send(to, message):
                    if encoded[0] is not message:  # one copy for all children
                        encoded = (message, encode(message))
                    self._send(to, encoded[1])
                case broadcast.Deliver(origin, payload):
                    self._deliver(origin, payload)
                case broadcast.Stable(ticket):
                    self._stable.pop(ticket)()

    def _perform_barrier(self, actions: list[barrier.Send | barrier.Released]) -> None:
        for action in actions:
            match action:
                case barrier.Send(to, message):
                    self._send(to, encode(message))
                case barrier.Released():
                    released, self._released = self._released, None
                    assert released is not None
                    released()
