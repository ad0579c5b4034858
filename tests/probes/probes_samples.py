"""A case of a table: its bytes, packed by hand from the specification's tables, and the facts that they must give."""

from __future__ import annotations

import struct
from typing import NamedTuple

from probes_tables import madt_of, srat_of, table

from probes.fact import Fact, addr


class Case(NamedTuple):
    """A table with one structure of a kind, and all that it says."""

    name: str
    data: bytes
    facts: tuple[Fact, ...]


MADT_HEAD = (Fact("local_apic_address", (0xFEE00000,)), Fact("pcat_compatible", (1,)))
"""What the head of every MADT here says."""


def madt(name: str, layout: str, *values: int, says: tuple[Fact, ...], after: bytes = b"") -> Case:
    """A MADT with one structure, whose first two fields are its type and length."""
    return Case(f"MADT {name}", madt_of(struct.pack(f"<{layout}", *values) + after), (*MADT_HEAD, *says))


def srat(name: str, layout: str, *values: int, says: tuple[Fact, ...]) -> Case:
    """An SRAT with one structure."""
    return Case(f"SRAT {name}", srat_of(struct.pack(f"<{layout}", *values)), says)


MADT = (
    madt("local APIC", "BBBBI", 0, 8, 1, 2, 1, says=(Fact("apic", (1, 2, 1)),)),
    madt("I/O APIC", "BBBxII", 1, 12, 5, 0xFEC00000, 24, says=(Fact("ioapic", (5, 0xFEC00000, 24)),)),
    madt(
        "interrupt source override",
        *("BBBBIH", 2, 10, 0, 9, 20, 0xF),
        says=(Fact("interrupt_override", (0, 9, 20, "low", "level")),),
    ),
    madt("NMI source", "BBHI", 3, 8, 0x5, 7, says=(Fact("nmi_source", (7, "high", "edge")),)),
    madt("local APIC NMI", "BBBHB", 4, 6, 3, 0, 1, says=(Fact("nmi", (3, 1, "bus", "bus")),)),
    madt("local APIC NMI of all", "BBBHB", 4, 6, 0xFF, 5, 0, says=(Fact("nmi", ("all", 0, "high", "edge")),)),
    madt("I/O SAPIC", "BBBxIQ", 6, 16, 2, 16, 1 << 40, says=(Fact("io_sapic", (2, 1 << 40, 16)),)),
    madt(
        "local SAPIC of ACPI 2.0", "BBBBB3xI", 7, 12, 1, 2, 3, 1, says=(Fact("local_sapic", (1, 2, 3, "unknown", 1)),)
    ),
    madt(
        "local SAPIC with a UID string",
        *("BBBBB3xII", 7, 22, 1, 2, 3, 0, 9),
        after=b"CPU09\0",
        says=(Fact("local_sapic", (1, 2, 3, 9, 0)),),
    ),
    madt(
        "platform interrupt source",
        *("BBHBBBBII", 8, 16, 0xD, 3, 4, 5, 6, 70, 1),
        says=(Fact("platform_interrupt", ("corrected_platform_error", 70, 4, 5, 6, "high", "level")),),
    ),
    madt("x2APIC", "BB2xIII", 9, 16, 0x12345, 1, 300, says=(Fact("apic", (300, 0x12345, 1)),)),
    madt("x2APIC NMI", "BBHIB3x", 10, 12, 0xF, 300, 1, says=(Fact("nmi", (300, 1, "low", "level")),)),
    madt("x2APIC NMI of all", "BBHIB3x", 10, 12, 5, 0xFFFFFFFF, 1, says=(Fact("nmi", ("all", 1, "high", "edge")),)),
    madt(
        "GICC of ACPI 5.0",
        *("BB2xIIIIIQQ", 11, 40, 1, 2, 1, 0, 23, 0, 0x2C000000),
        says=(
            Fact("gic_cpu_interface", (2, 1, "unknown", 1, 0)),
            Fact("gic_cpu_registers", (2, 0x2C000000, "unknown", "unknown", "unknown")),
            Fact("gic_cpu_interrupt", (2, "performance", 23, "level")),
        ),
    ),
    madt(
        "GICC of ACPI 5.1",
        *("BB2xIIIIIQQQQIQQ", 11, 76, 1, 2, 0b110, 1, 23, 1 << 32, 0, 3 << 16, 4 << 16, 25, 5 << 16, 0x80000100),
        says=(
            Fact("gic_cpu_interface", (2, 1, 0x80000100, 0, 0)),
            Fact("gic_cpu_registers", (2, "unknown", 3 << 16, 4 << 16, 5 << 16)),
            Fact("gic_cpu_interrupt", (2, "performance", 23, "edge")),
            Fact("gic_cpu_interrupt", (2, "maintenance", 25, "edge")),
            Fact("gic_cpu_parking", (2, 1, 1 << 32)),
        ),
    ),
    madt(
        "GICC of ACPI 6.3",
        *("BB2xIIIIIQQQQIQQBxH", 11, 80, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x100, 2, 21),
        says=(
            Fact("gic_cpu_interface", (2, 1, 0x100, 1, 0)),
            Fact("gic_cpu_registers", (2, "unknown", "unknown", "unknown", "unknown")),
            Fact("gic_cpu_interrupt", (2, "statistical_profiling", 21, "level")),
            Fact("gic_cpu_efficiency", (2, 2)),
        ),
    ),
    madt(
        "GICC of ACPI 6.5",
        *("BB2xIIIIIQQQQIQQBxHH", 11, 82, 1, 2, 0b1000, 0, 0, 0, 0, 0, 0, 0, 0, 0x100, 0, 0, 22),
        says=(
            Fact("gic_cpu_interface", (2, 1, 0x100, 0, 1)),
            Fact("gic_cpu_registers", (2, "unknown", "unknown", "unknown", "unknown")),
            Fact("gic_cpu_interrupt", (2, "trace_buffer", 22, "level")),
            Fact("gic_cpu_efficiency", (2, 0)),
        ),
    ),
    madt(
        "GIC distributor", "BB2xIQIB3x", 12, 24, 0, 2 << 28, 0, 3, says=(Fact("gic_distributor", (0, 2 << 28, 0, 3)),)
    ),
    madt(
        "GIC distributor of no version",
        *("BB2xIQIB3x", 12, 24, 0, 2 << 28, 0, 0),
        says=(Fact("gic_distributor", (0, 2 << 28, 0, "unknown")),),
    ),
    madt(
        "GIC MSI frame that states its interrupts",
        *("BB2xIQIHH", 13, 24, 1, 3 << 28, 1, 64, 96),
        says=(Fact("gic_msi_frame", (1, 3 << 28, 64, 96)),),
    ),
    madt(
        "GIC MSI frame whose register states them",
        *("BB2xIQIHH", 13, 24, 1, 3 << 28, 0, 64, 96),
        says=(Fact("gic_msi_frame", (1, 3 << 28, "unknown", "unknown")),),
    ),
    madt(
        "GIC redistributors", "BB2xQI", 14, 16, 1 << 28, 1 << 24, says=(Fact("gic_redistributor", (1 << 28, 1 << 24)),)
    ),
    madt("GIC ITS", "BB2xIQ4x", 15, 20, 4, 1 << 29, says=(Fact("gic_its", (4, 1 << 29)),)),
    madt(
        "multiprocessor wakeup",
        "BBH4xQ",
        16,
        16,
        0,
        0x8000,
        says=(Fact("multiprocessor_wakeup", (0x8000, 0, "unknown")),),
    ),
    madt(
        "multiprocessor wakeup of ACPI 6.6",
        *("BBH4xQQ", 16, 24, 1, 0x8000, 0xFFFFFFF0),
        says=(Fact("multiprocessor_wakeup", (0x8000, 1, 0xFFFFFFF0)),),
    ),
    madt("core PIC", "BBBIII", 17, 15, 1, 8, 9, 1, says=(Fact("core_pic", (8, 9, 1)),)),
    madt(
        "legacy I/O PIC",
        *("BBBQHBBII", 18, 23, 1, 0x1FE01400, 256, 2, 3, 0x00FFFFFF, 0xFF000000),
        says=(Fact("legacy_io_pic", (0x1FE01400, 256, (2, 3), (0x00FFFFFF, 0xFF000000))),),
    ),
    madt(
        "HyperTransport PIC",
        *("BBBQH8B", 19, 21, 1, 0xE0010000000, 256, *range(8, 16)),
        says=(Fact("hypertransport_pic", (0xE0010000000, 256, tuple(range(8, 16)))),),
    ),
    madt("extended I/O PIC", "BBBBBQ", 20, 13, 1, 3, 0, 0xF, says=(Fact("extended_io_pic", (0, 3, 0xF)),)),
    madt("MSI PIC", "BBBQII", 21, 19, 1, 0x2FF00000, 64, 192, says=(Fact("msi_pic", (0x2FF00000, 64, 192)),)),
    madt(
        "bridge I/O PIC",
        "BBBQHHH",
        22,
        17,
        1,
        1 << 28,
        4096,
        0,
        64,
        says=(Fact("bridge_io_pic", (0, 1 << 28, 4096, 64)),),
    ),
    madt("LPC PIC", "BBBQHB", 23, 14, 1, 0x10002000, 4096, 19, says=(Fact("lpc_pic", (0x10002000, 4096, 19)),)),
    madt(
        "LPC PIC of a wide cascade", "BBBQHH", 23, 15, 1, 4096, 256, 0x113, says=(Fact("lpc_pic", (4096, 256, 0x113)),)
    ),
    madt(
        "RISC-V INTC of before ACPI 6.6",
        *("BBBxIQI", 24, 20, 1, 1, 1 << 40, 3),
        says=(Fact("riscv_intc", (3, 1 << 40, 1, 0, "unknown", "unknown", "unknown")),),
    ),
    madt(
        "RISC-V INTC",
        *("BBBxIQIIQI", 24, 36, 1, 2, 7, 3, 0x01000002, 0x28000000, 4096),
        says=(Fact("riscv_intc", (3, 7, 0, 1, 0x01000002, 0x28000000, 4096)),),
    ),
    madt(
        "RISC-V IMSIC",
        *("BBBxIHHBBBB", 25, 16, 1, 0, 255, 63, 1, 2, 3, 24),
        says=(Fact("riscv_imsic", (255, 63, 1, 2, 3, 24)),),
    ),
    madt(
        "RISC-V APLIC",
        *("BBBBI8sHHIQI", 26, 36, 1, 5, 0, b"", 4, 96, 128, 0xD000000, 0x8000),  # type: ignore[arg-type]
        says=(Fact("riscv_aplic", (5, 0xD000000, 0x8000, 128, 4, 96)),),
    ),
    madt(
        "RISC-V PLIC",
        *("BBBB8sHHIIQI", 27, 36, 1, 6, b"", 96, 7, 0, 0x600000, 0xC000000, 32),  # type: ignore[arg-type]
        says=(Fact("riscv_plic", (6, 0xC000000, 0x600000, 32, 96, 7)),),
    ),
    Case(
        "MADT local APIC address override",
        madt_of(struct.pack("<BB2xQ", 5, 12, 1 << 40)),
        (Fact("local_apic_address", (1 << 40,)), MADT_HEAD[1]),
    ),
)

