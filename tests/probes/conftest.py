"""Fixtures of the tests of the probes."""

from __future__ import annotations

import shutil

import pytest
from probes_vocabulary import Declaration, declarations


@pytest.fixture(scope="session")
def vocabulary() -> dict[str, Declaration]:
    if shutil.which("swipl") is None:
        pytest.skip("swipl, which reads the declarations of facts, is not installed")
    return declarations()
