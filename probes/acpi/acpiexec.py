"""ACPICA's interpreter of AML, as a program: the definition blocks of a machine in, what it printed out.

AML is a machine's own program and may do anything that the interpreter lets it: so it runs apart, with bounds on time, memory and
output. It touches no hardware: every register that it reads is zero.

Commands come on standard input rather than by `-b`, which waits a second before it begins. But AML may stop at breakpoints of its own.
There `-b` gives up the method and goes on with the next, and otherwise nothing does: such machines have to wait.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "acpiexec"

SECONDS = 20
LOOP_SECONDS = 1
"""For a loop of AML that does not end by itself."""
MEMORY = 1 << 30
OUTPUT = 64 << 20

BREAKPOINT = "**break** Executed AML BreakPoint"
"""In what is printed of AML that stopped."""

LISTS = ("execute \\_PIC 1", "resources")
"""Interrupts as they are where I/O APICs are in use (ACPI 6.5, 5.8.1), then what every device has and how it is wired."""

VALUES = tuple(f"all {name}" for name in ("_HID", "_CID", "_ADR", "_BBN", "_SEG", "_PXM"))


class NotEvaluated(Exception):
    """The interpreter gave nothing: cause and remedy."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}; {remedy}")
        self.cause, self.remedy = cause, remedy


def evaluate(dsdt: bytes, ssdts: Sequence[bytes]) -> str:
    """Return what the interpreter prints. Raises NotEvaluated."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise NotEvaluated(f"{PROGRAM} is not installed", "install acpica-tools to have what AML says of host bridges")
    with tempfile.TemporaryDirectory(prefix="skb-aml-") as folder:
        names = ["dsdt.dat", *(f"ssdt{number}.dat" for number in range(1, len(ssdts) + 1))]
        for name, table in zip(names, (dsdt, *ssdts), strict=True):
            Path(folder, name).write_bytes(table)
        command = [program, "-to", str(LOOP_SECONDS), *names]
        text = _run(command, folder, "\n".join((*LISTS, *VALUES, "quit", "")))
        if BREAKPOINT in text:
            text = _run(command, folder, "\n".join((*VALUES, "quit", "")))
            text += "\n- resources\n" + _run([program, "-b", ";".join(LISTS), *command[1:]], folder, "")
            text += f"\n{BREAKPOINT}\n"
    if "- resources" not in text:
        last = [line.strip() for line in text.splitlines() if line.strip()][-1:]
        cause = f"{PROGRAM} could not load the DSDT: {last[0][:120] if last else 'it said nothing'}"
        raise NotEvaluated(cause, "the table is damaged, or needs a newer acpica-tools")
    return text


def _run(command: Sequence[str], folder: str, typed: str) -> str:
    with (
        Path(folder, "output").open("w+b") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin:/bin"},
        ) as process,
    ):
        with contextlib.suppress(ProcessLookupError):
            _limit(process.pid, resource.RLIMIT_AS, MEMORY)
            _limit(process.pid, resource.RLIMIT_FSIZE, OUTPUT)
            _limit(process.pid, resource.RLIMIT_CPU, SECONDS)
        try:
            process.communicate(typed.encode(), timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise NotEvaluated(
                f"{PROGRAM} did not end within {SECONDS} s", "the AML of this machine does not end"
            ) from None
        output.seek(0)
        return output.read().decode("latin-1")


def _limit(process: int, what: int, value: int) -> None:
    """Bound a process, unless it already is bounded closer: a limit may be lowered by anybody, and raised by root."""
    _, highest = resource.prlimit(process, what)
    if highest == resource.RLIM_INFINITY or highest > value:
        resource.prlimit(process, what, (value, value))