PCI_HANDLE = struct.pack("<HBB12x", 1, 0x17, 0xF9)
ACPI_HANDLE = struct.pack("<8sI4x", b"ACPI0016", 4)
FUNCTION = addr(1, 0x17, 0x1F, 1)


def device(kind: int, handle_type: int, handle: bytes) -> bytes:
    """The affinity of a generic initiator or port."""
    return struct.pack("<BBxBI16sI4x", kind, 32, handle_type, 3, handle, 1)


SRAT = (
    srat(
        "local APIC",
        *("BBBBIBBHI", 0, 16, 4, 7, 1, 0, 3, 2, 0),
        says=(Fact("cpu_affinity", (7, 0x020304)),),
    ),
    srat(
        "memory",
        *("BBI2xQQ4xI8x", 1, 40, 1 << 31, 1 << 32, 1 << 30, 7),
        says=(Fact("memory_affinity", (1 << 32, 1 << 30, 1 << 31, ("hot_pluggable", "non_volatile"))),),
    ),
    srat("x2APIC", "BB2xIIII4x", 2, 24, 3, 0x100, 1, 0, says=(Fact("cpu_affinity", (0x100, 3)),)),
    srat("GICC", "BBIIII", 3, 18, 4, 9, 1, 0, says=(Fact("processor_affinity", (9, 4)),)),
    srat("GIC ITS", "BBI2xI", 4, 12, 1, 6, says=(Fact("gic_its_affinity", (6, 1)),)),
    Case("SRAT initiator on PCI", srat_of(device(5, 1, PCI_HANDLE)), (Fact("generic_initiator", (FUNCTION, 3)),)),
    Case(
        "SRAT initiator of ACPI",
        srat_of(device(5, 0, ACPI_HANDLE)),
        (Fact("generic_initiator_acpi", ("ACPI0016", 4, 3)),),
    ),
    Case("SRAT port on PCI", srat_of(device(6, 1, PCI_HANDLE)), (Fact("generic_port", (FUNCTION, 3)),)),
    Case("SRAT port of ACPI", srat_of(device(6, 0, ACPI_HANDLE)), (Fact("generic_port_acpi", ("ACPI0016", 4, 3)),)),
    srat("RINTC", "BB2xIIII", 7, 20, 4, 9, 1, 0, says=(Fact("processor_affinity", (9, 4)),)),
)

MCFG = (
    Case(
        "MCFG",
        table(b"MCFG", bytes(8) + struct.pack("<QHBB4xQHBB4x", 0xE0000000, 0, 0, 255, 1 << 40, 3, 16, 31)),
        (Fact("pcie_confspace", (0, 0, 255, 0xE0000000)), Fact("pcie_confspace", (3, 16, 31, 1 << 40))),
    ),
)
