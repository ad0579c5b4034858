"""Kinds of cores in an hwloc XML file: its <cpukind> elements."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from probes.fact import Fact, Problem
from probes.foreign.hwloc_document import REMEDY, Document, bits, numbers

CORE_TYPES = {"IntelCore": "performance", "IntelAtom": "efficiency", "IntelLowPower": "efficiency"}
"""What hwloc calls the cores of hybrid processors that say what they are."""

INFO_LIMIT = 16
"""Annotations of a kind that are read; each becomes a fact of every core."""

_FREQUENCIES = {"FrequencyMaxMHz": "maximum", "FrequencyBaseMHz": "base"}


def read(document: Document, name: str) -> Iterator[Fact | Problem]:
    """Yield what is said of kinds of cores."""
    kinds = []
    for element in document.top:
        if element.tag == "cpukind":
            try:
                held = bits(element.attributes.get("cpuset", "")) & document.root.cores
            except ValueError as error:
                yield Problem(f"{name}, cpukind", str(error), f"this kind is left out; {REMEDY}")
                continue
            rank = element.number("forced_efficiency")
            kinds.append((held, rank, dict(islice(element.infos(), INFO_LIMIT))))
    ranks = {rank for _, rank, _ in kinds}
    ranked = len(kinds) > 1 and None not in ranks and len(ranks) == len(kinds)
    seen = 0
    for held, rank, infos in kinds:
        core_type = infos.pop("CoreType", None)
        kind = CORE_TYPES.get(core_type or "")
        if kind is None and ranked and rank is not None:
            kind = "performance" if rank == max(filter(None, ranks), default=0) else "efficiency"
        alone, seen = held & ~seen, seen | held
        for core in numbers(alone):
            if kind:
                yield Fact("cpu_kind", (core, kind))
            if core_type:
                yield Fact("cpu_core_type", (core, core_type))
            if rank is not None:
                yield Fact("cpu_efficiency", (core, rank))
            for info, value in infos.items():
                if info in _FREQUENCIES and value.isdecimal() and len(value) < 8:
                    yield Fact("cpu_frequency", (core, _FREQUENCIES[info], int(value) * 1_000_000))
                else:
                    yield Fact("cpu_kind_info", (core, info, value))
