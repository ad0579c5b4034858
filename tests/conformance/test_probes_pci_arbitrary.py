"""Every structure with arbitrary values in it, read by us and by the lspci of this machine; and this machine's own functions."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Compare
from probes_lspci import expected
from probes_lspci_told import told
from probes_pci_space import dump, function
from probes_vocabulary import violations

from probes.live import Live
from probes.pci.lspci import read
from probes.pci.probe import probe

DOE_ERROR = "lspci takes DOE Busy and DOE Interrupt Status for DOE Error, which is bit 2 (PCI Express 6.0, 7.9.24.4)"


def lspci(*options: str) -> str:
    """What lspci prints; skips where there is none."""
    if shutil.which("lspci") is None:
        pytest.skip("lspci, which reads the same bytes, is not installed")
    command = ("lspci", "-D", "-n", "-vvv", *options)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("header_type", [0, 1, 2])
def test_lspci_reads_the_same_from_any_values(header_type: int, tmp_path: Path, compare: Compare) -> None:
    chance = random.Random(header_type)
    spaces = {
        f"0000:{bus:02x}:{device:02x}.0": function(header_type, chance) for bus in range(4) for device in range(8)
    }
    text = dump(spaces)
    path = tmp_path / "dump.txt"
    path.write_text(text)
    theirs = expected(lspci("-F", str(path)))
    survey = probe(read(text, "dump").source)
    assert violations(survey.facts) == []
    ours = told(survey)
    for subject in sorted(ours.keys() | theirs.keys()):
        mine, its = ours.get(subject, {}), theirs.get(subject, {})
        known = {
            key: DOE_ERROR
            for key in mine.keys() & its.keys()
            if key[1] == "doe" and mine[key] != its[key] and mine[key][:-1] == its[key][:-1]
        }
        compare(f"arbitrary values: {subject}", f"header {header_type}", mine, its, known)


def test_lspci_reads_the_same_from_this_machine(compare: Compare) -> None:
    theirs = expected(lspci())
    if not theirs:
        pytest.skip("this machine has no PCI functions")
    ours = told(probe(Live()))
    for subject in sorted(ours.keys() | theirs.keys()):
        compare(f"this machine: {subject}", "live", ours.get(subject, {}), theirs.get(subject, {}))
