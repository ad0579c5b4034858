"""Recorded machines, for the conformance tests of the probes: where they are, and how to lay one out as a source."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import shutil
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from probes.cpulist import parse_list
from probes.fact import Survey
from probes.machine import survey
from probes.source import Tree

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def machines(folder: str, pattern: str = "*") -> list[Any]:
    """Parameters of a fixture: the recorded machines of a folder, or one that skips with the reason."""
    names = sorted(path.name.removesuffix(".tar.bz2") for path in (DATA / folder).glob(pattern))
    reason = f"no recorded machines in {DATA / folder}"
    return [*names] or [pytest.param("", marks=pytest.mark.skip(reason=reason))]


def unpack(archive: Path, into: Path) -> Path:
    """Unpack a recorded machine and return its root.

    Only what a reader of files can tell is laid out, names, contents and links: with times, owners and modes, which `extractall` sets
    one by one, the ten thousand files of a large machine take several times as long.
    """
    made: set[Path] = set()
    with tarfile.open(archive) as tar:
        for member in tar:
            path = into / member.name
            assert not member.name.startswith("/"), f"{archive}: {member.name} leads out of the archive"
            assert ".." not in path.parts, f"{archive}: {member.name} leads out of the archive"
            directory = path if member.isdir() else path.parent
            if directory not in made:
                directory.mkdir(parents=True, exist_ok=True)
                made.add(directory)
            if member.issym():
                path.symlink_to(member.linkname)
            elif member.isfile() or member.islnk():
                content = tar.extractfile(member)
                assert content is not None
                path.write_bytes(content.read())
    (root,) = into.iterdir()
    inner = root / "fsroot"  # recordings with CPUID keep the file system one level down, beside cpuid/
    if inner.is_dir():
        (root / "cpuid").rename(inner / "cpuid")
        return inner
    return root


def survey_once(name: str, factory: pytest.TempPathFactory, lay_out: Callable[[Path], Path]) -> Survey:
    """Survey a recorded machine, once for all workers of a test run: unpacking is most of the work.

    `lay_out` puts the machine into a directory and returns its root. Of two workers that come at once the later waits.
    """
    base = factory.getbasetemp()
    kept = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"{name}.survey"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            directory = factory.mktemp("machine")
            told = survey(Tree(lay_out(directory)))
            shutil.rmtree(directory)
            kept.write_bytes(pickle.dumps(told))
    surveyed: Survey = pickle.loads(kept.read_bytes())
    return surveyed


def load(path: Path) -> Any:
    """A JSON file of the recordings; its shape is described in the folder's INDEX.md."""
    return json.loads(path.read_text())


def rows(survey: Survey) -> dict[str, list[tuple[Any, ...]]]:
    """The arguments of all facts, by name."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for fact in survey.facts:
        found[fact.name].append(fact.args)
    return found


def cores_of(entry: dict[str, Any]) -> frozenset[int]:
    """The set of cores of an object of a summary."""
    return parse_list(entry["cpus"] or "")


def groups(pairs: Iterable[tuple[object, int]]) -> set[frozenset[int]]:
    """Cores by what they belong to, as sets."""
    members: dict[object, set[int]] = defaultdict(set)
    for key, core in pairs:
        members[key].add(core)
    return {frozenset(cores) for cores in members.values()}


def address(function: tuple[str, tuple[int, int, int, int]]) -> str:
    """A PCI function as sysfs and lspci -D write it."""
    segment, bus, device, number = function[1]
    return f"{segment:04x}:{bus:02x}:{device:02x}.{number}"


def caches_told(survey: Survey, shown: frozenset[int] | None = None) -> dict[tuple[Any, ...], Any]:
    """Ways of caches by (level, type, size, line size, cores), restricted to the cores shown; None is not known."""
    found = rows(survey)
    sharers: dict[int, set[int]] = defaultdict(set)
    for cache, core in found["cache_shared"]:
        if shown is None or core in shown:
            sharers[cache].add(core)
    return {
        (level, kind, size, line, frozenset(sharers[cache])): None if ways in ("unknown", 0) else ways
        for cache, level, kind, size, ways, line, _ in found["cache"]
        if sharers[cache]
    }


def caches_expected(summary: dict[str, Any]) -> dict[tuple[Any, ...], Any]:
    """Caches of a summary in the form of caches_told; hwloc does not tell fully associative (-1 or 0) from unknown."""
    return {
        (cache["level"], cache["type"], cache["size"] or "unknown", cache["line"] or "unknown", cores_of(cache)): (
            cache["assoc"] if cache["assoc"] and cache["assoc"] > 0 else None
        )
        for cache in summary.get("caches", [])
    }
