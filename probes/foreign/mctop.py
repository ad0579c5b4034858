"""MCTOP descriptions (`.mct`): latencies between hardware contexts as libmctop clustered them, and from contexts to memory, in cycles.

    #lpdxeon2680 #HWCs 40 #Nodes 2 SMT 1
    0    1    112
    #Mem_latencies 2
    0    0    259
    #Mem_bw1-READ 2
    0    0    13.602682

The first line says how many hardware contexts and sockets there are, and whether contexts share cores. The latency of a pair is that of one
atomic operation on a line that the other had last: one way. Zero is not measured.

The file does not say which contexts belong together: as libmctop does, that is told from the latencies. Contexts at the least latency
share a core where the first line says that cores are shared; the sockets are the groups that there are at the least latency at which
there are as many groups as sockets. Sockets are numbered by their first context. One context of each socket is measured to each node;
the node that it reaches soonest is the socket's.

Source: G. Chatzopoulos et al., Abstracting Multi-Core Topologies with MCTOP, EuroSys 2017; https://github.com/LPD-EPFL/mctop.
Passed over: sizes and latencies of caches (the file does not say who shares them), bandwidths of whole sockets and of writing, and power.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from probes.cores import UNKNOWN, Place, place_facts
from probes.cpulist import LIMIT
from probes.fact import Fact, Problem, Survey
from probes.foreign.latencies import Wrong, core_facts, core_number, number, picoseconds, round_trip_facts

MBS_PER_GBS = 1000

_HEADER = re.compile(r"\s*#(\S*)\s+#HWCs\s+([0-9]{1,6})\s+#Nodes\s+([0-9]{1,4})\s+SMT\s+([01])\b", re.ASCII)
_SECTION = re.compile(r"#([A-Za-z][A-Za-z0-9_-]*)", re.ASCII)

_PAIRS, _MEMORY, _READ = "", "Mem_latencies", "Mem_bw1-READ"

Table = dict[tuple[int, int], float]


@dataclass(frozen=True)
class _Description:
    """What the file holds: counts of its first line, and tables by section."""

    name: str
    contexts: int
    sockets: int
    shared_cores: bool
    tables: Mapping[str, Table] = field(default_factory=lambda: {_PAIRS: {}, _MEMORY: {}, _READ: {}})


def recognises(text: str) -> bool:
    """Say whether the first line is such a file's."""
    return bool(_HEADER.match(text))


def read(text: str, name: str, clock: float | None = None) -> Survey:
    """Read the description. `clock` is in MHz; without it times are as of a clock of 1 GHz, which is told."""
    header = _HEADER.match(text)
    if header is None or not 0 < int(header[2]) < LIMIT or not int(header[3]):
        cause = "the first line does not say how many contexts and sockets there are"
        return Survey(problems=(Problem(f"{name}, line 1", cause, "give a .mct file"),))
    found = _Description(header[1] or name, int(header[2]), int(header[3]), header[4] == "1")
    wrong = Wrong(name)
    _read_tables(text, found, wrong)
    ps, told = picoseconds(clock, name)
    problems = [*told, *wrong.problems()]
    pairs = found.tables[_PAIRS]
    facts = [Fact("machine", (found.name, UNKNOWN, UNKNOWN)), *core_facts(range(found.contexts))]
    if missing := found.contexts * (found.contexts - 1) - len(pairs):
        problems.append(Problem(name, f"{missing} pairs of contexts have no latency", "measure them"))
    sockets, cores = _groups(found)
    if sockets is None or cores is None:
        cause = f"the latencies do not divide {found.contexts} contexts into {found.sockets} sockets of cores"
        problems.append(Problem(name, cause, "where contexts sit is not told"))
    else:
        facts += place_facts(_places(sockets, cores), {})
        facts += _near_memory(found, sockets)
    facts += round_trip_facts(pairs, ps)
    facts += _memory_access(found, sockets, ps)
    return Survey(tuple(facts), tuple(problems))


def _read_tables(text: str, found: _Description, wrong: Wrong) -> None:
    bounds = {
        _PAIRS: (found.contexts, found.contexts),
        _MEMORY: (found.contexts, found.sockets),
        _READ: (found.sockets,) * 2,
    }
    section = _PAIRS
    seen_header = False
    for at, line in enumerate(text.splitlines(), 1):
        data, hash_, comment = line.partition("#")
        words = data.split()
        if words and section in bounds:
            pair = _read_line(words, bounds[section], at, wrong)
            if pair is not None and (section != _PAIRS or pair[0] != pair[1]):
                found.tables[section][pair[0], pair[1]] = pair[2]
        if hash_:
            name = _SECTION.match(hash_ + comment)
            if seen_header:
                section = name[1] if name and name[1] in bounds else "other"
            seen_header = True


