"""CPUID of a core that this process may not run on, from the driver's device (Linux, arch/x86/kernel/cpuid.c).

`/dev/cpu/<N>/cpuid` executes the instruction on core N for whoever may read it, which is root where the module `cpuid`
is loaded: a cpuset does not matter to it. A read of 16 bytes gives EAX to EDX; its position is the leaf, and the subleaf
in the upper half.
"""

from __future__ import annotations

import os
import struct

from probes.cpuid.dump import CpuidDump, record
from probes.cpuid.registers import Registers

PATH = "/dev/cpu/{}/cpuid"

ANSWER = struct.Struct("<IIII")


def record_device(core: int, path: str = PATH) -> CpuidDump | None:
    """Write down what the device of a core answers; None if there is no device, or it may not be read."""
    try:
        descriptor = os.open(path.format(core), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        dump = record(lambda leaf, subleaf: _execute(descriptor, leaf, subleaf))
    finally:
        os.close(descriptor)
    return dump if dump.entries else None


def _execute(descriptor: int, leaf: int, subleaf: int) -> Registers | None:
    try:
        answer = os.pread(descriptor, ANSWER.size, subleaf << 32 | leaf)
    except OSError:  # the core went offline
        return None
    return Registers(*ANSWER.unpack(answer)) if len(answer) == ANSWER.size else None
