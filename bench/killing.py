"""Rounds of kill -9 while facts are written: what was acknowledged must be there, and revisions must be without gaps.

For the benchmark, which goes through many rounds, and for the tests, which go through a few.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

VICTIMS = ("service", "template", "replica")
"""What is killed, in turns: the whole service, the process that its engines are forked from, an engine."""

CORES = 5000
"""Rows that are written over and over."""


class Outcome(NamedTuple):
    """What rounds of killing led to."""

    kills: int
    acknowledged: int
    lost: int
    """Acknowledged facts that were not there afterwards."""
    gaps: int
    """Revisions that did not follow the one before."""
    refused: int
    """Writes that were refused, though only an engine was killed."""


def kill_rounds(folder: Path, rounds: int, victims: tuple[str, ...] = VICTIMS) -> Outcome:
    """Write, kill, and look what is there, so many times in one data folder."""
    written: dict[int, int] = {}
    kills = acknowledged = lost = gaps = refused = number = last = 0
    for each in range(rounds + 1):
        with service(folder, kill=True) as (url, process):
            rows = httpx.get(f"{url}/v1/facts/core?limit=100000", timeout=60).json()["rows"]
            found = {row["core"]: row["apic_id"] for row in rows}
            unsure = number % CORES  # the last write may have been logged, and its answer lost
            lost += sum(found.get(core) != apic for core, apic in written.items() if core != unsure)
            lost += unsure in written and found.get(unsure) not in (written[unsure], number)
            revision = httpx.get(f"{url}/v1/health", timeout=60).json()["revision"]
            gaps += revision not in (last, last + 1)
            if each == rounds:
                break
            victim = victims[each % len(victims)]
            wait = random.Random(each).uniform(0.02, 0.12)
            killer = threading.Timer(wait, _kill, (process, victim))
            stop = time.perf_counter() + wait + 0.1
            killer.start()
            while time.perf_counter() < stop:
                number += 1
                try:
                    answer = httpx.post(f"{url}/v1/facts", json={"assert": [core(number % CORES, number)]}, timeout=60)
                except httpx.TransportError:
                    break
                if answer.status_code == 200:
                    gaps += answer.json()["revision"] != revision + 1
                    revision = answer.json()["revision"]
                    written[number % CORES] = number
                    acknowledged += 1
                else:
                    refused += victim != "service"
            killer.join()
            last = revision
            kills += 1
    return Outcome(kills, acknowledged, lost, gaps, refused)


def _kill(process: subprocess.Popen[str], victim: str) -> None:
    if victim == "service":
        process.kill()
        return
    template, *replicas = children(process.pid, b"skb.engine.worker")
    for pid in [template] if victim == "template" else replicas:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def service(data: Path, *, kill: bool = False) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Have a service with one engine and this data folder; give its URL and process. Raises SystemExit if it does not start."""
    command = [sys.executable, "-m", "skb", "serve", "--no-probe", "--port", "0", "--data", str(data), "--engines", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("SKB ready at "):
        process.kill()
        process.wait()
        process.stdout.close()
        raise SystemExit("the service did not start")
    try:
        yield line.split()[-1], process
    finally:
        process.kill() if kill else process.terminate()
        process.wait()
        process.stdout.close()


def children(pid: int, word: bytes = b"") -> list[int]:
    """Give all processes below one whose command line has a word, each before those below it."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            below = int(entry.name)
            found += [below, *children(below, word)] if word in command else children(below, word)
    return found


def core(number: int, apic: int | None = None) -> dict[str, Any]:
    """Give a fact to write."""
    return {"name": "core", "args": [number, number if apic is None else apic, 1]}
