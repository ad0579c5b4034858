"""A peer that is an enemy, or mad: what it writes into the segment is an error here, and never a fault."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable

import pytest

from multikernel import urpc

Run = Callable[..., str]

HEADERS = """
import mmap, os, random, struct, sys
from multikernel import urpc
seed = int(sys.argv[1])
generator = random.Random(seed)
CAPACITY = 8
RINGS = 4096, 8192  # each has pages of its own
def header(sequence, acknowledged, length, kind):
    return sequence & 0xFFFFF | (acknowledged & 0xFFFFF) << 20 | (length & 0xFFFFF) << 40 | (kind & 15) << 60
def forged():
    small = lambda: generator.choice([0, 1, 2, 8, 9, 0xFFFFF, generator.randrange(40)])
    return generator.choice([
        generator.getrandbits(64),
        header(small(), small(), generator.randrange(800), generator.randrange(4)),
        header(small(), small(), generator.getrandbits(20), 1),
    ])
def world():
    segment, one, other = urpc.Segment.create(CAPACITY), urpc.Doorbell.create(0), urpc.Doorbell.create(0)
    ends = urpc.Channel(segment, 0, one, other), urpc.Channel(segment, 1, other, one)
    sets = urpc.WaitSet(one), urpc.WaitSet(other)
    for ready, end in zip(sets, ends):
        ready.add(end)
    return segment, ends, sets
outcomes = set()
def use(ends, sets):
    at = generator.randrange(2)
    end = ends[at]
    try:
        match generator.randrange(6):
            case 0: outcomes.add(type(end.try_receive()))
            case 1: end.try_send(bytes(generator.randrange(urpc.max_message(CAPACITY))))
            case 2: end.try_send_many([bytes(9)] * 5)
            case 3: end.try_receive_many()
            case 4: sets[at].wait(0.0001)
            case 5:
                try: outcomes.add(type(end.receive(0.0001)))
                except TimeoutError: pass
        return True
    except (urpc.Corrupt, urpc.Closed) as error:
        outcomes.add(type(error))
        return False
"""


@pytest.mark.parametrize("seed", range(3))
def test_forged_memory_is_an_error_and_never_a_fault(run: Run, seed: int) -> None:
    output = run(
        HEADERS
        + """
for _ in range(300):
    segment, ends, sets = world()
    memory = mmap.mmap(segment.fd, 0)
    for _ in range(generator.randrange(30)):
        use(ends, sets)
    for _ in range(60):
        line = generator.choice(RINGS) + generator.randrange(CAPACITY) * 64
        place = generator.choice([128, 256, 512, 640, line, line, 8 * generator.randrange(len(memory) // 8)])
        struct.pack_into("<Q", memory, place, forged())
        if not use(ends, sets):
            break
print(sorted(outcome.__name__ for outcome in outcomes))
""",
        seed,
    )
    assert "Corrupt" in output
    assert "bytes" in output


def test_memory_forged_by_another_process_at_any_moment_is_never_a_fault(run: Run) -> None:
    output = run(
        HEADERS
        + """
import time
end = time.monotonic() + 2
while time.monotonic() < end:
    segment, ends, sets = world()
    child = os.fork()
    if child == 0:
        memory = mmap.mmap(segment.fd, 0)
        while True:
            place = generator.choice([128, 256, 512, 640, generator.choice(RINGS) + generator.randrange(CAPACITY) * 64])
            struct.pack_into("<Q", memory, place, forged())
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        if not use(ends, sets):
            break
    os.kill(child, 9)
    os.waitpid(child, 0)
print(sorted(outcome.__name__ for outcome in outcomes))
""",
        7,
    )
    assert "Corrupt" in output


def poke(segment: urpc.Segment, offset: int, value: int) -> None:
    with mmap.mmap(segment.fd, 0) as memory:
        struct.pack_into("<Q", memory, offset, value)


def forged_header(sequence: int, acknowledged: int, length: int, kind: int) -> int:
    return sequence | acknowledged << 20 | length << 40 | kind << 60


@pytest.mark.parametrize(
    ("forgery", "header"),
    [
        ("a length over the maximum", forged_header(1, 0, 8 * 56, 1)),
        ("the greatest length", forged_header(1, 0, 0xFFFFF, 1)),
        ("more acknowledged than was sent", forged_header(1, 3, 4, 1)),
        ("a further line where a message begins", forged_header(1, 0, 4, 2)),
        ("an unknown kind", forged_header(1, 0, 4, 7)),
        ("a sequence from the future", forged_header(2, 0, 4, 1)),
        ("further lines that do not follow", forged_header(1, 0, 60, 1)),
    ],
)
def test_forged_header_is_corrupt_and_stays_so(forgery: str, header: int) -> None:
    segment, bell = urpc.Segment.create(8), urpc.Doorbell.create()
    end = urpc.Channel(segment, 0, bell, bell)
    poke(segment, 8192, header)  # the other side's ring
    for _ in range(2):
        with pytest.raises(urpc.Corrupt):
            end.receive(1)
    with pytest.raises(urpc.Corrupt):
        end.send(b"x")


def test_forged_acknowledgement_line_gives_no_room() -> None:
    segment, bell = urpc.Segment.create(8), urpc.Doorbell.create()
    end = urpc.Channel(segment, 0, bell, bell)
    poke(segment, 512, 1000 << 1)  # the other side's status: a thousand lines consumed
    for _ in range(8):
        end.send(b"x")
    with pytest.raises(urpc.Corrupt):
        end.try_send(b"x")
