"""A law: whatever the order of sends and receives, a channel is two queues with a bound."""

from __future__ import annotations

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel import urpc

CAPACITY = 8
QUARTER = CAPACITY // 4
LONGEST = urpc.max_message(CAPACITY)

lengths = st.one_of(st.integers(0, LONGEST), st.sampled_from([0, 1, 55, 56, 57, 111, 112, 113, LONGEST]))
side = st.integers(0, 1)
operation = st.one_of(
    st.tuples(st.just("send"), side, lengths),
    st.tuples(st.just("send many"), side, st.lists(lengths, max_size=6).map(tuple)),
    st.tuples(st.just("receive"), side, st.just(0)),
    st.tuples(st.just("receive many"), side, st.integers(0, 5)),
)


def lines(message: bytes) -> int:
    return max(1, -(-len(message) // urpc.MAX_INLINE))


class Direction:
    """The model of one direction: what was sent and not received, and how many lines that takes."""

    def __init__(self) -> None:
        self.queue: deque[bytes] = deque()
        self.sent = 0

    def message(self, length: int) -> bytes:
        """A message that differs from those around it."""
        self.sent += 1
        return bytes((self.sent * 31 + i * 7) % 256 for i in range(length))

    def must_accept(self, message: bytes) -> bool:
        """Less than a quarter of the ring may be received and not yet acknowledged."""
        return sum(map(lines, self.queue)) + lines(message) + QUARTER - 1 <= CAPACITY

    def may_accept(self, message: bytes) -> bool:
        return sum(map(lines, self.queue)) + lines(message) <= CAPACITY


@settings(max_examples=300, deadline=None)
@given(st.lists(operation, max_size=120))
def test_channel_is_two_bounded_queues(operations: list[tuple[str, int, object]]) -> None:
    ends = urpc.pair(CAPACITY)
    model = (Direction(), Direction())  # model[s]: what side s has sent
    with ends[0], ends[1]:
        for name, at, argument in operations:
            end, outgoing, incoming = ends[at], model[at], model[1 - at]
            if name == "send":
                assert isinstance(argument, int)
                message = outgoing.message(argument)
                accepted = end.try_send(message)
                assert accepted or not outgoing.must_accept(message)
                assert not accepted or outgoing.may_accept(message)
                if accepted:
                    outgoing.queue.append(message)
            elif name == "send many":
                assert isinstance(argument, tuple)
                messages = [outgoing.message(length) for length in argument]
                count = end.try_send_many(messages)
                outgoing.queue.extend(messages[:count])
                assert sum(map(lines, outgoing.queue)) <= CAPACITY
                assert count == len(messages) or not outgoing.must_accept(messages[count])
            elif name == "receive":
                assert end.readable == bool(incoming.queue)
                assert end.try_receive() == (incoming.queue.popleft() if incoming.queue else None)
            else:
                assert isinstance(argument, int)
                expected = [incoming.queue.popleft() for _ in range(min(argument, len(incoming.queue)))]
                assert end.try_receive_many(argument) == expected
        for at in (0, 1):
            assert ends[1 - at].try_receive_many() == list(model[at].queue)
