"""The C library for AArch64: it compiles without a warning, keeps its promises in an emulator, and orders memory as its headers say.

The emulator runs on a processor that orders memory more strictly than AArch64 does, so it shows that the code is right, not that it is
ordered enough. That is argued in the headers and by the models; here the instructions are held against the argument.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_urpc_sanitizers import LIBRARY, PROGRAMS, SOURCES

COMPILER = shutil.which("aarch64-linux-gnu-gcc")
EMULATOR = shutil.which("qemu-aarch64")
STRICT = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{SOURCES}"]

pytestmark = [
    pytest.mark.skipif(platform.machine() == "aarch64", reason="this machine is one: the other tests of C ran on it"),
    pytest.mark.skipif(COMPILER is None, reason="no compiler for AArch64 (Debian: gcc-aarch64-linux-gnu)"),
]


def compiled(*arguments: str | Path) -> str:
    done = subprocess.run(
        [str(COMPILER), *STRICT, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def function(name: str, assembly: str) -> str:
    """Give the instructions of one function."""
    found = re.search(rf"^{name}:\n(.*?)^\t\.size\t{name},", assembly, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{name} is not there"
    return found[1]


@pytest.mark.parametrize("source", sorted(path.name for path in SOURCES.glob("[!_]*.c")))
def test_every_file_compiles_without_a_warning(tmp_path: Path, source: str) -> None:
    compiled("-c", SOURCES / source, "-o", tmp_path / "object.o")


@pytest.mark.skipif(EMULATOR is None, reason="no emulator of AArch64 (Debian: qemu-user)")
@pytest.mark.parametrize(
    ("program", "scenario"),
    [
        ("stress", ["duplex"]),
        ("stress", ["wakeups"]),
        ("bursts", []),
        ("marks", ["rounds"]),
        ("marks", ["members"]),
        ("relays", ["tree"]),
        ("relays", ["death"]),
    ],
    ids=lambda given: given if isinstance(given, str) else "-".join(given),
)
def test_library_keeps_its_promises_in_an_emulator(tmp_path: Path, program: str, scenario: list[str]) -> None:
    binary = tmp_path / program
    compiled("-static", PROGRAMS / f"{program}.c", *(SOURCES / name for name in LIBRARY), "-o", binary, "-lpthread")
    for seed in ("1", "2"):
        done = subprocess.run(
            [str(EMULATOR), binary, *scenario, seed], capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, f"seed {seed}\n{done.stderr[-4000:]}"


def test_a_message_becomes_visible_by_a_store_with_release_and_is_seen_by_a_load_with_acquire() -> None:
    assembly = compiled("-S", SOURCES / "channel.c", "-o", "-")
    assert "stlr" in function("urpc_publish_as", assembly)
    assert re.search(r"\tldap?r\t", function("urpc_poll", assembly))


def test_between_telling_and_looking_whether_it_is_waited_for_stands_a_full_barrier() -> None:
    settling = function("urpc_settle_told", compiled("-S", SOURCES / "channel.c", "-o", "-"))
    assert "dmb\tish" in settling
    assert "ishld" not in settling  # would order loads only
    assert "ishst" not in settling  # and this, stores
