"""Where the machine is in what was recorded as files: the kernel's tree, CPUID by core, or both.

    NAME/sys, NAME/proc              hwloc-gather-topology, or copies of the two
    NAME/pu0, NAME/pu1, ...          hwloc-gather-cpuid
    NAME/fsroot/sys, NAME/cpuid/pu0  both, as hwloc keeps them in its tests

The outermost such folder is the machine; several beside each other are several machines, and none of them is guessed to be meant.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from probes.cpuid.dump import parse_pu
from probes.recorded import Recording, RecordingError
from probes.recorded.tar import Contents
from probes.source import PU, Files, Tree, noted_uname

KERNEL = frozenset({"sys", "proc"})

DEPTH = 3
"""Folders that may stand above the machine's own."""

MOST_FOLDERS = 1000
"""That are looked into."""


def in_archive(contents: Contents, name: str, place: str) -> Recording | None:
    """Give the machine in an archive, None if there is none. Raises RecordingError if there are several."""
    roots: set[str] = set()
    dumps: set[str] = set()
    for path in (*contents.files, *contents.links):
        parts = path.split("/")
        depth = next((depth for depth, part in enumerate(parts[: DEPTH + 1]) if part in KERNEL), None)
        if depth is not None and depth < len(parts) - 1:
            roots.add("".join(f"{part}/" for part in parts[:depth]))
        elif len(parts) <= DEPTH + 1 and PU.fullmatch(parts[-1]):
            dumps.add("".join(f"{part}/" for part in parts[:-1]))
    root, cpuid = _outermost(roots, place), _outermost(dumps, place)
    if root is None and cpuid is None:
        return None
    files, links = {}, {}
    if root is not None:
        files = {f"/{path[len(root) :]}": held for path, held in contents.files.items() if path.startswith(root)}
        links = {f"/{path[len(root) :]}": target for path, target in contents.links.items() if path.startswith(root)}
    registers = {
        int(found[1]): parse_pu(_text(held))
        for path, held in contents.files.items()
        if cpuid is not None and path.startswith(cpuid) and (found := PU.fullmatch(path[len(cpuid) :]))
    }
    uname = noted_uname(lambda path: _text(files.get(path, b"")))
    return Recording(Files(files, links=links, cpuid=registers, uname=uname, name=name), contents.problems)


def in_folder(path: Path, name: str) -> Recording | None:
    """Give the machine in a folder, None if there is none. Raises RecordingError if there are several, OSError."""
    if path.name in KERNEL and path.parent != path and any((path / file).exists() for file in ("devices", "cpuinfo")):
        path, name = path.parent, path.parent.name or name
    roots: list[str] = []
    dumps: list[str] = []
    for base, folders, files in islice(os.walk(path), MOST_FOLDERS):
        if KERNEL.intersection(folders):
            roots.append(base)
            dumps += [f"{base}/cpuid"] if "cpuid" in folders else []
            folders.clear()
        elif any(map(PU.fullmatch, files)):
            dumps.append(base)
            folders.clear()
        elif base.count("/") - str(path).count("/") >= DEPTH:
            folders.clear()
        else:
            folders.sort()
    root, cpuid = _outermost(roots, str(path)), _outermost(dumps, str(path))
    if root is None:
        return None if cpuid is None else Recording(_registers(Tree(Path(cpuid), cpuid=Path(cpuid)), name))
    return Recording(Tree(Path(root), name=name, cpuid=None if cpuid is None else Path(cpuid)))


def _registers(tree: Tree, name: str) -> Files:
    registers = {core: dump for core in tree.cpuid_cores() if (dump := tree.cpuid_dump(core)) is not None}
    return Files({}, cpuid=registers, name=name)


def _outermost(folders: Iterable[str], place: str) -> str | None:
    by_depth: dict[int, list[str]] = {}
    for folder in folders:
        by_depth.setdefault(folder.count("/"), []).append(folder)
    if not by_depth:
        return None
    first, *others = sorted(by_depth[min(by_depth)])
    if others:
        raise RecordingError(place, f"holds several machines: {first}, {others[0]} ...", "give one of them")
    return first


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace").strip()
