"""Archives (tar, also compressed), as a machine held in memory. Nothing is ever unpacked to disk.

An archive comes from anywhere, so it may hold anything: members that point outside, devices, a gigabyte of zeros in a kilobyte. Only
regular files and links are taken, links are looked up among the members and nowhere else, and what is read is bounded.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zlib
from typing import IO, NamedTuple, cast

from probes.cpuid.dump import parse_pu
from probes.fact import Problem
from probes.recorded import Recording, RecordingError
from probes.source import READ_LIMIT, Files, noted_uname

TOTAL_LIMIT = 1024 * 1024 * 1024
"""Bytes of an archive when decompressed; the largest recordings of whole machines have some tens of megabytes."""

MEMBER_LIMIT = 1_000_000

PU = re.compile(r"pu([0-9]{1,6})")


class Contents(NamedTuple):
    """Files and links of an archive, by path without a leading slash."""

    files: dict[str, bytes]
    links: dict[str, str]
    problems: tuple[Problem, ...]


def decompressed(content: bytes) -> IO[bytes] | None:
    """Open compressed content for reading; None if it is not compressed."""
    if content.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=io.BytesIO(content)))
    if content.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.BZ2File(io.BytesIO(content)))
    if content.startswith(b"\xfd7zXZ\x00"):
        return cast("IO[bytes]", lzma.LZMAFile(io.BytesIO(content)))
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard  # most recordings are not, and loading it takes as long as reading them

        return cast("IO[bytes]", zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(content))
    return None


def is_tar(head: bytes) -> bool:
    """Say whether content begins as tar archives do (POSIX.1-1988 `ustar`, and GNU's form of it)."""
    return head[257:262] == b"ustar"


def read_all(stream: IO[bytes], name: str) -> bytes:
    """Read what is compressed. Raises RecordingError if it is damaged or too large."""
    try:
        content = stream.read(TOTAL_LIMIT + 1)
    except Exception as error:
        raise _damaged(name, error) from None
    if len(content) > TOTAL_LIMIT:
        raise _too_large(name)
    return content


def read_tar(content: bytes, name: str) -> Contents:
    """Read an archive. What cannot be taken is told, and the rest counts. Raises RecordingError if nothing can."""
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    problems: list[Problem] = []
    left = TOTAL_LIMIT
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for number, member in enumerate(tar):
                path = member.name.removeprefix("./").strip("/")
                if number >= MEMBER_LIMIT:
                    problems.append(Problem(name, f"more than {MEMBER_LIMIT} members", "the rest is passed over"))
                    break
                if member.issym():
                    links[path] = member.linkname
                elif member.islnk():
                    files[path] = files.get(member.linkname.removeprefix("./").strip("/"), b"")
                elif member.isfile():
                    if member.size > min(READ_LIMIT, left):
                        problems.append(
                            Problem(f"{name}: {path}", f"{member.size} bytes are too many", "it is passed over")
                        )
                        continue
                    opened = tar.extractfile(member)
                    files[path] = opened.read() if opened else b""
                    left -= len(files[path])
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:
        if not files:
            raise _damaged(name, error) from None
        problems.append(Problem(name, f"it is damaged: {error}", "what comes before counts; record the machine anew"))
    if not files and not links:
        raise RecordingError(name, "the archive is empty", "record the machine anew")
    return Contents(files, links, tuple(problems))


def unpack(content: bytes, name: str) -> bytes:
    """Give content decompressed, if it is compressed. Raises RecordingError."""
    stream = decompressed(content)
    return content if stream is None else read_all(stream, name)


def machine(contents: Contents, name: str) -> Recording | None:
    """Give the machine that an archive holds as a tree: of the kernel's files, of CPUID by core, or of both. None if it holds none."""
    top = _top((*contents.files, *contents.links))
    if top is None:
        return None
    root, cpuid = top
    files = {f"/{path[len(root) :]}": content for path, content in contents.files.items() if path.startswith(root)}
    links = {f"/{path[len(root) :]}": target for path, target in contents.links.items() if path.startswith(root)}
    dumps = {
        int(found[1]): parse_pu(content.decode("utf-8", "replace"))
        for path, content in contents.files.items()
        if cpuid is not None and path.startswith(cpuid) and (found := PU.fullmatch(path[len(cpuid) :]))
    }
    uname = noted_uname(lambda path: files.get(path, b"").decode("utf-8", "replace").strip())
    return Recording(Files(files, links=links, cpuid=dumps, uname=uname, name=name), contents.problems)


def _top(paths: tuple[str, ...]) -> tuple[str, str | None] | None:
    """Give the folder whose `sys` and `proc` are the machine's, and the one with files `pu<N>`; both end in a slash, or are empty."""
    roots: set[str] = set()
    cpuids: set[str] = set()
    for path in paths:
        parts = path.split("/")
        for depth, part in enumerate(parts[:3]):
            if part in ("sys", "proc") and depth < len(parts) - 1:
                roots.add("".join(f"{above}/" for above in parts[:depth]))
                break
        if len(parts) <= 4 and PU.fullmatch(parts[-1]):
            cpuids.add("".join(f"{above}/" for above in parts[:-1]))
    root = min(roots, key=len, default=None)
    cpuid = min(cpuids, key=len, default=None)
    if root is None and cpuid is None:
        return None
    return (root if root is not None else f"{cpuid}none/"), cpuid


def _damaged(name: str, error: Exception) -> RecordingError:
    reason = str(error) or type(error).__name__
    if isinstance(error, zlib.error | EOFError):
        reason = "it ends too early, or is damaged"
    return RecordingError(name, f"cannot be decompressed: {reason}", "copy or record it anew")


def _too_large(name: str) -> RecordingError:
    return RecordingError(name, f"has more than {TOTAL_LIMIT} bytes when decompressed", "give a smaller part of it")
