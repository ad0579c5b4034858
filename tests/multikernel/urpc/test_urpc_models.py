"""The waiting protocol and the ring as models, checked by Spin: right as they are, and wrong without any of their parts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MODELS = Path(__file__).parent / "models"

pytestmark = [
    pytest.mark.skipif(shutil.which("spin") is None, reason="spin is not installed (Debian: spin)"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on the path"),
]


def errors(folder: Path, model: str, *left_out: str) -> tuple[int, int]:
    """Go through all states of a model; give the number of errors, and of states."""
    options = [f"-D{part}" for part in left_out]
    subprocess.run(
        ["spin", "-a", *options, str(MODELS / f"{model}.pml")], cwd=folder, check=True, timeout=60, capture_output=True
    )
    subprocess.run(["cc", "-O2", "-DSAFETY", "-w", "-o", "pan", "pan.c"], cwd=folder, check=True, timeout=60)
    done = subprocess.run(["./pan", "-m100000"], cwd=folder, check=True, timeout=100, capture_output=True, text=True)
    assert "search depth too small" not in done.stdout
    found = re.search(r"errors: (\d+)\s+(\d+) states, stored", done.stdout)
    assert found is not None, done.stdout
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("model", ["doorbell", "marks", "ring", "ring HAND_BACK", "relay"])
def test_nothing_is_lost_and_nobody_waits_for_ever(tmp_path: Path, model: str) -> None:
    found, states = errors(tmp_path, *model.split())
    assert found == 0
    assert states > 1000


@pytest.mark.parametrize(
    ("model", "part"),
    [
        ("doorbell", "NO_SENDER_FENCE"),
        ("doorbell", "NO_SLEEPER_FENCE"),
        ("doorbell", "LATE_LOOK"),
        ("doorbell", "NO_COMPARE"),
        ("marks", "NO_SENDER_FENCE"),
        ("marks", "LINE_BEFORE_BIT"),
        ("marks", "GROUP_FIRST"),
        ("marks", "BITS_FIRST"),
        ("marks", "LATE_LOOK"),
        ("marks", "NO_SLEEPER_FENCE"),
        ("marks", "NO_ADD_FENCE"),
        ("marks", "NO_ADD_LOOK"),
        ("ring", "HEADER_FIRST"),
        ("ring", "EARLY_STATUS"),
        ("ring", "NO_ROOM_CHECK"),
        ("ring", "NO_SENDER_FENCE"),
        ("ring", "NO_RECEIVER_FENCE"),
        ("ring", "UNORDERED_HAND_BACK"),
        ("relay", "HAND_BLOCKS"),
        ("relay", "ROOM_BLOCKS"),
        ("relay", "EARLY_ACK"),
    ],
)
def test_every_part_of_the_protocol_is_needed(tmp_path: Path, model: str, part: str) -> None:
    found, _ = errors(tmp_path, model, part)
    assert found > 0
