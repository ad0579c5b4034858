"""Where the bytes come from: the machine this runs on, a recorded tree, or a dump held in memory.

A source answers four questions about files (read, list, link, exists), with paths as the running machine has them
(`/sys/...`, `/proc/...`), and one about the CPUID instruction. Probes ask nothing else, so they cannot tell a live
machine from a recorded one, and a foreign dump becomes a further source by saying under which paths its bytes belong:
raw ACPI tables under `/sys/firmware/acpi/tables`, `lspci -xxxx` text under `/sys/bus/pci/devices/*/config`, a text dump
of CPUID as registers by core. No decoder changes for that.

A recorded tree is a directory with `sys/` and `proc/`, and `cpuid/` where one was taken (a file `pu<N>` for each core,
as hwloc-gather-cpuid writes them). Links in it are followed inside it: an absolute target starts at the tree's root and
`..` stops there, so a recording never reads the machine it is looked at on. `os.path.realpath` would walk out.

The live source is in `probes.live`; it is a tree too, with the instruction executed instead of looked up.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from probes.cpuid.dump import CpuidDump, parse_pu
from probes.cpuid.registers import Registers

READ_LIMIT = 16 * 1024 * 1024
"""No file that a probe reads is larger; one that is, is not what its name says."""

PU = re.compile(r"pu([0-9]{1,6})")
"""Names of the files of hwloc-gather-cpuid, with the core's number."""

LINK_LIMIT = 40
"""Links followed in one path before it counts as a loop, as Linux has it (path_resolution(7))."""


class Uname(NamedTuple):
    """What `uname` says of a machine; a part that is not known is empty."""

    nodename: str
    machine: str
    system: str


