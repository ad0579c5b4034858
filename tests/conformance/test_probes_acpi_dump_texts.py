"""Texts of acpidump, and tables one after the other: what ACPICA's acpixtract takes out of them is what is read."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from probes_recorded import DATA

from probes.acpi.dump import TABLES, from_tables, read, recognises
from probes.source import Source

MACHINES = sorted(path.name for path in (DATA / "acpi").glob("*") if any(path.glob("tables/*.dat")))

pytestmark = pytest.mark.skipif(not MACHINES, reason=f"no recorded ACPI tables under {DATA}")


def raw(machine: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((DATA / "acpi" / machine / "tables").glob("*.dat"))]


def told(source: Source) -> dict[int, bytes]:
    return dict(enumerate(sorted(source.read(f"{TABLES}/{name}") for name in source.list(TABLES))))


def extracted(text: Path, folder: Path) -> dict[int, bytes]:
    folder.mkdir()
    subprocess.run(["acpixtract", "-a", str(text)], cwd=folder, capture_output=True, check=True, timeout=60)
    return dict(enumerate(sorted(path.read_bytes() for path in folder.iterdir())))


def acpica(tables: list[bytes]) -> Iterator[str]:
    for table in tables:
        yield f"{table[:4].decode()} @ 0x00000000BF79E390"
        for offset in range(0, len(table), 16):
            row = table[offset : offset + 16]
            letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            yield f"{f'{offset:04X}':>8}: {' '.join(f'{byte:02X}' for byte in row):<48} {letters}"
        yield ""


def pmtools(tables: list[bytes]) -> Iterator[str]:
    for table in tables:
        yield f"{table[:4].decode()} @ 0xbf79e390"
        for offset in range(0, len(table), 16):
            row = table[offset : offset + 16]
            letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
            yield f"  {offset:04x}: {' '.join(f'{byte:02x}' for byte in row):<47}  {letters}"
        yield ""


@pytest.mark.skipif(shutil.which("acpixtract") is None, reason="acpixtract (package acpica-tools) is not installed")
@pytest.mark.parametrize("machine", MACHINES)
def test_texts_give_the_tables_that_acpixtract_takes_out(machine: str, tmp_path: Path, compare: Any) -> None:
    texts = {style.__name__: "\n".join(style(raw(machine))) for style in (acpica, pmtools)}
    texts |= {path.name: path.read_text(errors="replace") for path in (DATA / "acpi" / machine).glob("acpidump*.txt")}
    for name, text in texts.items():
        path = tmp_path / f"{name}.txt"
        path.write_text(text)
        assert recognises(text[: 64 * 1024])
        recording = read(text, name)
        assert recording.problems == ()
        compare(
            "acpidump: tables in a text", f"{machine}/{name}", told(recording.source), extracted(path, tmp_path / name)
        )


@pytest.mark.parametrize("machine", MACHINES)
def test_tables_one_after_the_other_are_taken_apart_as_they_were(machine: str, compare: Any) -> None:
    tables = raw(machine)
    recording = from_tables({"all.bin": b"".join(tables)}, machine)
    assert recording.problems == ()
    compare("tables one after the other", machine, told(recording.source), dict(enumerate(sorted(tables))))
