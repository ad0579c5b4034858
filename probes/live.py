"""The machine this runs on.

Files are read where they are. CPUID answers for the core that executes it, so it is executed on each core in turn, by a
thread made for that: on Linux affinity belongs to the thread, and dies with it. The caller's own affinity is never
changed, so there is nothing to restore when the caller is interrupted half-way, and other threads of the process never
notice.

The thread reads all leaves of a core in one go (some 100 executions, at most a millisecond under a hypervisor) rather
than leaf by leaf, which would move it between cores for every question.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from pathlib import Path

from probes import _cpuid
from probes.cpuid.device import record_device
from probes.cpuid.dump import CpuidDump, record
from probes.cpuid.registers import Registers
from probes.cpulist import parse_list
from probes.source import Tree, Uname

NVML = "/nvml/devices.json"
NVIDIA_DRIVER = "/proc/driver/nvidia/version"

DEADLINE = 30.0
"""Seconds to wait for the cores. A core held by a real-time task may never let the thread run there."""


class Live(Tree):
    """The machine this runs on, as a source."""

    def __init__(self) -> None:
        super().__init__(Path("/"))
        self._recorded: dict[int, CpuidDump] | None = None
        self._nvml: bytes | None = None

    @property
    def name(self) -> str:
        """The host name."""
        return os.uname().nodename

    def read(self, path: str) -> bytes:
        """Return the content of a file; those under /nvml are what NVIDIA's library says."""
        if path == NVML and self.exists(path):
            if self._nvml is None:
                from probes.nvml import devices  # only where there is a driver

                self._nvml = devices()
            return self._nvml
        return super().read(path)

    def exists(self, path: str) -> bool:
        """Say whether there is a file or directory at `path`."""
        return super().exists(NVIDIA_DRIVER) if path == NVML else super().exists(path)

    def uname(self) -> Uname:
        """Say what machine this is."""
        uname = os.uname()
        return Uname(uname.nodename, uname.machine, f"{uname.sysname} {uname.release}")

    def cpuid_cores(self) -> tuple[int, ...]:
        """Return the online cores that this process may run on, if they have the instruction."""
        return tuple(sorted(self._dumps_of_cores()))

    def cpuid(self, core: int, leaf: int, subleaf: int) -> Registers | None:
        """Return what CPUID answered on a core."""
        dump = self.cpuid_dump(core)
        return dump.lookup(leaf, subleaf) if dump else None

    def cpuid_dump(self, core: int) -> CpuidDump | None:
        """Return all that CPUID answered on a core."""
        return self._dumps_of_cores().get(core)

    def _dumps_of_cores(self) -> dict[int, CpuidDump]:
        if self._recorded is None:
            self._recorded = record_cores(self._online_cores())
        return self._recorded

    def _online_cores(self) -> Collection[int]:
        try:
            return parse_list(self.read("/sys/devices/system/cpu/online").decode())
        except (OSError, ValueError):
            return os.sched_getaffinity(0)


def record_cores(cores: Collection[int], deadline: float = DEADLINE) -> dict[int, CpuidDump]:
    """Execute CPUID on each core.

    A core that this process may not run on, or not in time, is asked through its device; where that may not be read
    either, it is left out.
    """
    dumps: dict[int, CpuidDump] = {}
    if _cpuid.execute(0, 0) is None:
        return dumps

    def visit() -> None:
        for core in sorted(cores):
            try:
                os.sched_setaffinity(0, {core})
            except (OSError, OverflowError, ValueError):  # outside the process's cpuset, or just taken offline
                continue
            dump = record(_execute)
            if _cpuid.here() == core:
                dumps[core] = dump

    thread = threading.Thread(target=visit, name="probes-cpuid", daemon=True)
    thread.start()
    thread.join(deadline)
    found = dict(dumps)
    for core in frozenset(cores) - found.keys():
        if (told := record_device(core)) is not None:
            found[core] = told
    return found


def _execute(leaf: int, subleaf: int) -> Registers | None:
    answer = _cpuid.execute(leaf, subleaf)
    return None if answer is None else Registers(*answer)
