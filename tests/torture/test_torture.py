"""Channels under torture: a short run, its reproducibility, and that it would notice what it looks for."""

import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from torture import Broken, check
from torture_life import PROCESSES, Verdict, plan_life
from torture_player import GOODBYE, HEADER, Counts, Ends, message, play

from multikernel import urpc

SEED, LIFE_SEED = 20, 5
HERE = Path(__file__).parent


@pytest.mark.timeout(240)
def test_twenty_seconds_of_torture_break_no_promise() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "torture.py"), "--seconds", "20", "--seed", str(SEED)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every promise held" in done.stdout


def test_the_seed_decides_every_choice() -> None:
    assert plan_life(3, 7) == plan_life(3, 7)
    assert plan_life(3, 7) != plan_life(3, 8)
    assert plan_life(3, 7) != plan_life(4, 7)
    assert message(1, 2, 3, 4, 600) == message(1, 2, 3, 4, 600)


def test_lives_kill_and_stop_and_leave_alone() -> None:
    plans = [plan_life(1, number) for number in range(200)]
    kills = [sum(moment.stall == 0.0 and moment.who > 0 for moment in plan.moments) for plan in plans]
    assert {0, 1, 2, 3} <= set(kills)
    assert all(0 <= moment.who < PROCESSES for plan in plans for moment in plan.moments)


def test_messages_fit_and_are_of_all_sizes() -> None:
    for capacity in (8, 256):
        longest = urpc.max_message(capacity)
        sizes = {len(message(1, 0, 1, number, longest)) for number in range(2000)}
        assert max(sizes) <= longest
        assert min(sizes) == HEADER.size
        assert len(sizes) > 100
        assert {55, 56, 57} <= sizes, "at the edge of one line"


# That it would notice: a player whose peer is this test, which breaks one promise at a time.


def against(misbehave: Callable[[urpc.Channel, Counts], object]) -> str:
    """What player 0 says of a peer 1 that does this, then ends its life."""
    counts = Counts(mmap.mmap(-1, Counts.SIZE))
    bell, other = urpc.Doorbell.create(0), urpc.Doorbell.create(0)
    with urpc.Segment.create(16) as segment:
        mine, yours = urpc.Channel(segment, 0, bell, other), urpc.Channel(segment, 1, other, bell)
    allowed = os.sched_getaffinity(0)
    try:
        with yours:
            misbehave(yours, counts)
            counts.end()
            _, broken, _ = play(0, LIFE_SEED, Ends(bell, {1: mine}, {1: os.getpid()}), counts, sorted(allowed))
        return broken
    finally:
        os.sched_setaffinity(0, allowed)
        other.close()
        counts.close()


def right(number: int) -> bytes:
    return message(LIFE_SEED, 1, 0, number, urpc.max_message(16))


def test_a_peer_that_behaves_is_not_accused() -> None:
    def behave(channel: urpc.Channel, counts: Counts) -> None:
        channel.send(right(0))
        channel.send(right(1))
        counts.begin(1, 0, 3)
        counts.done(1, 0, 3)
        channel.send(GOODBYE)
        channel.close()

    assert against(behave) == ""


def test_a_message_out_of_order_is_noticed() -> None:
    assert "out of order" in against(lambda channel, _: channel.send(right(1)))


def test_a_torn_message_is_noticed() -> None:
    long = next(number for number in range(100) if len(right(number)) > HEADER.size + 40)
    torn = right(long)[:-1] + bytes([right(long)[-1] ^ 1])

    def tear(channel: urpc.Channel, counts: Counts) -> None:
        for number in range(long):
            assert channel.try_send(right(number)), "the ring has room for those before it"
        assert channel.try_send(torn)

    assert "torn" in against(tear)


def test_a_lost_message_is_noticed() -> None:
    def lose(channel: urpc.Channel, counts: Counts) -> None:
        channel.send(right(0))
        counts.begin(1, 0, 2)
        counts.done(1, 0, 2)
        channel.close()

    assert "Closed from 1 after 1 messages; it had sent 2" in against(lose)


def test_a_message_that_nobody_sent_is_noticed() -> None:
    def double(channel: urpc.Channel, counts: Counts) -> None:
        channel.send(right(0))
        channel.send(right(1))
        counts.begin(1, 0, 1)
        counts.done(1, 0, 1)
        channel.close()

    assert "after 2 messages; it had sent 1" in against(double)


@pytest.mark.parametrize(
    ("verdict", "killed", "words"),
    [
        (Verdict(2, 5, "it broke"), set(), "it broke"),
        (Verdict(0, 5, "", {1: "Closed"}), {1}, "which was killed, ended with Closed"),
        (Verdict(0, 5, "", {1: "PeerDied"}), set(), "which closed its channels, ended with PeerDied"),
        (Verdict(0, 5, "", {1: ""}), set(), "ended with , not"),
    ],
)
def test_a_peer_whose_end_is_told_wrong_is_noticed(verdict: Verdict, killed: set[int], words: str) -> None:
    with pytest.raises(Broken, match=words):
        check(verdict, killed)
