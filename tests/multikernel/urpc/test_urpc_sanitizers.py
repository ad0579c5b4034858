"""The C library alone, under the sanitizers: no fault, no race, no lost wake-up."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "multikernel" / "urpc"
PROGRAMS = Path(__file__).parent / "c"
LIBRARY = [
    "memory.c",
    "clock.c",
    "calls.c",
    "doorbell.c",
    "pace.c",
    "wait.c",
    "channel.c",
    "waitset.c",
    "reduce.c",
    "relay.c",
]
FLAGS = {
    "plain": ["-O2"],
    "address": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    # -Wno-tsan: it cannot model fences, and says so; what it checks here is ordered by acquire and release
    "thread": ["-O1", "-g", "-fsanitize=thread", "-Wno-tsan"],
}

Build = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("programs")
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on the path")

    def build(name: str, kind: str) -> Path:
        program = folder / f"{name}-{kind}"
        if program.exists():
            return program
        probe = subprocess.run(
            [compiler, *FLAGS[kind], "-x", "c", "-", "-o", folder / "probe"],
            input="int main(void) { return 0; }",
            text=True,
            capture_output=True,
        )
        if probe.returncode != 0 or subprocess.run([folder / "probe"], capture_output=True).returncode != 0:
            pytest.skip(f"this compiler or kernel cannot do the {kind} sanitizer: {probe.stderr.strip()[:200]}")
        strict = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"]
        sources = [PROGRAMS / f"{name}.c", *(SOURCES / name for name in LIBRARY)]
        subprocess.run(
            [compiler, *strict, *FLAGS[kind], f"-I{SOURCES}", *sources, "-o", program, "-lpthread"], check=True
        )
        return program

    return build


@pytest.mark.parametrize(
    ("program", "kind", "scenario"),
    [
        ("stress", "plain", "duplex"),
        ("stress", "plain", "wakeups"),
        ("stress", "address", "duplex"),
        ("stress", "address", "wakeups"),
        ("stress", "address", "hostile"),
        ("stress", "thread", "duplex"),
        ("stress", "thread", "wakeups"),
        ("marks", "plain", "rounds"),
        ("marks", "plain", "calls"),
        ("marks", "plain", "hostile"),
        ("marks", "plain", "members"),
        ("marks", "plain", "pace"),
        ("marks", "address", "rounds"),
        ("marks", "address", "calls"),
        ("marks", "address", "hostile"),
        ("marks", "address", "members"),
        ("marks", "address", "pace"),
        ("marks", "thread", "rounds"),
        ("marks", "thread", "calls"),
        ("marks", "thread", "members"),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_library_keeps_its_promises(build: Build, program: str, kind: str, scenario: str, seed: int) -> None:
    done = subprocess.run([build(program, kind), scenario, str(seed)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"seed {seed}\n{done.stderr[-4000:]}"


@pytest.mark.parametrize("kind", FLAGS)
@pytest.mark.parametrize("scenario", ["tree", "death", "hostile"])
@pytest.mark.parametrize("seed", [1, 2])
def test_relays_keep_their_promises(build: Build, kind: str, scenario: str, seed: int) -> None:
    done = subprocess.run([build("relays", kind), scenario, str(seed)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"seed {seed}\n{done.stderr[-4000:]}"
