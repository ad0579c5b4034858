"""The command: facts to standard output, problems to standard error, an exit status that means something."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


def test_problems_go_to_standard_error_and_are_no_failure(tmp_path: Path) -> None:
    found = run("--root", str(recorded(tmp_path)))
    assert found.returncode == 0
    assert json.loads(found.stdout) == {"name": "machine", "args": ["box", "unknown", "unknown"]}
    assert found.stderr.startswith("/proc/iomem: 'what' is not a range and what it holds; ")


def test_a_directory_without_a_machine_is_a_failure(tmp_path: Path) -> None:
    found = run("--root", str(tmp_path))
    assert (found.returncode, found.stdout) == (1, "")
    assert "nothing could be read" in found.stderr


def test_a_root_that_is_no_directory_is_a_wrong_call(tmp_path: Path) -> None:
    found = run("--root", str(tmp_path / "nowhere"))
    assert found.returncode == 2
    assert "nowhere: Not a directory; give a directory" in found.stderr


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
