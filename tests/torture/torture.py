"""`make torture`: channels between processes that stall, die and start again, for minutes, until a promise is broken.

    make torture                                10 minutes with a seed of its own, which it prints
    make torture SECONDS=60 SEED=7              the same choices again, for a minute

Four processes on two cores: a *veteran* that lives for the whole run and three *mortals* a life. In each life all six pairs have a
channel; everybody sends messages of random sizes, one by one or many a call, receives in all the ways there are, stalls, and is stopped
(SIGSTOP) and killed (SIGKILL) at random points. A life ends when the time that it was given is over: whoever is left closes its channels.

Checked in each life, by every process that is left:
 * order and integrity: each message carries its number and a checksum, and its length and bytes follow from the seed;
 * nothing lost: what a process had sent, by its own count in memory that outlives it, is received to the last message, whether it closed
   or was killed, and no more than what it was sending when it died;
 * told: a channel to a process that was killed ends with PeerDied, one to a process that closed with Closed, or with both having said
   goodbye; and after it, of the veteran and of this process: no descriptor more than before, no process left, nothing new in /dev/shm,
   and memory that stops growing.

The seed decides every choice: sizes, stalls, who dies and after how long. How far each process has come by then is the machine's.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torture_life import MORTALS, PROCESSES, Life, Plan, Verdict, Veteran, plan_life, start_veteran

WARM_UP_LIVES = 20
"""Lives after which memory must have stopped growing."""

GROWTH = 24 << 20
"""Bytes by which a process may still grow after that: allocators keep some, leaks grow with every life."""


class Broken(Exception):
    """A promise of the channels did not hold."""


@dataclass
class Tally:
    """What a run did."""

    lives: int = 0
    messages: int = 0
    kills: int = 0
    stops: int = 0
    seconds: float = 0.0


def torture(seconds: float, seed: int, *, lives: int | None = None, say: bool = False) -> Tally:
    """Run lives for so long, or so many. Raises Broken with the seed and the life's number when a promise does not hold."""
    tally = Tally()
    start = said = time.monotonic()
    names = shared_memory()
    before = descriptors(os.getpid())
    allowed = os.sched_getaffinity(0)
    veteran = start_veteran(sorted(allowed)[:2])
    try:
        before_life: dict[int, int] = {}
        memory: dict[int, int] = {}
        while (tally.lives < lives) if lives is not None else (time.monotonic() - start < seconds):
            plan = plan_life(seed, tally.lives)
            try:
                live(plan, veteran, tally)
                check_leaks(veteran.process, before_life, memory, tally.lives)
            except Broken as error:
                raise Broken(f"seed {seed}, life {tally.lives}: {error}") from None
            tally.lives += 1
            if say and time.monotonic() - said > 15:
                said = time.monotonic()
                print(
                    f"{said - start:6.0f} s  {tally.lives} lives, {tally.messages} messages, {tally.kills} kills",
                    flush=True,
                )
    finally:
        veteran.end()
        tally.seconds = time.monotonic() - start
    if left := descriptors(os.getpid()) - before:
        raise Broken(f"seed {seed}: {left} descriptors more than at the beginning")
    if new := shared_memory() - names:
        raise Broken(f"seed {seed}: left behind in /dev/shm: {', '.join(sorted(new))}")
    return tally


def live(plan: Plan, veteran: Veteran, tally: Tally) -> None:
    """Go through one life: start everybody, stop and kill by plan, and hear what those that are left have to say."""
    life = Life(plan, veteran)
    try:
        life.start()
        for moment in plan.moments:
            life.wait_until(moment.after)
            if moment.signal == signal.SIGKILL:
                tally.kills += life.signal(moment.who, signal.SIGKILL)
            else:
                tally.stops += life.signal(moment.who, signal.SIGSTOP)
                time.sleep(moment.stall)
                life.signal(moment.who, signal.SIGCONT)
        life.wait_until(plan.seconds)
        verdicts = life.finish()
    finally:
        life.clean_up()
    for verdict in verdicts:
        check(verdict, life.killed)
        tally.messages += verdict.received
    silent = {who for who in range(PROCESSES) if who not in life.killed} - {verdict.who for verdict in verdicts}
    if silent:
        raise Broken(f"processes {sorted(silent)} were not killed, and ended without a word")


def check(verdict: Verdict, killed: set[int]) -> None:
    """Check what one process says: nothing wrong, and of each peer the end that it came to."""
    name = f"process {verdict.who} ({'mortal' if verdict.who else 'veteran'})"
    if verdict.broken:
        raise Broken(f"{name}: {verdict.broken}")
    for peer, ended in verdict.ended.items():
        expected = ("PeerDied",) if peer in killed else ("Closed", "goodbye")
        if ended not in expected:
            fate = "was killed" if peer in killed else "closed its channels"
            raise Broken(
                f"{name}: its channel to {peer}, which {fate}, ended with {ended}, not {' or '.join(expected)}"
            )


def descriptors(process: int) -> int:
    """Count the descriptors that a process holds."""
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


def resident(process: int) -> int:
    """Give the bytes of memory that a process has, shared segments that it maps with them."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def shared_memory() -> set[str]:
    """List what stands in /dev/shm under our name; other programs keep things there too."""
    with suppress(FileNotFoundError):
        return {path.name for path in Path("/dev/shm").iterdir() if "urpc" in path.name}
    return set()


def check_leaks(veteran: int, held: dict[int, int], memory: dict[int, int], lives: int) -> None:
    """Check the two processes that live on: no more descriptors than after the first life, no child but the veteran, and steady memory."""
    for process in (os.getpid(), veteran):
        most = held.setdefault(process, descriptors(process)) if lives == 0 else held[process]
        deadline = time.monotonic() + 5.0  # the veteran has reported, and its watcher lets go of dead peers now
        while (now := descriptors(process)) > most and time.monotonic() < deadline:
            time.sleep(0.005)
        if now > most:
            raise Broken(f"process {process} holds {now} descriptors; after its first life it held {most}")
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    if children != [str(veteran)]:
        raise Broken(f"processes are left over: {children}, where {veteran} is the only one that should live")
    if lives < WARM_UP_LIVES:
        return
    for process in (os.getpid(), veteran):
        now = resident(process)
        if now > memory.setdefault(process, now) + GROWTH:
            raise Broken(
                f"process {process} grew from {memory[process] >> 20} to {now >> 20} MB since life {WARM_UP_LIVES}: it leaks"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None, help="default: one by chance, which is printed")
    parser.add_argument("--lives", type=int, default=None, help="so many lives, however long they take")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    print(f"torture: seed {seed}, {PROCESSES} processes, {MORTALS} of them mortal", flush=True)
    try:
        tally = torture(options.seconds, seed, lives=options.lives, say=True)
    except Broken as error:
        print(f"torture: BROKEN: {error}", file=sys.stderr)
        return 1
    print(
        f"torture: {tally.lives} lives, {tally.messages} messages received, {tally.kills} killed, {tally.stops} stopped, "
        f"in {tally.seconds:.0f} s: every promise held"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
