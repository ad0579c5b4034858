"""Programs of AML, compiled here and run by ACPICA's interpreter: what they tell, and what becomes of those that misbehave."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from probes.acpi import acpiexec, aml, namespace
from probes.acpi.table import SHOWN
from probes.fact import Fact, Survey, addr
from probes.source import Files

pytestmark = pytest.mark.skipif(
    shutil.which("iasl") is None or shutil.which("acpiexec") is None,
    reason="iasl and acpiexec (package acpica-tools) are not installed",
)

HOST_BRIDGE = """
DefinitionBlock ("", "DSDT", 2, "OEMID", "TABLE", 1) {
  Name (APIC, 0)
  Method (_PIC, 1) { Store (Arg0, APIC) }
  Scope (\\_SB) {
    Device (LNKA) {
      Name (_HID, EisaId ("PNP0C0F"))
      Name (_CRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) {11} })
    }
    Device (PCI1) {
      Name (_HID, EisaId ("PNP0A08"))
      Name (_CID, EisaId ("PNP0A03"))
      Name (_SEG, 1)
      Name (_BBN, 0x40)
      Name (_PXM, 3)
      Name (_CRS, ResourceTemplate () {
        WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0x40, 0x7F, 0, 0x40)
        DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0, 0xD0000000, 0xDFFFFFFF, 0, 0x10000000)
        QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                     0, 0x380000000000, 0x383FFFFFFFFF, 0, 0x4000000000)
        WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x8000, 0xFFFF, 0, 0x8000)
        WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0, 0, 0, , , IOW1)
        IO (Decode16, 0xCF8, 0xCF8, 1, 8)
      })
      Method (_PRT) {
        If (APIC) { Return (Package () { Package () { 0x001FFFFF, 0, 0, 16 }, Package () { 0x0002FFFF, 3, \\_SB.LNKA, 0 } }) }
        Return (Package () { Package () { 0x0003FFFF, 0, 0, 9 } })
      }
      Device (RP01) {
        Name (_ADR, 0x001C0000)
        Name (_PRT, Package () { Package () { 0x0000FFFF, 1, 0, 17 } })
      }
    }
    Device (GPU0) { Name (_HID, "ACPI0004") Name (_PXM, 5) }
  }
}
"""


def compiled(source: str, folder: Path) -> bytes:
    (folder / "dsdt.asl").write_text(source)
    result = subprocess.run(
        ["iasl", "-p", "out", "dsdt.asl"], cwd=folder, capture_output=True, text=True, check=False, timeout=30
    )
    assert (folder / "out.aml").exists(), result.stdout + result.stderr
    return (folder / "out.aml").read_bytes()


def told(dsdt: bytes, **files: bytes) -> Survey:
    return aml.probe(Files({"/sys/firmware/acpi/tables/DSDT": dsdt, **files}))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    config = bytearray(64)
    config[0x18:0x1B] = bytes((0x40, 0x41, 0x41))
    dsdt = compiled(HOST_BRIDGE, tmp_path_factory.mktemp("asl"))
    return told(dsdt, **{"/sys/bus/pci/devices/0001:40:1c.0/config": bytes(config)})


def rows(survey: Survey, name: str) -> list[tuple[object, ...]]:
    return [fact.args for fact in survey.facts if fact.name == name]


def test_a_host_bridge_tells_its_segment_its_buses_and_where_it_is(found: Survey) -> None:
    bridge = addr(1, 0x40, 0, 0)
    assert rows(found, "rootbridge") == [(bridge, 0x40, 0x7F)]
    assert rows(found, "rootbridge_path") == [(bridge, "\\_SB.PCI1")]
    assert rows(found, "rootbridge_proximity") == [(bridge, 3)]
    assert set(rows(found, "device_proximity")) == {("\\_SB.PCI1", 3), ("\\_SB.GPU0", 5)}
    assert found.problems == ()


def test_windows_are_those_that_have_a_length_and_are_passed_on(found: Survey) -> None:
    bridge = addr(1, 0x40, 0, 0)
    assert set(rows(found, "rootbridge_address_window")) == {
        (bridge, "memory", 0xD0000000, 0xDFFFFFFF),
        (bridge, "memory", 0x380000000000, 0x383FFFFFFFFF),
        (bridge, "io", 0x8000, 0xFFFF),
    }


def test_pins_lead_where_they_do_with_io_apics(found: Survey) -> None:
    assert set(rows(found, "interrupt_route")) == {
        ("\\_SB.PCI1", 0x1F, "a", "", 16),
        ("\\_SB.PCI1", 2, "d", "\\_SB.LNKA", 11),
        ("\\_SB.PCI1.RP01", 0, "b", "", 17),
    }
    assert set(rows(found, "pci_interrupt")) == {
        (addr(1, 0x40, 0x1F, 0), "a", 16),
        (addr(1, 0x40, 2, 0), "d", 11),
        (addr(1, 0x41, 0, 0), "b", 17),  # the bus that the bridge's configuration space names
    }


LOOP = "Name (APIC, 0)\n  Scope (\\_SB) { Method (_INI) { While (1) { Noop } } }"


def test_a_loop_without_an_end_is_cut_and_told_of_and_the_rest_is_told(tmp_path: Path) -> None:
    found = told(compiled(HOST_BRIDGE.replace("Name (APIC, 0)", LOOP), tmp_path))
    assert len(rows(found, "rootbridge")) == 1
    assert [problem.cause for problem in found.problems] == ["a loop does not end: \\_SB._INI"]


def test_breakpoints_of_the_program_cost_nothing(tmp_path: Path, found: Survey) -> None:
    source = HOST_BRIDGE.replace("If (APIC) {", "BreakPoint\n        If (APIC) {")
    source = source.replace("Name (APIC, 0)", "Name (APIC, 0)\n  Scope (\\_SB) { Method (_INI) { BreakPoint } }")
    stopped = told(compiled(source, tmp_path))
    assert stopped.problems == ()
    assert rows(stopped, "interrupt_route") == rows(found, "interrupt_route")
    assert rows(stopped, "rootbridge_address_window") == rows(found, "rootbridge_address_window")


def test_breakpoints_without_an_end_are_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acpiexec, "SECONDS", 3)
    source = HOST_BRIDGE.replace("If (APIC) {", "While (1) { BreakPoint }\n        If (APIC) {")
    found = told(compiled(source, tmp_path))
    assert len(rows(found, "rootbridge")) == 1
    assert len(found.problems) <= 2


def test_a_wait_without_an_end_costs_what_comes_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acpiexec, "SECONDS", 2)
    source = HOST_BRIDGE.replace("Name (APIC, 0)", "Name (APIC, 0)\n  Event (EVNT)")
    source = source.replace("If (APIC) {", "Wait (EVNT, 0xFFFF)\n        If (APIC) {")
    found = told(compiled(source, tmp_path))
    assert len(rows(found, "rootbridge")) == 1
    assert len(rows(found, "rootbridge_address_window")) == 3
    assert [problem.cause for problem in found.problems] == ["acpiexec did not end within 2 s: a method waits for ever"]


def test_output_without_an_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acpiexec, "OUTPUT", 1 << 16)
    source = HOST_BRIDGE.replace("If (APIC) {", 'While (1) { Debug = "again" }\n        If (APIC) {')
    found = told(compiled(source, tmp_path))
    assert len(rows(found, "rootbridge")) == 1
    assert "printed more than" in found.problems[0].cause


def test_memory_without_an_end_is_bounded(tmp_path: Path) -> None:
    source = HOST_BRIDGE.replace(
        "If (APIC) {", 'Local0 = "0123456789" While (1) { Local0 = Concatenate (Local0, Local0) }\n        If (APIC) {'
    )
    found = told(compiled(source, tmp_path))
    assert len(rows(found, "rootbridge")) == 1
    assert found.problems


def test_a_method_that_fails_is_named(tmp_path: Path) -> None:
    source = HOST_BRIDGE.replace("If (APIC) {", "If (NONE) { }\n        If (APIC) {").replace(
        "Name (APIC, 0)", "External (NONE)\n  Name (APIC, 0)"
    )
    found = told(compiled(source, tmp_path))
    assert [(problem.place, problem.cause) for problem in found.problems] == [
        ("\\_SB.PCI1._PRT", "cannot be evaluated: AE_NOT_FOUND")
    ]


def test_methods_that_fail_in_numbers_are_a_few_problems(tmp_path: Path) -> None:
    failing = "\n".join(
        f'Device (F{number:03}) {{ Name (_HID, "PNP0A08") Method (_BBN) {{ Return (NONE) }} }}' for number in range(200)
    )
    source = HOST_BRIDGE.replace("Device (PCI1) {", f"{failing}\n    Device (PCI1) {{", 1)
    found = told(compiled(source.replace("Name (APIC, 0)", "External (NONE)\n  Name (APIC, 0)"), tmp_path))
    assert len(rows(found, "rootbridge")) == 2
    assert len(found.problems) <= 2 * (SHOWN + 1)


REGISTERS = """
  OperationRegion (REGS, SystemMemory, 0xE0000000, 0x100)
  Field (REGS, DWordAcc, NoLock, Preserve) { RBUS, 32 }
  Name (APIC, 0)"""


def test_what_registers_decide_is_said_to_be_so(tmp_path: Path) -> None:
    source = HOST_BRIDGE.replace("Name (APIC, 0)", REGISTERS).replace(
        "Name (_BBN, 0x40)", "Method (_BBN) { Return (RBUS) }"
    )
    found = told(compiled(source, tmp_path))
    assert rows(found, "rootbridge") == [(addr(1, 0x40, 0, 0), 0x40, 0x7F)]  # as _CRS says, which asks no register
    assert "registers decide what these tell, and were read as zero: \\_SB.PCI1._BBN" in found.problems[0].cause


def test_an_interrupt_that_a_register_tells_is_unknown(tmp_path: Path) -> None:
    static = "Name (_CRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) {11} })"
    asked = "Method (_CRS) { Local0 = RBUS Return (ResourceTemplate () { IRQ (Level, ActiveLow, Shared) {11} }) }"
    source = HOST_BRIDGE.replace("Name (APIC, 0)", REGISTERS).replace(static, asked)
    found = told(compiled(source, tmp_path))
    assert ("\\_SB.PCI1", 2, "d", "\\_SB.LNKA", "unknown") in rows(found, "interrupt_route")
    assert [row for row in rows(found, "pci_interrupt") if row[1] == "d"] == []


def test_a_bridge_that_is_not_there_is_told_as_such_and_gives_way_to_one_that_is(tmp_path: Path) -> None:
    absent = """Device (PCI0) { Name (_HID, EisaId ("PNP0A03")) Name (_SEG, 1) Name (_BBN, 0x40) Name (_STA, 0) }
    Device (PCI2) { Name (_HID, EisaId ("PNP0A03")) Name (_BBN, 0x80) Name (_STA, 0xE) }
    Device (PCI1) {"""
    found = told(compiled(HOST_BRIDGE.replace("Device (PCI1) {", absent, 1), tmp_path))
    assert rows(found, "rootbridge_present") == [(addr(1, 0x40, 0, 0), 1), (addr(0, 0x80, 0, 0), 0)]
    assert rows(found, "rootbridge_path")[0] == (addr(1, 0x40, 0, 0), "\\_SB.PCI1")
    assert rows(found, "rootbridge")[1] == (addr(0, 0x80, 0, 0), 0x80, "unknown")
    assert found.problems == ()


def test_two_bridges_on_one_bus_are_a_problem(tmp_path: Path) -> None:
    second = """Device (PCI2) { Name (_HID, EisaId ("PNP0A03")) Name (_SEG, 1) Name (_BBN, 0x40) }
    Device (PCI1) {"""
    found = told(compiled(HOST_BRIDGE.replace("Device (PCI1) {", second, 1), tmp_path))
    assert len(rows(found, "rootbridge")) == 1
    assert [problem.cause for problem in found.problems] == ["leads to the bus that \\_SB.PCI1 leads to"]


def test_links_of_one_name_are_told_apart_and_strange_entries_passed_over(tmp_path: Path) -> None:
    other = """Device (XTRA) { Device (LNKA) { Name (_HID, EisaId ("PNP0C0F"))
      Name (_CRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveLow, Shared) {35} }) } }
    Device (PCI1) {"""
    entry = "Package () { 0x0003FFFF, 0, \\_SB.XTRA.LNKA, 0 }, Package () { 0x0003FFFF, 9, 0, 5 }, "
    source = HOST_BRIDGE.replace("Device (PCI1) {", other, 1).replace(
        "Package () { 0x001FFFFF", entry + "Package () { 0x001FFFFF"
    )
    routes = rows(told(compiled(source, tmp_path)), "interrupt_route")
    assert ("\\_SB.PCI1", 3, "a", "\\_SB.XTRA.LNKA", 35) in routes
    assert ("\\_SB.PCI1", 2, "d", "\\_SB.LNKA", 11) in routes
    assert len(routes) == 4


def test_a_table_with_a_wrong_checksum_is_run(tmp_path: Path) -> None:
    dsdt = bytearray(compiled(HOST_BRIDGE, tmp_path))
    dsdt[9] ^= 0xFF
    assert len(rows(told(bytes(dsdt) + b"behind"), "rootbridge")) == 1


def test_tables_that_are_cut_or_there_twice_do_not_keep_the_others_from_running(tmp_path: Path) -> None:
    dsdt = compiled(HOST_BRIDGE, tmp_path)
    ssdt = compiled(
        """DefinitionBlock ("", "SSDT", 2, "OEMID", "MORE", 1) {
          Device (\\_SB.PCI9) { Name (_HID, EisaId ("PNP0A08")) Name (_BBN, 0x90) } }""",
        tmp_path,
    )
    folder = "/sys/firmware/acpi/tables"
    files = {f"{folder}/SSDT1": ssdt, f"{folder}/SSDT2": ssdt, f"{folder}/SSDT3": ssdt[:-4]}
    assert rows(told(dsdt, **files), "rootbridge_path") == [
        (addr(1, 0x40, 0, 0), "\\_SB.PCI1"),
        (addr(0, 0x90, 0, 0), "\\_SB.PCI9"),
    ]


@pytest.mark.parametrize("damaged", [b"DSDT" + bytes(60), b"DSDT" + bytes(10), b"DSDT\x2c\x01\x00\x00" + b"\xff" * 292])
def test_a_damaged_table_is_one_problem(damaged: bytes) -> None:
    found = told(damaged)
    assert rows(found, "rootbridge") == []
    assert len(found.problems) == 1


SMALLEST = b"DSDT\x24\0\0\0" + bytes(28)


def test_without_the_interpreter_there_is_one_problem_that_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acpiexec, "PROGRAM", "no-such-interpreter")
    found = told(SMALLEST)
    assert found.facts == ()
    assert ["acpica-tools" in problem.remedy for problem in found.problems] == [True]


def test_without_tables_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aml, "evaluate", lambda *_: pytest.fail("it was started"))
    assert aml.probe(Files({})) == Survey()


def test_a_program_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "slow"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(acpiexec, "PROGRAM", str(program))
    monkeypatch.setattr(acpiexec, "SECONDS", 1)
    assert "did not end within 1 s" in told(SMALLEST).problems[0].cause


def test_a_program_that_breaks_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "breaks"
    program.write_text("#!/bin/sh\necho '- objects device'\nkill -SEGV $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(acpiexec, "PROGRAM", str(program))
    assert "broke: Segmentation fault" in told(SMALLEST).problems[0].cause


def test_names_are_those_without_fill() -> None:
    assert namespace.normal("\\_SB_.PCI0.LNK_") == "\\_SB.PCI0.LNK"


def test_facts_are_told_once(found: Survey) -> None:
    assert len(set(found.facts)) == len(found.facts)
    assert all(isinstance(fact, Fact) for fact in found.facts)
