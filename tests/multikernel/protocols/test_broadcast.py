"""Ordered broadcast: the same payloads, in the same order, at every member, whatever the order of delivery."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network import Network, exhaust

from multikernel.protocols.broadcast import (
    Acknowledge,
    BroadcastViolation,
    Committed,
    Deliver,
    Ordered,
    OrderedBroadcast,
    Send,
    Stable,
    Submit,
)
from multikernel.protocols.tree import Position, positions


class World:
    """All members of a group, and what each has delivered and seen become stable."""

    def __init__(self, root: int, children: dict[int, list[int]], choose: Callable[[int], int]) -> None:
        self.members = {member: OrderedBroadcast(place) for member, place in positions(root, children).items()}
        self.delivered: dict[int, list[tuple[int, bytes]]] = {member: [] for member in self.members}
        self.stable: dict[int, list[int]] = {member: [] for member in self.members}
        self.submitted: dict[tuple[int, int], bytes] = {}
        self._network = Network(choose)

    def submit(self, member: int, payload: bytes) -> None:
        ticket, actions = self.members[member].submit(payload)
        self.submitted[member, ticket] = payload
        self.perform(member, actions)

    def perform(self, member: int, actions: list[Send | Deliver | Stable]) -> None:
        for action in actions:
            match action:
                case Send(to, message):
                    self._network.send(member, to, message)
                case Deliver(origin, payload):
                    self.delivered[member].append((origin, payload))
                case Stable(ticket):
                    self.stable[member].append(ticket)
                    done = (member, self.submitted[member, ticket])
                    assert all(done in log for log in self.delivered.values()), "stable before everyone had it"

    def step(self) -> bool:
        event = self._network.next()
        if event is None:
            return False
        sender, to, message = event
        self.perform(to, self.members[to].receive(sender, message))
        return True

    def check_end(self) -> None:
        logs = list(self.delivered.values())
        assert all(log == logs[0] for log in logs)
        assert sorted(logs[0]) == sorted((member, payload) for (member, _), payload in self.submitted.items())
        for member, tickets in self.stable.items():
            assert tickets == [ticket for origin, ticket in self.submitted if origin == member]
            assert [payload for origin, payload in logs[0] if origin == member] == [
                payload for (origin, _), payload in self.submitted.items() if origin == member
            ]


@pytest.mark.parametrize("children", [{0: [1, 2]}, {0: [1], 1: [2]}], ids=["star", "chain"])
def test_every_order_of_delivery_leads_to_one_order_at_all_members(children: dict[int, list[int]]) -> None:
    def run(choose: Callable[[int], int]) -> None:
        world = World(0, children, choose)
        world.submit(1, b"one")
        world.submit(2, b"two")
        while world.step():
            pass
        world.check_end()

    assert exhaust(run, limit=20_000) > 100


@given(st.data())
def test_members_agree_on_any_tree_and_any_schedule(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 9), label="members")
    children: dict[int, list[int]] = {}
    for member in range(1, size):
        children.setdefault(data.draw(st.integers(0, member - 1), label="parent"), []).append(member)
    world = World(0, children, lambda n: data.draw(st.integers(0, n - 1)))
    for number in range(data.draw(st.integers(0, 8), label="payloads")):
        world.submit(data.draw(st.integers(0, size - 1), label="origin"), b"%d" % number)
        for _ in range(data.draw(st.integers(0, 3), label="steps")):
            world.step()
    while world.step():
        pass
    world.check_end()


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        (2, Ordered(1, 0, b"from a stranger")),
        (0, Ordered(2, 0, b"one is missing")),
        (3, Acknowledge(1)),
        (2, Submit(1, b"not to the root")),
        (0, Committed(1)),
    ],
)
def test_what_a_member_may_not_say_is_refused(sender: int, message: Ordered | Acknowledge | Submit | Committed) -> None:
    member = OrderedBroadcast(Position(1, 0, (3,), 0))
    with pytest.raises(BroadcastViolation):
        member.receive(sender, message)
