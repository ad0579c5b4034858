"""The page about ACPI tables names every fact that they give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FROM_ELSEWHERE = {"node_domain"}


@pytest.mark.parametrize("part", ["acpi", "acpi_platform", "acpi_iommu"])
def test_every_declared_fact_is_on_the_page(part: str) -> None:
    declared = re.findall(r":- fact\((\w+)\(", (ROOT / "rules" / "schema" / f"{part}.pl").read_text())
    named = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "probes" / "acpi.md").read_text()))
    assert declared
    assert set(declared) - FROM_ELSEWHERE - named == set()
