"""The typed face of the C extension says what the extension is."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from multikernel import urpc

ROOT = Path(__file__).parents[3]


def test_stubs_agree_with_the_extension(tmp_path: Path) -> None:
    later = tmp_path / "later"
    later.write_text("multikernel.urpc._urpc.Buffer.__buffer__\n")  # seen from Python 3.12 on (PEP 688), there before
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy.stubtest", "multikernel.urpc._urpc"),
            *("--allowlist", str(later), "--ignore-unused-allowlist"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", urpc.__all__)
def test_everything_public_is_documented(name: str) -> None:
    thing = getattr(urpc, name)
    if isinstance(thing, int):
        return
    assert inspect.getdoc(thing)
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        for member in vars(thing):
            assert member.startswith("__") or inspect.getdoc(getattr(thing, member)), member
