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

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from probes.cores import (
    UNKNOWN,
    Cache,
    Domains,
    Identity,
    Place,
    by_core,
    by_package,
    cache_facts,
    identity_facts,
    kind_facts,
    place_facts,
    tlb_facts,
)
from probes.cpuid import caches as cpuid_caches
from probes.cpuid import identity as cpuid_identity
from probes.cpuid import topology as cpuid_topology
from probes.cpuid.clocks import frequencies
from probes.cpuid.deterministic import SharedCache
from probes.cpuid.features import features
from probes.cpuid.hypervisor import hypervisor
from probes.cpuid.once import Once
from probes.cpuid.registers import Lookup
from probes.cpulist import format_list
from probes.fact import Fact, Survey
from probes.kernel import cpus as kernel
from probes.kernel.arm import midrs
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
            "allow those cores (taskset, cpuset), or run as root with the module cpuid loaded; until then sysfs and"
            " /proc/cpuinfo stand in for it there",
        )
    identify = Once(_identity)
    told = {core: identify(lookup) for core, lookup in lookups.items()}
    positions = _positions(lookups, told)
    processors = kernel.cpuinfo(reading)
    identities = {core: kernel.identity(processors[core]) for core in online & processors.keys()}
    arm = midrs(reading, online) if not lookups else {}
    for core, midr in arm.items():
        identities[core] = replace(identities.get(core, Identity()), vendor=midr.vendor, brand=midr.name)
    identities |= told

    places, domains = _places(reading, online, positions)
    isolated, tickless = kernel.set_apart(reading, present)
    facts = [
        *_core_facts(reading, present, online, positions, processors),
        *(Fact("isolated_core", (core,)) for core in sorted(isolated)),
        *(Fact("tickless_core", (core,)) for core in sorted(tickless)),
        *place_facts(places, domains),
        *(fact for core in sorted(identities) for fact in identity_facts(core, identities[core])),
        *(Fact("cpu_midr", (core, *arm[core])) for core in sorted(arm)),
        *kind_facts(_kinds(reading, online, lookups)),
        *cache_facts(_caches(reading, online, lookups, positions)),
        *_facts_of_cpuid(lookups),
    ]
    return Survey(tuple(facts), reading.problems())


def _identity(lookup: Lookup) -> Identity:
    return Identity(
        vendor=cpuid_identity.vendor(lookup),
        version=cpuid_identity.version(lookup),
        brand=cpuid_identity.brand(lookup),
        features=features(lookup),
        address_bits=cpuid_identity.address_bits(lookup),
    )


def _positions(lookups: Mapping[int, Lookup], identities: Mapping[int, Identity]) -> dict[int, cpuid_topology.Position]:
    positions = {core: cpuid_topology.position(lookup, identities[core].vendor) for core, lookup in lookups.items()}
    known = {core: found for core, found in positions.items() if found is not None}
    if not known and len(positions) == 1:
        return dict.fromkeys(positions, cpuid_topology.UNIPROCESSOR)
    return known


def _facts_of_cpuid(lookups: Mapping[int, Lookup]) -> Iterator[Fact]:
    """Yield what nobody but CPUID tells: tlb, cpu_frequency, hypervisor."""
    buffers, clocks, above = Once(cpuid_caches.tlbs), Once(frequencies), Once(hypervisor)
    for core, lookup in lookups.items():
        yield from tlb_facts(core, buffers(lookup))
    for core, lookup in lookups.items():
        for clock, hertz in clocks(lookup).items():
            yield Fact("cpu_frequency", (core, clock, hertz))
    for found in dict.fromkeys(above(lookup) for lookup in lookups.values()):
        if found is not None:
            yield Fact("hypervisor", found)


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
        told = positions[core].apic_id if core in positions else None
        if told is not None:
            apic_id = told
        elif noted.isdecimal():
            apic_id = int(noted)
        elif without_apics:
            apic_id = core
        facts.append(Fact("core", (core, apic_id, int(core in online))))
    return facts


def _places(
    reading: Reading, online: frozenset[int], positions: Mapping[int, cpuid_topology.Position]
) -> tuple[dict[int, Place], dict[int, Domains]]:
    by_kernel, dies = kernel.places(reading, online)
    kernel_domains = {core: Domains(die=die) for core, die in dies.items()}
    by_cpuid = {core: Place(found.package, found.core, found.thread) for core, found in positions.items()}
    domains = {
        core: Domains(found.module, found.tile, found.die, found.die_group, found.complex, found.node)
        for core, found in positions.items()
    }
    if len(set(by_cpuid.values())) < len(by_cpuid):
        reading.problem(
            "CPUID",
            "several cores have the same APIC id",
            "places come from the kernel; the recording may have been taken without pinning",
        )
        by_cpuid = {}
    if by_cpuid.keys() != online and len(by_kernel) >= len(by_cpuid):
        return by_kernel, kernel_domains
    if by_kernel.keys() == online and (by_package(by_cpuid), by_core(by_cpuid)) != (
        by_package(by_kernel),
        by_core(by_kernel),
    ):
        reading.problem(
            "CPUID", "places cores in packages and cores otherwise than the kernel does", "the kernel's places are used"
        )
        return by_kernel, kernel_domains
    if all(found.die is None for found in domains.values()):
        domains = {core: found._replace(die=dies.get(core)) for core, found in domains.items()}
    return by_cpuid, domains


def _kinds(reading: Reading, online: frozenset[int], lookups: Mapping[int, Lookup]) -> dict[int, str]:
    kind_of = Once(cpuid_identity.core_type)
    told = {core: kind_of(lookup) for core, lookup in lookups.items()}
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
        reading.problem("CPUID", "describes no caches that can be told", "no facts about caches are told")
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
    described = Once(cpuid_caches.caches)
    if len({found[:4] for found in positions.values()}) < len(positions):
        return []  # who shares what cannot be told from APIC ids that several cores have
    sharers: dict[tuple[int, str, object], set[int]] = {}
    properties: dict[tuple[int, str, object], SharedCache] = {}
    for core, found in sorted(positions.items()):
        for cache in _first_of_each(described(lookups[core])):
            key = (cache.level, cache.type, _sharing(cache.sharers, found))
            sharers.setdefault(key, set()).add(core)
            properties.setdefault(key, cache)
    return [
        Cache(
            cache.level, cache.type, cache.size, cache.ways, cache.line_size, cache.inclusive, frozenset(sharers[key])
        )
        for key, cache in properties.items()
    ]


def _first_of_each(caches: Iterable[SharedCache]) -> Iterable[SharedCache]:
    """Return the first cache of each level and type: a core has no two, whatever a list says."""
    found: dict[tuple[int, str], SharedCache] = {}
    for cache in caches:
        found.setdefault((cache.level, cache.type), cache)
    return found.values()


def _sharing(sharers: int | str, found: cpuid_topology.Position) -> tuple[int | str, ...]:
    """Return a key that is equal for the hardware threads that share a cache. No cache spans packages."""
    if isinstance(sharers, int):
        return found.package, sharers, (found.apic_id or 0) >> sharers
    if sharers == "core":
        return found.package, sharers, found.core
    if sharers == "node" and found.inner_node is not None:
        return found.package, sharers, found.inner_node
    return found.package, "package"