def _read_line(words: Sequence[str], bounds: tuple[int, int], at: int, wrong: Wrong) -> tuple[int, int, float] | None:
    """Return two numbers and a figure; None if the line is wrong, which is noted, or the figure is 0: not measured."""
    if len(words) != 3:
        wrong.note(at, None, f"{len(words)} words instead of two numbers and a figure", "it is passed over")
        return None
    first, second, value = core_number(words[0]), core_number(words[1]), number(words[2])
    if first is None or first >= bounds[0] or second is None or second >= bounds[1]:
        bad = 0 if first is None or first >= bounds[0] else 1
        wrong.note(at, bad + 1, f"{words[bad][:40]!r} is no number below {bounds[bad]}", "the line is passed over")
    elif value is None and words[2].strip("0.") != "":
        wrong.note(at, 3, f"{words[2][:40]!r} is no figure", "the line is passed over")
    elif value is not None:
        return first, second, value
    return None


def _groups(found: _Description) -> tuple[list[int] | None, list[int] | None]:
    """Return the first context of the socket, and of the core, that each context is in; None where the latencies do not tell."""
    leader = list(range(found.contexts))
    count = found.contexts

    def first(context: int) -> int:
        while leader[context] != context:
            leader[context] = leader[leader[context]]
            context = leader[context]
        return context

    cores = None if found.shared_cores else list(leader)
    sockets = list(leader) if count == found.sockets else None
    by_latency: dict[float, list[tuple[int, int]]] = {}
    for pair, latency in found.tables[_PAIRS].items():
        by_latency.setdefault(latency, []).append(pair)
    for latency in sorted(by_latency):
        for one, other in by_latency[latency]:
            low, high = sorted((first(one), first(other)))
            if low != high:
                leader[high] = low
                count -= 1
        if cores is None:
            cores = [first(context) for context in range(found.contexts)]
        if sockets is None and count <= found.sockets:
            sockets = [first(context) for context in range(found.contexts)]
            break
    if sockets is None or len(set(sockets)) != found.sockets:
        return None, None
    return sockets, cores


def _places(sockets: Sequence[int], cores: Sequence[int]) -> dict[int, Place]:
    packages = {leader: number for number, leader in enumerate(sorted(set(sockets)))}
    in_package: dict[int, dict[int, int]] = {}
    threads: dict[int, int] = {}
    places = {}
    for context, (socket, core) in enumerate(zip(sockets, cores, strict=True)):
        numbers = in_package.setdefault(socket, {})
        numbers.setdefault(core, len(numbers))
        threads[core] = threads.get(core, -1) + 1
        places[context] = Place(packages[socket], numbers[core], threads[core])
    return places


def _near_memory(found: _Description, sockets: Sequence[int]) -> Iterator[Fact]:
    """Yield numa_core: the node that a context of the socket reaches soonest; of no socket if two claim the same node."""
    node_of: dict[int, int] = {}
    rows: dict[int, dict[int, float]] = {}
    for (context, node), latency in found.tables[_MEMORY].items():
        rows.setdefault(context, {})[node] = latency
    for context, latencies in rows.items():
        least = min(latencies.values())
        nearest = [node for node, latency in latencies.items() if latency == least]
        if len(latencies) == found.sockets and len(nearest) == 1:
            node_of.setdefault(sockets[context], nearest[0])
    if len(set(node_of.values())) == len(set(sockets)):
        for node, context in sorted((node_of[socket], context) for context, socket in enumerate(sockets)):
            yield Fact("numa_core", (node, context))


def _memory_access(found: _Description, sockets: Sequence[int] | None, ps: float) -> Iterator[Fact]:
    """Yield what was measured from contexts to nodes; the bandwidth is that of one core reading, told by socket."""
    packages = {leader: number for number, leader in enumerate(sorted(set(sockets or ())))}
    for (context, node), latency in sorted(found.tables[_MEMORY].items()):
        read = found.tables[_READ].get((packages[sockets[context]], node)) if sockets else None
        bandwidth = UNKNOWN if read is None else round(read * MBS_PER_GBS)
        yield Fact("memory_access", (context, node, round(latency * ps), bandwidth))
