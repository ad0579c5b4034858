"""Bundles: what a machine says of itself, as it said it, in one file (`.tar.zst`).

    manifest.json       who recorded what and when; what could not be read; what was left out
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
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from probes.cpuid.dump import parse_pu, write_pu
from probes.fact import Survey
from probes.machine import survey
from probes.recorded import Recording, RecordingError
from probes.recorded.recorder import Answers, Failure, Recorder, Replay
from probes.recorded.tar import Contents
from probes.source import PU, Source, Uname

MANIFEST = "manifest.json"
ANSWERS = "answers.json"
FILES = "files"
CPUID = "cpuid/"

FORMAT = 1
"""Of the archive; written to its manifest."""

FURTHER = (
    ("/sys/firmware/acpi/tables", 2),
    ("/sys/firmware/memmap", 2),
    ("/sys/devices/system/node", 3),
    ("/sys/kernel/mm/hugepages", 2),
    ("/proc/cpuinfo", 0),
    ("/proc/meminfo", 0),
    ("/proc/interrupts", 0),
    ("/proc/iomem", 0),
    ("/proc/version", 0),
)
"""What is recorded beyond what today's probes read, and how deep."""

REFUSED = frozenset({errno.EACCES, errno.EPERM})


def record(source: Source, began: Callable[[str], object] = lambda _: None) -> tuple[Answers, Survey]:
    """Survey a source, and remember all that was read for it, and more. Gives that, and what the survey found.

    `began` is called with the name of each part when its turn comes.
    """
    recorder = Recorder(source)
    found = survey(recorder, began=began)
    began("more")
    for path, depth in FURTHER:
        recorder.take(path, depth)
    return recorder.answers, found


def write(answers: Answers, path: Path, *, program: str, left_out: Sequence[str] = (), replace: bool = False) -> int:
    """Write a bundle; gives its bytes. It is there in whole or not at all, and nobody else may read it.

    Raises FileExistsError unless it may replace one, and OSError if it cannot be written.
    """
    import zstandard  # probing alone has no need of it

    manifest = {**_manifest(answers), "program": program, "left_out": list(left_out)}
    content = zstandard.ZstdCompressor(level=10).compress(_tar(answers, manifest))
    _write_whole(content, path, replace=replace)
    return len(content)


def read(contents: Contents, place: str) -> Recording:
    """Open the content of a bundle. Raises RecordingError."""
    try:
        manifest = json.loads(contents.files[MANIFEST])
        if manifest["format"] != FORMAT:
            cause = f"is a bundle of format {manifest['format']!r}, and this version reads {FORMAT}"
            raise RecordingError(place, cause, "use the version that wrote it")
        answers = _answers(manifest, json.loads(contents.files[ANSWERS]), contents.files)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, RecordingError):
            raise
        cause = f"is a damaged bundle: {_what_is_wrong(error)}"
        raise RecordingError(place, cause, "copy or record it anew") from None
    return Recording(Replay(answers), contents.problems)


def _manifest(answers: Answers) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "machine": answers.name,
        "uname": list(answers.uname),
        "recorded": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": len(answers.files),
        "cores": len(answers.cpuid),
        "unreadable": sorted(
            question.partition(" ")[2] for question, failure in answers.failures.items() if failure.number in REFUSED
        ),
    }


def _tar(answers: Answers, manifest: Mapping[str, Any]) -> bytes:
    import tarfile  # written rarely; what is read is read by a reader of our own

    told = {
        "lists": answers.lists,
        "links": answers.links,
        "exists": answers.exists,
        "failures": answers.failures,
    }
    members = {
        MANIFEST: json.dumps(manifest, indent=2).encode() + b"\n",
        ANSWERS: json.dumps(told, sort_keys=True, separators=(",", ":")).encode(),
        **{f"{CPUID}pu{core}": write_pu(dump).encode() for core, dump in sorted(answers.cpuid.items())},
        **{FILES + path: content for path, content in sorted(answers.files.items())},
    }
    now = int(time.time())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o600, now
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _write_whole(content: bytes, path: Path, *, replace: bool) -> None:
    """Write a file under another name, and give it its own when it is on the disk."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is there, and no regular file", str(path))
    beside = path.parent / f".skb-{secrets.token_hex(8)}"
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123  # no other way to say who may read it from the first byte on
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _give_name(beside, path, replace=replace)
        _sync(path.parent)
    finally:
        with suppress(OSError):
            beside.unlink()


def _give_name(beside: Path, path: Path, *, replace: bool) -> None:
    if not replace:
        try:
            os.link(beside, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        else:
            return
    beside.replace(path)


def _sync(folder: Path) -> None:
    """Have the name on the disk too, where the file system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _answers(manifest: Mapping[str, Any], told: Mapping[str, Any], files: Mapping[str, bytes]) -> Answers:
    """Check what a bundle holds. Raises ValueError, TypeError, KeyError, AttributeError."""
    nodename, machine, system = map(_string, manifest["uname"])
    return Answers(
        _string(manifest["machine"]),
        Uname(nodename, machine, system),
        files={path[len(FILES) :]: content for path, content in files.items() if path.startswith(f"{FILES}/")},
        lists={path: tuple(map(_string, _array(names))) for path, names in told["lists"].items()},
        links={path: _string(target) for path, target in told["links"].items()},
        exists={path: bool(there) for path, there in told["exists"].items()},
        failures={question: _failure(*_array(failure)) for question, failure in told["failures"].items()},
        cpuid={
            int(found[1]): parse_pu(content.decode("ascii", "replace"))
            for path, content in files.items()
            if path.startswith(CPUID) and (found := PU.fullmatch(path[len(CPUID) :]))
        },
    )


def _failure(number: object, reason: object) -> Failure:
    if not isinstance(number, int) or not 0 < number < 4096:
        raise ValueError(f"{number!r} is no number of an error")
    return Failure(number, _string(reason))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} stands where a string should")
    return value


def _array(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} stands where an array should")
    return value


def _what_is_wrong(error: Exception) -> str:
    return f"there is no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
