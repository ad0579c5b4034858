"""Graphics processors: those that NVIDIA's library knows, with the links between them, and those that the kernel shows.

NVML is asked by the live source alone, which tells its answers as a file (`/nvml/devices.json`), so that a recording can hold them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from probes.cores import UNKNOWN
from probes.fact import Compound, Fact, Survey, Term
from probes.kernel.devices import function_behind
from probes.pci.sysfs import parse_address
from probes.reading import Reading
from probes.source import Source

NVML = "/nvml/devices.json"
DRM = "/sys/class/drm"

CARD = re.compile(r"card([0-9]{1,4})")

MOST = 4096
"""Processors or links of one machine."""


def probe(source: Source) -> Survey:
    """Read graphics processors."""
    reading = Reading(source)
    facts = list(_nvml(reading))
    known = {fact.args[1]: fact.args[0] for fact in facts if fact.name == "gpu"}
    following = 1 + max((index for index in known.values() if isinstance(index, int)), default=-1)
    facts += _drm(reading, known.keys(), following)
    return Survey(tuple(facts), reading.problems())


def _nvml(reading: Reading) -> Iterator[Fact]:
    text = reading.text(NVML) if reading.exists(NVML) else None
    if not text:
        return
    try:
        told: Any = json.loads(text)
        devices: list[Mapping[str, Any]] = list(told["devices"])[:MOST]
        if told.get("failure"):
            reading.problem(
                NVML, str(told["failure"]), "mend the driver; graphics processors are those that the kernel shows"
            )
        indexes = {str(device["address"]): int(device["index"]) for device in devices}
        for device in devices:
            function = parse_address(str(device["address"]))
            if function is None:
                reading.problem(NVML, f"{device['address']!r} is no PCI function", "look at the file")
                continue
            index = int(device["index"])
            yield Fact("gpu", (index, function, str(device["name"])))
            if device.get("memory"):
                yield Fact("gpu_memory", (index, int(device["memory"])))
            for link in list(device.get("links", ()))[:MOST]:
                remote = parse_address(str(link["remote"])) if link.get("remote") else None
                end: Term = UNKNOWN if remote is None else remote
                peer: Term = indexes.get(str(link.get("remote")), UNKNOWN)
                yield Fact("gpu_link", (index, int(link["link"]), end, peer, int(link["version"])))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reading.problem(NVML, f"cannot be read: {type(error).__name__} {error}", "record the machine anew")


def _drm(reading: Reading, known: Collection[Term], first: int) -> Iterator[Fact]:
    found: list[tuple[int, Compound, str]] = []
    for name in reading.list(DRM) if reading.exists(DRM) else ():
        card = CARD.fullmatch(name)
        function = function_behind(reading, f"{DRM}/{name}") if card else None
        if card is not None and function is not None and function not in known:
            driver = (reading.link(f"{DRM}/{name}/device/driver") or "").rpartition("/")[2]
            found.append((int(card[1]), function, driver if driver and driver != "driver" else UNKNOWN))
    for index, (_, function, driver) in enumerate(sorted(found), first):
        yield Fact("gpu", (index, function, driver))
