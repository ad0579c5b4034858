"""Descriptions of machines that are not there: what is read, what is refused and where, and the facts that come of it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.fact import Survey
from probes.synthetic.description import DescriptionError, parse
from probes.synthetic.survey import survey


def rows(found: Survey) -> dict[str, list[tuple[Any, ...]]]:
    by_name: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for fact in found.facts:
        by_name[fact.name].append(fact.args)
    return by_name


def facts(text: str) -> dict[str, list[tuple[Any, ...]]]:
    return rows(survey(text, "none"))


def sharers(found: dict[str, list[tuple[Any, ...]]], level: int) -> list[set[int]]:
    members: dict[int, set[int]] = defaultdict(set)
    levels = {args[0]: args[1] for args in found["cache"]}
    for cache, core in found["cache_shared"]:
        if levels[cache] == level:
            members[cache].add(core)
    return list(members.values())


def test_threads_are_numbered_as_they_are_described() -> None:
    assert facts("pack:2 core:2 pu:2")["cpu_thread"] == [
        (0, 0, 0, 0),
        (1, 0, 0, 1),
        (2, 0, 1, 0),
        (3, 0, 1, 1),
        (4, 1, 0, 0),
        (5, 1, 0, 1),
        (6, 1, 1, 0),
        (7, 1, 1, 1),
    ]


def test_indexes_by_type_number_one_thread_of_every_core_before_the_next() -> None:
    found = facts("pack:2 core:2 pu:2(indexes=core:package)")
    assert found["cpu_thread"][:4] == [(0, 0, 0, 0), (1, 0, 1, 0), (2, 1, 0, 0), (3, 1, 1, 0)]


def test_apic_ids_have_a_field_for_package_die_core_and_thread() -> None:
    found = facts("pack:2 die:3 core:5 pu:2")
    assert [apic_id for _, apic_id, _ in found["core"]] == [
        package << 6 | die << 4 | core << 1 | thread  # three bits of core, two of die
        for package in range(2)
        for die in range(3)
        for core in range(5)
        for thread in range(2)
    ]


def test_dies_and_given_numbers_are_those_of_facts() -> None:
    found = facts("pack:2(indexes=3,1) die:2 core:2(indexes=0,4,1,5,2,6,3,7) pu:1")
    assert [package for _, package, _, _ in found["cpu_thread"]] == [3, 3, 3, 3, 1, 1, 1, 1]
    assert [core for _, _, core, _ in found["cpu_thread"]] == [0, 4, 1, 5, 2, 6, 3, 7]
    assert [die for _, die in found["cpu_die"]] == [0, 0, 1, 1, 0, 0, 1, 1]


def test_caches_have_the_sizes_that_are_written_or_those_of_hwloc() -> None:
    found = facts("l3:2(size=32MiB) l2:2 core:1 l1d:1(size=48kB) l1i:1 pu:2")
    assert {args[1:4] for args in found["cache"]} == {
        (3, "unified", 32 << 20),
        (2, "unified", 4 << 20),
        (1, "data", 48_000),
        (1, "instruction", 32 << 10),
    }
    assert sharers(found, 3) == [{0, 1, 2, 3}, {4, 5, 6, 7}]
    assert sharers(found, 2) == [{0, 1}, {2, 3}, {4, 5}, {6, 7}]


def test_what_no_description_tells_of_a_cache_is_unknown() -> None:
    assert facts("l2:1 pu:1")["cache"] == [(0, 2, "unified", 4 << 20, "unknown", 64, "unknown")]


def test_memory_belongs_to_the_threads_that_it_is_nearest_to() -> None:
    found = facts("[numa(memory=1TiB)] pack:2 [numa(memory=8GiB)] [numa(memory=2GiB)] core:2 pu:1")
    assert found["numa_node"] == [(0, 8 << 30), (1, 2 << 30), (2, 8 << 30), (3, 2 << 30), (4, 1 << 40)]
    assert found["numa_core"] == [(0, 0), (0, 1), (2, 2), (2, 3)]
    assert found["cpu_affinity"] == [(0, 0), (1, 0), (2, 2), (3, 2)]


def test_memory_lies_one_node_after_the_other() -> None:
    found = facts("numa:2(memory=3GiB) core:1 pu:1")
    assert found["memory_affinity"] == [(0, 3 << 30, 0, ()), (3 << 30, 3 << 30, 1, ())]
    assert found["memory_region"] == [(0, 3 << 30, "system_ram"), (3 << 30, 3 << 30, "system_ram")]
    assert found["node_memory"] == [(0, 0, 3 << 30), (1, 3 << 30, 3 << 30)]
    assert found["node_domain"] == [(0, 0), (1, 1)]


def test_distances_are_least_in_a_node_and_less_in_a_package_than_beyond() -> None:
    found = {(one, other): distance for one, other, distance in facts("pack:2 numa:2 pu:1")["node_distance"]}
    assert [found[0, other] for other in range(4)] == [10, 12, 20, 20]
    assert [found[3, other] for other in range(4)] == [20, 20, 12, 10]


def test_memory_of_the_whole_machine_is_remote_to_that_of_a_package() -> None:
    found = {(one, other): distance for one, other, distance in facts("[numa] pack:2 [numa] pu:1")["node_distance"]}
    assert (found[0, 2], found[1, 2], found[2, 2]) == (20, 20, 10)


def test_a_cache_before_memory_is_told() -> None:
    found = facts("pack:2 [numa(memory=16GB memorysidecachesize=1GiB)] pu:1")
    assert found["numa_cache"] == [(node, 1, 1 << 30, "unknown", 64) for node in (0, 1)]
    assert [args[:4] for args in found["memory_side_cache"]] == [(node, 1, 1, 1 << 30) for node in (0, 1)]


def test_a_machine_without_cores_and_packages_has_a_core_for_each_thread_in_one_package() -> None:
    found = facts("4")
    assert found["cpu_thread"] == [(0, 0, 0, 0), (1, 0, 1, 0), (2, 0, 2, 0), (3, 0, 3, 0)]
    assert found["numa_node"] == [(0, 1 << 30)]


def test_all_cores_are_online_alike_and_have_a_local_apic() -> None:
    found = facts("pack:2 core:2 pu:1")
    assert [args[2] for args in found["core"]] == [1] * 4
    assert {kind for _, kind in found["cpu_kind"]} == {"uniform"}
    assert found["apic"] == [(core, apic_id, 1) for core, apic_id, _ in found["core"]]


def test_the_machine_is_called_as_it_is_told() -> None:
    assert rows(survey("2 2", "none", name="new"))["machine"] == [("new", "x86_64", "synthetic")]


@pytest.mark.parametrize(
    ("marked", "cause"),
    [
        ("|", "no levels"),
        ("[numa]|", "no levels"),
        ("pack:2 |core:2", "the last level is core"),
        ("pack:2 |pu:2 core:2", "pu is not the last"),
        ("core:2 |pack:2 pu:2", "a package inside a core"),
        ("die:2 |pack:2 pu:2", "a package inside a die"),
        ("pack:2 |pack:2 pu:2", "twice"),
        ("pack:2 [|tape] pu:2", "no memory"),
        ("pack:2 [numa |pu:2", "not closed"),
        ("pack:2 [numa|", "not closed"),
        ("pack:2 [numa|(memory=1GB pu:2", "not closed"),
        ("numa:2 [|numa] pu:2", "both"),
        ("l3:2(size=|2m) pu:2", "no size"),
        ("l3:2(|memory=2MB) pu:2", "no attribute"),
        ("core:2(|size=2MB) pu:2", "no attribute"),
        ("l3:2(size=|1MB,indexes=0) pu:2", "no size"),
        ("l3:2(size=|) pu:2", "no value"),
        ("l3:2(size=1 |size=2) pu:2", "twice"),
        ("pack:2 |x:3 pu:2", "no type"),
        ("pack:2 |l4i:3 pu:2", "no type"),
        ("pack:2 |3 pu:2", "no type"),
        ("pack:2 core| pu:2", "no number"),
        ("pack:2 core: |x", "number of objects is missing"),
        ("pack:|0 pu:2", "no objects"),
        ("pack:2|) pu:2", "does not belong"),
        ("pack:2 |$ pu:2", "begins no level"),
        ("pack:999 |core:999 pu:2", "over 65536"),
        ("|pu:9999999999", "over 65536"),
        ("pu:9999999999|9", "does not belong"),
        ("|core:2000 [numa] pu:1", "NUMA nodes"),
        ("pu:4(indexes=|0,1,2)", "3 numbers for 4"),
        ("pu:4(indexes=0,1,|1,2)", "number 1"),
        ("pu:4(indexes=0,1,|x,2)", "no number"),
        ("pu:2(indexes=0,|65536)", "no number"),
        ("core:2 pu:2(indexes=2*2:|1*x)", "no loop"),
        ("core:2 pu:2(indexes=|0*2:1*2)", "no loop"),
        ("core:2 pu:2(indexes=|1*2:1*2)", "same number"),
        ("core:4 pu:2(indexes=|2*2)", "number 2 objects"),
        ("core:2 pu:2(indexes=|pack)", "no level"),
        ("core:2 pu:2(indexes=core:|core)", "twice"),
        ("core:2(indexes=|pu) pu:2", "no level"),
        ("group:2 group:2 pu:2(indexes=group1:|group3)", "no level"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(marked: str, cause: str) -> None:
    """A bar marks the place that is to be told."""
    text, place = marked.replace("|", ""), marked.index("|")
    with pytest.raises(DescriptionError, match=cause) as error:
        survey(text, "none")
    assert error.value.place == place
    assert error.value.pointed().splitlines()[1:] == [f"  {text}", f"  {' ' * place}^"]


def test_too_many_levels_are_told() -> None:
    with pytest.raises(DescriptionError, match="more than 127 levels"):
        parse("1 " * 200)


@given(
    st.lists(
        st.sampled_from(
            [
                "pack:2",
                "numa:2",
                "[numa]",
                "l2:1",
                "core:3",
                "(",
                ")",
                "[",
                "]",
                ":",
                "pu:2",
                "(indexes=",
                "core",
                "1*2",
                "0x",
                "9",
                ",",
                "(size=3kB)",
                "(memory=1)",
                " ",
            ]
        ),
        max_size=14,
    )
)
def test_anything_that_is_written_is_read_or_refused_at_a_place_in_it(words: list[str]) -> None:
    text = "".join(words)
    found = read_or_refused(text)
    assert found.place in range(len(text) + 1) if isinstance(found, DescriptionError) else rows(found)["core"]


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_three_lines(text: str) -> None:
    found = read_or_refused(text)
    assert not isinstance(found, DescriptionError) or len(found.pointed().splitlines()) == 3


def read_or_refused(text: str) -> Survey | DescriptionError:
    try:
        return survey(text, "none")
    except DescriptionError as error:
        return error


def test_a_machine_of_many_threads_has_each_fact_of_each() -> None:
    found = facts("pack:4 [numa] [numa] die:4 l3:2 core:16 l2:1 l1d:1 l1i:1 pu:2")
    assert len(found["core"]) == len(found["cpu_thread"]) == len(found["apic"]) == 1024
    assert len({args[1] for args in found["core"]}) == 1024
    assert len(found["cache"]) == 32 + 3 * 512
    assert len(found["cache_shared"]) == 4 * 1024
