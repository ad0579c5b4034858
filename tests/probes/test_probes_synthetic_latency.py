"""What messages cost on machines that are not there: by level, by another program's measurements, and as the multikernel paper has them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.fact import Survey
from probes.recorded import RecordingError
from probes.synthetic.description import DescriptionError
from probes.synthetic.known import MACHINES
from probes.synthetic.latency import DEFAULTS
from probes.synthetic.survey import survey


def rows(found: Survey) -> dict[str, list[tuple[Any, ...]]]:
    by_name: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for fact in found.facts:
        by_name[fact.name].append(fact.args)
    return by_name


def one_way(text: str, latencies: str | None = None) -> dict[tuple[int, int], float]:
    """Nanoseconds by sender and receiver: half of each round trip."""
    found = rows(survey(text, latencies))["message_rtt"]
    return {(sender, receiver): average / 2000 for sender, receiver, average, *_ in found}


MACHINE = "pack:2 numa:2 l3:2 core:2 pu:2"

EVERY = "core:20ns l3:60ns numa:80ns package:150ns machine:300ns"


def test_the_smallest_part_in_common_has_the_latency() -> None:
    found = one_way(MACHINE, EVERY)
    assert [found[0, other] for other in (1, 2, 4, 8, 16, 31)] == [20, 60, 80, 150, 300, 300]


def test_every_pair_has_a_latency_and_it_is_the_same_both_ways() -> None:
    found = one_way(MACHINE, EVERY)
    assert set(found) == {(one, other) for one in range(32) for other in range(32) if one != other}
    assert all(found[one, other] == found[other, one] for one, other in found)


def test_numbers_of_threads_follow_their_indexes() -> None:
    found = one_way("pack:2 core:2 pu:2(indexes=pack:core)", "core:1ns package:2ns machine:3ns")
    assert (found[0, 4], found[0, 2], found[0, 1]) == (1, 2, 3)


def test_a_message_costs_its_sender_and_its_receiver_together_the_latency() -> None:
    found = rows(survey("core:2 pu:1", "machine:100ns"))
    assert found["message_cost"] == [(0, 1, 22_000, 78_000), (1, 0, 22_000, 78_000)]
    assert found["message_rtt"][0] == (0, 1, 200_000, "unknown", "unknown", "unknown")


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        ("l3:500ns", [8, 500, 500, 500]),
        ("", [8, 40, 95, 100]),
        ("machine:15ns", [8, 15, 15, 15]),
        ("core:1us numa:2000ns", [1000, 1000, 2000, 2000]),
        ("package:300ns,l1:9ns,pu:1ns", [8, 40, 95, 300]),
    ],
)
def test_levels_that_are_not_given_stay_between_those_that_are(latencies: str, expected: list[float]) -> None:
    found = one_way("pack:2 numa:2 l3:2 core:2 pu:2", latencies)
    assert [found[0, other] for other in (1, 2, 4, 8)] == expected


def test_memory_in_brackets_counts_as_the_part_that_it_hangs_off() -> None:
    found = one_way("pack:2 [numa] core:2 pu:1", "numa:70ns package:90ns machine:200ns")
    assert (found[0, 1], found[0, 2]) == (70, 200)
    whole = one_way("[numa] pack:2 core:2 pu:1", "numa:70ns package:90ns machine:200ns")
    assert (whole[0, 1], whole[0, 2]) == (90, 200)


@given(
    st.lists(
        st.tuples(st.sampled_from(["package", "numa", "die", "l3", "l2", "core"]), st.integers(1, 3)),
        max_size=4,
        unique_by=lambda level: level[0],
    ),
    st.lists(st.sampled_from(list(DEFAULTS)), max_size=1),
)
def test_what_is_nearer_is_never_slower(levels: list[tuple[str, int]], given_one: list[str]) -> None:
    order = ["package", "die", "numa", "l3", "l2", "core"]
    text = " ".join(f"{name}:{count}" for name, count in sorted(levels, key=lambda level: order.index(level[0])))
    found = one_way(f"{text} pu:2".strip(), " ".join(f"{name}:50ns" for name in given_one))
    latencies = [found[0, other] for other in range(1, 1 + max(other for _, other in found))]
    assert latencies == sorted(latencies)


@pytest.mark.parametrize(
    ("marked", "cause"),
    [
        ("core:10ns |foo:3ns", "no latency"),
        ("core:10ns |l3", "no latency"),
        ("|core:10", "no latency"),
        ("|core:-1ns", "no latency"),
        ("core:1ns  |core:2ns", "twice"),
        ("l1:1ns,|l1i:2ns", "twice"),
        ("|group2:1ns", "no latency"),
    ],
)
def test_what_is_wrong_with_latencies_is_told_with_its_place(marked: str, cause: str) -> None:
    with pytest.raises(DescriptionError, match=cause) as error:
        survey("2 2", marked.replace("|", ""))
    assert error.value.place == marked.index("|")


def test_no_latencies_are_told_where_none_are_wanted_or_there_are_too_many() -> None:
    assert not rows(survey(MACHINE, "none"))["message_rtt"]
    many = survey("pack:2 core:1024 pu:1")
    assert not rows(many)["message_rtt"]
    assert [problem.place for problem in many.problems] == ["synthetic"]
    with pytest.raises(DescriptionError):
        survey("pack:2 core:1024 pu:1", "wrong")


def test_a_matrix_of_another_program_gives_the_latencies(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(",,,\n1,,,\n2,3,,\n4,5,6,\n")
    found = rows(survey("pack:2 core:2 pu:1", str(tmp_path / "m.csv")))
    assert (2, 1, 6_000, "unknown", "unknown", "unknown") in found["message_rtt"]
    assert len(found["message_rtt"]) == 12
    assert [args[1:] for args in found["core"]] == [(0, 1), (1, 1), (2, 1), (3, 1)]


def test_a_matrix_in_cycles_is_told_its_clock(tmp_path: Path) -> None:
    (tmp_path / "x.mct").write_text("#x #HWCs 2 #Nodes 1 SMT 0\n0 1 100\n1 0 100\n")
    found = survey("core:2 pu:1", str(tmp_path / "x.mct"), clock="2GHz")
    assert rows(found)["message_rtt"][0][:3] == (0, 1, 100_000)
    assert not found.problems


def test_a_clock_is_refused_where_times_are_in_nanoseconds(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(",\n1,\n")
    with pytest.raises(RecordingError, match="not in cycles"):
        survey("core:2 pu:1", str(tmp_path / "m.csv"), clock="2GHz")


def test_a_matrix_of_other_cores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(",\n1,\n")
    with pytest.raises(RecordingError, match="2 cores, and the machine's 4"):
        survey("core:4 pu:1", str(tmp_path / "m.csv"))


def test_the_eight_socket_machine_is_that_of_the_multikernel_paper() -> None:
    found = rows(survey("barrelfish-8x4"))
    assert len({package for _, package, _, _ in found["cpu_thread"]}) == 8
    assert len({(package, core) for _, package, core, _ in found["cpu_thread"]}) == len(found["core"]) == 32
    shapes = {args[1:4] for args in found["cache"]}
    assert {(3, "unified", 2 << 20), (2, "unified", 512 << 10)} <= shapes
    latency = {(sender, receiver): average // 2 for sender, receiver, average, *_ in found["message_rtt"]}
    assert {latency[0, other] for other in (1, 2, 3)} == {269_000}
    assert {latency[0, other] for other in (4, 8)} == {306_500}
    assert {latency[0, other] for other in range(12, 32)} == {309_000}
    assert {args[1] for args in found["cpu_name"]} == {"AMD Opteron 8350"}


@pytest.mark.parametrize(
    ("name", "packages", "cores", "nodes", "nanoseconds"),
    [
        ("barrelfish-2x4", 2, 8, 1, {68, 214}),
        ("barrelfish-2x2", 2, 4, 2, {161, 190}),
        ("barrelfish-4x4", 4, 16, 4, {179, 218, 223}),
        ("barrelfish-8x4", 8, 32, 8, {269, 307, 309}),
    ],
)
def test_machines_of_the_paper_have_the_latencies_of_its_second_table(
    name: str, packages: int, cores: int, nodes: int, nanoseconds: set[int]
) -> None:
    found = rows(survey(name))
    assert len({package for _, package, _, _ in found["cpu_thread"]}) == packages
    assert len(found["core"]) == cores
    assert len(found["numa_node"]) == nodes
    told = {average / 2000 for _, _, average, *_ in found["message_rtt"]}
    assert {int(each + 0.5) for each in told} == nanoseconds


def test_cores_of_a_die_of_the_intel_machine_share_a_cache_and_are_nearest() -> None:
    found = one_way("barrelfish-2x4")
    assert found[0, 1] < 70 < found[0, 2] == found[0, 4]


def test_distances_between_nodes_of_known_machines_grow_with_the_links_between_them() -> None:
    found = {(one, other): distance for one, other, distance in rows(survey("barrelfish-8x4", "none"))["node_distance"]}
    assert [found[0, other] for other in range(8)] == [10, 16, 16, 22, 22, 28, 28, 34]


def test_a_known_machine_may_have_other_latencies() -> None:
    found = one_way("barrelfish-2x2", "package:10ns machine:20ns")
    assert (found[0, 1], found[0, 2]) == (10, 20)


def test_each_known_machine_is_described_in_words() -> None:
    assert all(" x " in machine.what for machine in MACHINES.values())