class Source(Protocol):
    """Where probes read. Paths are absolute, as on the running machine."""

    @property
    def name(self) -> str:
        """What to call the machine where it has not recorded its host name."""

    def read(self, path: str) -> bytes:
        """Return the content of a file; OSError if there is none, or it may not be read."""

    def list(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted; OSError if there is none."""

    def link(self, path: str) -> str:
        """Return `path` with every link in it followed; it need not exist. OSError on a loop."""

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at `path`."""

    def uname(self) -> Uname:
        """Say what machine this is, as far as it is known."""

    def cpuid_cores(self) -> tuple[int, ...]:
        """Return the cores whose CPUID can be asked for."""

    def cpuid(self, core: int, leaf: int, subleaf: int) -> Registers | None:
        """Return what CPUID answers on a core; None if the core has no such leaf or the answer is not known."""

    def cpuid_dump(self, core: int) -> CpuidDump | None:
        """Return all that CPUID answers on a core."""


class Tree:
    """A recorded machine in a directory. Its CPUID may lie in a directory beside, instead of in `cpuid/`."""

    def __init__(self, root: Path, *, name: str = "", cpuid: Path | None = None) -> None:
        self._root = os.path.abspath(root).rstrip("/")  # noqa: PTH100 - Path.resolve would follow links outside the tree
        self._name = name or Path(self._root).name or "local"
        self._cpuid = (self, "/cpuid/") if cpuid is None else (Tree(cpuid), "/")
        if not root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
        self._dumps: dict[int, CpuidDump] | None = None

    @property
    def name(self) -> str:
        """The directory's name, unless it was given another."""
        return self._name

    def read(self, path: str) -> bytes:
        """Return the content of a regular file of the tree."""
        return read_regular_file(self._host_path(path))

    def list(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory of the tree, sorted."""
        return tuple(sorted(os.listdir(self._host_path(path))))  # noqa: PTH208 - names, not paths

    def link(self, path: str) -> str:
        """Return `path` with every link in it followed inside the tree."""
        return follow(path, self._target)

    def _target(self, path: str) -> str | None:
        try:
            return os.readlink(self._root + path)  # noqa: PTH115 - a string is wanted
        except OSError:  # not a link, or nothing there: the name stands as it is
            return None

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at `path` of the tree."""
        try:
            os.stat(self._host_path(path), follow_symlinks=False)  # noqa: PTH116 - host paths are strings here
        except OSError:
            return False
        return True

    def uname(self) -> Uname:
        """Say what machine was recorded."""
        return noted_uname(self._text)

    def cpuid_cores(self) -> tuple[int, ...]:
        """Return the cores with a file in `cpuid/`."""
        return tuple(sorted(self._load_dumps()))

    def cpuid(self, core: int, leaf: int, subleaf: int) -> Registers | None:
        """Return what was recorded for a leaf."""
        dump = self.cpuid_dump(core)
        return dump.lookup(leaf, subleaf) if dump else None

    def cpuid_dump(self, core: int) -> CpuidDump | None:
        """Return what was recorded of a core."""
        return self._load_dumps().get(core)

    def _load_dumps(self) -> dict[int, CpuidDump]:
        if self._dumps is None:
            self._dumps = {}
            tree, folder = self._cpuid
            for name in tree.list(folder) if tree.exists(folder) else ():
                if found := PU.fullmatch(name):
                    self._dumps[int(found[1])] = parse_pu(tree._text(folder + name))
        return self._dumps

    def _text(self, path: str) -> str:
        try:
            return self.read(path).decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def _host_path(self, path: str) -> str:
        return self._root + self.link(path)


class Files:
    """A machine held in memory: files and links by path, CPUID by core. What a foreign dump is turned into."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        *,
        links: Mapping[str, str] | None = None,
        cpuid: Mapping[int, CpuidDump] | None = None,
        uname: Uname | None = None,
        name: str = "dump",
    ) -> None:
        self._files = dict(files)
        self._links = dict(links or {})
        self._dumps = dict(cpuid or {})
        self._uname = uname or Uname("", "", "")
        self._name = name
        self._names = _directories((*self._files, *self._links))

    @property
    def name(self) -> str:
        """What the dump is called."""
        return self._name

    def read(self, path: str) -> bytes:
        """Return the content of a file of the dump."""
        try:
            return self._files[self.link(path)]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def list(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory of the dump, sorted."""
        try:
            return tuple(sorted(self._names[self.link(path).rstrip("/")]))
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def link(self, path: str) -> str:
        """Return `path` with the dump's links followed."""
        return follow(path, self._links.get)

    def exists(self, path: str) -> bool:
        """Say whether the dump has a file or directory at `path`."""
        resolved = self.link(path).rstrip("/")
        return resolved in self._files or resolved in self._names

    def uname(self) -> Uname:
        """Say what machine was dumped."""
        return self._uname

    def cpuid_cores(self) -> tuple[int, ...]:
        """Return the cores whose CPUID was dumped."""
        return tuple(sorted(self._dumps))

    def cpuid(self, core: int, leaf: int, subleaf: int) -> Registers | None:
        """Return what was dumped for a leaf."""
        dump = self._dumps.get(core)
        return dump.lookup(leaf, subleaf) if dump else None

    def cpuid_dump(self, core: int) -> CpuidDump | None:
        """Return what was dumped of a core."""
        return self._dumps.get(core)


def follow(path: str, target_of: Callable[[str], str | None]) -> str:
    """Return `path` with every link in it followed; a target is absolute or relative to where the link is, and `..` stops at the root.

    `target_of` gives the target of a link, None for what is none. Raises OSError on a loop.
    """
    done: list[str] = []
    todo = path.split("/")[::-1]
    followed = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        done.append(part)
        target = target_of("/" + "/".join(done))
        if target is None:
            continue
        followed += 1
        if followed > LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        done = [] if target.startswith("/") else done[:-1]
        todo += target.split("/")[::-1]
    return "/" + "/".join(done)


def noted_uname(text: Callable[[str], str]) -> Uname:
    """Say what machine was recorded, from /proc/sys/kernel or from what hwloc-gather-topology noted.

    `text` gives what a file says, and nothing for a file that is not there.
    """
    lines = text("/proc/hwloc-nofile-info").splitlines()
    noted = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    kernel = "/proc/sys/kernel"
    system = text(f"{kernel}/ostype") or noted.get("OSName", "")
    release = text(f"{kernel}/osrelease") or noted.get("OSRelease", "")
    if not release and (words := text("/proc/version").split())[1:2] == ["version"]:
        system, release = words[0], words[2] if len(words) > 2 else ""
    return Uname(
        text(f"{kernel}/hostname") or noted.get("HostName", ""),
        text(f"{kernel}/arch") or noted.get("Architecture", ""),
        " ".join(part for part in (system, release) if part),
    )


def read_regular_file(host_path: str) -> bytes:
    """Read a regular file whole; anything else, or a file beyond READ_LIMIT, is an OSError."""
    return read_bounded(host_path, READ_LIMIT)


def read_bounded(host_path: str, limit: int) -> bytes:
    """Read a regular file whole, if it has no more bytes than a limit; anything else is an OSError.

    A recording may hold a named pipe or a device where a file should be: opening one must not block.
    """
    descriptor = os.open(host_path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", host_path)
        chunks = []
        left = limit + 1
        while left > 0 and (chunk := os.read(descriptor, min(left, 1 << 20))):
            chunks.append(chunk)
            left -= len(chunk)
        if left <= 0:
            raise OSError(errno.EFBIG, f"larger than {limit} bytes", host_path)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _directories(paths: Iterable[str]) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {"": set()}
    for path in paths:
        parent, _, last = path.rpartition("/")
        while last:
            inside = names.setdefault(parent, set())
            if last in inside:  # and so are all above
                break
            inside.add(last)
            parent, _, last = parent.rpartition("/")
    return names
