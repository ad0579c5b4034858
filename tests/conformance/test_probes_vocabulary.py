"""No probe emits a fact that is undeclared or ill-typed, or two facts of one key.

Here on this machine; the tests of recorded machines ask the same of each.
"""

from __future__ import annotations

import pytest
from probes_vocabulary import violations

from probes.fact import Compound, Fact
from probes.machine import live, survey


def test_facts_of_this_machine_are_declared_and_well_typed() -> None:
    assert violations(survey(live()).facts) == []


@pytest.mark.parametrize(
    ("fact", "wrong"),
    [
        (Fact("core", (0, 0, 1)), ""),
        (Fact("core", (0, "unknown", 1)), ""),
        (Fact("core", (0, 0, 2)), "does not fit"),
        (Fact("core", (-1, 0, 1)), "does not fit"),
        (Fact("core", (0, 0)), "arguments"),
        (Fact("cpu_thingy", (0,)), "not declared"),
        (Fact("device_node", (Compound("addr", (0, 0, 0)), 0)), "does not fit"),
        (Fact("memory_affinity", (0, 1, 0, ("hot_pluggable", "warm"))), "does not fit"),
    ],
)
def test_the_check_itself_tells_right_from_wrong(fact: Fact, wrong: str) -> None:
    found = violations([fact])
    assert (wrong in found[0]) if wrong else not found


def test_the_check_itself_finds_a_key_used_twice() -> None:
    assert violations([Fact("core", (0, 0, 1)), Fact("core", (0, 1, 1))])
