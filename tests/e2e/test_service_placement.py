"""Placements under constraints, through the real service and the real command, on a machine of two packages of four cores."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from service_process import Service

from skb.client import Client, InvalidRequest

CORES = 8
PACKAGE = [0] * 4 + [1] * 4
PHYSICAL = [core // 2 for core in range(CORES)]
NEAR, FAR = 40_000, 160_000
NIC = "0000:41:00.0"
NIC_ADDRESS = {"f": "addr", "args": [0, 0x41, 0, 0]}


def latency(a: int, b: int) -> int:
    if a == b:
        return 0
    if PHYSICAL[a] == PHYSICAL[b]:
        return 10_000
    return NEAR if PACKAGE[a] == PACKAGE[b] else FAR


def facts() -> list[dict[str, Any]]:
    every = range(CORES)
    rows: list[tuple[str, list[Any]]] = [("core", [core, core, 1]) for core in every]
    rows += [("cpu_thread", [core, PACKAGE[core], PHYSICAL[core] % 2, core % 2]) for core in every]
    rows += [("cpu_kind", [core, "efficiency" if core >= 6 else "performance"]) for core in every]
    rows += [("numa_node", [node, 1000]) for node in (0, 1)]
    rows += [("numa_core", [PACKAGE[core], core]) for core in every]
    rows += [
        ("message_rtt", [a, b, 2 * latency(a, b), 0, latency(a, b), latency(a, b)])
        for a in every
        for b in every
        if a != b
    ]
    rows += [
        ("device", [NIC_ADDRESS, 1, 2, 2, 0, 0, 0]),
        ("device_node", [NIC_ADDRESS, 1]),
        ("device", [{"f": "addr", "args": [0, 0x42, 0, 0]}, 1, 2, 2, 0, 0, 0]),
    ]
    return [{"name": name, "args": args} for name, args in rows]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        with running.client() as client:
            client.update(facts())
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as client:
        yield client


def ring(count: int, weight: int = 1) -> list[list[int]]:
    return [[weight * (b == (a + 1) % count) for b in range(count)] for a in range(count)]


def cost_of(traffic: list[list[int]], at: list[int]) -> int:
    return sum(count * latency(at[a], at[b]) for a, row in enumerate(traffic) for b, count in enumerate(row) if count)


def test_what_it_costs_is_told_by_level_and_pair(client: Client) -> None:
    traffic = [[0, 7, 1], [0, 0, 0], [0, 3, 0]]
    found = client.place(3, traffic, seconds=20)
    assert found.status == "optimal"
    assert (found.cost, found.distances) == (cost_of(traffic, found.assignment), "measured")
    assert found.cost == min(cost_of(traffic, list(at)) for at in itertools.permutations(range(CORES), 3))
    assert [(level.level, level.messages, level.cost) for level in found.levels] == [
        ("physical_core", 7, 70_000),
        ("node", 4, 160_000),
    ]
    assert sum(level.cost for level in found.levels) == found.cost
    assert [(pair.dispatchers, pair.messages) for pair in found.pairs] == [((1, 2), 3), ((0, 1), 7), ((0, 2), 1)]
    assert sum(pair.cost for pair in found.pairs) == found.cost
    assert found.moves == found.preferences == []


@pytest.mark.parametrize(
    ("constraint", "kept"),
    [
        ({"type": "only", "dispatchers": [0], "cores": [5]}, lambda at: at[0] == 5),
        ({"type": "avoid", "dispatchers": [0, 1], "cores": [0, 1, 2, 3]}, lambda at: min(at[:2]) > 3),
        ({"type": "same", "dispatchers": [0, 2], "part": "physical_core"}, lambda at: at[0] // 2 == at[2] // 2),
        ({"type": "different", "dispatchers": [0, 1], "part": "node"}, lambda at: PACKAGE[at[0]] != PACKAGE[at[1]]),
        (
            {"type": "exclusive", "dispatchers": [0], "part": "physical_core"},
            lambda at: [PHYSICAL[core] for core in at].count(PHYSICAL[at[0]]) == 1,
        ),
        (
            {"type": "at_most", "count": 1, "part": "physical_core"},
            lambda at: len({PHYSICAL[core] for core in at}) == len(at),
        ),
        (
            {"type": "at_most", "count": 2, "part": "package"},
            lambda at: sorted(PACKAGE[core] for core in at) == [0, 0, 1, 1],
        ),
        ({"type": "near", "dispatchers": [1], "device": NIC}, lambda at: PACKAGE[at[1]] == 1),
        ({"type": "kind", "dispatchers": [3], "kind": "efficiency"}, lambda at: at[3] >= 6),
        ({"type": "memory", "bytes": 400}, lambda at: sorted(PACKAGE[core] for core in at) == [0, 0, 1, 1]),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_constraints_of_every_kind_hold_at_the_least_cost(
    client: Client, constraint: dict[str, Any], kept: Any
) -> None:
    traffic = ring(4)
    found = client.place(4, traffic, constraints=[constraint], seconds=20)
    assert kept(found.assignment)
    assert found.status == "optimal"
    assert found.cost == min(cost_of(traffic, list(at)) for at in itertools.permutations(range(CORES), 4) if kept(at))


def test_memory_of_several_constraints_shares_the_nodes(client: Client) -> None:
    demands = [{"type": "memory", "dispatchers": [a], "bytes": 600, "name": f"heap {a}"} for a in range(2)]
    found = client.place(2, ring(2), constraints=demands, seconds=5)
    assert {PACKAGE[core] for core in found.assignment} == {0, 1}
    with pytest.raises(InvalidRequest) as refused:
        client.place(3, ring(3), constraints=[{"type": "memory", "bytes": 600, "name": "heaps"}], seconds=5)
    assert refused.value.document["conflict"] == ["heaps"]


def test_contradictions_are_named_and_only_they(client: Client) -> None:
    demands = [
        {"type": "same", "dispatchers": [0, 1], "part": "package", "name": "a pipeline"},
        {"type": "kind", "dispatchers": [2], "kind": "performance"},
        {"type": "near", "dispatchers": [0], "device": NIC, "name": "the driver"},
        {"type": "only", "dispatchers": [1], "cores": [0, 1, 2], "name": "the sink"},
    ]
    with pytest.raises(InvalidRequest, match="cannot hold together") as refused:
        client.place(3, ring(3), constraints=demands, seconds=5)
    assert set(refused.value.document["conflict"]) == {"a pipeline", "the driver", "the sink"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"constraints": [{"type": "near", "device": "0000:99:00.0"}]}, "there is no PCI device 0000:99:00.0"),
        ({"constraints": [{"type": "near", "device": "0000:42:00.0"}]}, "nothing tells which node"),
        (
            {"constraints": [{"type": "same", "part": "l3", "name": "cache"}]},
            "cache: nothing is known of this machine's parts",
        ),
        ({"constraints": [{"type": "same", "dispatchers": [7]}]}, r"constraints\[0\] names dispatcher 7"),
        ({"constraints": [{"type": "only", "cores": [99]}]}, "names core 99, which is not among the cores"),
        ({"constraints": [{"type": "together"}]}, "together"),
        ({"constraints": [{"type": "memory", "bytes": -1}]}, "greater than or equal to 0"),
        ({"prefer": {5: 0}}, r"prefer\[0\] names dispatcher 5"),
        ({"prefer": {0: 77}}, r"prefer\[0\] names core 77"),
        ({"current": [0]}, "current has 1 entries"),
        ({"move_price": 5}, "move_price needs current"),
        ({"names": ["a", "b\nrm -rf"]}, "names"),
        ({"emit": ["csh"]}, "emit"),
    ],
)
def test_nonsense_gets_one_error_that_names_it(client: Client, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        client.place(2, ring(2), seconds=1, **options)


def test_a_preferred_core_is_taken_where_it_costs_nothing(client: Client) -> None:
    found = client.place(2, ring(2), prefer={0: 5, 1: 4}, seconds=5)
    assert found.assignment == [5, 4]
    assert [(wish.core, wish.taken, wish.reason) for wish in found.preferences] == [(5, True, ""), (4, True, "")]
    assert (found.cost, found.bound, found.status) == (20_000, 20_000, "optimal")


def test_a_preferred_core_that_is_not_taken_is_explained(client: Client) -> None:
    found = client.place(
        2,
        ring(2),
        prefer={0: 7, 1: 0},
        avoid=[7],
        constraints=[{"type": "only", "dispatchers": [0], "cores": [4, 5, 7], "name": "home"}],
        seconds=8,
    )
    avoided, dear = found.preferences
    assert (avoided.taken, avoided.reason) == (False, "the core is one to avoid")
    assert (dear.taken, dear.extra_cost) == (False, 2 * (FAR - 10_000))
    assert "costs 300,000 more" in dear.reason


def test_moves_are_weighed_against_what_they_save(client: Client) -> None:
    traffic = ring(2, weight=10)
    saving = 20 * (FAR - 10_000)
    stays = client.place(2, traffic, current=[0, 4], move_price=saving + 1, seconds=5)
    assert (stays.assignment, stays.moves, stays.moving_cost, stays.cost) == ([0, 4], [], 0, 20 * FAR)
    moves = client.place(2, traffic, current=[0, 4], move_price=saving - 1, seconds=5)
    assert (len(moves.moves), moves.moving_cost) == (1, saving - 1)
    assert moves.cost == 20 * 10_000 + saving - 1


def test_a_core_that_is_gone_is_left_without_a_price(client: Client) -> None:
    found = client.place(3, ring(3), cores=[0, 1, 2, 3], current=[0, 5, None], move_price=10**9, seconds=5)
    assert found.assignment[0] == 0
    assert [(move.dispatcher, move.origin) for move in found.moves] == [(1, 5)]
    assert found.moving_cost == 0


FORMS = {
    "taskset": ["taskset --cpu-list 4 COMMAND  # sink", "taskset --cpu-list 5 COMMAND  # source"],
    "numactl": ["numactl --physcpubind=4 --membind=1 COMMAND", "numactl --physcpubind=5 --membind=1 COMMAND"],
    "rankfile": ["rank 0=localhost slot=4", "rank 1=localhost slot=5"],
    "slurm": ["srun --exclusive --ntasks=2 --cpu-bind=map_cpu:4,5 COMMAND"],
    "systemd": ["[Service]", "CPUAffinity=4", "NUMAPolicy=bind", "NUMAMask=1"],
    "cpuset": ["echo 4 > /sys/fs/cgroup/placement/0/cpuset.cpus", "echo 1 > /sys/fs/cgroup/placement/1/cpuset.mems"],
}


def test_other_tools_are_told_in_their_own_words(client: Client) -> None:
    only = [{"type": "only", "dispatchers": [a], "cores": [4 + a]} for a in range(2)]
    found = client.place(2, ring(2), constraints=only, names=["sink", "source"], emit=list(FORMS), seconds=1)
    assert set(found.commands) == set(FORMS)
    for form, lines in FORMS.items():
        for line in lines:
            assert line in found.commands[form], form


def test_commands_that_are_told_are_commands(client: Client) -> None:
    here = min(os.sched_getaffinity(0))
    found = client.place(
        1, [[0]], constraints=[{"type": "only", "cores": [here]}], cores=None, emit=["taskset"], seconds=1
    )
    command = (
        found.commands["taskset"]
        .splitlines()[0]
        .replace("COMMAND", f"{sys.executable} -c 'import os; print(os.sched_getaffinity(0))'")
    )
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 127:
        pytest.skip("taskset is not installed")
    assert done.stdout.strip() == f"{{{here}}}"


def skb(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skb", *arguments, "--url", service.url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    )


@pytest.fixture
def traffic(tmp_path: Path) -> str:
    path = tmp_path / "traffic.csv"
    path.write_text("0,5,0\n0,0,1\n1,0,0\n")
    return str(path)


def test_the_command_takes_constraints_and_tells_why(service: Service, traffic: str, tmp_path: Path) -> None:
    more = tmp_path / "more.json"
    more.write_text(json.dumps([{"type": "kind", "dispatchers": [2], "kind": "performance"}]))
    options = (
        "--different",
        "package=0,1",
        "--exclusive",
        "physical_core=2",
        "--near",
        f"{NIC}=0",
        "--constraints",
        str(more),
    )
    done = skb(service, "place", traffic, *options, "--prefer", "1=7", "--current", "6,0,-", "--seconds", "4")
    assert done.returncode == 0, done.stderr
    for words in ("optimal", "same machine", "core 7 was not taken for dispatcher 1", "in common"):
        assert words in done.stdout
    as_json = json.loads(skb(service, "place", traffic, *options, "--json").stdout)
    at = as_json["assignment"]
    assert (PACKAGE[at[0]], PACKAGE[at[1]]) == (1, 0)


def test_the_command_prints_what_another_tool_takes_and_nothing_else(service: Service, traffic: str) -> None:
    done = skb(service, "place", traffic, "--emit", "slurm")
    assert done.stdout.startswith("srun ")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--same", "node"], "write it like node=0-3"),
        (["--same", "socket=0"], "socket"),
        (["--exclusive", "node=x"], "no list of numbers"),
        (["--prefer", "x"], "write a dispatcher and a core, like 0=3"),
        (["--current", "0,a,1"], "'a' is no core"),
        (["--same", "node=0,1", "--different", "node=0,1"], "--same node=0,1"),
    ],
)
def test_the_command_says_what_is_wrong_with_an_option(
    service: Service, traffic: str, options: list[str], words: str
) -> None:
    done = skb(service, "place", traffic, *options)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())
