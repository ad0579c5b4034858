"""What the demo says of the memory of channels, in one line."""

from __future__ import annotations

import pytest

from multikernel.buffers import ChannelMemory, Ring
from multikernel.demo.run import Buffers
from multikernel.demo.show import buffers

HUGE = 2 << 20
Nodes = tuple[int | None, int | None]


def said(nodes: Nodes, *, lines: int = 128, decided: int = 128, pages: int = 4096, wanted: int | None = None) -> str:
    rings = (
        Ring(0, 1, decided, nodes[0], wanted, "default"),
        Ring(1, 0, decided, nodes[1], wanted, "default"),
    )
    return str(buffers(Buffers(rings, (ChannelMemory((0, 1), lines, nodes, pages),), {0: 0, 1: 1})))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (said((0, 0)), "Channels: 128 lines a ring, on node 0, 4 KiB pages, by the SKB"),
        (said((1, 0)), "Channels: 128 lines a ring, on the receiver's node, 4 KiB pages, by the SKB"),
        (said((0, 1)), "Channels: 128 lines a ring, on nodes 0, 1, 4 KiB pages, by the SKB"),
        (said((None, None)), "Channels: 128 lines a ring, where they were first touched, 4 KiB pages, by the SKB"),
        (
            said((0, 0), decided=64),
            "Channels: 128 lines a ring (64 would do for speed, messages of kernels need more), on node 0, 4 KiB pages, by the SKB",
        ),
        (
            said((0, 0), pages=HUGE, wanted=HUGE, lines=512, decided=512),
            "Channels: 512 lines a ring, on node 0, 2 MiB pages, by the SKB",
        ),
        (
            said((0, 0), wanted=HUGE),
            "Channels: 128 lines a ring, on node 0, 4 KiB pages (no 2 MiB pages were free), by the SKB",
        ),
    ],
)
def test_one_line_says_what_became_of_the_rings(text: str, expected: str) -> None:
    assert text == expected


def test_measured_messages_are_named_as_the_reason() -> None:
    rings = (Ring(0, 1, 256, 0, None, "measured"), Ring(1, 0, 128, 0, None, "measured"))
    channels = (ChannelMemory((0, 1), 256, (0, 0), 4096), ChannelMemory((0, 2), 128, (0, 0), 4096))
    text = str(buffers(Buffers(rings, channels, {})))
    assert text == "Channels: 128 to 256 lines a ring, on node 0, 4 KiB pages, by the SKB, from measured messages"


def test_without_an_answer_that_is_said() -> None:
    text = str(buffers(Buffers((), (ChannelMemory((0, 1), 128, (0, 0), 4096),), {})))
    assert text == "Channels: 128 lines a ring, on node 0, 4 KiB pages, as they come: the SKB had no answer"
