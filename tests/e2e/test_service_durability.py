"""kill -9 while facts are written: of the service, of the template of its engines, of an engine."""

from pathlib import Path

import pytest
from killing import VICTIMS, kill_rounds


@pytest.mark.parametrize("victim", VICTIMS)
def test_what_was_acknowledged_is_there_after_each_kill(tmp_path: Path, victim: str) -> None:
    outcome = kill_rounds(tmp_path, 4, (victim,))
    assert outcome.kills == 4
    assert outcome.acknowledged > 0
    assert (outcome.lost, outcome.gaps, outcome.refused) == (0, 0, 0)
