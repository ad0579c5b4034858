"""Other ways for two Python processes to talk, to measure URPC beside: mpi4py over Open MPI, and iceoryx2.

They are installed from wheels (`peers.txt`) into an environment of their own, build/bench-peers, so that nothing of them is ever needed
to run or to test this project. A peer that cannot be installed or started is not available, and says why.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = HERE.parent / "build" / "bench-peers"
WANTED = HERE / "peers.txt"
SHARED_MEMORY, NODES = Path("/dev/shm"), Path("/tmp/iceoryx2/nodes")
"""Where iceoryx2 keeps things: its memory, and its processes that are alive."""

STARTING, MEASURING = 30.0, 60.0
"""Seconds after which a peer that says nothing is given up."""


class Unavailable(Exception):
    """This peer cannot be measured here; the text says why."""


class Peer:
    """Two processes that play ping-pong when told."""

    def __init__(self, name: str, ends: list[socket.socket]) -> None:
        self._name = name
        self._ends = ends
        self._words = [end.makefile("rw", encoding="ascii") for end in ends]

    def round_trip(self, cores: tuple[int, int], count: int) -> int:
        """Time so many round trips: picoseconds each. Raises Unavailable if an end has died."""
        try:
            for words, core in zip(self._words, cores, strict=True):
                words.write(f"{core} {count}\n")
                words.flush()
            answers = [int(words.readline()) for words in self._words]
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._name} stopped in the middle of a measurement ({error})") from error
        return answers[0]

    def close(self) -> None:
        """Tell both ends to stop."""
        for words, end in zip(self._words, self._ends, strict=True):
            words.close()
            end.close()


def install() -> Path:
    """Give the interpreter of an environment with all peers, made now if it is not there. Raises Unavailable."""
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / "installed.txt"
    if stamp.exists() and stamp.read_text() == WANTED.read_text():
        return python
    print(f"bench: installing peers into {ENVIRONMENT}", file=sys.stderr)
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install", "-r", str(WANTED)],
    ]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"could not be installed: {error}") from error
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["pip said nothing"]
            raise Unavailable(f"could not be installed: {lines[-1][:200]}")
    stamp.write_text(WANTED.read_text())
    return python


@contextmanager
def started() -> Iterator[tuple[Mapping[str, Peer], Mapping[str, str]]]:
    """Start all peers that can be: by name, and beside them why others cannot. They end with the context."""
    peers: dict[str, Peer] = {}
    reasons: dict[str, str] = {}
    with ExitStack() as context:
        folder = Path(context.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        context.callback(_tidy, _left_by_iceoryx2())
        for name, start in (("mpi4py", _mpi4py), ("iceoryx2", _iceoryx2)):
            try:
                peers[name] = context.enter_context(_peer(name, folder, start(install(), folder / name)))
            except Unavailable as error:
                reasons[name] = str(error)
        yield peers, reasons


def _mpi4py(python: Path, address: Path) -> list[list[str]]:
    # Both ranks have a core of their own: they may spin. Without --bind-to none, mpiexec would choose the cores.
    options = ["-n", "2", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "0"]
    if os.geteuid() == 0:
        options.insert(0, "--allow-run-as-root")
    return [[str(python.with_name("mpiexec")), *options, str(python), str(HERE / "peer_mpi4py.py"), str(address)]]


def _iceoryx2(python: Path, address: Path) -> list[list[str]]:
    name = f"bench-{os.getpid()}"
    return [[str(python), str(HERE / "peer_iceoryx2.py"), str(role), str(address), name] for role in (0, 1)]


def _left_by_iceoryx2() -> set[Path]:
    """List the files that iceoryx2 keeps in shared memory, also when all its processes have ended."""
    return set(SHARED_MEMORY.glob("iox2_*")) if SHARED_MEMORY.is_dir() else set()


def _tidy(before: set[Path]) -> None:
    """Remove what iceoryx2 left there, unless somebody else uses it: then it was there before, or has nodes now."""
    if not before and not any(NODES.glob("*")):
        for path in _left_by_iceoryx2():
            path.unlink(missing_ok=True)


@contextmanager
def _peer(name: str, folder: Path, commands: list[list[str]]) -> Iterator[Peer]:
    with ExitStack() as context:
        door = context.enter_context(socket.socket(socket.AF_UNIX))
        door.bind(str(folder / name))
        door.listen(2)
        door.settimeout(STARTING)
        log = context.enter_context((folder / f"{name}.log").open("w+b"))
        for command in commands:
            context.callback(_end, _start(command, log.fileno()))
        ends: dict[int, socket.socket] = {}
        try:
            while len(ends) < 2:
                end, _ = door.accept()
                context.callback(end.close)
                end.settimeout(MEASURING)
                ends[int(_line(end))] = end
        except (OSError, ValueError) as error:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            words = f": {said[-1][:200]}" if said else ""
            raise Unavailable(
                f"did not start within {STARTING:g} s ({error or type(error).__name__}){words}"
            ) from error
        peer = Peer(name, [ends[0], ends[1]])
        context.callback(peer.close)
        yield peer


def _line(end: socket.socket) -> str:
    """Read one line and not a byte more: the rest belongs to the file that is made of the socket."""
    said = b""
    while not said.endswith(b"\n"):
        byte = end.recv(1)
        if not byte:
            raise OSError("it closed its socket")
        said += byte
    return said.decode()


def _start(command: list[str], log: int) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    except OSError as error:
        raise Unavailable(f"could not be started: {error}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(5.0)  # its ends have seen their sockets close
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
