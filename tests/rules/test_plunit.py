"""Runs the tests that stand beside the rules, one .plt file a test, as a rule author would: with swipl alone."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "rules").rglob("*.plt"))

pytestmark = pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)")


def run_plunit(file: Path | str) -> subprocess.CompletedProcess[str]:
    command = [
        "swipl",
        "--on-error=status",
        "--on-warning=status",
        "-g",
        "run_tests",
        "-g",
        "halt",
        "-t",
        "halt(1)",
        str(file),
    ]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False, stdin=subprocess.DEVNULL
    )


def test_there_are_tests_beside_the_rules() -> None:
    assert {"rules/costs.plt", "rules/schema.plt", "rules/topology.plt"} <= set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_rules_keep_what_their_tests_promise(file: str) -> None:
    done = run_plunit(file)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert re.search(r"All [1-9]\d* tests? passed|[1-9]\d* tests? passed", output), output


def test_a_broken_promise_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "broken.plt"
    file.write_text(":- use_module(library(plunit)).\n:- begin_tests(t).\ntest(one, true(1 == 2)).\n:- end_tests(t).\n")
    assert run_plunit(file).returncode != 0


def test_a_warning_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "careless.plt"
    file.write_text(":- use_module(library(plunit)).\n:- begin_tests(t).\ntest(one) :- X = 1.\n:- end_tests(t).\n")
    assert run_plunit(file).returncode != 0
