"""Set-up: says what is missing, does nothing twice."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = (
    "bash",
    "cat",
    "cut",
    "dirname",
    "find",
    "id",
    "mktemp",
    "printf",
    "sed",
    "sha256sum",
    "sort",
    "tail",
    "tr",
    "xargs",
)


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A directory for PATH that holds only the tools that set-up itself uses."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in TOOLS:
        where = shutil.which(tool)
        assert where is not None, f"{tool} is missing on this machine"
        (directory / tool).symlink_to(where)
    return directory


def set_up(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(ROOT / "tools" / "setup.sh"), *arguments],
        env={"PATH": str(path), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_check_names_every_missing_package(bare_path: Path) -> None:
    result = set_up(bare_path, "--check")
    assert result.returncode == 1
    for package in ("swi-prolog-nox", "acpica-tools", "gcc", "libc6-dev"):
        assert package in result.stderr


def test_without_apt_it_says_what_to_install_and_stops(bare_path: Path) -> None:
    result = set_up(bare_path)
    assert result.returncode == 1
    assert "there is no apt-get" in result.stderr
    assert "swi-prolog-nox" in result.stderr


def test_without_root_it_gives_the_command_to_run(bare_path: Path) -> None:
    (bare_path / "apt-get").write_text("#!/bin/sh\necho 'apt-get must not be run' >&2; exit 99\n")
    (bare_path / "apt-get").chmod(0o755)
    (bare_path / "id").unlink()
    (bare_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (bare_path / "id").chmod(0o755)
    result = set_up(bare_path)
    assert result.returncode == 1
    assert "sudo apt-get install --no-install-recommends" in result.stderr
    assert "must not be run" not in result.stderr


@pytest.mark.skipif(not (ROOT / ".venv" / ".stamp").exists(), reason="this checkout was not set up by tools/setup.sh")
def test_the_second_time_it_does_and_says_nothing() -> None:
    stamp = ROOT / ".venv" / ".stamp"
    before = stamp.stat().st_mtime_ns
    result = subprocess.run(
        ["bash", str(ROOT / "tools" / "setup.sh")],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert stamp.stat().st_mtime_ns == before
