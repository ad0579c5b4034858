"""The pages that list facts and questions say what is declared."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["facts.md", "questions.md"])
def test_a_page_is_what_its_generator_writes(tmp_path: Path, name: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "skb.cli.knowledge_reference", str(tmp_path)], check=True, timeout=60, cwd=ROOT
    )
    written = (tmp_path / name).read_text()
    assert (ROOT / "docs" / name).read_text() == written, "python -m skb.cli.knowledge_reference docs writes it anew"
    assert written.count("\n| `") > 20
