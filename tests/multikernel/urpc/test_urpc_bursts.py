"""Bursts in C: mixed with single messages, under the sanitizers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from test_urpc_sanitizers import FLAGS, LIBRARY, SOURCES

PROGRAM = Path(__file__).parent / "c" / "bursts.c"


@pytest.mark.parametrize("kind", FLAGS)
def test_bursts_and_single_messages_mix(tmp_path: Path, kind: str) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on the path")
    program = tmp_path / kind
    sources = [PROGRAM, *(SOURCES / name for name in LIBRARY)]
    strict = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"]
    built = subprocess.run(
        [compiler, *strict, *FLAGS[kind], f"-I{SOURCES}", *sources, "-o", program, "-lpthread"],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0 and "sanitize" in built.stderr:
        pytest.skip(f"this compiler cannot do the {kind} sanitizer: {built.stderr.strip()[:200]}")
    assert built.returncode == 0, built.stderr
    for seed in (1, 2, 3):
        done = subprocess.run([program, str(seed)], capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, f"seed {seed}\n{done.stderr[-4000:]}"
