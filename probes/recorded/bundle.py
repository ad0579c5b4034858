"""Bundles: what a machine says of itself, as it said it, in one file (`.tar.zst`).

    manifest.json       who recorded what and when; what could not be read; the rest of this list
    answers.json        directories, links, and questions that failed
    files/PATH          files, under the paths that the machine has
    cpuid/pu<N>         CPUID by core, in the form of hwloc-gather-cpuid

Any program that reads tar can look inside. What makes it more than a copy is that it also holds what was not there and what was refused,
so that a replay gives the same facts and the same problems.
"""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from probes.cpuid.dump import parse_pu, write_pu
from probes.fact import Survey
from probes.recorded import Recording, RecordingError
from probes.recorded.archive import Contents
from probes.recorded.recorder import Answers, Recorder, Replay
from probes.source import Source, Uname

MANIFEST = "manifest.json"
FORMAT = 1
"""Of the archive; written to its manifest."""

FURTHER = (
    ("/sys/firmware/acpi/tables", 2),
    ("/sys/firmware/memmap", 2),
    ("/sys/devices/system/cpu", 4),
    ("/sys/devices/system/node", 3),
    ("/sys/kernel/mm/hugepages", 2),
    ("/proc/cpuinfo", 0),
    ("/proc/meminfo", 0),
    ("/proc/interrupts", 0),
    ("/proc/iomem", 0),
    ("/proc/version", 0),
)
"""What is recorded beyond what today's probes read, and how deep."""


def record(source: Source, survey: Callable[[Source], Survey]) -> tuple[Answers, Survey]:
    """Have a survey made of a source, and remember all that it read, and more. Gives that, and what the survey found."""
    recorder = Recorder(source)
    found = survey(recorder)
    for path, depth in FURTHER:
        recorder.take(path, depth)
    return recorder.answers, found


def write(answers: Answers, path: Path, manifest: Mapping[str, Any], *, replace: bool = False) -> int:
    """Write a bundle; gives its bytes. It is there in whole or not at all.

    Raises FileExistsError unless it may replace one, and OSError if it cannot be written.
    """
    import zstandard  # probing alone has no need of it

    if path.exists() and not replace:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    plain = _tar(answers, {**_about(answers), **manifest})
    content = zstandard.ZstdCompressor(level=10, threads=-1).compress(plain)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return len(content)


def read(contents: Contents, place: str) -> Recording:
    """Open the content of a bundle. Raises RecordingError."""
    try:
        manifest = json.loads(contents.files[MANIFEST])
        if manifest["format"] != FORMAT:
            raise RecordingError(
                place,
                f"is a bundle of format {manifest['format']}, this version reads {FORMAT}",
                "use the version that wrote it",
            )
        told = json.loads(contents.files["answers.json"])
        answers = Answers(
            manifest["machine"],
            Uname(*manifest["uname"]),
            files={path[5:]: content for path, content in contents.files.items() if path.startswith("files/")},
            lists={path: tuple(names) for path, names in told["lists"].items()},
            links=told["links"],
            exists=told["exists"],
            failures=told["failures"],
            cpuid={
                int(path[8:]): parse_pu(content.decode())
                for path, content in contents.files.items()
                if path.startswith("cpuid/pu")
            },
        )
        return Recording(Replay(answers), contents.problems)
    except RecordingError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, OSError, RecursionError) as error:
        cause = f"is a damaged bundle: {type(error).__name__} {error}"
        raise RecordingError(place, cause, "copy or record it anew") from None


def _about(answers: Answers) -> dict[str, Any]:
    unreadable = sorted(
        question for question, number in answers.failures.items() if number in (errno.EACCES, errno.EPERM)
    )
    return {
        "format": FORMAT,
        "machine": answers.name,
        "uname": list(answers.uname),
        "recorded": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": len(answers.files),
        "cores": len(answers.cpuid),
        "unreadable": unreadable,
    }


def _tar(answers: Answers, manifest: Mapping[str, Any]) -> bytes:
    told = {
        "lists": answers.lists,
        "links": answers.links,
        "exists": answers.exists,
        "failures": answers.failures,
    }
    members = {
        MANIFEST: json.dumps(manifest, indent=2).encode() + b"\n",
        "answers.json": json.dumps(told, sort_keys=True).encode(),
        **{f"cpuid/pu{core}": write_pu(dump).encode() for core, dump in sorted(answers.cpuid.items())},
        **{f"files{path}": content for path, content in sorted(answers.files.items())},
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
