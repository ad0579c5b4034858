"""The text of lspci: recognised from its beginning, read with or without what `-v` adds, damaged or not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.fact import Fact, Survey, addr
from probes.pci.lspci import read, recognises
from probes.pci.probe import probe

bounded = settings(deadline=None, max_examples=200)

HERE = addr(0, 0, 0x1F, 3)

ROW_0 = "00: 86 80 34 12 06 04 10 00 02 00 03 04 10 00 00 00"
ROW_1 = "10: 04 00 00 fe 01 00 00 00 01 e0 00 00 00 00 00 00"
ROW_2 = "20: 00 00 00 00 00 00 00 00 00 00 00 00 28 10 bd 07"
ROW_3 = "30: 00 00 00 00 00 00 00 00 00 00 00 00 0b 01 00 00"
ROWS = "\n".join((ROW_0, ROW_1, ROW_2, ROW_3))


def survey(text: str) -> Survey:
    recording = read(text, "dump.txt")
    assert recording.problems == ()
    return probe(recording.source)


def rows(found: Survey, name: str) -> list[tuple[object, ...]]:
    return [fact.args[1:] for fact in found.facts if fact.name == name]


@pytest.mark.parametrize(
    "head",
    [
        "00:1f.3 Audio device: Intel Corporation Device 1234 (rev 02)",
        "00:1f.3 0403: 8086:1234 (rev 02)",
        "00:1f.3 Audio device [0403]: Intel Corporation Device [8086:1234] (rev 02)",
        "0000:00:1f.3 Audio device: Intel Corporation Device 1234",
        "00000000:00:1f.3 Audio device: Intel Corporation Device 1234",
        "00:1F.3 0403: 8086:1234",
    ],
)
@pytest.mark.parametrize("between", ["", "\tSubsystem: Dell Device 07bd\n\tFlags: fast devsel, IRQ 11\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_function_is_read_however_lspci_was_asked(head: str, between: str, end: str) -> None:
    text = f"{head}\n{between}{ROWS}\n\n".replace("\n", end)
    assert recognises(text)
    found = survey(text)
    assert rows(found, "device") == [(0x8086, 0x1234, 4, 3, 0, 2)]
    assert rows(found, "bar") == [(0, 0x1FE000000, "unknown", "memory", 64, 0), (2, 0xE000, "unknown", "io", 32, 0)]
    assert [fact.args[0] for fact in found.facts] == [HERE] * len(found.facts)


def test_a_domain_of_five_digits_is_one() -> None:
    (name, *_), *_ = (fact.args for fact in survey(f"10000:e1:00.0 Non-Volatile memory controller\n{ROWS}").facts)
    assert name == addr(0x10000, 0xE1, 0, 0)


def test_several_functions_are_told_apart() -> None:
    found = survey(f"00:00.0 one\n{ROWS}\n\n00:01.0 other\n{ROWS}\n")
    assert [fact.args[0] for fact in found.facts if fact.name == "device"] == [addr(0, 0, 0, 0), addr(0, 0, 1, 0)]


def test_what_comes_before_the_first_function_is_no_matter() -> None:
    assert rows(survey(f"$ sudo lspci -vvv -nn -xxxx\npcilib: sysfs_read_vpd failed\n00:1f.3 x\n{ROWS}"), "device")


VERBOSE = f"""00:1f.3 0403: 8086:1234 (rev 02)
\tPhysical Slot: PCIe Slot 4
\tNUMA node: 1
\tIOMMU group: 17
\tRegion 0: Memory at 1fe000000 (64-bit, non-prefetchable) [disabled] [size=16K]
\tRegion 2: I/O ports at d000 [size=64]
\t\tRegion 2: I/O ports at e000 [size=128]
\tKernel driver in use: snd_hda_intel
\tKernel modules: snd_hda_intel, snd_soc
{ROWS}
"""


def test_what_only_the_kernel_knows_is_taken_from_the_text() -> None:
    found = survey(VERBOSE)
    assert Fact("device_node", (HERE, 1)) in found.facts
    assert Fact("iommu_group", (17, HERE)) in found.facts
    assert Fact("device_driver", (HERE, "snd_hda_intel")) in found.facts
    assert Fact("physical_slot", (HERE, "PCIe Slot 4")) in found.facts


def test_a_size_counts_only_where_the_text_speaks_of_the_same_address() -> None:
    assert rows(survey(VERBOSE), "bar") == [
        (0, 0x1FE000000, 16384, "memory", 64, 0),
        (2, 0xE000, "unknown", "io", 32, 0),
    ]


def test_a_virtual_function_has_the_name_that_the_text_gives_it() -> None:
    hidden = ROWS.replace("86 80 34 12", "ff ff ff ff")
    for head in ("00:1f.3 0200: 15b3:101e", "00:1f.3 Ethernet controller [0200]: Mellanox [15b3:101e] (rev 02)"):
        assert rows(survey(f"{head}\n{hidden}"), "device") == [(0x15B3, 0x101E, 4, 3, 0, 2)]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"00:1f.3 x\n{ROW_0}\n{ROW_2}\n{ROW_3}", "do not follow those before"),
        (f"00:1f.3 x\n{ROW_0}\n{ROW_1[:-1]}\n{ROW_2}", "is damaged"),
        (f"00:1f.3 x\n{ROW_0}\n{ROW_1} 99\n", "is damaged"),
        (f"00:1f.3 x\n{ROWS}\n00:1f.3 y\n{ROWS}\n", "is there already"),
        (f"00:1f.3 x\n{ROWS}\n00000000:00:1F.3 y\n{ROWS}\n", "is there already"),
        (f"{ROW_0}\n00:1f.3 x\n{ROWS}", "bytes before the first function"),
        ("00:1f.3 x\n00:1f.4 y\n", "no configuration space"),
    ],
)
def test_damage_is_a_problem_with_its_line(text: str, cause: str) -> None:
    recording = read(text, "dump.txt")
    assert cause in recording.problems[0].cause
    assert recording.problems[0].place.startswith("dump.txt")
    probe(recording.source)


def test_a_line_that_is_missing_is_told_once() -> None:
    lines = "\n".join(f"{at:02x}: {' '.join(['00'] * 16)}" for at in range(0, 4096, 16) if at != 0x80)
    assert len(read(f"00:00.0 x\n{lines}\n", "dump.txt").problems) == 1


def test_what_is_wrong_in_many_places_is_told_once() -> None:
    text = "".join(f"00:{device:02x}.0 x\n{ROW_0}\n{ROW_2}\n" for device in range(32))
    (problem,) = read(text, "dump.txt").problems
    assert problem.place == "dump.txt, line 3, 0000:00:00.0 and 31 more"


def test_bytes_beyond_a_configuration_space_are_left_out() -> None:
    lines = "\n".join(f"{at:02x}: {' '.join(['00'] * 16)}" for at in range(0, 4096, 16))
    recording = read(f"00:00.0 x\n{lines}\n1000: {' '.join(['00'] * 16)}\n", "dump.txt")
    assert len(recording.source.read("/sys/bus/pci/devices/0000:00:00.0/config")) == 4096


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00:1f.3 Audio device",
        f"{ROWS}",
        "CPU 0:\n   0x00000000 0x00: eax=0x0000000d ebx=0x756e6547\n",
        "DSDT @ 0x00000000\n    0000: 44 53 44 54 A5 0F 00 00 01 5B 42 4F 43 48 53 20\n",
        "SRAT\n00: 86 80\n",
    ],
)
def test_other_texts_are_not_recognised(text: str) -> None:
    assert not recognises(text)


@bounded
@given(st.text(max_size=400))
def test_any_text_is_read_without_failing(text: str) -> None:
    recognises(text)
    probe(read(text, "any").source)


@bounded
@given(st.data())
def test_a_mutated_dump_is_read_without_failing(data: st.DataObject) -> None:
    text = list(VERBOSE)
    for _ in range(data.draw(st.integers(1, 12))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.text(st.sampled_from("0f9: \n\t\u2003\u0663.x[]"), max_size=3)
        )
        if not text:
            break
    probe(read("".join(text), "mutated").source)
