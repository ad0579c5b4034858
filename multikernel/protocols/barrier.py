"""Barrier over a tree: arrivals are gathered upward, the release goes down.

Two messages a member and round, and a depth of twice the tree's; the classic combining tree. Sans-I/O, like all protocols.
"""

from msgspec import Struct

from multikernel.protocols.tree import Position


class Arrive(Struct, frozen=True, array_like=True, tag=11):
    """To the parent: I and all below me have arrived at round `round`."""

    round: int


class Release(Struct, frozen=True, array_like=True, tag=12):
    """To a child: everyone has arrived at round `round`; go on."""

    round: int


Message = Arrive | Release


class Send(Struct, frozen=True):
    """Action: send this message to that member."""

    to: int
    message: Message


class Released(Struct, frozen=True):
    """Action: everyone has arrived; whoever waits here may go on."""

    round: int


class BarrierViolation(Exception):
    """A member sent what the protocol does not allow."""


class Barrier:
    """One member's half of the protocol, for any number of rounds one after another."""

    def __init__(self, position: Position) -> None:
        self._me = position.member
        self._parent = position.parent
        self._children = position.children
        self._round = 1
        self._here = False
        self._missing = set(position.children)

    def arrive(self) -> list[Send | Released]:
        """Arrive; `Released` follows once all have. Raises BarrierViolation if this member is here already."""
        if self._here:
            raise BarrierViolation(
                f"member {self._me} is at the barrier already; wait for its release before arriving again"
            )
        self._here = True
        return self._rise()

    def receive(self, sender: int, message: Message) -> list[Send | Released]:
        """Take a message from a neighbour in the tree. Raises BarrierViolation if it may not say that."""
        match message:
            case Arrive(number):
                if number != self._round or sender not in self._missing:
                    raise BarrierViolation(
                        f"member {self._me} in round {self._round} got an arrival for round {number} from {sender}; "
                        f"it waits for {sorted(self._missing)}"
                    )
                self._missing.remove(sender)
                return self._rise()
            case Release(number):
                if sender != self._parent or number != self._round or self._missing or not self._here:
                    raise BarrierViolation(
                        f"member {self._me} in round {self._round} got a release of round {number} from {sender}, "
                        "which cannot know that all have arrived"
                    )
                return self._fall()

    def _rise(self) -> list[Send | Released]:
        if self._missing or not self._here:
            return []
        if self._parent is not None:
            return [Send(self._parent, Arrive(self._round))]
        return self._fall()

    def _fall(self) -> list[Send | Released]:
        number = self._round
        self._round += 1
        self._here = False
        self._missing = set(self._children)
        return [*(Send(child, Release(number)) for child in self._children), Released(number)]
