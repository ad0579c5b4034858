"""Cores as the kernel shows them: /sys/devices/system/cpu and /proc/cpuinfo.

Sets of cores are read from masks, and from lists only where there is no mask: masks are older, and kernels are recorded
whose lists of a cache's sharers are wrong where the mask is right. A package or core number that the kernel does not
know (-1, or no file) is made up for by the sets of siblings, which it does know: the sets are numbered in the order of
their lowest core.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from probes.cores import Cache, Identity, Place
from probes.cpulist import LIMIT, parse_list, parse_mask
from probes.reading import LOOK_AT_FILE, Reading

CPUS = "/sys/devices/system/cpu"

CACHE_TYPES = {"Data": "data", "Instruction": "instruction", "Unified": "unified"}

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def read_set(reading: Reading, list_path: str, mask_path: str | None = None) -> frozenset[int] | None:
    """Return a set of cores from its mask file, or else from its list file; None where there is neither."""
    for path, parse in ((mask_path, parse_mask), (list_path, parse_list)):
        text = reading.text(path) if path else None
        if not text or path is None:
            continue
        try:
            return parse(text)
        except ValueError as error:
            reading.problem(path, f"not a set of cores: {error}", LOOK_AT_FILE)
    return None


def present_cores(reading: Reading) -> tuple[frozenset[int], frozenset[int]]:
    """Return the cores that are present, and those of them that are online."""
    numbers = (re.fullmatch(r"cpu([0-9]+)", name) for name in reading.list(CPUS))
    listed = frozenset(int(number[1]) for number in numbers if number and int(number[1]) < LIMIT)
    present = read_set(reading, f"{CPUS}/present")
    present = listed if present is None else present
    online = read_set(reading, f"{CPUS}/online")
    if online is None:
        # Before 2.6.26 only the file of each core says; the first core, which cannot be taken offline, has none.
        online = frozenset(core for core in present if reading.text(f"{CPUS}/cpu{core}/online") != "0")
    return present | online, online


def set_apart(reading: Reading, present: frozenset[int]) -> tuple[frozenset[int], frozenset[int]]:
    """Return the cores that the scheduler leaves alone (isolcpus), and those that have no tick while they run one task (nohz_full)."""
    isolated = read_set(reading, f"{CPUS}/isolated") or frozenset()
    no_list = "(null)" in (reading.text(f"{CPUS}/nohz_full") or "")  # as kernels before 6.2 write no cores
    tickless = frozenset() if no_list else read_set(reading, f"{CPUS}/nohz_full") or frozenset()
    return isolated & present, tickless & present


def places(reading: Reading, online: Collection[int]) -> tuple[dict[int, Place], dict[int, int]]:
    """Return where cores sit, and the dies of those that say."""
    ids = _ids(reading, online, "physical_package_id")
    cores = _ids(reading, online, "core_id")
    threads = {core: _siblings(reading, core, "core_cpus", "thread_siblings") for core in online}
    siblings = {core: _siblings(reading, core, "package_cpus", "core_siblings") for core in online}
    described = frozenset(core for core in online if threads[core] or core in cores)
    if described and not ids and not any(siblings.values()):
        reading.problem(
            f"{CPUS}/cpu*/topology", "packages are not told", "all cores are taken to sit in package 0, the only one"
        )
        ids = dict.fromkeys(described, 0)
    packages = _named(described, ids, {core: siblings[core] or _equals(core, ids) for core in described})

    # Threads of one core have one core number: AMD's compute units (family 15h) show two cores as each other's thread
    # siblings. And kernels before 4.x number AMD's cores inside a node, of which a package may have two: where one
    # number stands for several sets of threads, or is missing, the sets are counted instead.
    core_sets = {
        core: frozenset(other for other in threads[core] if cores.get(other) == cores.get(core)) or frozenset({core})
        for core in described
    }
    found: dict[int, Place] = {}
    for package in set(packages.values()):
        members = frozenset(core for core in packages if packages[core] == package)
        sets = {core: core_sets[core] for core in members}
        numbers = _named(members, cores, sets)
        ranks = {core: rank for group in set(sets.values()) for rank, core in enumerate(sorted(group))}
        found |= {core: Place(package, numbers[core], ranks.get(core, 0)) for core in sorted(members)}
    return found, _ids(reading, found, "die_id")


def caches(reading: Reading, online: Collection[int]) -> list[Cache]:
    """Return the caches that the kernel describes."""
    found: dict[tuple[int, str, frozenset[int]], Cache] = {}
    for core in sorted(online):
        directory = f"{CPUS}/cpu{core}/cache"
        for index in reading.list(directory):
            if not index.startswith("index"):
                continue
            path = f"{directory}/{index}"
            level, kind = reading.number(f"{path}/level"), CACHE_TYPES.get(reading.text(f"{path}/type") or "")
            shared = read_set(reading, f"{path}/shared_cpu_list", f"{path}/shared_cpu_map")
            if not level or level < 0 or kind is None:
                continue
            cores = frozenset(shared or {core}) & frozenset(online) | {core}
            if (level, kind, cores) not in found:
                size = _size(reading, f"{path}/size")
                line_size = _count(reading, f"{path}/coherency_line_size") or None
                ways = _ways(reading, path, size, line_size)
                found[level, kind, cores] = Cache(level, kind, size, ways, line_size, None, cores)
    return list(found.values())


def kinds(reading: Reading, online: Collection[int]) -> dict[int, str]:
    """Return the kinds of cores where the kernel tells them apart.

    Intel's hybrid processors have one event source for each kind of core; Arm's have a capacity for each core.
    """
    kinds_of: dict[int, str] = {}
    for path, kind in (("/sys/devices/cpu_core/cpus", "performance"), ("/sys/devices/cpu_atom/cpus", "efficiency")):
        kinds_of |= dict.fromkeys((read_set(reading, path) or frozenset()) & frozenset(online), kind)
    if kinds_of:
        return kinds_of
    capacities = {core: _count(reading, f"{CPUS}/cpu{core}/cpu_capacity") for core in online}
    known = {core: capacity for core, capacity in capacities.items() if capacity is not None}
    highest = max(known.values(), default=0)
    return {core: "performance" if capacity == highest else "efficiency" for core, capacity in known.items()}


def cpuinfo(reading: Reading) -> dict[int, Mapping[str, str]]:
    """Return what /proc/cpuinfo says of each core, by the keys it uses."""
    processors: dict[int, Mapping[str, str]] = {}
    for block in (reading.text("/proc/cpuinfo") or "").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        number = fields.get("processor", "")
        if number.isdecimal() and int(number) < LIMIT:
            processors[int(number)] = fields
    return processors


def identity(fields: Mapping[str, str]) -> Identity:
    """Return what a block of /proc/cpuinfo says of its processor."""
    version = [fields.get(key, "") for key in ("cpu family", "model", "stepping")]
    widths = re.fullmatch(r"([0-9]+) bits physical, ([0-9]+) bits virtual", fields.get("address sizes", ""))
    return Identity(
        vendor=fields.get("vendor_id"),
        version=(int(version[0]), int(version[1]), int(version[2])) if all(map(str.isdecimal, version)) else None,
        brand=" ".join(fields.get("model name", "").split()) or None,
        features=frozenset((fields.get("flags") or fields.get("Features") or "").split()),
        address_bits=(int(widths[1]), int(widths[2])) if widths else None,
    )


def _ids(reading: Reading, cores: Iterable[int], name: str) -> dict[int, int]:
    numbers = {core: reading.number(f"{CPUS}/cpu{core}/topology/{name}") for core in cores}
    return {core: number for core, number in numbers.items() if number is not None and number >= 0}


def _siblings(reading: Reading, core: int, name: str, old_name: str) -> frozenset[int]:
    topology = f"{CPUS}/cpu{core}/topology"
    for candidate in (name, old_name):
        found = read_set(reading, f"{topology}/{candidate}_list", f"{topology}/{candidate}")
        if found is not None:
            return found | {core}
    return frozenset()


def _equals(core: int, ids: Mapping[int, int]) -> frozenset[int]:
    return frozenset(other for other, number in ids.items() if core in ids and number == ids[core])


def _named(members: frozenset[int], ids: Mapping[int, int], sets: Mapping[int, frozenset[int]]) -> dict[int, int]:
    """Return a number for each member's set: the kernel's, unless it is missing or stands for two sets.

    Then sets are numbered in the order of their lowest core. A member without a set gets no number.
    """
    lowest = {core: min(sets[core]) for core in members if sets[core]}
    numbers = {core: ids[core] for core in lowest if core in ids}
    if len(numbers) == len(lowest) and len(set(zip(numbers.values(), lowest.values(), strict=True))) == len(
        set(numbers.values())
    ):
        return numbers
    order = sorted(set(lowest.values()))
    return {core: order.index(first) for core, first in lowest.items()}


def _count(reading: Reading, path: str) -> int | None:
    number = reading.number(path)
    return None if number is None or number < 0 else number


def _ways(reading: Reading, path: str, size: int | None, line_size: int | None) -> int | None:
    """Return the associativity, None where it does not go with the size: firmware (PPTT) states it wrongly at times."""
    ways = _count(reading, f"{path}/ways_of_associativity")
    sets = _count(reading, f"{path}/number_of_sets")
    if not ways or not sets or not size or not line_size:
        return ways
    row = ways * line_size * (_count(reading, f"{path}/physical_line_partition") or 1)
    if row * sets <= size < row * (sets + 1):  # the kernel drops what is left of a set
        return ways
    cause = f"{ways} ways of {sets} lines of {line_size} bytes are not {size} bytes"
    reading.problem(path, cause, "the ways are shown as unknown")
    return None


def _size(reading: Reading, path: str) -> int | None:
    text = reading.text(path)
    if not text:
        return None
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1] in UNITS else (text, 1)
    if not number.isdecimal():
        reading.problem(path, f"{text[:40]!r} is not a size", LOOK_AT_FILE)
        return None
    return int(number) * unit or None
