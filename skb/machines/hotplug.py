"""Keeps `local` true: processors, PCI devices and network interfaces that come and go.

The kernel says so by uevents. What they say is not taken for facts: they are the sign to probe again, and what then differs is one
transaction. Events come in swarms, so a probe waits until a swarm is over.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

SUBSYSTEMS = ("cpu", "memory", "node", "pci", "net", "block", "nvme", "drm", "infiniband")

QUIET_SECONDS = 0.3
"""After an event, until none has come for so long, others may belong to it."""

MOST_QUIET = 3.0
"""But no longer than this, if they never cease."""

log = structlog.get_logger()


async def keep_true(probe: Callable[[], Awaitable[None]]) -> None:
    """Call a function after each swarm of events, for as long as the task lives. Where there are none to be had, that is said, once."""
    try:
        import pyudev  # where libudev is missing, the rest works

        monitor: Any = pyudev.Monitor.from_netlink(pyudev.Context(), source=_source())  # type: ignore[no-untyped-call]
        for subsystem in SUBSYSTEMS:
            monitor.filter_by(subsystem)
        monitor.start()
    except (ImportError, OSError) as error:
        log.warning(
            "changes of this machine are not followed",
            cause=str(error),
            remedy="install libudev1, or start again after changes",
        )
        return
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        while monitor.poll(timeout=0) is not None:
            heard.set()

    loop.add_reader(monitor.fileno(), hear)
    try:
        while True:
            await heard.wait()
            await _quiet(heard)
            try:
                await probe()
            except Exception as error:  # whatever is wrong with one probe, the next event gets another
                log.warning("the machine has changed, and could not be probed", cause=str(error))
    finally:
        loop.remove_reader(monitor.fileno())


async def _quiet(heard: asyncio.Event) -> None:
    """Wait until a swarm of events is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + MOST_QUIET
    while heard.is_set() and loop.time() < end:
        heard.clear()
        await asyncio.sleep(QUIET_SECONDS)
    heard.clear()


def _source() -> str:
    """Events as udev passes them on, after it has named what has come; the kernel's own where no udev runs."""
    return "udev" if Path("/run/udev/control").exists() else "kernel"
