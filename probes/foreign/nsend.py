"""Pairwise figures of the n-send benchmarks of Smelt: lines of sender, receiver, mean and standard deviation, in cycles.

    2 16 2222.975556 265.140180

Three files belong together: how long a round trip takes (`..._rtt`), how long a message keeps its sender busy (`..._send`), and its
receiver (`..._receive`). Which is which, only their names say. (Smelt calls the last figure "stderr", and computes the deviation of the
samples.)

Source: S. Kaestle et al., Machine-aware atomic broadcast trees for multicores, OSDI 2016, section 4; https://github.com/libsmelt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from probes.cores import UNKNOWN
from probes.fact import Fact, Problem, Survey
from probes.foreign.latencies import Wrong, core_facts, core_number, number, picoseconds

_LINE = re.compile(r"^[ \t]*[0-9]{1,6}[ \t]+[0-9]{1,6}[ \t]+[0-9]+\.[0-9]+[ \t]+[0-9]+\.[0-9]+[ \t]*$", re.ASCII)

_KINDS = {"rtt": "rtt", "receive": "receive", "recv": "receive", "send": "send"}
"""By what stands in the name of a file."""

_TOOL = re.compile("n-?send")

Figures = dict[tuple[int, int], tuple[float, float]]
"""Mean and deviation by sender and receiver."""


def recognises(text: str) -> bool:
    """Say whether the first lines are pairs with two numbers."""
    lines = [line for line in text[:4096].splitlines() if line.strip()]
    complete = lines[:8] if len(lines) > 8 or text[:4096].endswith("\n") else lines[:-1] or lines
    return bool(complete) and all(_LINE.match(line) for line in complete)


def read(text: str, name: str, clock: float | None = None) -> Survey:
    """Read one file. `clock` is in MHz; without it times are as of a clock of 1 GHz, which is told."""
    return read_files({name: text}, clock)


def read_files(texts: Mapping[str, str], clock: float | None = None) -> Survey:
    """Read files that belong together, by name."""
    first = next(iter(texts), "")
    ps, told = picoseconds(clock, first)
    problems = list(told)
    found: dict[str, Figures] = {}
    for name, text in texts.items():
        kind = _kind(name)
        if kind is None or kind in found:
            cause = (
                "the name does not say whether it is of rtt, send or receive"
                if kind is None
                else f"a second file of {kind}"
            )
            problems.append(Problem(name, cause, "it is passed over; have one of these words in its name"))
            continue
        wrong = Wrong(name)
        found[kind] = _read(text, wrong)
        problems += wrong.problems()
    facts = list(core_facts(range(1 + max((max(pair) for pairs in found.values() for pair in pairs), default=-1))))
    facts += (
        Fact("message_rtt", (*pair, round(mean * ps), round(deviation * ps), UNKNOWN, UNKNOWN))
        for pair, (mean, deviation) in sorted(found.get("rtt", {}).items())
    )
    send, receive = found.get("send", {}), found.get("receive", {})
    facts += (
        Fact("message_cost", (*pair, round(send[pair][0] * ps), round(receive[pair][0] * ps)))
        for pair in sorted(send.keys() & receive.keys())
    )
    if bool(send) != bool(receive):
        missing = "receive" if send else "send"
        remedy = "costs of messages need both; give the folder that has them"
        problems.append(Problem(first, f"the file of {missing} is missing", remedy))
    elif alone := len(send.keys() ^ receive.keys()):
        problems.append(Problem(first, f"{alone} pairs have only one of send and receive", "they are passed over"))
    return Survey(tuple(facts), tuple(problems))


def _kind(name: str) -> str | None:
    """Return what a file is of, by the words in the last part of its path."""
    words = _TOOL.sub("", name.rpartition("/")[2].lower())
    return next((kind for word, kind in _KINDS.items() if word in words), None)


def _read(text: str, wrong: Wrong) -> Figures:
    pairs: Figures = {}
    for at, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 4:
            wrong.note(
                at, None, f"{len(words)} words instead of sender, receiver, mean and deviation", "it is passed over"
            )
            continue
        cores = [core_number(word) for word in words[:2]]
        sender, receiver, mean = cores[0], cores[1], number(words[2])
        deviation = number(words[3]) if words[3].strip("0.") else 0.0
        if sender is None or receiver is None or mean is None or deviation is None or sender == receiver:
            bad = 0 if sender is None else 1 if receiver is None or sender == receiver else 2 if mean is None else 3
            cause = f"{words[bad][:40]!r} is no {('sender', 'receiver', 'latency', 'deviation')[bad]} here"
            wrong.note(at, bad + 1, cause, "the line is passed over")
        elif (sender, receiver) in pairs:
            wrong.note(at, None, f"the pair {sender} {receiver} is there a second time", "the first counts")
        else:
            pairs[sender, receiver] = (mean, deviation)
    return pairs
