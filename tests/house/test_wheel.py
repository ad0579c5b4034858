"""The wheel: what a user who installs it gets works without the checkout."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout, unpacked. Built without isolation: set-up has installed what building takes."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            directory,
            ROOT,
            f"--config-settings=build-dir={directory / 'build'}",
        ],
        check=True,
        timeout=300,
        cwd=directory,
    )
    (wheel,) = directory.glob("*.whl")
    site = directory / "site"
    zipfile.ZipFile(wheel).extractall(site)
    return site


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the unpacked wheel and its dependencies, and without the checkout's editable installation (-S: no .pth)."""
    script = f"import sys; sys.path[:0] = [{str(installed)!r}, {sysconfig.get_paths()['purelib']!r}]; " + arguments[0]
    return subprocess.run(
        [sys.executable, "-S", "-P", "-c", script, *arguments[1:]],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_rules_are_found_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "from skb.rules import rules_directory; print(rules_directory())")
    assert done.returncode == 0, done.stderr
    found = Path(done.stdout.strip())
    assert found.is_relative_to(installed)
    assert {path.relative_to(found) for path in found.rglob("*.pl")} == {
        path.relative_to(ROOT / "rules") for path in (ROOT / "rules").rglob("*.pl")
    }


def test_commands_start_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    for package in ("skb", "multikernel"):
        done = run(
            installed,
            tmp_path,
            f"import {package}; print({package}.__file__); from {package}.cli import main; main()",
            "--help",
        )
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.splitlines()[0]).is_relative_to(installed)


def test_the_extensions_are_in_the_wheel(installed: Path) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    for module in ("probes/_cpuid", "skb/engine/_terms", "multikernel/urpc/_urpc"):
        assert (installed / f"{module}{suffix}").exists()
    assert not [path for pattern in ("*.c", "*.h", "CMakeLists.txt") for path in installed.rglob(pattern)]
