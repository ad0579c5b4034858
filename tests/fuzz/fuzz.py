"""`make fuzz`: mutated recordings through the probes, for minutes, until something raises, hangs or swallows memory.

Each target runs in a child process of its own, which gives a case one second of processor time and 200 MB; a case
that needs more, or that raises, is saved in `build/fuzz/` with the traceback, and the run goes on. Time is the
processor's, so that a busy machine makes no false alarm. The seed is printed: the same seed, target and number of cases give the same run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from fuzz_mutations import Case, mutate
from fuzz_targets import TARGETS, Target

SECONDS_PER_CASE = 1.0
BYTES_PER_CASE = 200 << 20
FINDINGS = Path(__file__).resolve().parents[2] / "build" / "fuzz"
MOST_FINDINGS = 5


class TooLong(BaseException):
    """A case took more than its processor time. No `Exception`, so that no decoder can swallow it."""


@dataclass(frozen=True)
class Finding:
    """A case that failed, and how."""

    target: str
    seed: int
    number: int
    words: str
    case: Case


@dataclass(frozen=True)
class Outcome:
    """What a target's run came to."""

    cases: int
    seconds: float
    findings: tuple[Finding, ...]


def fuzz(target: Target, seed: int, *, cases: int | None = None, seconds: float | None = None) -> Outcome:
    """Run a target on mutated seeds: as many cases, or for as long, as said. The unmutated seeds come first."""
    start = time.monotonic()
    findings: list[Finding] = []
    number = 0
    for number, case in enumerate(_cases(target, seed), start=1):
        words = attempt(target, case)
        if words:
            findings.append(Finding(target.name, seed, number, words, case))
        if len(findings) >= MOST_FINDINGS:
            break
        if (cases is not None and number >= cases) or (seconds is not None and time.monotonic() - start >= seconds):
            break
    return Outcome(number, time.monotonic() - start, tuple(findings))


def _cases(target: Target, seed: int) -> Iterator[Case]:
    seeds = list(target.seeds())
    if not seeds:
        return
    yield from seeds
    donors = [data for case in seeds for data in case.values()]
    chance = random.Random(f"{target.name} {seed}")
    while True:
        yield mutate(chance, chance.choice(seeds), donors)


def attempt(target: Target, case: Case) -> str:
    """Run one case within its limits; return the traceback, or nothing."""
    before = signal.signal(signal.SIGPROF, _give_up)
    signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_CASE)
    try:
        target.run(case)
    except (Exception, TooLong):  # whatever it is, it should not have come out
        return traceback.format_exc(limit=-12)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return ""


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    raise TooLong(f"more than {SECONDS_PER_CASE:g} s of processor time")


def limit_memory() -> None:
    """Let this process have no more than BYTES_PER_CASE beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + BYTES_PER_CASE
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))


def save(finding: Finding) -> Path:
    """Keep a finding for who mends it: the traceback, and each file of the case."""
    folder = FINDINGS / f"{finding.target}-{finding.seed}-{finding.number}"
    for path, data in finding.case.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (folder / "traceback.txt").write_text(finding.words)
    return folder


def _child(name: str, seed: int, seconds: float) -> int:
    target = TARGETS[name]
    limit_memory()
    outcome = fuzz(target, seed, seconds=seconds)
    rate = outcome.cases / outcome.seconds if outcome.seconds else 0
    print(f"{name:<16}{outcome.cases:>10} cases{rate:>8.0f}/s{len(outcome.findings):>4} findings", flush=True)
    for finding in outcome.findings:
        print(f"  {save(finding)}: {finding.words.strip().splitlines()[-1]}", flush=True)
    return 1 if outcome.findings else 0


def _run_child(name: str, seed: int, seconds: float) -> None:
    sys.exit(_child(name, seed, seconds))


def main() -> int:
    """Fuzz every target, or those named, each for its share of the time."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="for all targets together (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=time.time_ns() % 1_000_000, help="of the mutations (default: by the clock)"
    )
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="may be repeated (default: all)")
    arguments = parser.parse_args()
    names = arguments.target or sorted(TARGETS)
    print(
        f"seed {arguments.seed}, {len(names)} targets, {arguments.seconds:g} s; recordings from the machines beside this checkout",
        flush=True,
    )
    failed = False
    for name in names:
        child = multiprocessing.get_context("spawn").Process(
            target=_run_child, args=(name, arguments.seed, arguments.seconds / len(names))
        )
        child.start()
        try:
            child.join()
        except KeyboardInterrupt:
            child.terminate()
            child.join()
            print(f"stopped in {name}", flush=True)
            return 130
        if child.exitcode not in (0, 1):
            print(f"{name:<16}died: exit status {child.exitcode}", flush=True)
        failed = failed or child.exitcode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
