"""MCTOP descriptions (`.mct`): latencies between hardware contexts as libmctop clustered them, and from contexts to memory, in cycles.

    #lpdxeon2680 #HWCs 40 #Nodes 2 SMT 1
    0    1    458
    #Mem_latencies 2
    0    0    274

The latency of a pair is that of one atomic operation on a line that the other had last: one way. Zero is not measured. Everything else
that such a file may have (bandwidths, caches, power) is passed over.
"""

from __future__ import annotations

import re

from probes.cores import UNKNOWN
from probes.cpulist import LIMIT
from probes.fact import Fact, Problem, Survey
from probes.foreign.latencies import core_facts, core_number, number, one_way_facts, picoseconds, rest

HEADER = re.compile(r"^#(\S*)\s+#HWCs\s+([0-9]{1,6})\s+#Nodes\s+([0-9]{1,4})\b")
SECTION = re.compile(r"#([A-Za-z_0-9-]+)")

SHOWN = 20


def recognises(text: str) -> bool:
    """Say whether the first line is such a file's."""
    return bool(HEADER.match(text.lstrip().partition("\n")[0]))


def read(text: str, name: str, clock: float | None = None) -> Survey:
    """Read the description. `clock` is in MHz; without it times are as of a clock of 1 GHz, which is told."""
    header = HEADER.match(text.lstrip().partition("\n")[0])
    if header is None or not 0 < int(header[2]) < LIMIT:
        return Survey(
            problems=(Problem(name, "the first line does not say how many contexts there are", "give a .mct file"),)
        )
    contexts, nodes = int(header[2]), int(header[3])
    ps, problems = picoseconds(clock, name)
    pairs: dict[tuple[int, int], float] = {}
    memory: dict[tuple[int, int], float] = {}
    into: dict[tuple[int, int], float] | None = pairs
    wrong: list[Problem] = []
    for line_number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            section = SECTION.findall(line)[-1] if line_number > 1 and SECTION.findall(line) else ""
            into = (
                pairs
                if line_number == 1
                else memory
                if line.startswith("#Mem_latencies") or section == "Mem_latencies"
                else None
            )
            continue
        words = line.split()
        if into is None or not words:
            continue
        first, second = (core_number(word) for word in words[:2]) if len(words) == 3 else (None, None)
        value = number(words[2]) if len(words) == 3 else None
        bound = contexts if into is pairs else nodes
        if (
            first is None
            or second is None
            or first >= contexts
            or second >= bound
            or (value is None and words[2] != "0")
        ):
            wrong.append(
                Problem(f"{name}, line {line_number}", f"{line.strip()[:40]!r} is no latency", "it is passed over")
            )
        elif value is not None and not (into is pairs and first == second):
            into[first, second] = value
    facts = [*core_facts(range(contexts)), *one_way_facts(pairs, ps)]
    facts += (
        Fact("memory_access", (core, node, round(value * ps), UNKNOWN))
        for (core, node), value in sorted(memory.items())
    )
    return Survey(tuple(facts), (*problems, *wrong[:SHOWN], *rest(name, len(wrong), SHOWN)))
