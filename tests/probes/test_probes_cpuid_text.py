"""CPUID as text: what InstLatX64 and its kin print, and what `cpuid --raw` prints."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.cpuid import instlatx64, raw
from probes.cpuid.lines import PROCESSORS_AT_MOST
from probes.cpuid.registers import Registers
from probes.machine import survey
from probes.recorded import Recording

VENDOR = "00000002-756E6547-6C65746E-49656E69"

AIDA = f"""\
CPU Type                 : nobody's
CPUID Manufacturer       : GenuineIntel

------[ CPUID Registers / Logical CPU #0 ]------

CPUID 00000000: {VENDOR} [GenuineIntel]
CPUID 00000004: FC004121-02C0003F-0000003F-00000000 [SL 00] [L1D: 48 KB]
CPUID 00000004: FC01C143-03C0003F-000007FF-00000000 [SL 0A] [L2: 2 MB]
CPUID 0000000D: 00000007-00000340-00000340-00000000 [SL 00]

------[ CPUID Registers / Logical CPU #3 ]------

CPUID 00000000: {VENDOR} [GenuineIntel]
CPUID 80000008: 00003027-00000000-00000000-00000000
"""

RAW = """\
CPU 0:
   0x00000000 0x00: eax=0x00000002 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
   0x00000004 0x01: eax=0x3c004122 ebx=0x01c0003f ecx=0x0000003f edx=0x00000000
CPU 2:
   0x00000000 0x00: eax=0x00000002 ebx=0x756e6547 ecx=0x6c65746e edx=0x49656e69
"""


def answer(recording: Recording, core: int, leaf: int, subleaf: int = 0) -> Registers | None:
    return recording.source.cpuid(core, leaf, subleaf)


def test_a_dump_holds_processors_leaves_and_subleaves() -> None:
    found = instlatx64.read(AIDA, "dump.txt")
    assert found.problems == ()
    assert found.source.cpuid_cores() == (0, 3)
    assert answer(found, 0, 0) == (2, 0x756E6547, 0x6C65746E, 0x49656E69)
    assert answer(found, 0, 4, 0xA) == (0xFC01C143, 0x03C0003F, 0x7FF, 0)
    assert answer(found, 0, 4, 1) is None
    assert answer(found, 3, 0x80000008) == (0x3027, 0, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        "CPUID 00000001: 00000F29-00020809-00004400-BFEBFBFF",
        "CPUID 00000001\t00000F29-00020809-00004400-BFEBFBFF",
        "CPUID 00000001 00000F29 00020809 00004400 BFEBFBFF",
        "  CPUID 00000001: 00000f29 00020809 00004400 bfebfbff  [something]",
        "CPUID 00000001: 00000F29-00020809-00004400-BFEBFBFF\r",
    ],
)
@pytest.mark.parametrize(
    "header",
    [
        "------[ CPUID Registers / Logical CPU #7 ]------",
        "------[ Logical CPU #7 ]------",
        "CPUID Registers (CPU #7):",
        "CPU#007 AffMask: 0x00000080",
    ],
)
def test_programs_vary_headers_and_lines(header: str, line: str) -> None:
    text = f"{header}\n\n{line}\n"
    assert instlatx64.recognises(text)
    assert answer(instlatx64.read(text, "dump.txt"), 7, 1) == (0xF29, 0x20809, 0x4400, 0xBFEBFBFF)


def test_without_headers_a_processor_begins_at_leaf_0() -> None:
    lines = ["CPUID 00000000: " + VENDOR, "CPUID 00000001: 00000F29-00020809-00004400-BFEBFBFF"]
    found = instlatx64.read("\n".join(lines * 3), "dump.txt")
    assert found.source.cpuid_cores() == (0, 1, 2)


def test_a_leaf_that_is_repeated_is_its_next_subleaf() -> None:
    rows = [f"CPUID 00000004: 0000000{n}-00000000-00000000-00000000" for n in range(1, 4)]
    states = [f"CPUID 0000000D: 0000000{n}-00000000-00000000-00000000" for n in range(1, 4)]
    found = instlatx64.read("\n".join(["CPUID 00000000: " + VENDOR, *rows, *states]), "dump.txt")
    assert [answer(found, 0, 4, n) for n in range(3)] == [(1, 0, 0, 0), (2, 0, 0, 0), (3, 0, 0, 0)]
    assert answer(found, 0, 0xD, 0) == (1, 0, 0, 0)
    assert answer(found, 0, 0xD, 1) is None  # some of its subleaves are left out: the order tells nothing


def test_a_processor_that_is_there_twice_or_too_far_is_told() -> None:
    head = "------[ Logical CPU #{} ]------\nCPUID 00000001: 0000000{}-00000000-00000000-00000000\n"
    found = instlatx64.read(head.format(0, 1) + head.format(0, 2) + head.format(PROCESSORS_AT_MOST, 3), "dump.txt")
    assert found.source.cpuid_cores() == (0,)
    assert answer(found, 0, 1) == (1, 0, 0, 0)
    assert [str(problem).split(":")[0] for problem in found.problems] == ["dump.txt, line 3", "dump.txt, line 5"]


def test_a_processor_that_is_passed_over_is_none_though_it_has_leaf_0() -> None:
    far = f"------[ Logical CPU #{PROCESSORS_AT_MOST} ]------\nCPUID 00000000: {VENDOR}\n"
    assert instlatx64.read(far, "dump.txt").source.cpuid_cores() == ()


def test_what_is_wrong_with_many_processors_is_one_problem() -> None:
    text = f"------[ Logical CPU #1 ]------\nCPUID 00000000: {VENDOR}\n" * 1000
    (problem,) = instlatx64.read(text, "dump.txt").problems
    assert str(problem) == "dump.txt, line 3: processor 1 is there twice, and so are 998 more; the first counts"


def test_registers_of_cpuid_raw_are_read() -> None:
    found = raw.read(RAW, "cpuid.txt")
    assert found.problems == ()
    assert found.source.cpuid_cores() == (0, 2)
    assert answer(found, 0, 4, 1) == (0x3C004122, 0x01C0003F, 0x3F, 0)


def test_cpuid_raw_of_one_processor_has_no_number() -> None:
    text = "CPU:\n   0x00000004 0x00: eax=0x00000001 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n"
    assert answer(raw.read(text, "cpuid.txt"), 0, 4) == (1, 0, 0, 0)


def test_cpuid_raw_without_subleaves_counts_them() -> None:
    rows = "".join(f"   0x00000004: eax=0x{n:08x} ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n" for n in (7, 8))
    found = raw.read("CPU 0:\n" + rows, "cpuid.txt")
    assert [answer(found, 0, 4, n) for n in range(3)] == [(7, 0, 0, 0), (8, 0, 0, 0), None]


def test_cpuid_raw_tells_a_processor_that_is_there_twice_or_too_far() -> None:
    body = "   0x00000001 0x00: eax=0x0000000{} ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n"
    found = raw.read(
        f"CPU 1:\n{body.format(1)}CPU 1:\n{body.format(2)}CPU {PROCESSORS_AT_MOST}:\n{body.format(3)}", "cpuid.txt"
    )
    assert found.source.cpuid_cores() == (1,)
    assert answer(found, 1, 1) == (1, 0, 0, 0)
    assert len(found.problems) == 2


def test_each_format_is_recognised_by_its_own_lines() -> None:
    assert instlatx64.recognises(AIDA)
    assert not instlatx64.recognises(RAW)
    assert raw.recognises(RAW)
    assert not raw.recognises(AIDA)
    for text in ("", "CPUID of a machine", "eax=0x ebx=0x", "00:00.0 Host bridge: nobody's\n00: 86 80\n"):
        assert not instlatx64.recognises(text)
        assert not raw.recognises(text)


fragments = st.sampled_from(
    [
        VENDOR,
        "CPUID 00000000: ",
        "CPU 0:",
        "CPU#001 AffMask",
        "------[ Logical CPU #1 ]------",
        "eax=0x",
        "[SL 1F]",
        "\n",
    ]
)


@pytest.mark.parametrize("form", [instlatx64, raw], ids=["instlatx64", "raw"])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_text_is_read_without_failing(form: object, data: st.DataObject) -> None:
    assert form in (instlatx64, raw)
    read = instlatx64.read if form is instlatx64 else raw.read
    recognises = instlatx64.recognises if form is instlatx64 else raw.recognises
    text = "".join(data.draw(st.lists(fragments | st.text(max_size=12), max_size=30)))
    recognises(text)
    survey(read(text, "text").source)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_dump_that_is_cut_or_overwritten_is_read_without_failing(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([AIDA, RAW]))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.text("0123456789ABCDEFx:#-[]= \n", max_size=4)) + text[at + 2 :]
    for form in (instlatx64, raw):
        survey(form.read(text[: data.draw(st.integers(0, len(text)))], "text").source)
