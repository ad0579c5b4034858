"""CPUID as text, from 43 kinds of processors of thirty years, against what the programs that wrote it make of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import Compare
from probes_recorded import DATA, groups, load, machines, rows
from probes_vocabulary import violations

from probes.cpuid import instlatx64, raw
from probes.cpulist import format_list
from probes.fact import Survey
from probes.machine import survey

FOLDER = DATA / "cpuid-text"

K5 = "AuthenticAMD0000514_K5_CPUID"
INTERLAGOS = "AuthenticAMD0600F12_Interlagos_CPUID"
CRUSOE = "GenuineTMx860000543_Crusoe_CPUID"
HYGON = "HygonGenuine0900F02_Hygon_CPUID"
VORTEX = "Vortex86_SoC0000611_Vortex86DX3_CPUID"

UNTOLD = {
    "GenuineIntel0000480_486_CPUID": "has the leaf of caches not yet",
    "GenuineIntel000052C_P54C_CPUID": "has the leaf of caches not yet",
    VORTEX: "its maker copies leaf 2 without its meaning",
}
"""Processors that do not describe their caches, with the reason."""

CACHE = re.compile(
    r"^(?:L0\+)?L(\d) *(Data|Instr\.|Unified) Cache: *([0-9+]+) ([KM])B, *(\d+)-way Associative, *(\d+)-byte Line"
)

TYPES = {"Data": "data", "Instr.": "instruction", "Unified": "unified"}

CLOCKS = re.compile(r"^CPUID 0000001([56]): [0-9A-F-]+ \[([0-9./x ]+)\]")


@cache
def text_of(machine: str) -> str:
    return (FOLDER / f"{machine}.txt").read_text(encoding="utf-8", errors="replace")


@cache
def survey_of(machine: str) -> Survey:
    recording = instlatx64.read(text_of(machine), machine)
    assert recording.problems == ()
    return survey(recording.source)


def sections(machine: str) -> Iterator[tuple[int, str]]:
    """Lines of the dump by the number of the processor that they are about."""
    core = -1
    for line in text_of(machine).splitlines():
        if line.startswith("CPUID 00000000"):
            core += 1
        yield core, line


@pytest.fixture(params=machines("cpuid-text", "*.txt"))
def machine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name.removesuffix(".txt")


@pytest.fixture
def found(machine: str) -> Survey:
    return survey_of(machine)


@pytest.fixture
def expected(machine: str) -> Any:
    return load(FOLDER / f"{machine}.expected.json")


def test_a_dump_is_recognised_from_its_beginning(machine: str) -> None:
    beginning = text_of(machine)[: 64 << 10]
    assert instlatx64.recognises(beginning)
    assert not raw.recognises(beginning)


def test_facts_are_declared_and_well_typed(found: Survey) -> None:
    assert violations(found.facts) == []


def test_what_is_wrong_with_a_dump_is_that_it_tells_no_caches(machine: str, found: Survey) -> None:
    causes = [problem.cause for problem in found.problems]
    assert causes == (["describes no caches that can be told"] if machine in UNTOLD else [])


def test_every_processor_of_the_dump_is_there_and_has_a_place(found: Survey, expected: Any) -> None:
    facts = rows(found)
    cores = [core for core, *_ in facts["core"]]
    assert cores == [section["n"] for section in expected["per_section"]]
    assert [core for core, *_ in facts["cpu_thread"]] == cores
    assert len({tuple(place) for _, *place in facts["cpu_thread"]}) == len(cores)


def test_groups_of_processors_are_consistent(found: Survey) -> None:
    """Threads of a core share its first levels; who shares a cache shares those above; no cache spans packages."""
    facts = rows(found)
    packages = {core: package for core, package, *_ in facts["cpu_thread"]}
    sharers: dict[int, set[int]] = defaultdict(set)
    for number, core in facts["cache_shared"]:
        sharers[number].add(core)
    caches: dict[tuple[int, str], list[set[int]]] = defaultdict(list)
    for number, level, kind, *_ in facts["cache"]:
        caches[level, kind].append(sharers[number])
    for found_sets in caches.values():
        assert sum(map(len, found_sets)) == len(set().union(*found_sets))
        assert all(len({packages[core] for core in cores}) == 1 for cores in found_sets)
    for (level, _), inner in caches.items():
        for (above, _), outer in caches.items():
            if above > level:
                assert all(cores <= around or not cores & around for cores in inner for around in outer)
    for threads in groups(((package, core), thread) for thread, package, core, _ in facts["cpu_thread"]):
        assert all(threads <= cores or not threads & cores for found_sets in caches.values() for cores in found_sets)


def test_identity_is_that_of_the_dump(machine: str, found: Survey, expected: Any, compare: Compare) -> None:
    facts = rows(found)
    told, stated = {}, {}
    if maker := expected.get("CPUID Manufacturer"):
        told["vendor"], stated["vendor"] = dict(facts["cpu_vendor"])[0], maker
    if name := expected.get("CPUID CPU Name"):
        told["brand"], stated["brand"] = dict(facts["cpu_name"])[0], " ".join(name.split())
    if revision := int(expected.get("CPUID Revision", "0h").rstrip("h"), 16):
        told["version"] = next(tuple(version) for core, *version in facts["cpu_family"] if core == 0)
        stated["version"] = (
            (revision >> 8 & 15) + (revision >> 20 & 255),
            revision >> 4 & 15 | revision >> 12 & 0xF0,
            revision & 15,
        )
    known = (
        {"vendor": "the dump has the vendor string of leaf 0x80860000, the fact that of leaf 0"}
        if machine == CRUSOE
        else {}
    )
    compare("CPUID text: vendor, version, brand", machine, told, stated, known)


def test_apic_ids_are_those_of_the_dump(machine: str, found: Survey, expected: Any, compare: Compare) -> None:
    told = {core: apic_id for core, apic_id, _ in rows(found)["core"]}
    stated = {row["cpu"]: row["apicid"] for row in expected.get("all_cpus", [])}
    known = {}
    if machine == K5:
        known = {0: "it has no local APIC"}
    if machine == INTERLAGOS:
        known = dict.fromkeys(told, "firmware has moved APIC ids up by 32; the dump has those of leaf 1")
        assert all(told[core] == stated[core] + 32 for core in told)
    compare("CPUID text: APIC ids", machine, {core: told[core] for core in stated}, stated, known)


def neighbours(places: Mapping[int, tuple[int, int]]) -> dict[tuple[int, str], str]:
    """Who is in the package and in the core of each hardware thread."""
    package, core = defaultdict(set), defaultdict(set)
    for thread, place in places.items():
        package[place[0]].add(thread)
        core[place].add(thread)
    return {(thread, "package"): format_list(package[place[0]]) for thread, place in places.items()} | {
        (thread, "core"): format_list(core[place]) for thread, place in places.items()
    }


def test_packages_and_cores_are_those_of_the_dump(machine: str, found: Survey, expected: Any, compare: Compare) -> None:
    told = neighbours({thread: (package, core) for thread, package, core, _ in rows(found)["cpu_thread"]})
    table = {row["cpu"]: (row["package"], row["core"]) for row in expected.get("all_cpus", [])}
    stated = neighbours(table)
    known = {}
    if machine == HYGON:
        reason = "the program that wrote the dump did not know the vendor, and takes hardware threads for cores"
        known = {field: reason for field in told if field[1] == "core"}
    if machine == VORTEX:
        reason = (
            "no leaf tells cores of a package from packages; the program that wrote the dump makes both the same core"
        )
        known = dict.fromkeys(told, reason)
    compare("CPUID text: packages and cores", machine, {field: told[field] for field in stated}, stated, known)


def test_counts_are_those_of_the_apic_ids(machine: str, found: Survey, expected: Any, compare: Compare) -> None:
    places = rows(found)["cpu_thread"]
    told = {
        "packages": len({package for _, package, *_ in places}),
        "cores": len({(package, core) for _, package, core, _ in places}),
    }
    stated = {field: expected["apicid_decode"][field] for field in told}
    compare("CPUID text: number of packages and cores", machine, told, stated)


def test_caches_of_each_hardware_thread_are_those_of_the_dump(machine: str, found: Survey, compare: Compare) -> None:
    stated: dict[tuple[int, int, str], tuple[Any, ...]] = {}
    known = {}
    for core, line in sections(machine):
        if row := CACHE.match(line):
            level, kind, size, unit, ways, line_size = row.groups()
            field = core, int(level), TYPES[kind]
            if "+" in size:
                known[field] = (
                    "CPUID describes the first of two levels; the program that wrote the dump knows the second"
                )
            factor = 1 << (10 if unit == "K" else 20)
            stated[field] = (sum(int(part) for part in size.split("+")) * factor, int(ways), int(line_size))
    told = told_caches(found)
    compare("CPUID text: caches", machine, {field: told[field] for field in told if stated}, stated, known)


def told_caches(found: Survey) -> dict[tuple[int, int, str], tuple[Any, ...]]:
    facts = rows(found)
    properties = {number: rest for number, *rest in facts["cache"]}
    return {
        (core, properties[number][0], properties[number][1]): tuple(properties[number][2:5])
        for number, core in facts["cache_shared"]
    }


def test_clocks_are_those_of_the_dump(machine: str, found: Survey, compare: Compare) -> None:
    stated: dict[tuple[int, str], int] = {}
    told = {(core, clock): hertz for core, clock, hertz in rows(found)["cpu_frequency"] if clock != "tsc"}
    for core, line in sections(machine):
        if row := CLOCKS.match(line):
            parts = [part.strip() for part in row[2].split("/")]
            names = ("base", "maximum", "bus") if row[1] == "6" else ("ratio", "crystal")
            scale = 1_000_000 if row[1] == "6" else 1
            values = zip(names, parts, strict=False)
            stated |= {(core, name): int(value) * scale for name, value in values if name != "ratio" and int(value)}
    known = {
        field: "leaf 0x15 does not state the crystal; the manual gives it by model"
        for field in told.keys() - stated.keys()
        if field[1] == "crystal"
    }
    compare("CPUID text: clocks", machine, told, stated, known)


@pytest.fixture(scope="module")
def smelt() -> Path:
    path = FOLDER / "smelt-e5v2-2x10"
    if not path.is_dir():
        pytest.skip(f"no recorded machine in {path}")
    return path


def test_registers_as_the_tool_cpuid_prints_them_give_what_the_kernel_says(smelt: Path, compare: Compare) -> None:
    text = (smelt / "cpuid_raw.txt").read_text()
    assert raw.recognises(text[: 64 << 10])
    assert not instlatx64.recognises(text)
    recording = raw.read(text, "cpuid_raw.txt")
    found = survey(recording.source)
    assert (*recording.problems, *found.problems) == ()
    assert violations(found.facts) == []
    facts = rows(found)
    stated: dict[tuple[str, int], set[int]] = defaultdict(set)
    columns = ("core", "package", "", "", (1, "data"), (1, "instruction"), (2, "unified"), (3, "unified"))
    for line in (smelt / "lscpu_parse.txt").read_text().splitlines():
        if line[:1].isdecimal():
            core, *numbers = line.split(",")
            for column, number in zip(columns, numbers, strict=True):
                if column:
                    stated[str(column), int(number)].add(int(core))
    told: dict[tuple[str, Any], set[int]] = defaultdict(set)
    for thread, package, core, _ in facts["cpu_thread"]:
        told["core", (package, core)].add(thread)
        told["package", package].add(thread)
    kinds = {number: (level, kind) for number, level, kind, *_ in facts["cache"]}
    for number, core in facts["cache_shared"]:
        told[str(kinds[number]), number].add(core)
    compare(
        "CPUID text: groups that lscpu shows",
        smelt.name,
        {(kind, format_list(cores)): True for (kind, _), cores in told.items()},
        {(kind, format_list(cores)): True for (kind, _), cores in stated.items()},
    )


def test_the_tool_cpuid_and_proc_cpuinfo_agree(smelt: Path, compare: Compare) -> None:
    found = rows(survey(raw.read((smelt / "cpuid_raw.txt").read_text(), "cpuid_raw.txt").source))
    fields = ("vendor", "version", "brand", "apicid", "core id", "physical id", "address sizes")
    told = {
        (core, field): value
        for field, rows_of in zip(
            fields,
            (
                dict(found["cpu_vendor"]),
                {core: tuple(version) for core, *version in found["cpu_family"]},
                dict(found["cpu_name"]),
                {core: apic_id for core, apic_id, _ in found["core"]},
                {thread: core for thread, _, core, _ in found["cpu_thread"]},
                {thread: package for thread, package, *_ in found["cpu_thread"]},
                {core: widths for core, *widths in found["addrspace"]},
            ),
            strict=True,
        )
        for core, value in rows_of.items()
    }
    stated: dict[tuple[int, str], Any] = {}
    for block in (smelt / "proc_cpuinfo.txt").read_text().split("\n\n"):
        noted = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
        if "processor" not in noted:
            continue
        core = int(noted["processor"])
        stated[core, "vendor"] = noted["vendor_id"]
        stated[core, "version"] = tuple(int(noted[key]) for key in ("cpu family", "model", "stepping"))
        stated[core, "brand"] = " ".join(noted["model name"].split())
        for key in ("apicid", "core id", "physical id"):
            stated[core, key] = int(noted[key])
        stated[core, "address sizes"] = [int(number) for number in re.findall(r"\d+", noted["address sizes"])]
    compare("CPUID text: /proc/cpuinfo", smelt.name, told, stated)


DERIVED = {
    **dict.fromkeys(
        ("arch_perfmon", "bts", "pebs"), "the kernel's name for a leaf's version or a model-specific register"
    ),
    **dict.fromkeys(
        ("ept", "flexpriority", "tpr_shadow", "vnmi", "vpid"), "read from model-specific registers of virtualisation"
    ),
    **dict.fromkeys(
        ("eagerfpu", "nopl", "rep_good", "xtopology"), "the kernel's choice, not a feature that is reported"
    ),
    "xsaveopt": "in subleaf 1 of leaf 0xD, which this old version of the tool does not print",
}
"""Names in /proc/cpuinfo that are no bits of the registers in the dump, with the reason."""


def test_the_tool_cpuid_and_proc_cpuinfo_name_the_same_features(smelt: Path, compare: Compare) -> None:
    found = rows(survey(raw.read((smelt / "cpuid_raw.txt").read_text(), "cpuid_raw.txt").source))
    flags = re.search(r"^flags\s*:(.*)$", (smelt / "proc_cpuinfo.txt").read_text(), re.MULTILINE)
    assert flags is not None
    for core in range(20):
        told = {feature: True for number, feature in found["cpu_feature"] if number == core}
        compare("CPUID text: features", smelt.name, told, dict.fromkeys(flags[1].split(), True), DERIVED)
