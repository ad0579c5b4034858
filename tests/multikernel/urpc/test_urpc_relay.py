"""Relays: what one sends all receive, what all contribute one learns, and nobody waits for who has gone."""

from __future__ import annotations

import array
import mmap
import os
import signal
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multikernel import urpc

Run = Callable[..., str]
TREE = {0: [1, 2], 1: [3, 4]}
"""The tree of the examples: 3 and 4 are below 1."""


class World:
    """The channels of a tree, all in this process; `place` gives a member its relay."""

    def __init__(self, tree: dict[int, list[int]], capacity: int = 16, spin_ns: int = 0) -> None:
        self.tree = tree
        self.parents = {child: parent for parent, children in tree.items() for child in children}
        self.members = [0, *self.parents]
        self.bells = {member: urpc.Doorbell.create(spin_ns) for member in self.members}
        self.down: dict[int, urpc.Channel] = {}
        self.up: dict[int, urpc.Channel] = {}
        for child, parent in self.parents.items():
            segment = urpc.Segment.create(capacity)
            self.down[child] = urpc.Channel(segment, 0, self.bells[parent], self.bells[child])
            self.up[child] = urpc.Channel(segment, 1, self.bells[child], self.bells[parent])

    def place(self, member: int, **options: int) -> urpc.Relay:
        parent = self.parents.get(member)
        return urpc.Relay(
            self.bells[member],
            member,
            None if parent is None else (parent, self.up[member]),
            {child: self.down[child] for child in self.tree.get(member, [])},
            **options,  # type: ignore[arg-type]
        )

    def relays(self, **options: int) -> dict[int, urpc.Relay]:
        return {member: self.place(member, **options) for member in self.members}


def settle(relays: dict[int, urpc.Relay]) -> None:
    """Let every relay do all that there is to do."""
    for _ in range(2 * len(relays) + 2):
        for relay in relays.values():
            assert relay.ready in (True, False)


@contextmanager
def processes(world: World, play: Callable[[int], None]) -> Iterator[dict[int, int]]:
    """Run play(member) in a process of its own for every member but the root; they are gone at the end."""
    children: dict[int, int] = {}
    for member in world.members[1:]:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.alarm(60)
                play(member)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        children[member] = child
    try:
        yield children
    finally:
        for child in children.values():
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)


