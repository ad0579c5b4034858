"""Recorded machines: files and folders that hold what a machine said of itself, opened as sources.

A format that holds bytes (CPUID text, ACPI dumps, `lspci -xxxx`, snapshots of sysfs, bundles) becomes a `Recording`: a source like the live
machine, so that no probe knows the difference. A format that holds conclusions (hwloc XML, matrices of latencies, synthetic descriptions)
becomes facts at once, in `probes.foreign`.
"""

from __future__ import annotations

from typing import NamedTuple

from probes.fact import Problem
from probes.source import Source


class RecordingError(ValueError):
    """A recording that cannot be read at all: the message names place, cause and remedy."""

    def __init__(self, place: str, cause: str, remedy: str) -> None:
        super().__init__(f"{place}: {cause}; {remedy}")
        self.place, self.cause, self.remedy = place, cause, remedy


class Recording(NamedTuple):
    """A recorded machine as a source, and what was wrong with the file that it was read from."""

    source: Source
    problems: tuple[Problem, ...] = ()
