"""Sources: a recorded tree never leads out of itself, and never blocks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.cpuid.dump import CpuidDump
from probes.cpuid.registers import Registers
from probes.cpulist import LIMIT, format_list, parse_list, parse_mask
from probes.fact import Compound, Fact, addr, to_json
from probes.layout import layout
from probes.reading import Reading
from probes.source import READ_LIMIT, Files, Tree, Uname


def tree(tmp_path: Path, **files: str) -> Tree:
    for name, content in files.items():
        path = tmp_path / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Tree(tmp_path)


def test_files_are_read_where_the_machine_has_them(tmp_path: Path) -> None:
    source = tree(tmp_path, sys__a="1\n", sys__b="2\n")
    assert source.read("/sys/a") == b"1\n"
    assert source.list("/sys") == ("a", "b")
    assert source.exists("/sys/a")
    assert not source.exists("/sys/c")


def test_an_absolute_link_starts_at_the_root_of_the_tree(tmp_path: Path) -> None:
    source = tree(tmp_path, sys__a="inside")
    (tmp_path / "link").symlink_to("/sys/a")
    assert source.read("/link") == b"inside"


def test_a_link_does_not_climb_out_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("outside")
    source = tree(tmp_path / "tree", sys__a="inside")
    (tmp_path / "tree" / "up").symlink_to("../../../../secret")
    assert not source.exists("/up")
    with pytest.raises(FileNotFoundError):
        source.read("/up")
    assert source.link("/up/../../sys/a") == "/sys/a"


def test_a_link_through_a_link_is_followed(tmp_path: Path) -> None:
    source = tree(tmp_path, devices__pci__one__config="x")
    (tmp_path / "bus").mkdir()
    (tmp_path / "bus" / "one").symlink_to("../devices/pci/one")
    (tmp_path / "devices" / "pci" / "one" / "driver").symlink_to("../../../drivers/nvme")
    assert source.link("/bus/one/driver") == "/drivers/nvme"


def test_a_loop_of_links_is_an_error(tmp_path: Path) -> None:
    source = tree(tmp_path)
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        source.link("/a")
    reading = Reading(source)
    assert reading.link("/a") is None
    assert not reading.exists("/a")
    assert len(reading.problems()) == 1


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        Tree(tmp_path).read("/pipe")


def test_a_file_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(READ_LIMIT + 1)
    with pytest.raises(OSError, match="larger than"):
        Tree(tmp_path).read("/large")


def test_a_root_that_is_no_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        Tree(tmp_path / "nowhere")


def test_a_tree_with_recorded_cpuid_answers_for_its_cores(tmp_path: Path) -> None:
    source = tree(tmp_path, cpuid__pu0="1 0 0 0 0 => d 1 2 3\n", cpuid__pu12="", **{"cpuid__hwloc-cpuid-info": "x"})
    assert source.cpuid_cores() == (0, 12)
    assert source.cpuid(0, 0, 0) == Registers(13, 1, 2, 3)
    assert source.cpuid(0, 1, 0) is None
    assert source.cpuid(7, 0, 0) is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                "proc__sys__kernel__hostname": "box\n",
                "proc__sys__kernel__ostype": "Linux\n",
                "proc__sys__kernel__osrelease": "6.1\n",
            },
            Uname("box", "", "Linux 6.1"),
        ),
        ({"proc__hwloc-nofile-info": "Architecture: aarch64\nHostName: arm\n"}, Uname("arm", "aarch64", "")),
        ({"proc__version": "Linux version 5.4.0-1 (builder@host) #1 SMP\n"}, Uname("", "", "Linux 5.4.0-1")),
        ({"proc__version": "Linux version"}, Uname("", "", "Linux")),
        ({}, Uname("", "", "")),
    ],
)
def test_a_tree_names_its_machine_as_far_as_that_was_recorded(
    files: dict[str, str], expected: Uname, tmp_path: Path
) -> None:
    assert tree(tmp_path, **files).uname() == expected


def test_a_dump_in_memory_is_a_source() -> None:
    dump = CpuidDump({(0, 0): Registers(1, 2, 3, 4)})
    source = Files({"/sys/a/b": b"1", "/sys/c": b"2"}, links={"/sys/d": "/sys/a"}, cpuid={3: dump})
    assert source.list("/sys") == ("a", "c", "d")
    assert source.read("/sys/d/b") == b"1"
    assert source.exists("/sys/a")
    assert source.cpuid_cores() == (3,)
    assert source.cpuid(3, 0, 0) == Registers(1, 2, 3, 4)
    with pytest.raises(FileNotFoundError):
        source.read("/sys/a")
    with pytest.raises(OSError, match="symbolic links"):
        Files({}, links={"/a": "/b", "/b": "/a"}).link("/a")


def test_a_refusal_is_told_once_for_a_directory() -> None:
    class Closed(Files):
        def read(self, path: str) -> bytes:
            raise PermissionError(13, "Permission denied", path)

    reading = Reading(Closed({}))
    assert reading.bytes("/sys/t/APIC") is None
    assert reading.bytes("/sys/t/MCFG") is None
    assert [(problem.place, problem.cause) for problem in reading.problems()] == [
        ("/sys/t", "permission denied for APIC, MCFG")
    ]


def test_one_fault_in_many_places_is_told_once() -> None:
    reading = Reading(Files({f"/sys/{name}": b"x" for name in "abc"}))
    assert [reading.number(f"/sys/{name}") for name in "abc"] == [None] * 3
    assert [str(problem.place) for problem in reading.problems()] == ["/sys/a and 2 more"]


def test_text_ends_at_a_zero_byte() -> None:
    assert Reading(Files({"/sys/list": b"0-31\n\0"})).text("/sys/list") == "0-31"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", set()), ("0", {0}), ("0-2,5", {0, 1, 2, 5}), ("7,\n", {7}), ("0-1\n3", {0, 1, 3})],
)
def test_lists_of_cores_are_read(text: str, numbers: set[int]) -> None:
    assert parse_list(text) == numbers


@pytest.mark.parametrize("text", ["x", "1-", "-1", "3-1", f"0-{LIMIT}", "0-99999999999999", "1.5", "--"])
def test_what_is_no_list_of_cores_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_list(text)


@pytest.mark.parametrize(
    ("text", "numbers"), [("0", set()), ("f", {0, 1, 2, 3}), ("1,00000000", {32}), ("0000,000000ff", set(range(8)))]
)
def test_masks_of_cores_are_read(text: str, numbers: set[int]) -> None:
    assert parse_mask(text) == numbers


@pytest.mark.parametrize("text", ["", "g", "-1", "1,", "f" * 20000, "0," * 9999 + "0"])
def test_what_is_no_mask_of_cores_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_mask(text)


@given(st.frozensets(st.integers(0, 2000)))
def test_a_list_that_is_written_is_read_back(numbers: frozenset[int]) -> None:
    assert parse_list(format_list(numbers)) == numbers


def test_the_json_of_a_fact_is_that_of_the_interface() -> None:
    fact = Fact("thing", (addr(0, 1, 2, 3), 7, "name", (1, ("a",)), Compound("f", ())))
    assert to_json(fact) == {
        "name": "thing",
        "args": [{"f": "addr", "args": [0, 1, 2, 3]}, 7, "name", [1, ["a"]], {"f": "f", "args": []}],
    }


def test_a_layout_reads_only_what_is_there() -> None:
    shape = layout("pair", "here", "a B, - 2x, b H")
    assert shape.size == 5
    assert shape.read(b"\x01\xff\xff\x02\x03", 0) == {"a": 1, "b": 0x302}
    assert shape.read(b"\x01\xff\xff\x02", 0) is None
    assert shape.read(b"\x01\xff\xff\x02\x03", 1) is None
    assert shape.read(b"\x01\xff\xff\x02\x03", -1) is None
