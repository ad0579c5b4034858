"""Ordered (atomic) broadcast down a tree, with acknowledgements gathered upward.

Any member submits; the root numbers what is submitted and sends it down; every member passes a copy on to its children first and
then delivers it, so that all members deliver the same payloads in the same order. A member acknowledges a number to its parent
once it and everyone below it have it. When the root has heard from all its children, the payload is *stable*, and the member that
submitted it is told.

Sans-I/O: methods take events and return actions. Links are assumed to be reliable and first-in first-out, as URPC channels are; a
gap in the numbers is therefore an error in the peer, not something to be repaired.

Why a fixed sequencer at the root and not a rotating token or votes: the tree's root has to touch every payload anyway, one extra
hop from the submitter is the least that total order can cost, and the SKB can put the root where the submitters are.
"""

from collections import deque

from msgspec import Struct

from multikernel.protocols.tree import Position


class Submit(Struct, frozen=True, array_like=True, tag=1):
    """To the root: please order this payload. `ticket` is the submitter's own number for it."""

    ticket: int
    payload: bytes


class Ordered(Struct, frozen=True, array_like=True, tag=2):
    """To a child: payload number `sequence` (from 1), submitted by `origin`."""

    sequence: int
    origin: int
    payload: bytes


class Acknowledge(Struct, frozen=True, array_like=True, tag=3):
    """To the parent: I and all below me have everything up to `sequence`."""

    sequence: int


class Committed(Struct, frozen=True, array_like=True, tag=4):
    """To the submitter: every member has the payload of this ticket."""

    ticket: int


Message = Submit | Ordered | Acknowledge | Committed


class Send(Struct, frozen=True):
    """Action: send this message to that member."""

    to: int
    message: Message


class Deliver(Struct, frozen=True):
    """Action: hand this payload to the application; every member does, in this order."""

    origin: int
    payload: bytes


class Stable(Struct, frozen=True):
    """Action: the payload submitted here under this ticket has reached every member."""

    ticket: int


class BroadcastViolation(Exception):
    """A member sent what the protocol does not allow."""


class OrderedBroadcast:
    """One member's half of the protocol."""

    def __init__(self, position: Position) -> None:
        self._me = position.member
        self._root = position.root
        self._parent = position.parent
        self._children = position.children
        self._received = 0  # highest number received here
        self._below = dict.fromkeys(position.children, 0)  # highest number acknowledged by each child
        self._acknowledged = 0  # highest number that everyone from here down has
        self._next_ticket = 0
        self._unstable: deque[tuple[int, int]] = deque()  # at the root: (origin, ticket) of numbers not yet stable

    def submit(self, payload: bytes) -> tuple[int, list[Send | Deliver | Stable]]:
        """Submit a payload. Returns its ticket and what to do now; `Stable(ticket)` follows when every member has it."""
        self._next_ticket += 1
        ticket = self._next_ticket
        if self._parent is None:
            return ticket, self._order(self._me, ticket, payload)
        return ticket, [Send(self._root, Submit(ticket, payload))]

    def receive(self, sender: int, message: Message) -> list[Send | Deliver | Stable]:
        """Take a message from another member. Raises BroadcastViolation if it may not say that."""
        match message:
            case Ordered(sequence, origin, payload):
                if sender != self._parent or sequence != self._received + 1:
                    raise BroadcastViolation(
                        f"member {self._me} got number {sequence} from {sender}; "
                        f"number {self._received + 1} from its parent {self._parent} comes next"
                    )
                return self._pass_on(message, origin, payload)
            case Acknowledge(sequence):
                if sender not in self._below or not self._below[sender] <= sequence <= self._received:
                    raise BroadcastViolation(
                        f"member {self._me} got an acknowledgement of {sequence} from {sender}; "
                        f"its children are {list(self._children)} and {self._received} was sent"
                    )
                self._below[sender] = sequence
                return self._gather()
            case Submit(ticket, payload):
                if self._parent is not None:
                    raise BroadcastViolation(f"member {self._me} is not the root; {sender} must submit to {self._root}")
                return self._order(sender, ticket, payload)
            case Committed(ticket):
                if sender != self._root or not 0 < ticket <= self._next_ticket:
                    raise BroadcastViolation(
                        f"member {self._me} was told by {sender} of ticket {ticket}, which it never took"
                    )
                return [Stable(ticket)]

    def _order(self, origin: int, ticket: int, payload: bytes) -> list[Send | Deliver | Stable]:
        self._unstable.append((origin, ticket))
        return self._pass_on(Ordered(self._received + 1, origin, payload), origin, payload)

    def _pass_on(self, message: Ordered, origin: int, payload: bytes) -> list[Send | Deliver | Stable]:
        self._received = message.sequence
        actions: list[Send | Deliver | Stable] = [Send(child, message) for child in self._children]
        actions.append(Deliver(origin, payload))
        if not self._children:
            actions += self._gather()
        return actions

    def _gather(self) -> list[Send | Deliver | Stable]:
        have = min(self._below.values(), default=self._received)
        if have == self._acknowledged:
            return []
        newly, self._acknowledged = have - self._acknowledged, have
        if self._parent is not None:
            return [Send(self._parent, Acknowledge(have))]
        stable = [self._unstable.popleft() for _ in range(newly)]
        return [Stable(ticket) if origin == self._me else Send(origin, Committed(ticket)) for origin, ticket in stable]