def succeeded(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# Broadcasts.


def test_broadcasts_reach_everyone_in_order_and_are_acknowledged() -> None:
    relays = World(TREE).relays()
    assert [relays[0].broadcast(b"%d" % number) for number in range(3)] == [1, 2, 3]
    settle(relays)
    for member in range(1, 5):
        assert [relays[member].try_receive() for _ in range(4)] == [b"0", b"1", b"2", None]
    settle(relays)
    assert relays[0].gather(0) == 3


def test_acknowledgement_waits_for_who_has_to_act() -> None:
    world = World(TREE)
    relays = world.relays(automatic=False)
    relays[0].broadcast(b"unmap")
    settle(relays)
    for member in (1, 2, 3):
        relays[member].receive(0)
        relays[member].acknowledge()
    settle(relays)
    assert relays[0].try_gather() == 0
    relays[4].receive(0)
    settle(relays)
    assert relays[0].try_gather() == 0
    relays[4].acknowledge()
    settle(relays)
    assert relays[0].try_gather() == 1


def test_member_that_wants_no_broadcasts_passes_them_on() -> None:
    world = World(TREE)
    relays = {member: world.place(member, deliver=member != 1) for member in world.members}
    relays[0].broadcast(b"x")
    settle(relays)
    assert relays[1].try_receive() is None
    assert relays[3].try_receive() == b"x"
    assert relays[0].gather(0) == 1


def test_slow_member_holds_its_tree_and_loses_nothing() -> None:
    relays = World(TREE, capacity=8).relays(room=0)
    sent = 0
    with suppress(TimeoutError):
        for _ in range(100):
            relays[0].broadcast(sent.to_bytes(4, "little"), timeout=0)
            settle(relays)
            for member in (1, 2, 3):
                while relays[member].try_receive() is not None:
                    pass
            sent += 1
    assert 8 < sent < 100
    received = []
    while (data := relays[4].try_receive()) is not None:
        received.append(int.from_bytes(data, "little"))
        settle(relays)
        for member in (1, 2, 3):
            relays[member].try_receive()
    assert received == list(range(sent))


def test_ordinary_messages_keep_their_place() -> None:
    world = World({0: [1]})
    relays = world.relays()
    world.down[1].send(b"before")
    relays[0].broadcast(b"relayed")
    world.down[1].send(b"after")
    assert relays[1].try_receive() is None  # it comes behind one that has not been received
    assert world.up[1].receive(0) == b"before"
    assert world.up[1].receive(0) == b"after"
    assert relays[1].receive(0) == b"relayed"


def test_groups_share_channels() -> None:
    world = World(TREE)
    groups = [world.relays(group=group) for group in (1, 7)]
    for number, relays in enumerate(groups):
        relays[0].broadcast(b"%d" % number)
    for relays in groups:
        settle(relays)
    for number, relays in enumerate(groups):
        assert [relays[member].try_receive() for member in (1, 2, 3, 4)] == [b"%d" % number] * 4
        assert relays[0].gather(0) == 1


def test_what_comes_before_its_relay_waits() -> None:
    world = World({0: [1]})
    root = world.place(0)
    root.broadcast(b"early")
    assert world.up[1].try_receive() is None
    assert world.place(1).receive(0) == b"early"


def test_only_the_root_broadcasts_and_gathers() -> None:
    relays = World(TREE).relays()
    with pytest.raises(urpc.UrpcError, match="root"):
        relays[1].broadcast(b"")
    with pytest.raises(urpc.UrpcError, match="root"):
        relays[1].gather(0)


def test_longest_fits_and_one_more_does_not() -> None:
    relays = World({0: [1]}).relays()
    relays[0].broadcast(bytes(relays[0].longest))
    assert len(relays[1].receive(0)) == relays[0].longest == urpc.max_message(16) - 8
    with pytest.raises(urpc.MessageTooLong):
        relays[0].broadcast(bytes(relays[0].longest + 1))


# While others wait in C.


@pytest.mark.parametrize("spin_ns", [0, 20_000])
@pytest.mark.parametrize("wait", ["receive", "wait set", "relay"])
def test_whoever_waits_in_c_passes_on(wait: str, spin_ns: int) -> None:
    world = World({0: [1], 1: [2]}, spin_ns=spin_ns)
    other, bell = urpc.Segment.create(), urpc.Doorbell.create()
    ordinary, end = urpc.Channel(other, 0, world.bells[1], bell), urpc.Channel(other, 1, bell, world.bells[1])
    woken = []

    def between() -> None:
        relay = world.place(1, deliver=False, group=3)
        if wait == "receive":
            woken.append(ordinary.receive(30))
        elif wait == "wait set":
            ready = urpc.WaitSet(world.bells[1])
            ready.add(ordinary)
            woken.append(ready.wait(30))
        else:
            relay.barrier(30)

    thread = threading.Thread(target=between)
    root, leaf = world.place(0, group=3), world.place(2, group=3)
    thread.start()
    for number in range(50):
        root.broadcast(b"%d" % number)
        assert leaf.receive(30) == b"%d" % number
        assert root.gather(30) == number + 1
    assert woken == []
    end.send(b"now")
    if wait == "relay":
        leaf.contribute(array.array("q"), "sum", everyone=True)
        root.barrier(30)
    thread.join(30)
    assert not thread.is_alive()


def test_wait_set_ends_for_what_a_relay_has() -> None:
    world = World({0: [1]})
    relays = world.relays()
    ready = urpc.WaitSet(world.bells[1])
    ready.add(world.up[1])
    relays[0].broadcast(b"x")
    assert ready.wait(30) == []
    assert relays[1].ready
    assert relays[1].try_receive() == b"x"
    assert not relays[1].ready
    assert ready.wait(0) == []


# Reductions.

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "sum": lambda a, b: a + b,
    "min": min,
    "max": max,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
}


def reference(tree: dict[int, list[int]], values: list[list[float]], operation: str, member: int = 0) -> list[float]:
    """What a member passes up: its own, then its children's in the order of the tree."""
    result = list(values[member])
    for child in tree.get(member, []):
        below = reference(tree, values, operation, child)
        result = [OPERATIONS[operation](a, b) for a, b in zip(result, below, strict=True)]  # type: ignore[arg-type]
    return result


@st.composite
def trees(draw: st.DrawFn) -> dict[int, list[int]]:
    tree: dict[int, list[int]] = {0: []}
    for member in range(1, draw(st.integers(1, 8), label="members")):
        tree.setdefault(draw(st.integers(0, member - 1)), []).append(member)
    return tree


