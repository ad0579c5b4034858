"""Which kernels there will be, and on which hardware threads.

A kernel is numbered like its core. Kernels in excess of the cores that this process may use are *virtual*: they share a hardware
thread with others and are numbered from above the machine's highest core on.
"""

import os
from pathlib import Path

from msgspec import Struct

from multikernel.errors import BootError

MOST_BY_DEFAULT = 16
"""Kernels booted where no number is asked for: the mesh of channels grows with the square of it."""

MOST = 256
"""Kernels that one machine can be asked to boot."""


class KernelPlan(Struct, frozen=True):
    """A kernel to be: its number, the hardware thread that it is pinned to, and whether it shares that with another kernel."""

    core: int
    host: int
    shares: bool

    @property
    def virtual(self) -> bool:
        """Whether the kernel is in excess of the machine's cores."""
        return self.core != self.host


def plan(wanted: int | None = None, *, usable: list[int] | None = None, highest: int | None = None) -> list[KernelPlan]:
    """Plan `wanted` kernels (None: one a core, up to `MOST_BY_DEFAULT`) on the cores that this process may use.

    `usable` and `highest` (the machine's highest core number) are found out when not given. Raises BootError if what is wanted
    makes no multikernel.
    """
    usable = sorted(os.sched_getaffinity(0)) if usable is None else sorted(usable)
    highest = max(_highest_core(), *usable) if highest is None else highest
    if wanted is None:
        wanted = min(len(usable), MOST_BY_DEFAULT)
        if wanted < 2:
            raise BootError(
                f"only one core is usable here (core {usable[0]}), and a multikernel is at least two kernels; "
                "`--cores 2` lets two kernels share the core"
            )
    if not 2 <= wanted <= MOST:
        raise BootError(f"--cores {wanted}: a multikernel has 2 to {MOST} kernels; choose a number in that range")
    own = usable[:wanted]
    hosts = own + [own[i % len(own)] for i in range(wanted - len(own))]
    crowded = {host for host in hosts if hosts.count(host) > 1}
    cores = own + [highest + 1 + i for i in range(wanted - len(own))]
    return [KernelPlan(core, host, host in crowded) for core, host in zip(cores, hosts, strict=True)]


def _highest_core() -> int:
    """Give the highest core number that the machine could have (sysfs `possible`, like `0-7`)."""
    try:
        text = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii")
        return int(text.strip().replace(",", "-").rsplit("-", 1)[-1])
    except (OSError, ValueError):
        return (os.cpu_count() or 1) - 1


def parts(core: int, folder: Path = Path("/sys/devices/system/cpu")) -> tuple[int, int, int]:
    """Give the parts of the machine that a core is of, the largest first: package, cores that share its last cache, physical core.

    The last two are named by their lowest core. What the system does not tell counts as one part, or as the core itself.
    """
    place = folder / f"cpu{core}"
    package = _lowest(place / "topology" / "physical_package_id", 0)
    caches = sorted((place / "cache").glob("index*"), key=lambda path: int(path.name.removeprefix("index")))
    last = _lowest(caches[-1] / "shared_cpu_list", 0) if caches else 0
    return package, last, _lowest(place / "topology" / "thread_siblings_list", core)


def _lowest(path: Path, otherwise: int) -> int:
    """Give the first number of a list such as `0-3,8`."""
    try:
        return int(path.read_text(encoding="ascii").strip().replace(",", "-").split("-", 1)[0])
    except (OSError, ValueError):
        return otherwise
