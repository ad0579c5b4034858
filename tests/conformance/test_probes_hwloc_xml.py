"""hwloc XML of recorded machines: what is read equals hwloc's own reading, and what is written hwloc reads as the same machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from probes_recorded import DATA, caches_told, load, rows, unpack
from probes_vocabulary import violations
from test_rules_topology import topology_of

from probes.cpulist import parse_list
from probes.fact import Compound, Survey, to_json
from probes.foreign.hwloc_xml import read, recognises
from skb.topology import facts_tree
from skb.topology.hwloc_xml import write

FILES = sorted(path for folder in ("cpuid", "sysfs") for path in (DATA / folder).glob("*.xml"))
SNAPSHOTS = sorted((DATA / "sysfs").glob("*.tar.bz2"))
LSTOPO = shutil.which("lstopo-no-graphics") or shutil.which("lstopo")

_EMPTY = "a package of which no core may be used: what is known of packages is known of their cores"
_ONLY = "no package is told: all cores are taken to sit in package 0"
DIFFERENCES: dict[str, dict[tuple[Any, ...], str]] = {
    "16amd64-4n4c-cgroup-distance-merge": {("Package", "2", "0x0"): _EMPTY, ("Package", "3", "0x0"): _EMPTY},
    "2ps3-2t": {("Package", "0", "0x00000003"): _ONLY},
}

needs_lstopo = pytest.mark.skipif(LSTOPO is None, reason="lstopo is not installed (Debian: hwloc-nox)")
every_file = pytest.mark.parametrize(
    "path",
    [*FILES] or [pytest.param(None, marks=pytest.mark.skip(reason=f"no hwloc XML in {DATA}"))],
    ids=lambda path: getattr(path, "stem", ""),
)
every_snapshot = pytest.mark.parametrize(
    "path",
    [*SNAPSHOTS] or [pytest.param(None, marks=pytest.mark.skip(reason=f"no snapshots in {DATA / 'sysfs'}"))],
    ids=lambda path: getattr(path, "name", "").removesuffix(".tar.bz2"),
)

TYPES = {"L1Cache", "L2Cache", "L3Cache", "L4Cache", "L1iCache", "L2iCache", "L3iCache", "MemCache"}
V3_TO_V2 = {1: 0, 2: 0, 3: 0, 4: 1, 8: 5, 16: 2, 32: 3, 48: 3, 64: 4}
"""osdev_type of version 3 in version 2: a set of kinds becomes the number of the most special one."""


def lstopo(path: Path, *arguments: str, parser: str = "1") -> str:
    """What lstopo writes; a warning of it is an error here."""
    assert LSTOPO is not None
    done = subprocess.run(
        [LSTOPO, "-i", path, "--whole-io", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "HWLOC_LIBXML": parser, "HWLOC_DEBUG_CHECK": "1", "HWLOC_XML_VERBOSE": "1"},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[-2000:]
    return done.stdout


def lstopo_of_snapshot(root: Path, *arguments: str) -> str:
    """What lstopo writes of a recorded file system; of what firmware got wrong it may complain."""
    assert LSTOPO is not None
    command = [LSTOPO, "-i", root, "--if", "fsroot", "--whole-io", "--of", "xml", *arguments]
    environment = {**os.environ, "HWLOC_HIDE_ERRORS": "2"}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, env=environment).stdout


def as_version_2(text: str) -> str:
    """A file as hwloc 2 reads it: hwloc 3's differs in the number, in what stands at the end, and in the kinds of devices."""
    root = ET.fromstring(text)
    if root.get("version") == "3.0":
        root.set("version", "2.0")
        for extra in [child for child in root if child.tag in ("info", "pci_locality")]:
            root.remove(extra)
        for element in [*root.iter("object")]:
            if inclusive := element.attrib.pop("cache_inclusive", None):
                element.insert(0, ET.Element("info", name="Inclusive", value=inclusive))
            if "osdev_type" in element.attrib:
                element.set("osdev_type", str(V3_TO_V2[int(element.attrib["osdev_type"])]))
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n{body}\n'


