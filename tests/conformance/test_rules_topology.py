"""The tree that the rules make of recorded machines: whatever the facts tell of is in it, once, with its cores.

That the facts are right is held against hwloc in the tests of the probes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from probes_recorded import DATA, address, machines, rows, survey_once, unpack

from probes.fact import Compound, Fact, Survey, Term
from skb.topology import text, tree

RULES = Path(__file__).resolve().parents[2] / "rules"
SUBJECTS = {"core", "cpu_thread", "cpu_die", "cache", "cache_shared", "numa_node", "numa_core", "device", "bridge"}

pytestmark = pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)")

SCRIPT = """
:- use_module(library(lists)).
json(X) :- is_list(X), !, write('['), forall(nth1(I, X, E), ((I > 1 -> write(',') ; true), json(E))), write(']').
json(X) :- integer(X), !, write(X).
json(X) :- atomic(X), !, format('"~w"', [X]).
json(X) :- X =.. [F|Args], format('{"f":"~w","args":', [F]), json(Args), write('}').
main :- findall(Fact, known(Fact), Facts), given(Facts, topology(Tree)), json(Tree).
:- discontiguous known/1.
"""


def prolog(term: Term) -> str:
    """A term as Prolog reads it; names all become atoms, which a tree does not tell from strings."""
    if isinstance(term, Compound):
        return f"{term.functor}({', '.join(map(prolog, term.args))})"
    if isinstance(term, tuple):
        return f"[{', '.join(map(prolog, term))}]"
    return str(term) if isinstance(term, int) else "'" + term.replace("\\", "\\\\").replace("'", "\\'") + "'"


def topology_of(facts: tuple[Fact, ...], directory: Path) -> Any:
    known = (prolog(Compound(fact.name, fact.args)) for fact in facts if fact.name in SUBJECTS)
    script = directory / "topology_of_facts.pl"
    script.write_text(SCRIPT + "".join(f"known({fact}).\n" for fact in known))
    command = ["swipl", "-g", "main", "-g", "halt", RULES / "topology.pl", RULES / "testing.pl", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-2000:]
    return tree(json.loads(done.stdout))


def parts(part: Any) -> Iterator[Any]:
    yield part
    for child in part["children"]:
        yield from parts(child)


def cores(part: Any) -> frozenset[int]:
    """The cores below a part, or those that it claims where it does not fit."""
    claimed = part["attributes"].get("cores", ())
    return frozenset(claimed) | {inner["id"] for inner in parts(part) if inner["type"] == "core"}


ODD = (
    "128ia64-17n4s2c",  # nodes that hold packages
    "16em64t-4s2c2t-offlines",
    "2ps3-2t",  # neither caches nor nodes
    "40intel64-4n10c+pci-conflicts",  # a package and a cache that overlap
    "8em64t-2s2ca2c-buggynuma",
    "8em64t-2s4c-asymcaches",
    "fakeheteromemtiers",  # memory without cores
)


def odd_machines() -> list[Any]:
    """Those of the recorded machines that are hard to nest; to unpack them all takes minutes."""
    return [name for name in machines("sysfs", "*.tar.bz2") if not isinstance(name, str) or name in ODD]


@pytest.fixture(scope="module", params=odd_machines())
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, Any]:
    archive = DATA / "sysfs" / f"{request.param}.tar.bz2"
    found = survey_once(request.param, tmp_path_factory, lambda directory: unpack(archive, directory))
    return found, topology_of(found.facts, tmp_path_factory.mktemp("topology"))


def test_every_core_stands_in_one_place(machine: tuple[Survey, Any]) -> None:
    found, topology = machine
    placed = [part["id"] for part in parts(topology) if part["type"] == "core"]
    assert sorted(placed) == sorted(core for core, *_ in rows(found)["core"])


def test_every_part_has_the_cores_that_the_facts_give_it(machine: tuple[Survey, Any]) -> None:
    found, topology = machine
    told = rows(found)
    expected: defaultdict[tuple[object, ...], set[int]] = defaultdict(set)
    for thread, package, core, _ in told["cpu_thread"]:
        expected["package", package].add(thread)
        expected["physical_core", core, package].add(thread)
    for node, core in told["numa_core"]:
        expected["node", node].add(core)
    for cache, core in told["cache_shared"]:
        expected["cache", cache].add(core)
    in_facts = sorted((key[0], key[1], sorted(members)) for key, members in expected.items())
    kinds = {key[0] for key in expected}
    in_tree = sorted(
        (part["type"], part["id"], sorted(cores(part)))
        for part in parts(topology)
        if part["type"] in kinds and cores(part)
    )
    assert in_tree == in_facts


def test_every_pci_function_stands_in_one_place(machine: tuple[Survey, Any]) -> None:
    found, topology = machine
    functions = {address(function) for name in ("device", "bridge") for function, *_ in rows(found)[name]}
    placed = [part["id"] for part in parts(topology) if part["type"] in ("device", "bridge")]
    assert sorted(placed) == sorted(functions)


def test_text_has_a_line_for_every_physical_core(machine: tuple[Survey, Any]) -> None:
    _, topology = machine
    count = sum(part["type"] == "physical_core" for part in parts(topology))
    assert sum("Physical core" in line for line in text(topology).splitlines()) == count