FORMATS: dict[str, st.SearchStrategy[float]] = {
    "q": st.integers(-(2**63), 2**63 - 1),
    "Q": st.integers(0, 2**64 - 1),
    "d": st.floats(allow_nan=False),
}


def wrapped(value: float, form: str) -> float:
    """Integers modulo 2**64, as the machine adds them."""
    if isinstance(value, float) or form == "d":
        return value
    value %= 2**64
    return value - 2**64 if form == "q" and value >= 2**63 else value


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_tree_reduces_as_the_reference_does(data: st.DataObject) -> None:
    tree = data.draw(trees())
    world = World(tree)
    relays = world.relays()
    for _ in range(data.draw(st.integers(1, 3), label="rounds")):
        form = data.draw(st.sampled_from(sorted(FORMATS)))
        operation = data.draw(st.sampled_from(["sum", "min", "max"] if form == "d" else sorted(OPERATIONS)))
        length = data.draw(st.integers(0, 80), label="length")
        everyone = data.draw(st.booleans(), label="everyone")
        values = [data.draw(st.lists(FORMATS[form], min_size=length, max_size=length)) for _ in world.members]
        for member in data.draw(st.permutations(world.members)):
            relays[member].contribute(array.array(form, values[member]), operation, everyone=everyone)  # type: ignore[arg-type]
        settle(relays)
        expected = array.array(form, [wrapped(value, form) for value in reference(tree, values, operation)])
        for member in world.members if everyone else [0]:
            result = relays[member].result(0)
            assert isinstance(result, memoryview)
            assert result.tobytes() == expected.tobytes() or (form == "d" and result.tolist() == expected.tolist())
    assert all(relay.idle for relay in relays.values())


def test_sum_of_floats_depends_on_the_tree_and_not_on_who_is_first() -> None:
    values = {0: 1e16, 1: 1.0, 2: -1e16, 3: 0.5, 4: 1e-3}
    sums = set()
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        relays = World(TREE).relays()
        for member in order:
            relays[member].contribute(values[member], "sum")
        settle(relays)
        sums.add(relays[0].result(0))
    assert sums == {(1e16 + ((1.0 + 0.5) + 1e-3)) - 1e16}


def test_contributions_may_run_ahead() -> None:
    relays = World(TREE, capacity=8).relays()
    for round_ in range(200):
        for member in (1, 2, 3, 4):
            relays[member].contribute(round_ * member, "max", timeout=0)
    for round_ in range(200):
        relays[0].contribute(-1, "max")
        settle(relays)
        assert relays[0].result(0) == round_ * 4


@pytest.mark.parametrize(
    ("value", "operation", "error"),
    [
        (1, "product", ValueError),
        (1.0, "and", ValueError),
        (2**63, "sum", OverflowError),
        (b"bytes", "sum", TypeError),
        (array.array("i", [1]), "sum", TypeError),
        ("text", "sum", TypeError),
    ],
)
def test_what_cannot_be_reduced_is_refused(value: object, operation: str, error: type[Exception]) -> None:
    relays = World({0: [1]}).relays()
    with pytest.raises(error):
        relays[0].contribute(value, operation)  # type: ignore[arg-type]
    assert relays[0].idle


def test_members_that_disagree_are_named() -> None:
    relays = World(TREE).relays()
    for member in (0, 1, 2, 4):
        relays[member].contribute(1, "sum", everyone=True)
    relays[3].contribute(1, "max", everyone=True)
    settle(relays)
    for member in (0, 1, 2, 4):
        with pytest.raises(urpc.UrpcError, match="another operation") as caught:
            relays[member].result(0)
        assert caught.value.member == 3


def test_no_result_is_due_where_none_was_asked_for() -> None:
    relays = World({0: [1]}).relays()
    assert relays[1].reduce(1, "sum") is None
    with pytest.raises(urpc.UrpcError, match="awaits no result"):
        relays[1].result(0)


# Processes.


