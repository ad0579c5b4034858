"""ACPICA's interpreter of AML, as a program: the definition blocks of a machine in, what it printed out.

AML is a machine's own program and may do anything that the interpreter lets it: so it runs apart, with bounds on time, memory and
output. It touches no hardware: every register that it reads is zero, and where it read some is printed.

One run serves a machine. Commands come on standard input rather than by `-b`, which waits a second before it begins. AML may stop
at breakpoints of its own; the interpreter then asks how to go on, so that after each command comes `go`, many times: nothing
elsewhere. Its accounts of memory are a list that it walks at each allocation, so they are left out (`-dt`): that is most of its time.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from probes.fact import Problem

PROGRAM = "acpiexec"
LINE_BUFFERED = ("stdbuf", "-oL")
"""So that what was printed before the interpreter is killed is there."""

PLACE = "AML"

SECONDS = 8
LOOP_SECONDS = 1
"""For a loop of AML that does not end by itself; the least that the interpreter takes."""
MEMORY = 192 << 20
OUTPUT = 16 << 20
"""Bytes; recorded machines need 7 MB, and print half a million."""

BREAKPOINTS = 40
"""Times that one command is helped on."""

NAMES = ("_HID", "_CID", "_SEG", "_BBN", "_PXM", "_ADR", "_CRS", "_PRT", "_STA")
"""What is evaluated wherever it stands. Those that hardly ever are methods come first: what is late may meet the end of time."""

COMMANDS = ("objects device", "execute \\_PIC 1", *(f"all {name}" for name in NAMES))
"""Interrupts are asked for as they are where I/O APICs are in use (ACPI 6.5, 5.8.1)."""

LOADED = "- objects device"
"""What is printed once the tables are loaded."""

FAILURES = re.compile(r" table load failures, |^Table \[DSDT: .{0,20}\] \(id [0-9A-F]+\) - +0 Objects ", re.MULTILINE)

FINISHED = b"\n- quit\n"
"""What is printed when all commands are served."""

CHUNK = 1 << 16

HEADER = 36
"""Bytes of the header that a definition block has (ACPI 6.5, 5.2.6)."""
LENGTH, CHECKSUM = slice(4, 8), 9

DAMAGED = "the tables are damaged, or need a newer acpica-tools"
MISSING = "what it had still to tell is missing"


class Output(NamedTuple):
    """What the interpreter printed, and what went wrong while it did."""

    text: str
    problems: tuple[Problem, ...] = ()


def evaluate(dsdt: bytes, ssdts: Sequence[bytes]) -> Output:
    """Return what the interpreter prints."""
    program = shutil.which(PROGRAM)
    if program is None:
        cause = f"{PROGRAM} is not installed"
        return Output("", (Problem(PLACE, cause, "install acpica-tools to have what AML says of host bridges"),))
    blocks = dict.fromkeys(block for block in map(_mended, ssdts) if block)  # a table twice cannot be loaded
    first = _mended(dsdt)
    if not first:
        return Output("", (Problem(PLACE, "the DSDT is not whole, so it is not run", DAMAGED),))
    try:
        with tempfile.TemporaryDirectory(prefix="skb-aml-") as folder:
            names = ["dsdt.dat", *(f"ssdt{number}.dat" for number in range(1, len(blocks) + 1))]
            for name, table in zip(names, (first, *blocks), strict=True):
                Path(folder, name).write_bytes(table)
            buffered = LINE_BUFFERED if shutil.which(LINE_BUFFERED[0]) else ()
            return _run([*buffered, program, "-dt", "-vr", "-to", str(LOOP_SECONDS), *names], folder)
    except OSError as error:
        return Output("", (Problem(PLACE, f"{PROGRAM} cannot be run: {error.strerror}", "mend that, and probe again"),))


def _mended(table: bytes) -> bytes:
    """Return a table as the interpreter takes it, with the length and the checksum that it should have; nothing if it is cut.

    A wrong checksum is reported by the probe of tables; the kernel runs such tables, and so must this.
    """
    length = int.from_bytes(table[LENGTH], "little")
    if not HEADER <= length <= len(table):
        return b""
    whole = bytearray(table[:length])
    whole[CHECKSUM] = 0
    whole[CHECKSUM] = -sum(whole) & 0xFF
    return bytes(whole)


def _run(command: Sequence[str], folder: str) -> Output:
    typed = Path(folder, "commands")
    typed.write_text("".join(f"{line}\n" + "go\n" * BREAKPOINTS for line in ("go", *COMMANDS)) + "quit\n")
    with (
        typed.open("rb") as commands,
        subprocess.Popen(
            command,
            cwd=folder,
            stdin=commands,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin:/bin", "MALLOC_ARENA_MAX": "1"},  # others are reserved in large pieces
        ) as process,
    ):
        try:
            _limit(process.pid)
            printed, cause = _read(process)
            if not cause and FINISHED not in printed:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)
        finally:
            process.kill()  # it is done, or has to be; by itself it sleeps 100 ms before it ends
    text = printed.decode("latin-1")
    cause = cause or _unfinished(text, process.returncode)
    problems = [Problem(PLACE, cause, MISSING if LOADED in text else DAMAGED)] if cause else []
    if FAILURES.search(text):
        problems.append(Problem(PLACE, f"{PROGRAM} found tables that it could not load, or that hold nothing", DAMAGED))
    return Output(text, tuple(problems))


def _limit(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
        resource.prlimit(pid, resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _read(process: subprocess.Popen[bytes]) -> tuple[bytes, str]:
    """Return what is printed until the last command, the time or the room is up; and why that was not the last command."""
    stream = process.stdout
    assert stream is not None
    printed = bytearray()
    waiting = select.poll()
    waiting.register(stream, select.POLLIN)
    until = time.monotonic() + SECONDS
    while len(printed) < OUTPUT:
        left = until - time.monotonic()
        if left <= 0 or not waiting.poll(left * 1000):
            return bytes(printed), f"{PROGRAM} did not end within {SECONDS} s: a method waits for ever"
        chunk = os.read(stream.fileno(), CHUNK)
        printed += chunk
        if not chunk or FINISHED in printed[-len(chunk) - len(FINISHED) :]:
            return bytes(printed), ""
    return bytes(printed), f"{PROGRAM} printed more than {OUTPUT >> 20} MiB"


def _unfinished(text: str, status: int) -> str:
    """Say how it came that not all commands were served, if so."""
    if f"\n- {COMMANDS[-1]}" in text and FINISHED.decode() in text:
        return ""
    if LOADED not in text:
        last = next((line.strip()[:120] for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
        return f"{PROGRAM} could not load the DSDT: {last}"
    if status < 0 and status != -signal.SIGKILL:
        return f"{PROGRAM} broke: {signal.strsignal(-status) or f'signal {-status}'}"
    return "a method stops at breakpoints of its own, time and again"