def things(text: str) -> Counter[tuple[Any, ...]]:
    """Every object that lstopo knows, by what it is and the cores that it has; groups are left to lstopo, which makes and merges them."""
    found: Counter[tuple[Any, ...]] = Counter()
    root = ET.fromstring(text)
    for element in root.iter("object"):
        said = element.attrib
        kind = said["type"]
        if kind == "Group":
            continue
        which: Any = said.get("os_index")
        if kind in TYPES:
            which = tuple(said.get(f"cache_{name}") for name in ("size", "linesize", "associativity", "type"))
        elif kind in ("PCIDev", "Bridge"):
            which = (said.get("pci_busid"), said.get("pci_type"), said.get("bridge_pci"), _rounded(said))
        elif kind == "OSDev":
            which = (said["name"], said.get("subtype"), said.get("osdev_type"))
        elif kind == "NUMANode":
            which = (which, said.get("local_memory"), said.get("subtype"), said.get("nodeset"))
        found[kind, which, said.get("cpuset")] += 1
    for matrix in root.iter("distances2"):
        found["distances2", matrix.get("name"), "".join(row.text or "" for row in matrix)] += 1
    kind_of = {element.get("gp_index"): element.get("os_index") for element in root.iter("object")}
    for attribute in root.iter("memattr"):
        for row in attribute:
            key = (attribute.get("name"), kind_of[row.get("target_obj_gp_index")], row.get("initiator_cpuset"))
            found["memattr", key, row.get("value")] += 1
    for cpukind in root.iter("cpukind"):
        infos = tuple(sorted((info.get("name"), info.get("value")) for info in cpukind))
        found["cpukind", infos, cpukind.get("cpuset")] += 1
    return found


def numbered_anew(told: Counter[tuple[Any, ...]], expected: Counter[tuple[Any, ...]]) -> int:
    """Set aside the numbers of packages and cores that differ where the reference's do not tell two of them apart; return how many."""
    count = 0
    for kind in ("Package", "Core"):
        mine, theirs = ({key[2]: key for key in each if key[0] == kind} for each in (told, expected))
        for cores in mine.keys() & theirs.keys():
            if mine[cores] != theirs[cores]:
                count += 1
                told[kind, "anew", cores] = told.pop(mine[cores])
                expected[kind, "anew", cores] = expected.pop(theirs[cores])
    return count


def ambiguous(text: str) -> int:
    """How many packages, and cores of a package, have no number or one that another has."""
    count = 0
    root = ET.fromstring(text)
    packages = [element for element in root.iter("object") if element.get("type") == "Package"] or [root]
    cores = [[element for element in package.iter("object") if element.get("type") == "Core"] for package in packages]
    for group in (packages if packages != [root] else [], *cores):
        given = [element.get("os_index") for element in group]
        count += len(group) if None in given or len(set(given)) < len(given) else 0
    return count


def homeless(text: str) -> set[tuple[Any, ...]]:
    """The cores that are in no package, where there are packages: hwloc drops a package that overlaps another part."""
    root = ET.fromstring(text)
    packages = [element for element in root.iter("object") if element.get("type") == "Package"]
    housed = {id(core) for package in packages for core in package.iter("object")}
    cores = [element for element in root.iter("object") if element.get("type") == "Core"]
    return {("Core", core.get("os_index"), core.get("cpuset")) for core in cores if packages and id(core) not in housed}


def compare_things(what: str, machine: str, ours: str, theirs: str, compare: Callable[..., None]) -> None:
    """Compare what lstopo says of our file with what it says of the original. Only ambiguous numbers may be others."""
    told, expected = things(ours), things(theirs)
    anew = numbered_anew(told, expected)
    assert anew <= ambiguous(theirs)
    known = {key: reason for key, reason in DIFFERENCES.get(machine, {}).items() if told.get(key) != expected.get(key)}
    known |= dict.fromkeys(
        homeless(theirs), "a core that hwloc has in no package: facts know cores by package and number"
    )
    if anew:
        told["numbered anew",], expected["numbered anew",] = anew, 0
        known["numbered anew",] = (
            "two of them have one number in the original; a core is known by its package and number"
        )
    compare(what, machine, told, expected, known)


def _rounded(said: dict[str, str]) -> float:
    """A link's bandwidth in GB/s; facts hold it in MB/s."""
    return round(float(said.get("pci_link_speed", 0)), 3)


def survey(path: Path) -> Survey:
    text = path.read_text()
    assert recognises(text)
    return read(text, path.stem)