@settings(max_examples=8, deadline=None)
@given(trees(), st.lists(st.integers(0, 600), min_size=1, max_size=20), st.sampled_from([0, 20_000]))
def test_processes_broadcast_reduce_and_meet(tree: dict[int, list[int]], lengths: list[int], spin_ns: int) -> None:
    world = World(tree, capacity=16, spin_ns=spin_ns)

    def play(member: int) -> None:
        relay = world.place(member)
        for number, length in enumerate(lengths):
            assert relay.receive(30) == bytes([number]) * length
            assert relay.all_reduce(member, "sum", 30) == sum(world.members) + number
            relay.reduce(array.array("d", [member, -member]), "max", 30)
        relay.barrier(30)

    with processes(world, play) as children:
        root = world.place(0)
        for number, length in enumerate(lengths):
            root.broadcast(bytes([number]) * length, 30)
            assert root.all_reduce(number, "sum", 30) == sum(world.members) + number
            assert list(root.reduce(array.array("d", [0, 0]), "max", 30) or []) == [max(world.members), 0]
        assert root.gather(30) == len(lengths)
        root.barrier(30)
        assert all(succeeded(child) for child in children.values())


def test_nobody_leaves_a_barrier_before_all_have_come() -> None:
    world = World(TREE)
    flags = mmap.mmap(-1, 4096)

    def play(member: int) -> None:
        relay = world.place(member)
        for round_ in range(1, 50):
            flags[member] = round_
            relay.barrier(30)
            assert all(flags[other] >= round_ for other in world.members)

    with processes(world, play) as children:
        relay = world.place(0)
        for round_ in range(1, 50):
            flags[0] = round_
            relay.barrier(30)
            assert all(flags[other] >= round_ for other in world.members)
        assert all(succeeded(child) for child in children.values())


@pytest.mark.parametrize("victim", [2, 4])
def test_killed_member_is_named_to_everyone(victim: int) -> None:
    world = World(TREE)
    report, write = os.pipe()

    def play(member: int) -> None:
        relay = world.place(member, automatic=member != victim)  # which acknowledges nothing, however fast it is
        relay.barrier(30)
        if member == victim:
            signal.pause()
        process = int(relay.receive(30))
        if member == world.parents[victim]:
            urpc.watch_peer(world.down[victim], process)
        try:
            relay.barrier(30)
        except urpc.PeerDied as error:
            os.write(write, struct.pack("<II", member, error.member or 0))
        relay.receive(30)  # and goes on passing on, until it is killed

    with processes(world, play) as children:
        root = world.place(0)
        if world.parents[victim] == 0:
            urpc.watch_peer(world.down[victim], children[victim])
        root.barrier(30)
        root.broadcast(b"%d" % children[victim], 30)
        os.kill(children[victim], signal.SIGKILL)
        with pytest.raises(urpc.PeerDied, match=f"member {victim}") as caught:
            root.gather(30)
        assert caught.value.member == victim
        assert root.lost == {victim: urpc.PeerDied}
        with pytest.raises(urpc.PeerDied):
            root.barrier(30)
        others = [member for member in world.members[1:] if member != victim]
        told = dict(struct.unpack("<II", os.read(report, 8)) for _ in others)
        assert told == dict.fromkeys(others, victim)
    os.close(report)
    os.close(write)


# Losses, in one process.


def test_closed_child_is_reported_up_and_everyone_told() -> None:
    world = World(TREE)
    relays = world.relays()
    for member in (0, 1, 2, 4):
        relays[member].contribute(1, "sum", everyone=True)
    world.up[3].close()
    settle({member: relay for member, relay in relays.items() if member != 3})
    for member in (0, 1, 2, 4):
        with pytest.raises(urpc.Closed, match="member 3") as caught:
            relays[member].result(0)
        assert caught.value.member == 3
    relays[0].broadcast(b"still")
    settle({member: relay for member, relay in relays.items() if member != 3})
    assert [relays[member].receive(0) for member in (1, 2, 4)] == [b"still"] * 3
    with pytest.raises(urpc.Closed, match="member 3"):
        relays[0].gather(0)


def test_gather_counts_what_a_member_acknowledged_before_it_left() -> None:
    world = World(TREE)
    relays = world.relays()
    relays[0].broadcast(b"x")
    settle(relays)
    relays[3].close()
    settle(relays)
    assert relays[0].gather(0) == 1


def test_lost_parent_cuts_off_all_below() -> None:
    world = World(TREE)
    relays = world.relays()
    relays[0].broadcast(b"last")
    settle(relays)
    world.down[1].close()
    settle({member: relay for member, relay in relays.items() if member != 0})
    for member in (1, 3, 4):
        assert relays[member].receive(0) == b"last"
        with pytest.raises(urpc.Closed) as caught:
            relays[member].receive(0)
        assert caught.value.member == 0
    assert relays[2].receive(0) == b"last"
    with pytest.raises(TimeoutError):
        relays[2].receive(0)


