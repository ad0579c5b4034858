"""Pairwise figures of the n-send benchmarks: lines of sender, receiver, mean and standard deviation, in cycles.

    2 16 2222.975556 265.140180

Three files belong together: how long a round trip takes (`..._rtt`), how long a message keeps its sender busy (`..._send`), and its
receiver (`..._receive`). Which is which, only their names say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from probes.cores import UNKNOWN
from probes.fact import Fact, Problem, Survey
from probes.foreign.latencies import core_facts, core_number, number, picoseconds, rest

LINE = re.compile(r"^[0-9]{1,6} [0-9]{1,6} [0-9.]+ [0-9.]+$")

KINDS = ("rtt", "send", "receive")

SHOWN = 20


def recognises(text: str) -> bool:
    """Say whether the first lines are pairs with two numbers."""
    lines = text.splitlines()[:3]
    return len(lines) >= 2 and all(LINE.match(line) for line in lines[:2])


def read(text: str, name: str, clock: float | None = None) -> Survey:
    """Read one file. `clock` is in MHz; without it times are as of a clock of 1 GHz, which is told."""
    return read_files({name: text}, clock)


def read_files(texts: Mapping[str, str], clock: float | None = None) -> Survey:
    """Read files that belong together, by name."""
    first = next(iter(texts))
    ps, problems = picoseconds(clock, first)
    found: dict[str, dict[tuple[int, int], tuple[int, int]]] = {}
    wrong: list[Problem] = []
    for name, text in texts.items():
        kind = next((kind for kind in KINDS if kind in name.lower().replace("nsend", "").replace("n-send", "")), None)
        if kind is None:
            wrong.append(
                Problem(
                    name, "the name does not say whether it is of rtt, send or receive", "have one of these in its name"
                )
            )
            continue
        found[kind] = _read(text, name, ps, wrong)
    facts = list(
        core_facts(range(1 + max((core for pairs in found.values() for pair in pairs for core in pair), default=-1)))
    )
    facts += (
        Fact("message_rtt", (*pair, mean, deviation, UNKNOWN, UNKNOWN))
        for pair, (mean, deviation) in sorted(found.get("rtt", {}).items())
    )
    send, receive = found.get("send", {}), found.get("receive", {})
    if bool(send) != bool(receive):
        missing = "receive" if send else "send"
        wrong.append(
            Problem(
                first, f"the file of {missing} is missing", "costs of messages need both; give the folder that has them"
            )
        )
    facts += (
        Fact("message_cost", (*pair, send[pair][0], receive[pair][0])) for pair in sorted(send.keys() & receive.keys())
    )
    return Survey(tuple(facts), (*problems, *wrong[:SHOWN], *rest(first, len(wrong), SHOWN)))


def _read(text: str, name: str, ps: float, wrong: list[Problem]) -> dict[tuple[int, int], tuple[int, int]]:
    pairs: dict[tuple[int, int], tuple[int, int]] = {}
    for line_number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        cores = [core_number(word) for word in words[:2]]
        mean = number(words[2]) if len(words) == 4 else None
        deviation = 0.0 if len(words) == 4 and words[3] in ("0", "0.0", "0.000000") else number(words[-1])
        if len(words) != 4 or None in cores or mean is None or deviation is None or cores[0] == cores[1]:
            wrong.append(
                Problem(
                    f"{name}, line {line_number}", f"{line.strip()[:40]!r} is no latency of a pair", "it is passed over"
                )
            )
            continue
        sender, receiver = cores
        assert sender is not None
        assert receiver is not None
        pairs[sender, receiver] = (round(mean * ps), round(deviation * ps))
    return pairs