@every_file
def test_what_is_read_is_what_the_summary_says(path: Path, compare: Callable[..., None]) -> None:
    told = survey(path)
    assert told.problems == ()
    summary = load(path.with_name(path.name.replace(".xml", ".summary.json")))
    found = rows(told)
    sets: dict[tuple[int, int], set[int]] = defaultdict(set)
    packages: dict[int, set[int]] = defaultdict(set)
    for core, package, number, _ in found["cpu_thread"]:
        sets[package, number].add(core)
        packages[package].add(core)
    dies = dict(found["cpu_die"])
    package_of = {core: package for package, cores in packages.items() for core in cores}
    die_sets: dict[tuple[int, int], set[int]] = defaultdict(set)
    for core, die in dies.items():
        die_sets[package_of[core], die].add(core)
    near: dict[int, set[int]] = defaultdict(set)
    for node, core in found["numa_core"]:
        near[node].add(core)
    answers: dict[Any, Any] = {("package", number): cores for number, cores in packages.items()}
    answers |= {("die", min(cores)): cores for cores in die_sets.values()}
    answers |= {("node", number): (near[number], dict(found["numa_node"]).get(number)) for number in near}
    answers |= {("cache", *key): ways for key, ways in caches_told(told).items()}
    answers |= {("distance", *pair): value for *pair, value in found["node_distance"]}
    answers |= {("core type", core): kind for core, kind in found["cpu_core_type"]}
    answers |= {("PU", core): 1 for core, _, online in found["core"] if online}
    expected: dict[Any, Any] = {
        ("package", each["os_index"]): set(parse_list(each["cpus"])) for each in summary["packages"]
    }
    expected |= {
        ("die", min(parse_list(each["cpus"]))): set(parse_list(each["cpus"])) for each in summary.get("dies", ())
    }
    expected |= {
        ("node", each["os_index"]): (set(parse_list(each["cpus"])), each["bytes"] or None) for each in summary["numa"]
    }
    for cache in summary.get("caches", ()):
        key = (
            cache["level"],
            cache["type"],
            cache["size"] or "unknown",
            cache["line"] or "unknown",
            parse_list(cache["cpus"]),
        )
        ways = cache["assoc"] if cache["assoc"] and cache["assoc"] > 0 else None
        expected["cache", *key] = ways
    for matrix in summary.get("distances", ()):
        numbers = [int(index) for index in matrix["indexes"]]
        pairs = [(a, b) for a in numbers for b in numbers]
        expected |= {("distance", *pair): value for pair, value in zip(pairs, matrix["values"], strict=True)}
    for kind in summary.get("cpukinds", ()):
        if core_type := kind["info"].get("CoreType"):
            expected |= {("core type", core): core_type for core in parse_list(kind["cpus"])}
    expected |= {("PU", each["os_index"]): 1 for each in summary["pus"]}
    compare("hwloc XML: objects, hwloc's summary", path.stem, answers, expected)
    cores_told = Counter(frozenset(cores) for cores in sets.values())
    assert cores_told == Counter(frozenset(parse_list(each["cpus"])) for each in summary["cores"])
    _compare_devices(path.stem, found, summary, compare)


def _compare_devices(
    machine: str, found: dict[str, list[tuple[Any, ...]]], summary: dict[str, Any], compare: Callable[..., None]
) -> None:
    subsystems = {address: (vendor, device) for address, vendor, device in found["device_subsystem"]}
    bridges = {address: (low, high) for address, _, low, high in found["bridge"]}
    told = {
        "{:04x}:{:02x}:{:02x}.{:x}".format(*address.args): (
            f"{code:02x}{sub_code:02x} [{vendor:04x}:{device:04x}] "
            + "[{:04x}:{:04x}]".format(*subsystems.get(address, (0, 0)))
            + f" {revision:02x} {interface:02x}",
            "{:04x}:[{:02x}-{:02x}]".format(address.args[0], *bridges[address]) if address in bridges else None,
        )
        for address, vendor, device, code, sub_code, interface, revision in found["device"]
    }
    pci = summary.get("pci", ())
    expected = {each["busid"]: (each["pci_type"], each["bridge_pci"]) for each in pci if each["busid"]}
    compare("hwloc XML: PCI functions, hwloc's summary", machine, told, expected)
    assert {(segment, low, high) for segment, low, high, _ in found["host_bridge"]} == {
        tuple(int(part, 16) for part in re.split(r":\[|-|\]", each["bridge_pci"])[:3])
        for each in pci
        if not each["busid"]
    }