def test_reset_goes_on_without_the_lost_and_drops_what_is_old() -> None:
    world = World(TREE)
    relays = world.relays()
    relays[3].close()
    relays[0].broadcast(b"old")
    settle(relays)
    world.tree = {0: [1, 2], 1: [4]}
    for member, relay in relays.items():
        if member != 3:
            parent = world.parents.get(member)
            relay.reset(
                None if parent is None else (parent, world.up[member]),
                {child: world.down[child] for child in world.tree.get(member, [])},
            )
            assert relay.epoch == 1
    del relays[3]
    assert relays[0].lost == {}
    relays[0].broadcast(b"new")
    settle(relays)
    assert [relays[member].receive(0) for member in (1, 2, 4)] == [b"old"] * 3
    assert [relays[member].receive(0) for member in (1, 2, 4)] == [b"new"] * 3
    assert relays[0].gather(0) == 1


def test_reset_needs_quiet() -> None:
    world = World({0: [1]})
    relays = world.relays()
    relays[0].contribute(1, "sum")
    with pytest.raises(urpc.UrpcError, match="under way"):
        relays[0].reset(None, {1: world.down[1]})
    relays[1].contribute(1, "sum")
    settle(relays)
    assert relays[0].result(0) == 2
    relays[0].reset(None, {1: world.down[1]})
    relays[0].broadcast(b"of the next epoch")
    assert relays[1].try_receive() is None
    relays[1].reset((0, world.up[1]), {})
    assert relays[1].try_receive() == b"of the next epoch"


def test_place_that_cannot_be_is_refused() -> None:
    world = World({0: [1, 2]})
    first = world.place(0)
    with pytest.raises(ValueError, match="another relay of group 0"):
        world.place(0)
    first.close()
    with pytest.raises(ValueError, match="epoch 0 of group 0 is past"):
        world.place(0)
    with pytest.raises(ValueError, match="another doorbell"):
        urpc.Relay(world.bells[1], 1, None, {2: world.down[2]}, epoch=1)
    world.place(0, epoch=1).close()
    with pytest.raises(ValueError, match="groups go from 0"):
        world.place(0, group=4096)


def test_closed_relay_drops_what_comes_and_lets_the_rest_through() -> None:
    world = World({0: [1]})
    relays = world.relays()
    relays[1].close()
    relays[0].broadcast(b"to nobody")
    world.down[1].send(b"ordinary")
    assert world.up[1].receive(0) == b"ordinary"


def test_relay_belongs_to_the_process_that_made_it(run: Run) -> None:
    output = run("""
        import os
        from multikernel import urpc
        bells = urpc.Doorbell.create(0), urpc.Doorbell.create(0)
        segment = urpc.Segment.create()
        down, up = urpc.Channel(segment, 0, *bells), urpc.Channel(segment, 1, *bells[::-1])
        root, leaf = urpc.Relay(bells[0], 0, None, {1: down}), urpc.Relay(bells[1], 1, (0, up), {})
        child = os.fork()
        if child == 0:
            try:
                root.broadcast(b"not mine")
            except urpc.UrpcError as error:
                print(error, flush=True)
            root.close()
            os._exit(0)
        os.waitpid(child, 0)
        root.broadcast(b"mine")
        print(leaf.receive(5))
    """)
    assert "belongs to the process that made it" in output
    assert "b'mine'" in output


@pytest.mark.parametrize("line", range(4))
def test_forged_relayed_line_is_corrupt_and_the_sender_lost(line: int) -> None:
    world = World({0: [1], 1: [2]})
    relay = world.place(1)
    word = [
        5 << 21 | 1 << 32,  # an acknowledgement from the parent
        1 << 21 | 2 << 32,  # number 2 before number 1
        2 << 21 | 7 << 25 | 1 << 32,  # a result of no operation that there is
        15 << 21,  # no kind that there is
    ][line]
    header = 1 | 8 << 40 | 4 << 60
    with mmap.mmap(world.up[1].segment.fd, 0) as memory:
        struct.pack_into("<Q", memory, 4096 + 8, word)
        struct.pack_into("<Q", memory, 4096, header)
    with pytest.raises(urpc.Corrupt) as caught:
        relay.receive(5)
    assert caught.value.member == 0
    with pytest.raises(urpc.Corrupt):
        world.up[1].try_receive()
