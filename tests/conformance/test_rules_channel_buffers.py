"""The rings that the rules give recorded machines: one for every ordered pair of cores, and none that could not be made."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from probes_recorded import DATA, machines, rows, survey_once, unpack

from probes.fact import Survey

RULES = Path(__file__).resolve().parents[2] / "rules"
SUBJECTS = {"core", "cpu_thread", "cache", "cache_shared", "numa_node", "numa_core", "node_distance", "hugepages"}
MOST_CORES = 64

pytestmark = pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)")

CHOSEN = (
    "128arm-2pa2n8cluster4co",
    "128ia64-17n4s2c",  # nodes that hold packages, and one without cores
    "16em64t-4s2c2t-offlines",
    "2ps3-2t",  # neither caches nor nodes
    "8em64t-2s2ca2c-buggynuma",
    "fakeheteromemtiers",  # memory without cores
)

SCRIPT = """
main :-
    findall(Fact, known(Fact), Facts),
    given(Facts, ( findall(Core, core(Core, _, 1), All), sort(All, Sorted), first(Sorted, Cores),
                   forall(channel_buffers(Cores, S, R, N, L, P, Source),
                          ( ( channel_node(S, R, Best, _) -> true ; Best = unknown ),
                            format('["~w", ~w, ~w, "~w", ~w, ~w, "~w"]~n', [Best, S, R, N, L, P, Source]) )) )).
core(Core, Apic, Online) :- facts:core(Core, Apic, Online).
first(Cores, First) :- length(Cores, Length), ( Length =< MOST -> First = Cores ; length(First, MOST), append(First, _, Cores) ).
:- dynamic known/1.
""".replace("MOST", str(MOST_CORES))


def written(value: Any) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"


def chosen() -> list[Any]:
    return [name for name in machines("sysfs", "*.tar.bz2") if not isinstance(name, str) or name in CHOSEN]


@pytest.fixture(scope="module", params=chosen())
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, list[Any]]:
    archive = DATA / "sysfs" / f"{request.param}.tar.bz2"
    found = survey_once(request.param, tmp_path_factory, lambda directory: unpack(archive, directory))
    known = (
        f"known({name}({', '.join(map(written, arguments))})).\n"
        for name, all_ in rows(found).items()
        if name in SUBJECTS
        for arguments in all_
    )
    script = tmp_path_factory.mktemp("rings") / "rings.pl"
    script.write_text(SCRIPT + "".join(known))
    files = [RULES / "channel_buffers.pl", RULES / "numa.pl", RULES / "testing.pl", script]
    done = subprocess.run(
        ["swipl", "-g", "main", "-g", "halt", *files],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return found, [json.loads(line) for line in done.stdout.splitlines()]


def test_every_ordered_pair_of_cores_has_one_ring(machine: tuple[Survey, list[Any]]) -> None:
    found, rings = machine
    cores = sorted(core for core, _, online in rows(found)["core"] if online)[:MOST_CORES]
    pairs = [(sender, receiver) for _, sender, receiver, *_ in rings]
    assert pairs == [(a, b) for a in cores for b in cores if a != b]


def test_rings_lie_where_a_channel_alone_would(machine: tuple[Survey, list[Any]]) -> None:
    _, rings = machine
    assert all(node == best for best, _, _, node, *_ in rings)


def test_rings_can_be_made(machine: tuple[Survey, list[Any]]) -> None:
    found, rings = machine
    sizes = {4096} | {page_size for _, page_size, count in rows(found)["hugepages"] if count}
    for *_, lines, page_size, source in rings:
        assert 64 <= lines <= 16_384
        assert lines.bit_count() == 1
        assert page_size in sizes
        assert source == "default"  # nobody has measured messages on recordings
