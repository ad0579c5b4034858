"""Which processor a core of Arm is, from its main ID register."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.fact import Survey
from probes.machine import survey
from probes.midr import IMPLEMENTERS, PARTS, REGISTER
from probes.source import Files, Uname

ONLINE = {"/sys/devices/system/cpu/online": b"0-1\n", "/sys/devices/system/cpu/present": b"0-1\n"}


def survey_of(cpuinfo: str = "", registers: dict[int, str] | None = None, machine: str = "aarch64") -> Survey:
    files = ONLINE | {REGISTER.format(core): text.encode() for core, text in (registers or {}).items()}
    if cpuinfo:
        files["/proc/cpuinfo"] = cpuinfo.encode()
    return survey(Files(files, uname=Uname("arm", machine, "Linux")), ["cpuid"])


def told(found: Survey, name: str) -> list[object]:
    return [fact.args for fact in found.facts if fact.name == name]


def block(core: int, part: str = "0xd08", architecture: str = "8", implementer: str = "0x41") -> str:
    return (
        f"processor\t: {core}\nFeatures\t: fp asimd\nCPU implementer\t: {implementer}\n"
        f"CPU architecture: {architecture}\nCPU variant\t: 0x1\nCPU part\t: {part}\nCPU revision\t: 3\n\n"
    )


def test_the_register_names_the_processor() -> None:
    found = survey_of(registers={0: "0x00000000410fd083\n", 1: "0x00000000481fd010\n"})
    assert told(found, "cpu_vendor") == [(0, "ARM"), (1, "HiSilicon")]
    assert told(found, "cpu_family") == [(0, 8, 0xD08, 0x03), (1, 8, 0xD01, 0x10)]
    assert told(found, "cpu_name") == [(0, "Cortex-A72"), (1, "TaiShan-v110")]


def test_proc_cpuinfo_has_its_fields() -> None:
    found = survey_of(block(0) + block(1, part="0xd03"))
    assert told(found, "cpu_family") == [(0, 8, 0xD08, 0x13), (1, 8, 0xD03, 0x13)]
    assert told(found, "cpu_name") == [(0, "Cortex-A72"), (1, "Cortex-A53")]
    assert told(found, "cpu_feature") == [(core, name) for core in (0, 1) for name in ("asimd", "fp")]


def test_the_register_counts_before_proc_cpuinfo() -> None:
    assert told(survey_of(block(0), {0: "0x410fd034"}), "cpu_name") == [(0, "Cortex-A53")]


def test_old_kernels_state_the_fields_once_for_all_cores() -> None:
    once = (
        "Processor\t: ARMv7 Processor rev 1 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 1\n\nprocessor\t: 1\nBogoMIPS\t: 1\n\n"
        "Features\t: swp half\nCPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x2\nCPU part\t: 0xc09\n"
        "CPU revision\t: 1\n\nHardware\t: board\n"
    )
    found = survey_of(once, machine="arm")
    assert told(found, "cpu_family") == [(0, 7, 0xC09, 0x21), (1, 7, 0xC09, 0x21)]
    assert told(found, "cpu_feature") == [(core, name) for core in (0, 1) for name in ("half", "swp")]


@pytest.mark.parametrize(
    ("stated", "version"), [("8", 8), ("AArch64", 8), ("7", 7), ("5TEJ", 5), ("6TEJ", 6), ("?(17)", 0)]
)
def test_the_architecture_is_a_version(stated: str, version: int) -> None:
    assert told(survey_of(block(0, architecture=stated)), "cpu_family") == [(0, version, 0xD08, 0x13)]


def test_an_implementer_without_a_name_is_its_number_and_an_unknown_part_has_no_name() -> None:
    found = survey_of(block(0, implementer="0x99"))
    assert told(found, "cpu_vendor") == [(0, "0x99")]
    assert told(found, "cpu_name") == []


@pytest.mark.parametrize("register", ["", "0x0", "nothing", "0x" + "f" * 40])
def test_a_register_that_says_nothing_is_no_processor(register: str) -> None:
    assert told(survey_of(registers={0: register}), "cpu_vendor") == []


def test_every_part_has_an_implementer() -> None:
    assert {implementer for implementer, _ in PARTS} <= IMPLEMENTERS.keys()
    assert all(0 <= part <= 0xFFF for _, part in PARTS)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_written_nothing_fails(register: str, part: str, architecture: str) -> None:
    survey_of(block(0, part=part, architecture=architecture), {0: register})
