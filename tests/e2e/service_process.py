"""The real service, as a process: started as users start it, ended as they end it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from skb.client import Client

T = TypeVar("T")

DEADLINE = 150.0


class Service:
    """`python -m skb serve` on a free port with its own data folder. A context manager that leaves nothing behind."""

    def __init__(self, data: Path, *options: str, **popen: Any) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "skb",
                "serve",
                "--engines",
                "1",
                "--port",
                "0",
                "--data",
                str(data),
                *(options or ("--no-probe",)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **popen,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("SKB ready at "):
            self.process.kill()
            raise AssertionError(f"the service did not start: {self.process.communicate()[1]}")
        self.url = line.removeprefix("SKB ready at ").strip()
        self.http = httpx.Client(base_url=self.url, timeout=DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; give the exit status and what was said on standard error."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, words = self.process.communicate(timeout=DEADLINE)
        except ValueError:  # it was ended before
            words = ""
        return self.process.returncode, words

    def client(self) -> Client:
        return Client(self.url)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self.http.request(method, path, **more)

    def query(self, goal: str, **more: Any) -> httpx.Response:
        return self.ask("POST", "/v1/query", json={"goal": goal, **more})

    def engine(self) -> int:
        """The process id of the engine that answers: a fork of the template, which comes first."""
        return until(lambda: children(self.process.pid, b"skb.engine.worker")[1:])[0]


def children(pid: int, word: bytes = b"") -> list[int]:
    """All descendants of a process that live and whose command line has a word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state != "Z":
            found += [int(entry.name)] if word in command else []
            found += children(int(entry.name), word)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(what: Callable[[], T]) -> T:
    """Wait until something is so."""
    deadline = time.monotonic() + DEADLINE
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


def failing(*options: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Start a service that is expected not to start."""
    return subprocess.run(
        [sys.executable, "-m", "skb", "serve", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        env={**os.environ, **(environment or {})},
    )
