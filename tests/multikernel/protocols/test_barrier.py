"""Barrier: nobody leaves a round before everybody has arrived at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from network import Network

from multikernel.protocols.barrier import Arrive, Barrier, BarrierViolation, Release, Released, Send
from multikernel.protocols.tree import Position, positions


@given(st.data())
def test_nobody_is_released_before_all_have_arrived(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 9), label="members")
    children: dict[int, list[int]] = {}
    for member in range(1, size):
        children.setdefault(data.draw(st.integers(0, member - 1), label="parent"), []).append(member)
    members = {member: Barrier(place) for member, place in positions(0, children).items()}
    network = Network(lambda n: data.draw(st.integers(0, n - 1)))
    arrived = dict.fromkeys(members, 0)
    released = dict.fromkeys(members, 0)

    def perform(member: int, actions: list[Send | Released]) -> None:
        for action in actions:
            match action:
                case Send(to, message):
                    network.send(member, to, message)
                case Released(number):
                    released[member] += 1
                    assert number == released[member]
                    assert min(arrived.values()) >= number, "released before all had arrived"

    rounds = data.draw(st.integers(1, 3), label="rounds")
    while min(released.values()) < rounds:
        outside = [member for member in members if arrived[member] == released[member] < rounds]
        if outside and data.draw(st.booleans(), label="someone arrives"):
            member = data.draw(st.sampled_from(outside))
            arrived[member] += 1
            perform(member, members[member].arrive())
        elif (event := network.next()) is not None:
            sender, to, message = event
            perform(to, members[to].receive(sender, message))
        elif outside:
            arrived[outside[0]] += 1
            perform(outside[0], members[outside[0]].arrive())
        else:
            pytest.fail("everyone is at the barrier, nothing is on its way, and nobody is released")
    assert network.next() is None


def test_arriving_twice_is_refused() -> None:
    barrier = Barrier(Position(0, None, (1,), 0))
    barrier.arrive()
    with pytest.raises(BarrierViolation, match="already"):
        barrier.arrive()


@pytest.mark.parametrize(("sender", "message"), [(2, Arrive(1)), (1, Arrive(2)), (0, Release(1)), (1, Release(1))])
def test_what_a_member_may_not_say_is_refused(sender: int, message: Arrive | Release) -> None:
    barrier = Barrier(Position(3, 0, (1,), 0))
    with pytest.raises(BarrierViolation):
        barrier.receive(sender, message)
