"""Cores, their places, their caches, their features: CPUID and the kernel joined.

Where both speak, the rules are:

* What a core *is* (vendor, family, features, widths, kind), what a cache is *like* (size, ways, line, inclusive) and
  the numbers of packages, cores and dies: CPUID. The kernel fills in for cores whose CPUID cannot be had.
* Who *shares* a package, a core or a cache: the kernel, where it tells this of every core concerned. It starts from
  the same instruction and then knows better: errata, firmware that numbers APICs oddly, hypervisors that pass on the
  host's counts. A difference is reported, since one of the two is wrong.
* One machine has one numbering. If CPUID does not cover every online core, places come from the kernel for all of them,
  so that two ways of numbering cores are never mixed.
* A cache never spans packages, whatever CPUID's count of sharers says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from probes.cores import (
    UNKNOWN,
    Cache,
    Identity,
    Place,
    by_core,
    by_package,
    cache_facts,
    identity_facts,
    kind_facts,
    place_facts,
)
from probes.cpuid import caches as cpuid_caches
from probes.cpuid import identity as cpuid_identity
from probes.cpuid import topology as cpuid_topology
from probes.cpuid.features import features
from probes.cpuid.registers import Lookup
from probes.cpulist import format_list
from probes.fact import Fact, Survey
from probes.kernel import cpus as kernel
from probes.reading import Reading
from probes.source import Source

X86 = frozenset({"x86_64", "i386", "i486", "i586", "i686", "x86"})


def probe(source: Source) -> Survey:
    """Read everything about cores and caches."""
    reading = Reading(source)
    present, online = kernel.present_cores(reading)
    lookups: dict[int, Lookup] = {core: partial(source.cpuid, core) for core in source.cpuid_cores()}
    if not present:  # a recording of CPUID alone: the cores are those that were recorded
        present = online = frozenset(lookups)
    lookups = {core: lookup for core, lookup in lookups.items() if core in online}
    if lookups and (silent := online - lookups.keys()):
        reading.problem(
            "CPUID",
            f"not executed on cores {format_list(silent)}: this process may not run there, or did not get to in time",
            "allow those cores (taskset, cpuset); until then sysfs and /proc/cpuinfo stand in for it there",
        )
    vendors = {core: cpuid_identity.vendor(lookup) for core, lookup in lookups.items()}
    positions = {
        core: found
        for core, lookup in lookups.items()
        if (found := cpuid_topology.position(lookup, vendors[core])) is not None
    }
    processors = kernel.cpuinfo(reading)
    identities = {core: kernel.identity(processors[core]) for core in online & processors.keys()}
    identities |= {core: _identity(lookup, vendors[core]) for core, lookup in lookups.items()}

    places, dies = _places(reading, online, positions)
    facts = [
        *_core_facts(reading, present, online, positions, processors),
        *place_facts(places, dies),
        *(fact for core in sorted(identities) for fact in identity_facts(core, identities[core])),
        *kind_facts(_kinds(reading, online, lookups)),
        *cache_facts(_caches(reading, online, lookups, positions)),
    ]
    return Survey(tuple(facts), reading.problems())


def _identity(lookup: Lookup, vendor: str | None) -> Identity:
    return Identity(
        vendor=vendor,
        version=cpuid_identity.version(lookup),
        brand=cpuid_identity.brand(lookup),
        features=features(lookup),
        address_bits=cpuid_identity.address_bits(lookup),
    )


def _core_facts(
    reading: Reading,
    present: frozenset[int],
    online: frozenset[int],
    positions: Mapping[int, cpuid_topology.Position],
    processors: Mapping[int, Mapping[str, str]],
) -> list[Fact]:
    architecture = reading.source.uname().machine
    without_apics = bool(architecture) and architecture not in X86
    facts = []
    for core in sorted(present):
        noted = processors.get(core, {}).get("apicid", "")
        apic_id: int | str = UNKNOWN
        if core in positions:
            apic_id = positions[core].apic_id
        elif noted.isdecimal():
            apic_id = int(noted)
        elif without_apics:
            apic_id = core
        facts.append(Fact("core", (core, apic_id, int(core in online))))
    return facts


def _places(
    reading: Reading, online: frozenset[int], positions: Mapping[int, cpuid_topology.Position]
) -> tuple[dict[int, Place], dict[int, int]]:
    by_kernel, kernel_dies = kernel.places(reading, online)
    by_cpuid = {core: Place(found.package, found.core, found.thread) for core, found in positions.items()}
    dies = {core: found.die for core, found in positions.items() if found.die is not None}
    if len(set(by_cpuid.values())) < len(by_cpuid):
        reading.problem(
            "CPUID",
            "several cores have the same APIC id",
            "places come from the kernel; the recording may have been taken without pinning",
        )
        by_cpuid = {}
    if by_cpuid.keys() != online and len(by_kernel) >= len(by_cpuid):
        return by_kernel, kernel_dies
    if by_kernel.keys() == online and (by_package(by_cpuid), by_core(by_cpuid)) != (
        by_package(by_kernel),
        by_core(by_kernel),
    ):
        reading.problem(
            "CPUID", "places cores in packages and cores otherwise than the kernel does", "the kernel's places are used"
        )
        return by_kernel, kernel_dies
    return by_cpuid, dies or kernel_dies


def _kinds(reading: Reading, online: frozenset[int], lookups: Mapping[int, Lookup]) -> dict[int, str]:
    told = {core: cpuid_identity.core_type(lookup) for core, lookup in lookups.items()}
    kinds = {core: kind for core, kind in told.items() if kind}
    if told.keys() == online and not kinds:
        # A processor that does not speak of kinds has only one: both vendors say when cores differ.
        return dict.fromkeys(online, "uniform")
    return kinds if kinds.keys() == online else kernel.kinds(reading, online)


def _caches(
    reading: Reading,
    online: frozenset[int],
    lookups: Mapping[int, Lookup],
    positions: Mapping[int, cpuid_topology.Position],
) -> list[Cache]:
    by_cpuid = _caches_by_cpuid(lookups, positions)
    by_kernel = kernel.caches(reading, online)
    chosen: list[Cache] = []
    differing = []
    for level, kind in sorted({(cache.level, cache.type) for cache in (*by_cpuid, *by_kernel)}):
        told = [cache for cache in by_cpuid if (cache.level, cache.type) == (level, kind)]
        shown = [cache for cache in by_kernel if (cache.level, cache.type) == (level, kind)]
        covered = frozenset(core for cache in told for core in cache.cores)
        if not covered <= frozenset(core for cache in shown for core in cache.cores):
            chosen += told
            continue
        like = {core: cache for cache in told for core in cache.cores}
        chosen += [_described(cache, like) for cache in shown]
        if covered == online and {cache.cores for cache in told} != {cache.cores for cache in shown}:
            differing.append(f"level {level} {kind}")
    if lookups and not chosen:
        reading.problem("CPUID", "describes caches in legacy leaves at most", "no facts about caches are told")
    if differing:
        reading.problem(
            "CPUID",
            f"says that caches are shared otherwise than the kernel does ({', '.join(differing)})",
            "the kernel's sharing is used",
        )
    return chosen


def _described(cache: Cache, like: Mapping[int, Cache]) -> Cache:
    first = min(cache.cores)
    return like[first]._replace(cores=cache.cores) if first in like else cache


def _caches_by_cpuid(lookups: Mapping[int, Lookup], positions: Mapping[int, cpuid_topology.Position]) -> list[Cache]:
    sharers: dict[tuple[cpuid_caches.SharedCache, int, int], set[int]] = {}
    for core, found in positions.items():
        for cache in cpuid_caches.caches(lookups[core]):
            key = (cache, found.package, found.apic_id >> cache.shared_bits)
            sharers.setdefault(key, set()).add(core)
    return [
        Cache(cache.level, cache.type, cache.size, cache.ways, cache.line_size, cache.inclusive, frozenset(cores))
        for (cache, _, _), cores in sharers.items()
    ]
