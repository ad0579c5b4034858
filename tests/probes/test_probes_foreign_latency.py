"""Latencies in the formats of other programs: what is read, and what is said of what is wrong."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.fact import Survey
from probes.foreign import core_to_core, latencies, mctop, nsend


def rows(found: Survey) -> dict[str, list[tuple[Any, ...]]]:
    by_name: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for fact in found.facts:
        by_name[fact.name].append(fact.args)
    return by_name


def round_trips(found: Survey) -> dict[tuple[int, int], int]:
    return {(sender, receiver): average for sender, receiver, average, *_ in rows(found)["message_rtt"]}


def places(found: Survey) -> list[str]:
    return [problem.place for problem in found.problems]


LOWER = ",,\n10.5,,\n20,30.25,\n"


def test_half_a_round_trip_in_nanoseconds_becomes_a_round_trip_in_picoseconds_both_ways() -> None:
    found = core_to_core.read(LOWER, "m.csv")
    expected = {(1, 0): 21_000, (2, 0): 40_000, (2, 1): 60_500}
    assert round_trips(found) == expected | {(there, here): value for (here, there), value in expected.items()}
    assert not found.problems


def test_what_a_matrix_does_not_tell_is_unknown() -> None:
    found = rows(core_to_core.read(LOWER, "m.csv"))
    assert found["core"] == [(core, "unknown", 1) for core in range(3)]
    assert {args[3:] for args in found["message_rtt"]} == {("unknown",) * 3}
    assert not found["message_cost"]


def test_lines_may_end_as_on_other_systems_and_blank_ones_do_not_count() -> None:
    text = "\ufeff" + LOWER.replace("\n", "\r\n\r\n")
    assert core_to_core.recognises(LOWER.replace("\n", "\r\n"))
    assert round_trips(core_to_core.read(text, "m.csv")) == round_trips(core_to_core.read(LOWER, "m.csv"))


@pytest.mark.parametrize("cell", ["nan", "inf", "-3.5", "0", "fast", "1e400", "0x10", "1_000", "٣"])
def test_a_cell_that_is_no_latency_is_told_with_line_and_column_and_the_others_count(cell: str) -> None:
    found = core_to_core.read(f"\n,,\n{cell},,\n20,30,\n", "m.csv")
    assert places(found) == ["m.csv, line 3, column 1"] * 2  # what it is, and that the pair is not measured
    assert round_trips(found) == {(2, 0): 40_000, (0, 2): 40_000, (2, 1): 60_000, (1, 2): 60_000}


def test_a_pair_that_is_blank_is_told() -> None:
    found = core_to_core.read(",,\n10,,\n20,,\n", "m.csv")
    assert places(found) == ["m.csv, line 3, column 2"]


def test_directions_that_differ_count_each_and_are_told() -> None:
    found = core_to_core.read("0,11\n10,0\n", "m.csv")
    assert round_trips(found) == {(0, 1): 22_000, (1, 0): 20_000}
    assert places(found) == ["m.csv, line 2, column 1"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (",,\n1,,\n", "m.csv, line 1, column 3"),
        (",\n1\n", "m.csv, line 2, column 2"),
        (",,\n1,,\n2,3,,4\n", "m.csv, line 3, column 4"),
        (",,,", "m.csv, line 1"),
        ("", "m.csv, line 1"),
    ],
)
def test_a_matrix_that_is_not_square_gives_nothing_but_the_place(text: str, place: str) -> None:
    found = core_to_core.read(text, "m.csv")
    assert places(found) == [place]
    assert not found.facts


def test_a_thousand_cores_are_read_and_of_a_million_faults_only_some_are_told() -> None:
    found = core_to_core.read("\n".join([",".join(["x"] * 1000)] * 1000), "m.csv")
    assert len(found.problems) == 21
    assert "more places" in found.problems[-1].cause
    measured = core_to_core.read("\n".join([",".join(["7"] * 1000)] * 1000), "m.csv")
    assert len(measured.facts) == 1000 + 1000 * 999


TABLE = """Num cores: 3
Using RDTSC to measure time: false
Num round trips per samples: 5000
Num samples: 300
Showing latency=round-trip-time/2 in nanoseconds:

       0       4       9
  0
  4  \x1b[1m576±6\x1b[0m
  9   57±1   1023±12

    Min  latency: 57.0ns ±1.5 cores: (9,0)
    Mean latency: 576.0ns
"""


def test_the_table_for_people_says_which_cores_were_measured() -> None:
    assert core_to_core.recognises(TABLE)
    found = core_to_core.read(TABLE, "m.txt")
    assert [args[0] for args in rows(found)["core"]] == [0, 4, 9]
    expected = {(4, 0): 1_152_000, (9, 0): 114_000, (9, 4): 2_046_000}
    assert round_trips(found) == expected | {(there, here): value for (here, there), value in expected.items()}
    assert not found.problems


def test_a_table_that_breaks_off_gives_the_rows_before() -> None:
    found = core_to_core.read(TABLE.replace("  9   57", "  8   57"), "m.txt")
    assert set(round_trips(found)) == {(4, 0), (0, 4)}
    assert places(found) == ["m.txt, line 10"]
    assert [args[0] for args in rows(found)["core"]] == [0, 4, 9]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",\n,\n", "1,2\n3\n", "0 1 2.0 3.0\n", "{}", "[1,2]\n[3,4]\n"])
def test_other_text_is_no_matrix(text: str) -> None:
    assert not core_to_core.recognises(text)


def test_a_matrix_is_known_by_its_first_lines_though_the_last_is_cut_off() -> None:
    wide = "\n".join([",".join(["123.456"] * 600)] * 600)
    assert core_to_core.recognises(wide[: 1 << 16])


def described(latency: dict[tuple[int, int], int], contexts: int, sockets: int, smt: int, rest: str = "") -> str:
    lines = [
        f"{one}    {other}    {latency.get((min(one, other), max(one, other)), 0)}"
        for one in range(contexts)
        for other in range(contexts)
    ]
    return "\n".join([f"#box #HWCs {contexts} #Nodes {sockets} SMT {smt}", *lines]) + "\n" + rest


def two_by_two_by_two() -> dict[tuple[int, int], int]:
    """Two sockets of two cores of two threads; contexts 0 to 3 are the first threads, sockets alternate."""
    found = {}
    for one in range(8):
        for other in range(one + 1, 8):
            found[one, other] = 28 if one % 4 == other % 4 else 100 if one % 2 == other % 2 else 300
    return found


MEMORY = """#Mem_latencies 2
0    0    505
0    1    259
1    0    260
1    1    506
2    0    0
#Mem_bw-READ 2
0    0    46.0
#Mem_bw1-READ 2
0    0    8.634374
0    1    13.602682
1    0    13.483907
1    1    8.595700
#Cache_levels 4
Cache_level 0   Latency 0      SizeOS 32    SizeEst 32
Cache_level 3   Latency 41     SizeOS 25600 SizeEst 22528#Power_measurements 1
Power_sockt_0_idle 	1.868880   12.554782  14.423661  19.014752  33.438414
"""


def test_mctop_tells_sockets_cores_and_threads_by_latency() -> None:
    found = mctop.read(described(two_by_two_by_two(), 8, 2, 1), "box.mct", 2000)
    assert rows(found)["cpu_thread"] == [
        (0, 0, 0, 0),
        (1, 1, 0, 0),
        (2, 0, 1, 0),
        (3, 1, 1, 0),
        (4, 0, 0, 1),
        (5, 1, 0, 1),
        (6, 0, 1, 1),
        (7, 1, 1, 1),
    ]
    assert rows(found)["machine"] == [("box", "unknown", "unknown")]
    assert not found.problems


def test_mctop_counts_one_way_in_cycles_of_the_clock() -> None:
    found = round_trips(mctop.read(described(two_by_two_by_two(), 8, 2, 1), "box.mct", 2000))
    assert (found[0, 4], found[4, 0], found[0, 2], found[7, 0]) == (28_000, 28_000, 100_000, 300_000)
    assert len(found) == 56


def test_mctop_without_a_clock_counts_nanoseconds_and_says_so() -> None:
    found = mctop.read(described(two_by_two_by_two(), 8, 2, 1), "box.mct")
    assert round_trips(found)[0, 4] == 56_000
    assert [problem.cause for problem in found.problems] == ["times are in cycles of a clock that is not told"]


def test_mctop_tells_the_node_of_a_socket_and_what_its_first_context_reads() -> None:
    found = mctop.read(described(two_by_two_by_two(), 8, 2, 1, MEMORY), "box.mct", 1000)
    by_name = rows(found)
    assert by_name["memory_access"] == [
        (0, 0, 505_000, 8634),
        (0, 1, 259_000, 13603),
        (1, 0, 260_000, 13484),
        (1, 1, 506_000, 8596),
    ]
    assert by_name["numa_core"] == [(0, 1), (0, 3), (0, 5), (0, 7), (1, 0), (1, 2), (1, 4), (1, 6)]
    assert not found.problems


def test_mctop_with_latencies_that_make_other_groups_tells_no_places() -> None:
    found = mctop.read(described(two_by_two_by_two(), 8, 3, 1), "box.mct", 1000)
    assert not rows(found)["cpu_thread"]
    assert "sockets" in found.problems[0].cause
    assert len(round_trips(found)) == 56


def test_mctop_pairs_that_are_missing_or_wrong_are_told() -> None:
    text = described(two_by_two_by_two(), 8, 2, 1).replace("\n7    0    300", "\n7    0    nan").replace("\n6    9", "")
    text = text.replace("\n7    1    100", "\n9    1    100").replace("\n7    2    300", "\n7    2")
    found = mctop.read(text, "box.mct", 1000)
    assert places(found) == ["box.mct, line 58, column 3", "box.mct, line 59, column 1", "box.mct, line 60", "box.mct"]
    assert "3 pairs" in found.problems[-1].cause


@pytest.mark.parametrize("text", ["", "#box #HWCs 0 #Nodes 1 SMT 0\n", "#box #HWCs 999999 #Nodes 1 SMT 0\n", "0 0 0\n"])
def test_mctop_without_a_first_line_that_counts_gives_nothing(text: str) -> None:
    found = mctop.read(text, "box.mct")
    assert not found.facts
    assert places(found) == ["box.mct, line 1"]


def test_nsend_files_that_belong_together_give_round_trips_and_costs() -> None:
    texts = {
        "a/pairwise-nsend_rtt": "0 1 1000.0 50.0\n1 0 1200.5 0.000000\n",
        "a/pairwise-nsend_send": "0 1 60.0 1.0\n1 0 70.0 1.0\n",
        "a/pairwise-nsend_receive": "0 1 200.0 1.0\n1 0 210.0 1.0\n",
    }
    found = nsend.read_files(texts, 2000)
    by_name = rows(found)
    assert by_name["message_rtt"] == [
        (0, 1, 500_000, 25_000, "unknown", "unknown"),
        (1, 0, 600_250, 0, "unknown", "unknown"),
    ]
    assert by_name["message_cost"] == [(0, 1, 30_000, 100_000), (1, 0, 35_000, 105_000)]
    assert [args[0] for args in by_name["core"]] == [0, 1]
    assert not found.problems


def test_nsend_of_sending_alone_gives_no_costs_and_says_what_is_missing() -> None:
    found = nsend.read("0 1 60.0 1.0\n", "x_send.txt", 2000)
    assert not rows(found)["message_cost"]
    assert "receive" in found.problems[0].cause


def test_nsend_with_a_name_that_does_not_tell_is_refused() -> None:
    found = nsend.read("0 1 60.0 1.0\n", "/send/pairwise-nsend", 2000)
    assert not found.facts
    assert "rtt, send or receive" in found.problems[0].cause


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("x 1 60.0 1.0", "line 2, column 1"),
        ("0 -1 60.0 1.0", "line 2, column 2"),
        ("0 0 60.0 1.0", "line 2, column 2"),
        ("0 2 nan 1.0", "line 2, column 3"),
        ("0 2 -60.0 1.0", "line 2, column 3"),
        ("0 2 60.0 -1", "line 2, column 4"),
        ("0 2 60.0", "line 2"),
        ("0 1 61.0 1.0", "line 2"),
        ("0 70000 61.0 1.0", "line 2, column 2"),
    ],
)
def test_nsend_lines_that_are_wrong_are_told_with_line_and_column(line: str, place: str) -> None:
    found = nsend.read(f"0 1 60.0 1.0\n{line}\n1 0 50.0 1.0\n", "x.rtt", 1000)
    assert places(found) == [f"x.rtt, {place}"]
    assert round_trips(found) == {(0, 1): 60_000, (1, 0): 50_000}


@pytest.mark.parametrize("module", [core_to_core, mctop, nsend])
@given(text=st.text(alphabet="0123456789.,-# \nnaeE±#HWCsNodSMT", max_size=400) | st.text(max_size=200))
def test_reading_any_text_raises_nothing(module: Any, text: str) -> None:
    module.recognises(text)
    for head in ("", "#x #HWCs 3 #Nodes 2 SMT 1\n", "Num cores: 2\n"):
        for fact in module.read(head + text, "rtt").facts:
            assert all(isinstance(arg, str) or arg >= 0 for arg in fact.args)


def test_blanks_of_any_kind_around_a_latency_are_no_part_of_it() -> None:
    assert latencies.number("\x1f 9.32\t") == 9.32
