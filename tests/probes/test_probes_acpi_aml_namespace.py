"""What the interpreter prints, as names and values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.acpi.namespace import DEEPEST, Answer, Reference, Value, normal, read


def printed(value: str, path: str = "\\_SB_.PCI0", name: str = "_CRS", before: str = "") -> str:
    return f"""- all {name}
Executing all objects with NameSeg: {name}
{before}{path}.{name}                  returned AE_OK
Evaluation of {path}.{name} returned object 0x7f32680014f0, external buffer length 30
{value}

"""


BUFFER = """  [Buffer] Length 12 =
    0000: 88 0D 00 02 0C 00 00 00 FF 00 FF 00 00 00 01 00  // ................
    0010: 79 00                                            // y."""

PACKAGE = """  [Package] Contains 3 Elements:
    [Package] Contains 4 Elements:
      [Integer] = 000000000008FFFF
      [Integer] = 0000000000000001
      [Object Reference] = 0x55e4c8677d70 <Node>            Name LNKA Device
      [Integer] = 0000000000000000
    [Package] Contains 0 Elements:
    [String] Length 07 = "PNP0A08\""""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("  [Integer] = 000000000000003F", 0x3F),
        ('  [String] Length 08 = "ACPI0004"', "ACPI0004"),
        ('  [String] Length 00 = ""', ""),
        (BUFFER, bytes.fromhex("880D00020C000000FF00FF000000010079 00")),
        ("  [Buffer] Length 02 =     0000: 79 00                                            // y.", b"y\0"),
        ("  [Buffer] Length 04 =     0000: 79 00                                            // y.", None),
        ("  [Buffer] Length 00 = ", b""),
        (PACKAGE, ((0x8FFFF, 1, Reference("LNKA"), 0), (), "PNP0A08")),
        ("  [Processor] 0x1", None),
        ("", None),
    ],
)
def test_a_value_is_what_is_printed(value: str, expected: Value) -> None:
    assert read(printed(value)).answer("\\_SB.PCI0", "_CRS") == Answer(expected)


def test_a_reference_is_to_the_device_at_the_address_that_is_printed() -> None:
    devices = "- objects device\n                   \\_SB.XTRA.LNKA Device       0x55e4c8677d70 001 \n\n"
    value = read(devices + printed(PACKAGE)).answer("\\_SB.PCI0", "_CRS").value
    assert isinstance(value, tuple)
    assert isinstance(value[0], tuple)
    assert value[0][2] == Reference("\\_SB.XTRA.LNKA")


@pytest.mark.parametrize(
    ("line", "registers"),
    [
        (
            "AcpiExec: SystemMemory Read : Val 00000000 Addr E0000000 BitWidth 20 [REGION: BaseAddr E0000000 Len 100]\n",
            True,
        ),
        (
            "AcpiExec: SystemMemory Write: Val 00000000 Addr E0000000 BitWidth 20 [REGION: BaseAddr E0000000 Len 100]\n",
            False,
        ),
        ("AcpiExec: Region access on SpaceId 02\n", True),
    ],
)
def test_registers_count_for_the_name_that_asked_them(line: str, registers: bool) -> None:
    text = printed("  [Integer] = 0000000000000001", name="_BBN", before=line) + printed(
        "  [Integer] = 0000000000000001"
    )
    found = read(text)
    assert found.answer("\\_SB.PCI0", "_BBN") == Answer(1, registers=registers)
    assert found.answer("\\_SB.PCI0", "_CRS") == Answer(1)


def test_a_method_that_failed_is_known_by_its_exception() -> None:
    assert (
        read("\\_SB_.PCI0._SEG                  returned AE_NOT_FOUND\n").answer("\\_SB.PCI0", "_SEG").failed
        == "AE_NOT_FOUND"
    )


def test_a_loop_is_known_by_its_methods() -> None:
    line = "ACPI Error: Aborting method \\_SB.PCI0._INI due to previous error (AE_AML_LOOP_TIMEOUT) (20200925/psparse-580)\n"
    assert read(line).loops == ["\\_SB.PCI0._INI"]


def test_packages_in_packages_are_read_to_a_depth() -> None:
    deep = "\n".join(f"{'  ' * level}[Package] Contains 1 Elements:" for level in range(1, 1000))
    value: Value = read(printed(deep)).answer("\\_SB.PCI0", "_CRS").value
    depth = 0
    while isinstance(value, tuple) and value:
        value, depth = value[0], depth + 1
    assert 2 < depth <= DEEPEST


def test_names_are_those_without_fill() -> None:
    assert normal("\\_SB_.PCI0.LNK_") == "\\_SB.PCI0.LNK"


lines = st.sampled_from(
    [*printed(PACKAGE).splitlines(), *printed(BUFFER).splitlines(), "  [Buffer] Length 04 =", "", " // x"]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(lines, st.text(max_size=40)), max_size=40))
def test_any_text_is_read_without_an_exception(text: list[str]) -> None:
    read("\n".join(text))
