"""hwloc's XML, as `lstopo FILE.xml` writes it: versions 1, 2 and 3 become facts.

Cores are numbered by the os_index of PUs, packages, dies and physical cores by theirs. Where a number is missing or stands for two objects,
the objects of the package are counted in the order of their lowest core, as the probe of the running kernel does it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from probes.cores import UNKNOWN
from probes.fact import Fact, Problem, Survey
from probes.foreign import hwloc_devices, hwloc_kinds, hwloc_memory
from probes.foreign.hwloc_document import REMEDY, Document, Element, bits, numbers, parse

__all__ = ["read", "recognises"]

CACHE_TYPES = {0: "unified", 1: "data", 2: "instruction"}

PASSING_GROUPS = {1000, 1001}
"""Kinds of groups that hwloc makes only so that devices (1000) or memory (1001) have something to hang on; those say where they are."""

_OS_INFOS = ("OSName", "OSRelease", "OSVersion", "HostName", "Architecture")
_CPU_INFOS = ("CPUVendor", "CPUFamilyNumber", "CPUModelNumber", "CPUStepping", "CPUModel")


def recognises(text: str) -> bool:
    """Say whether a text begins as an hwloc XML file does."""
    head = text[:65536].lstrip("\ufeff \t\r\n")
    if not head.startswith("<"):
        return False
    return "<topology" in head or ("<root" in head and "hwloc.dtd" in head)


def read(text: str, name: str) -> Survey:
    """Read an hwloc XML file into facts; `name` is what to call it, and the machine if the file does not."""
    document = parse(text, name)
    if isinstance(document, Problem):
        return Survey((), (document,))
    facts: list[Fact] = []
    problems = [*document.problems]
    for part in (_machine, _cores, _caches, _groups, hwloc_kinds.read, hwloc_memory.read, hwloc_devices.read):
        for found in part(document, name):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                facts.append(found)
    return Survey(tuple(facts), tuple(problems))


def _machine(document: Document, name: str) -> Iterator[Fact]:
    infos = [pair for element in document.top if element.tag == "info" for pair in _info(element)]
    infos += document.root.infos()
    known = dict(reversed(infos))
    system = " ".join(filter(None, (known.get("OSName"), known.get("OSRelease"))))
    yield Fact("machine", (known.get("HostName") or name, known.get("Architecture") or UNKNOWN, system or UNKNOWN))
    seen = set()
    for pair in infos:
        if pair not in seen and pair[0] not in ("OSName", "OSRelease", "HostName", "Architecture"):
            seen.add(pair)
            yield Fact("machine_info", pair)


def _info(element: Element) -> Iterator[tuple[str, str]]:
    if name := element.attributes.get("name"):
        yield name, element.attributes.get("value", "")


class _Numbered(NamedTuple):
    """An object and the number that it goes by."""

    number: int
    element: Element


def _numbered(elements: Iterable[Element]) -> list[_Numbered]:
    """Number objects by os_index, or count them all in the order of their lowest core where that does not tell them apart."""
    ordered = sorted(
        (element for element in elements if element.cores), key=lambda element: element.cores & -element.cores
    )
    given = [element.number("os_index") for element in ordered]
    if None in given or len(set(given)) < len(given):
        given = [*range(len(ordered))]
    return [_Numbered(number, element) for number, element in zip(given, ordered, strict=True) if number is not None]


def _cores(document: Document, name: str) -> Iterator[Fact | Problem]:
    root = document.root
    present = 0
    for attribute in ("complete_cpuset", "cpuset"):
        try:
            present |= bits(root.attributes.get(attribute, ""))
        except ValueError as error:
            yield Problem(f"{name}, Machine, {attribute}", str(error), f"the PUs that are in the file count; {REMEDY}")
    if root.attributes.get("complete_cpuset", "").startswith("0xf...f"):
        present = 0  # "all" is said of machines whose PUs were not looked at
    for core in numbers(present | root.cores):
        yield Fact("core", (core, UNKNOWN, root.cores >> core & 1))
    packages, dies, cores = (
        [element for element in document.objects if element.type == kind and element.cores]
        for kind in ("Package", "Die", "Core")
    )
    if root.cores and not packages:
        cause = "packages are not told"
        yield Problem(name, cause, "all cores are taken to sit in package 0, the only one")
        packages = [root]
    outside = root.cores & ~_union(packages)
    if outside:
        yield Problem(name, f"{outside.bit_count()} PUs are in no package", f"where they sit stays unknown; {REMEDY}")
    loose = root.cores & ~outside & ~_union(cores)
    if loose:
        cause = f"{loose.bit_count()} PUs are in no Core"
        yield Problem(name, cause, "each is taken for a physical core of its own")
    cores_in, dies_in = _by_package(cores, packages), _by_package(dies, packages)
    for package in _numbered(packages):
        sets = [(core.number, core.element.cores) for core in _numbered(cores_in[id(package.element)])]
        alone = numbers(loose & package.element.cores)
        if alone:
            everything = sorted((cpus for _, cpus in sets), key=lambda cpus: cpus & -cpus) + [
                1 << core for core in alone
            ]
            sets = list(enumerate(sorted(everything, key=lambda cpus: cpus & -cpus)))
        for physical, cpus in sets:
            for thread, core in enumerate(numbers(cpus)):
                yield Fact("cpu_thread", (core, package.number, physical, thread))
        for die in _numbered(dies_in[id(package.element)]):
            for core in numbers(die.element.cores):
                yield Fact("cpu_die", (core, die.number))
        yield from _package(package)


def _union(elements: Iterable[Element]) -> int:
    union = 0
    for element in elements:
        union |= element.cores
    return union


def _by_package(elements: Iterable[Element], packages: list[Element]) -> dict[int, list[Element]]:
    found: dict[int, list[Element]] = defaultdict(list)
    known = {id(package) for package in packages}
    for element in elements:
        above = element.parent
        while above is not None and id(above) not in known:
            above = above.parent
        if above is not None:
            found[id(above)].append(element)
    return found


def _package(package: _Numbered) -> Iterator[Fact]:
    """Yield what is said of the processor in a package."""
    known = dict(package.element.infos())
    cores = numbers(package.element.cores)
    version = [known.get(key, "") for key in ("CPUFamilyNumber", "CPUModelNumber", "CPUStepping")]
    for core in cores:
        if known.get("CPUVendor"):
            yield Fact("cpu_vendor", (core, known["CPUVendor"]))
        if all(text.isdecimal() and len(text) < 6 for text in version):
            yield Fact("cpu_family", (core, *map(int, version)))
        if known.get("CPUModel"):
            yield Fact("cpu_name", (core, " ".join(known["CPUModel"].split())))
    for name, value in known.items():
        if name not in _CPU_INFOS and package.element.type == "Package":
            yield Fact("package_info", (package.number, name, value))


def _caches(document: Document, name: str) -> Iterator[Fact | Problem]:
    found = []
    unknown = 0
    for element in document.objects:
        cached = element.type.endswith("Cache") and element.type != "MemCache" and element.cores
        level, kind = element.number("depth"), CACHE_TYPES.get(element.number("cache_type") or 0)
        if cached and level and kind and level < 10:
            found.append((level, kind, element))
        elif cached:
            unknown += 1
    if unknown:
        cause = f"{unknown} caches have no level, or a type that is none of {sorted(CACHE_TYPES)}"
        yield Problem(name, cause, f"they are left out; {REMEDY}")
    found.sort(key=lambda cache: (cache[0], cache[1], cache[2].cores & -cache[2].cores))
    for number, (level, kind, element) in enumerate(found):
        # -1 is fully associative, 0 not known
        ways = (
            0
            if element.attributes.get("cache_associativity") == "-1"
            else element.number("cache_associativity") or UNKNOWN
        )
        size, line_size = element.number("cache_size") or UNKNOWN, element.number("cache_linesize") or UNKNOWN
        yield Fact("cache", (number, level, kind, size, ways, line_size, _inclusive(element)))
        for core in numbers(element.cores):
            yield Fact("cache_shared", (number, core))


def _inclusive(element: Element) -> int | str:
    """Version 3 has an attribute where a cache is inclusive and nothing where it is not, or not known; version 2 annotates both."""
    said = element.attributes.get("cache_inclusive") or dict(element.infos()).get("Inclusive")
    return {"0": 0, "1": 1}.get(said or "", UNKNOWN)


def _groups(document: Document, _name: str) -> Iterator[Fact]:
    number = 0
    for element in document.objects:
        if element.type in ("Group", "Tile", "Module") and element.cores:
            kind = {"Tile": 103, "Module": 102}.get(element.type, element.number("kind") or 0)
            if kind in PASSING_GROUPS:
                continue
            label = element.attributes.get("subtype") or element.attributes.get("name", "")
            yield Fact("cpu_group", (number, kind, element.number("subkind") or 0, label))
            for core in numbers(element.cores):
                yield Fact("cpu_group_core", (number, core))
            number += 1