@every_file
def test_facts_survive_writing_and_reading(path: Path, compare: Callable[..., None]) -> None:
    told = survey(path)
    assert violations(told.facts) == []
    written = write(map(to_json, told.facts))
    assert written.left_out == ()
    again = read(written.text, path.stem)
    assert again.problems == ()
    compare("hwloc XML: read, write, read", path.stem, dict.fromkeys(again.facts, 1), dict.fromkeys(told.facts, 1))


@needs_lstopo
@every_file
def test_lstopo_reads_the_same_machine(path: Path, tmp_path: Path, compare: Callable[..., None]) -> None:
    ours, theirs = tmp_path / "ours.xml", tmp_path / "theirs.xml"
    ours.write_text(write(map(to_json, survey(path).facts)).text)
    theirs.write_text(as_version_2(path.read_text()))
    what = "hwloc XML: lstopo -i of ours and of the original"
    compare_things(what, path.stem, *(lstopo(file, "--of", "xml") for file in (ours, theirs)), compare)
    console = lstopo(ours, "--of", "console", parser="0")
    assert console == lstopo(theirs, "--of", "console", parser="0")


@pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed (Debian: swi-prolog-nox)")
@every_file
def test_the_tree_is_the_one_that_the_rules_make(path: Path, tmp_path: Path) -> None:
    shown = {"core", "cpu_thread", "cpu_die", "cache", "cache_shared", "numa_node", "numa_core", "device", "bridge"}
    facts = tuple(fact for fact in survey(path).facts if fact.name in shown)
    assert json.loads(json.dumps(facts_tree(map(to_json, facts)))) == topology_of(facts, tmp_path)


@needs_lstopo
@every_snapshot
def test_what_lstopo_writes_of_a_snapshot_survives(path: Path, tmp_path: Path, compare: Callable[..., None]) -> None:
    """Version 2 as hwloc writes it today, with huge pages, memory attributes and groups, read, written and read by lstopo again."""
    name = path.name.removesuffix(".tar.bz2")
    root = unpack(path, tmp_path / "root")
    theirs = tmp_path / "theirs.xml"
    theirs.write_text(lstopo_of_snapshot(root))
    told = read(theirs.read_text(), name)
    assert violations(told.facts) == []
    ours = tmp_path / "ours.xml"
    written = write(map(to_json, told.facts))
    ours.write_text(written.text)
    assert written.left_out == ()
    again = read(written.text, name)
    compare(
        "hwloc XML of snapshots: read, write, read", name, dict.fromkeys(again.facts, 1), dict.fromkeys(told.facts, 1)
    )
    what = "hwloc XML of snapshots: lstopo -i of ours and of its own"
    compare_things(what, name, *(lstopo(file, "--of", "xml") for file in (ours, theirs)), compare)


@needs_lstopo
@every_snapshot
def test_version_1_tells_the_same_of_cores_and_memory(path: Path, tmp_path: Path, compare: Callable[..., None]) -> None:
    name = path.name.removesuffix(".tar.bz2")
    root = unpack(path, tmp_path / "root")
    second = read(lstopo_of_snapshot(root), name)
    first = read(lstopo_of_snapshot(root, "--export-xml-flags", "1"), name)
    shown = [
        "core",
        "cpu_thread",
        "cache",
        "cache_shared",
        "numa_node",
        "numa_core",
        "node_distance",
        "device",
        "bridge",
    ]
    told, expected = ({fact: 1 for fact in each.facts if fact.name in shown} for each in (first, second))
    compare("hwloc XML: version 1 and version 2 of one machine", name, told, expected)


def test_addresses_are_terms() -> None:
    """The recordings are absent in a bare checkout; this says at least that what the tests compare is what facts hold."""
    function = '<object type="PCIDev" pci_busid="0001:02:03.4" pci_type="0200 [8086:1521] [0000:0000] 01"/>'
    text = f'<topology version="2.0"><object type="Machine" cpuset="0x1">{function}</object></topology>'
    found = rows(read(text, "x"))
    assert found["device"] == [(Compound("addr", (1, 2, 3, 4)), 0x8086, 0x1521, 2, 0, "unknown", 1)]
