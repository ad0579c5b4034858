"""All facts of a machine that is not there."""

from __future__ import annotations

from pathlib import Path

from probes.fact import Fact, Problem, Survey
from probes.recorded import RecordingError
from probes.synthetic import known, latency
from probes.synthetic.description import DescriptionError, parse
from probes.synthetic.machine import Synthetic, build, facts

MOST_PAIRS = 1024
"""Hardware threads between which messages are told: a million pairs."""


def survey(text: str, latencies: str | None = None) -> Survey:
    """Return the facts of a known machine, or of a description.

    `latencies` are by level, a file with a matrix of another
    program, or `none`.

    Raises DescriptionError, and RecordingError for a file.
    """
    found = known.MACHINES.get(text)
    machine = build(text, parse(found.description if found else text))
    told = list(facts(machine))
    if latencies == "none":
        return Survey(tuple(told))
    if len(machine.threads) > MOST_PAIRS:
        cause = f"{len(machine.threads)} hardware threads have too many pairs to tell what messages cost between them"
        return Survey(tuple(told), (Problem(text, cause, f"describe a machine with at most {MOST_PAIRS}"),))
    if latencies is not None and Path(latencies).is_file():
        measured, problems = _measured(machine, Path(latencies))
        return Survey((*told, *measured), problems)
    if found is not None and latencies is None:
        between = known.distance(machine, found)
    else:
        between = latency.by_level(machine, latency.parse(latencies or ""))
    return Survey((*told, *latency.message_facts(machine, between)))


def _measured(machine: Synthetic, path: Path) -> tuple[tuple[Fact, ...], tuple[Problem, ...]]:
    from probes.machine import read  # it loads every decoder, and most descriptions need none

    found = read(path)
    cores = {thread.core for thread in machine.threads}
    messages = tuple(fact for fact in found.facts if fact.name in ("message_rtt", "message_cost", "memory_access"))
    measured = {core for fact in messages for core in fact.args[:2] if fact.name.startswith("message")}
    if measured != cores:
        cause = f"measures {len(measured)} cores, and the description has {len(cores)}"
        raise RecordingError(str(path), cause, "give a matrix of as many cores")
    return messages, found.problems


__all__ = ["DescriptionError", "survey"]
