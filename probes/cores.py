"""What is said of cores, whoever says it: the records that CPUID and the kernel both fill, and the facts they become.

CPUID and sysfs describe the same things with different gaps. Each is read into these records; `probes.processors`
decides between them; the facts are made here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from probes.fact import Fact

UNKNOWN = "unknown"


class Place(NamedTuple):
    """Where a hardware thread sits: package, physical core inside the package, thread inside the core."""

    package: int
    core: int
    thread: int


class Domains(NamedTuple):
    """Groups of hardware threads between core and package.

    Numbers are those inside the package, but for `node`, which is the machine's. None is a group that is not told.
    """

    module: int | None = None
    tile: int | None = None
    die: int | None = None
    die_group: int | None = None
    complex: int | None = None
    node: int | None = None


class Cache(NamedTuple):
    """One physical cache and the hardware threads that use it. None is a property that is not known."""

    level: int
    type: str
    size: int | None
    ways: int | None
    line_size: int | None
    inclusive: int | None
    cores: frozenset[int]


@dataclass(frozen=True)
class Identity:
    """Which processor a hardware thread belongs to. None is a property that is not known."""

    vendor: str | None = None
    version: tuple[int, int, int] | None = None
    brand: str | None = None
    features: frozenset[str] = frozenset()
    address_bits: tuple[int, int] | None = None


def by_package(places: Mapping[int, Place]) -> frozenset[frozenset[int]]:
    """Return the sets of hardware threads that share a package."""
    return _groups({core: place.package for core, place in places.items()})


def by_core(places: Mapping[int, Place]) -> frozenset[frozenset[int]]:
    """Return the sets of hardware threads that share a physical core."""
    return _groups({core: (place.package, place.core) for core, place in places.items()})


def place_facts(places: Mapping[int, Place], domains: Mapping[int, Domains]) -> Iterator[Fact]:
    """Yield cpu_thread, then the groups: cpu_module, cpu_tile, cpu_die, cpu_die_group, cpu_complex and cpu_node."""
    for core, place in sorted(places.items()):
        yield Fact("cpu_thread", (core, place.package, place.core, place.thread))
    for group in Domains._fields:
        for core, found in sorted(domains.items()):
            number: int | None = getattr(found, group)
            if number is not None:
                yield Fact(f"cpu_{group}", (core, number))


def identity_facts(core: int, identity: Identity) -> Iterator[Fact]:
    """Yield cpu_vendor, cpu_family, cpu_name, cpu_feature and addrspace of one core, as far as they are known."""
    if identity.vendor:
        yield Fact("cpu_vendor", (core, identity.vendor))
    if identity.version:
        yield Fact("cpu_family", (core, *identity.version))
    if identity.brand:
        yield Fact("cpu_name", (core, identity.brand))
    for feature in sorted(identity.features):
        yield Fact("cpu_feature", (core, feature))
    if identity.address_bits:
        yield Fact("addrspace", (core, *identity.address_bits))


def kind_facts(kinds: Mapping[int, str]) -> Iterator[Fact]:
    """Yield cpu_kind; where no two cores differ, all are uniform."""
    alike = len(set(kinds.values())) <= 1
    for core, kind in sorted(kinds.items()):
        yield Fact("cpu_kind", (core, "uniform" if alike else kind))


def cache_facts(caches: Iterable[Cache]) -> Iterator[Fact]:
    """Yield cache and cache_shared; caches are numbered by level, type and lowest core, so that numbers are stable."""
    ordered = sorted(caches, key=lambda cache: (cache.level, cache.type, sorted(cache.cores)))
    for number, cache in enumerate(ordered):
        properties = (cache.size, cache.ways, cache.line_size, cache.inclusive)
        known = (UNKNOWN if value is None else value for value in properties)
        yield Fact("cache", (number, cache.level, cache.type, *known))
        for core in sorted(cache.cores):
            yield Fact("cache_shared", (number, core))


def tlb_facts(core: int, tlbs: Iterable[tuple[int, str, int, int, int | None]]) -> Iterator[Fact]:
    """Yield tlb: level, type, page size, entries and ways of each buffer of a core."""
    for level, kind, page_size, entries, ways in tlbs:
        yield Fact("tlb", (core, level, kind, page_size, entries, UNKNOWN if ways is None else ways))


def _groups(keys: Mapping[int, object]) -> frozenset[frozenset[int]]:
    members: dict[object, set[int]] = {}
    for core, key in keys.items():
        members.setdefault(key, set()).add(core)
    return frozenset(frozenset(cores) for cores in members.values())
