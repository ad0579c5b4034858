"""What ACPICA's disassembler reads in definition blocks: which devices there are, and the names in them that are no methods."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from probes.acpi.namespace import normal

OPENING = re.compile(r"^ *(Scope|Device|Method|If|Else|ElseIf|While|[A-Z]\w+) \((\\?\^*[A-Z0-9_.]*)")
NAME = re.compile(r"^ *Name \((_\w{3}), (?:EisaId \(\"(\w+)\"\)|\"([^\"]*)\"|(0x[0-9A-F]+|Zero|One))")
WORDS = {"Zero": 0, "One": 1}

WHOLE = frozenset({"Scope", "Device", "DefinitionBlock"})
"""Blocks whose content is there whatever happens; in others it depends."""


def disassemble(tables: Iterable[Path], folder: Path) -> Mapping[str, Mapping[str, int | str]]:
    """Return static names by device, in the tables' order: the first that says a name counts."""
    found: dict[str, dict[str, int | str]] = {}
    for table in tables:
        stem = folder / table.stem
        subprocess.run(
            ["iasl", "-d", "-p", str(stem), str(table)], cwd=folder, capture_output=True, check=True, timeout=60
        )
        for path, names in parse(stem.with_suffix(".dsl").read_text(errors="replace")).items():
            there = found.setdefault(path, {})
            there.update({name: value for name, value in names.items() if name not in there})
    return found


def parse(text: str) -> dict[str, dict[str, int | str]]:
    """Return the static names of each device that a disassembly declares outside of methods and conditions."""
    found: dict[str, dict[str, int | str]] = {}
    blocks: list[tuple[str, str]] = []
    opening = ("", "")
    for line in text.splitlines():
        stripped = line.strip()
        opens = stripped.startswith("{") and "}" not in stripped
        if opens:
            blocks.append(opening)
            opening = ("", "")
        elif stripped.startswith("}"):
            blocks = blocks[:-1]
        elif block := OPENING.match(line):
            opening = (block[1], block[2])
        if not blocks or not all(kind in WHOLE for kind, _ in blocks):
            continue
        path = _path(name for kind, name in blocks if kind in {"Scope", "Device"})
        if opens and blocks[-1][0] == "Device":
            found.setdefault(path, {})
        elif path in found and (name := NAME.match(line)):
            number = WORDS.get(name[4]) if name[4] in WORDS else int(name[4], 16) if name[4] else None
            found[path].setdefault(name[1], number if number is not None else name[2] or name[3] or "")
    return found


def _path(names: Iterable[str]) -> str:
    parts: list[str] = []
    for name in names:
        relative = name.lstrip("^")
        parts = parts[: len(parts) - (len(name) - len(relative))]
        if relative.startswith("\\"):
            parts, relative = [], relative[1:]
        parts += [part for part in normal(relative).split(".") if part]
    return "\\" + ".".join(parts)
