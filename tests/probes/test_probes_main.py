"""The command: facts to standard output, problems to standard error, an exit status that means something."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import command
from probes.fact import Compound, Fact, Term, to_json

PROBES = [sys.executable, "-m", "probes"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROBES, *arguments], capture_output=True, text=True, timeout=60, check=False)


def recorded(tmp_path: Path) -> Path:
    kernel = tmp_path / "proc" / "sys" / "kernel"
    kernel.mkdir(parents=True)
    (kernel / "hostname").write_text("box\n")
    iomem = tmp_path / "proc" / "iomem"
    iomem.write_text("what\n")
    return tmp_path


def test_facts_of_this_machine_are_one_json_object_a_line() -> None:
    found = run()
    assert found.returncode == 0
    facts = [json.loads(line) for line in found.stdout.splitlines()]
    assert {"machine", "core"} <= {fact["name"] for fact in facts}
    assert all(fact.keys() == {"name", "args"} for fact in facts)


def test_a_subject_gives_its_facts_alone() -> None:
    names = {json.loads(line)["name"] for line in run("memory").stdout.splitlines()}
    assert "numa_node" in names
    assert not {"core", "device", "acpi_table", "block_device"} & names


def test_problems_go_to_standard_error_and_are_no_failure(tmp_path: Path) -> None:
    found = run("--from", str(recorded(tmp_path)))
    assert found.returncode == 0
    assert json.loads(found.stdout) == {"name": "machine", "args": ["box", "unknown", "unknown"]}
    assert found.stderr.startswith("/proc/iomem: 'what' is not a range and what it holds; ")


def test_a_subject_of_which_nothing_was_recorded_is_a_failure(tmp_path: Path) -> None:
    found = run("acpi", "--from", str(recorded(tmp_path)))
    assert found.returncode == 1
    assert found.stderr == f"{tmp_path}: nothing could be read of acpi\n"


def test_a_directory_without_a_machine_is_a_failure(tmp_path: Path) -> None:
    found = run("--from", str(tmp_path))
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(f"{tmp_path}: holds no files; understood are ")
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("usb",), "invalid choice: 'usb'"),
        (("--from", "x", "--format", "pdf"), "--format pdf: there is no such format; formats are auto, bundle, "),
        (("--from", "x", "--format", "mctop:fast"), "--format mctop:fast: is no format with a clock; write one like "),
        (("--from", "x", "--format", "lspci:2GHz"), "--format lspci:2GHz: is no format with a clock; write one like "),
        (("--format", "lspci"), "--format is of a recording; name it with --from"),
    ],
)
def test_a_wrong_call_is_status_2_and_says_what_is_right(arguments: tuple[str, ...], message: str) -> None:
    found = run(*arguments)
    assert (found.returncode, found.stdout) == (2, "")
    assert message in found.stderr


def test_a_reader_that_stops_reading_is_no_failure() -> None:
    child = subprocess.Popen(PROBES, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    with child:
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) == 0


def test_a_full_disk_is_one_clear_error() -> None:
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(PROBES, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert found.returncode == 1
    assert found.stderr == "standard output: No space left on device; not all facts were written\n"


def terms() -> st.SearchStrategy[Term]:
    leaves: st.SearchStrategy[Term] = st.integers() | st.text(st.characters(exclude_categories=()))
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3).map(tuple)
            | st.builds(Compound, st.text(max_size=5), st.lists(inner, max_size=3).map(tuple))
        ),
        max_leaves=10,
    )


@given(st.lists(terms(), max_size=5).map(tuple))
def test_lines_are_json_of_the_interface_whatever_a_term_holds(args: tuple[Term, ...]) -> None:
    fact = Fact("thing", args)
    (line,) = command.json_lines([fact]).decode().split("\n")[:-1]
    # Surrogates that happen to stand side by side are one character in JSON.
    joined = json.dumps(to_json(fact)).encode().decode()
    assert json.loads(line) == json.loads(joined)
