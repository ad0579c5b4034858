"""All facts of a machine that is not there: described in hwloc's syntax, or known by name; latencies of a model, or measured elsewhere."""

from __future__ import annotations

from pathlib import Path

from probes.fact import Fact, Problem, Survey
from probes.recorded import RecordingError
from probes.synthetic import known, latency
from probes.synthetic.description import DescriptionError, parse
from probes.synthetic.facts import machine_facts
from probes.synthetic.machine import Synthetic, build

MOST_MESSAGING = 1024
"""Hardware threads between which messages are told: a million pairs."""

CYCLES = ("mctop", "nsend")
"""Formats of matrices whose times are in cycles."""


def survey(text: str, latencies: str | None = None, *, name: str | None = None, clock: str | None = None) -> Survey:
    """Return the facts of a known machine, or of a description.

    `latencies` are by level, as in `core:10ns l3:40ns`; or the path of a matrix that another program measured, with `clock` (`2.4GHz`)
    where its times are in cycles; or `none`. `name` is what to call the machine. Raises DescriptionError, and RecordingError for a file.
    """
    found = known.MACHINES.get(text)
    machine = build(name or (text if found else "synthetic"), parse(found.description if found else text))
    if found:
        told = [*machine_facts(machine, known.distances(machine, found)), *known.identity_facts(machine, found)]
    else:
        told = list(machine_facts(machine))
    if latencies == "none":
        return Survey(tuple(told))
    if latencies and Path(latencies).exists():
        measured, problems = _measured(machine, Path(latencies), clock)
        return Survey((*told, *measured), problems)
    given = latency.parse(latencies) if latencies is not None else None
    if len(machine.cores) > MOST_MESSAGING:
        cause = f"{len(machine.cores)} hardware threads have too many pairs to tell what messages cost between them"
        remedy = f"have at most {MOST_MESSAGING}, or ask for no latencies"
        return Survey(tuple(told), (Problem(machine.name, cause, remedy),))
    if found is not None and given is None:
        of_paper = latency.message_facts(machine, known.latency(machine, found))
        return Survey((*told, *of_paper))
    between = latency.by_level(machine, given or {})
    return Survey((*told, *latency.message_facts(machine, between)))


def _measured(machine: Synthetic, path: Path, clock: str | None) -> tuple[tuple[Fact, ...], tuple[Problem, ...]]:
    from probes.machine import read  # it loads every decoder, and most descriptions need none

    found = read(path, _format(path, clock))
    messages = tuple(fact for fact in found.facts if fact.name in ("message_rtt", "message_cost", "memory_access"))
    measured = {core for fact in messages for core in fact.args[:2] if fact.name.startswith("message")}
    if measured != set(machine.cores):
        cause = f"has latencies between {len(measured)} cores, and the machine's {len(machine.cores)} are not the same"
        raise RecordingError(str(path), cause, "give a matrix of the machine's cores, numbered alike")
    return messages, found.problems


def _format(path: Path, clock: str | None) -> str:
    if clock is None:
        return "auto"
    from probes.recorded.formats import TEXTS

    if path.is_dir():
        return f"nsend:{clock}"
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.read(4096)
    kind = next((kind for kind in CYCLES if TEXTS[kind].load().recognises(head)), None)
    if kind is None:
        raise RecordingError(str(path), "is not in cycles, so that a clock says nothing", "leave the clock out")
    return f"{kind}:{clock}"


__all__ = ["DescriptionError", "survey"]
