"""SPCR: the serial port that firmware uses as its console (Serial Port Console Redirection Table, revision 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.acpi.register import place, register
from probes.acpi.table import Entries, Table, read_head, text, versions
from probes.fact import Fact, Problem, Survey, Term, addr

HEAD = versions(
    "Serial Port Console Redirection Table",
    "table 1",
    f"interface B, - 3x, {register('port')}, interrupt_type B, irq B, gsi I, baud_rate B, parity B, stop_bits B,"
    " flow_control B, terminal B, language B, pci_device H, pci_vendor H, pci_bus B, pci_slot B, pci_function B,"
    " pci_flags I, pci_segment B",
    "clock_frequency I",
    "precise_baud_rate I, name_length H, name_offset H",
)

INTERFACES = {
    0: "uart_16550",
    1: "uart_16450",
    2: "max311xe_spi",
    3: "arm_pl011",
    4: "msm8x60",
    5: "nvidia_16550",
    6: "ti_omap",
    8: "apm88xxxx",
    9: "msm8974",
    10: "sam5250",
    11: "intel_usif",
    12: "imx6",
    13: "arm_sbsa_32",
    14: "arm_sbsa",
    15: "arm_dcc",
    16: "bcm2835",
    17: "sdm845_1_8432mhz",
    18: "uart_16550_gas",
    19: "sdm845_7_372mhz",
    20: "intel_lpss",
    21: "riscv_sbi",
}
"""Interface types, which since revision 2 are those of serial debug ports (Debug Port Table 2, table 3).

Revision 1 knew the first two only. A 16450 accepts writes to the FIFO control register of a 16550.
"""

BAUD_RATES = {3: 9600, 4: 19200, 6: 57600, 7: 115200}
"""0 leaves the rate as it is."""

TERMINALS = {0: "vt100", 1: "vt100_extended", 2: "vt_utf8", 3: "ansi"}

INTERRUPTS = {0: "pic", 1: "io_apic", 2: "io_sapic", 3: "gic", 4: "plic"}
"""Bits of the interrupt type: 0 means the IRQ field, the others the global system interrupt."""

NOT_PCI = 0xFFFF
UNKNOWN = "unknown"


def decode(table: Table) -> Entries:
    """Read the longest version of the table that is there."""
    head, problems = read_head(table, HEAD)
    return Entries((head,) if head else (), problems)


def survey(table: Table) -> Survey:
    """Return the console and how it interrupts."""
    found = decode(table)
    if not found.entries:
        return Survey(problems=found.problems)
    problems: list[Problem] = list(found.problems)
    facts = tuple(_facts(table, found.entries[0].fields, problems))
    return Survey(facts, tuple(problems))


def _facts(table: Table, fields: Mapping[str, int], problems: list[Problem]) -> Iterator[Fact]:
    space, address, _ = place(fields, "port")
    if not address:  # console redirection is disabled
        return
    rate: Term = fields.get("precise_baud_rate", 0) or BAUD_RATES.get(fields["baud_rate"], UNKNOWN)
    interface: Term = INTERFACES.get(fields["interface"], UNKNOWN)
    terminal: Term = TERMINALS.get(fields["terminal"], UNKNOWN)
    yield Fact("serial_console", (interface, space, address, rate, terminal))
    for bit, name in INTERRUPTS.items():
        if fields["interrupt_type"] >> bit & 1:
            yield Fact("serial_console_interrupt", (name, fields["irq"] if bit == 0 else fields["gsi"]))
    if fields["pci_vendor"] != NOT_PCI and fields["pci_device"] != NOT_PCI:
        where = (fields["pci_segment"], fields["pci_bus"], fields["pci_slot"], fields["pci_function"])
        if where[2] > 31 or where[3] > 7:
            problems.append(table.problem(69, f"the console is PCI device {where[2]}, function {where[3]}"))
        else:
            yield Fact("serial_console_device", (addr(*where),))
    if fields.get("name_length", 0) > 1:
        begin, end = fields["name_offset"], fields["name_offset"] + fields["name_length"]
        if begin < 88 or end > len(table.data):
            problems.append(table.problem(84, f"the console's name runs from {begin:#x} to {end:#x}"))
        elif (name := text(table.data[begin:end])) != ".":
            yield Fact("serial_console_name", (name,))
