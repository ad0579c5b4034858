"""Interrupts as the kernel counts them: /proc/interrupts, and which PCI functions they are of.

    CPU0       CPU1
     24:    1034          0   PCI-MSI 512000-edge   virtio0-config

The header names the cores that are online; columns are theirs. What follows the counts is the controller, its own number for the line, and
the names of those who listen; how much of that there is has changed with kernels, so only the listeners, which come last, are told apart.
Lines without a number (NMI, LOC, ...) are the processor's own; of those every core has its own, and they are no interrupt of a device.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from probes.cores import UNKNOWN
from probes.cpulist import LIMIT
from probes.fact import Compound, Fact, Survey, Term
from probes.pci.sysfs import DEVICES, parse_address
from probes.reading import LOOK_AT_FILE, Reading
from probes.source import Source

INTERRUPTS = "/proc/interrupts"

CORE = re.compile(r"CPU([0-9]{1,6})")

NUMBER = re.compile(r"[0-9]{1,10}")

TRIGGER = re.compile(r"(?:\S*-)?(?:edge|level|fasteoi|Edge|Level)")
"""The word before the listeners: `512000-edge`, `IO-APIC-fasteoi`, `Level`."""


def probe(source: Source) -> Survey:
    """Read the interrupts of devices: who listens, what they are of, how many each core has taken."""
    reading = Reading(source)
    functions = dict(_functions(reading)) if reading.exists(INTERRUPTS) else {}
    return Survey(tuple(_facts(reading, functions)), reading.problems())


def _facts(reading: Reading, functions: dict[int, Compound]) -> Iterator[Fact]:
    header, _, rest = (reading.text(INTERRUPTS) or "").partition("\n")
    cores = [int(found[1]) for word in header.split() if (found := CORE.fullmatch(word)) and int(found[1]) < LIMIT]
    if header and (not cores or len(cores) != len(header.split())):
        reading.problem(INTERRUPTS, "the first line does not name the cores", LOOK_AT_FILE)
        return
    counts: list[Fact] = []
    told: set[int] = set()
    for line in rest.splitlines():
        name, colon, after = line.partition(":")
        if not colon or not NUMBER.fullmatch(name.strip()):
            continue
        number, words = int(name), after.split(maxsplit=len(cores))
        if number in told or len(words) < len(cores) or not all(map(NUMBER.fullmatch, words[: len(cores)])):
            reading.problem(
                INTERRUPTS, f"interrupt {number} is there twice, or has no count for each core", LOOK_AT_FILE
            )
            continue
        told.add(number)
        listeners = _listeners(words[len(cores)] if len(words) > len(cores) else "")
        function: Term = functions.get(number, UNKNOWN)
        yield Fact("os_interrupt", (number, listeners, function))
        counts += (
            Fact("os_interrupt_count", (number, core, int(count)))
            for core, count in zip(cores, words, strict=False)
            if count != "0"
        )
    yield from counts


def _listeners(text: str) -> str:
    words = text.split()
    for place, word in enumerate(words):
        if TRIGGER.fullmatch(word):
            return " ".join(words[place + 1 :])
    return words[-1] if words else ""


def _functions(reading: Reading) -> Iterator[tuple[int, Compound]]:
    """Yield the interrupts of each PCI function: its line, and its messages, which count where a line is shared."""
    lines: dict[int, list[Compound]] = {}
    for name in reading.list(DEVICES):
        function = parse_address(name)
        if function is None:
            continue
        messages = reading.list(f"{DEVICES}/{name}/msi_irqs") if reading.exists(f"{DEVICES}/{name}/msi_irqs") else ()
        for message in messages:
            if NUMBER.fullmatch(message):
                yield int(message), function
        line = reading.number(f"{DEVICES}/{name}/irq") if not messages else None
        if line:
            lines.setdefault(line, []).append(function)
    for line, functions in lines.items():
        if len(functions) == 1:
            yield line, functions[0]
