"""The interrupt controller structures of the MADT, by type (ACPI 6.5, 5.2.12; 24 to 27 as in ACPI 6.6)."""

from __future__ import annotations

from collections.abc import Mapping

from probes.acpi.table import Versions, versions

HEAD = versions("Multiple APIC Description Table", "5.2.12, table 5.19", "address I, flags I")

LOCAL_APIC, IO_APIC, OVERRIDE, NMI_SOURCE, LOCAL_APIC_NMI, ADDRESS_OVERRIDE = range(6)
IO_SAPIC, LOCAL_SAPIC, PLATFORM_INTERRUPT, LOCAL_X2APIC, LOCAL_X2APIC_NMI = range(6, 11)
GICC, GICD, GIC_MSI_FRAME, GICR, GIC_ITS, WAKEUP = range(11, 17)
CORE_PIC, LIO_PIC, HT_PIC, EIO_PIC, MSI_PIC, BIO_PIC, LPC_PIC = range(17, 24)
RINTC, IMSIC, APLIC, PLIC = range(24, 28)

STRUCTURES: Mapping[int, Versions] = {
    LOCAL_APIC: versions("Processor Local APIC", "5.2.12.2", "type B, length B, processor_uid B, apic_id B, flags I"),
    IO_APIC: versions("I/O APIC", "5.2.12.3", "type B, length B, id B, - x, base I, gsi_base I"),
    OVERRIDE: versions("Interrupt Source Override", "5.2.12.5", "type B, length B, bus B, irq B, gsi I, inti H"),
    NMI_SOURCE: versions("NMI Source", "5.2.12.6", "type B, length B, inti H, gsi I"),
    LOCAL_APIC_NMI: versions("Local APIC NMI", "5.2.12.7", "type B, length B, processor_uid B, inti H, lint B"),
    ADDRESS_OVERRIDE: versions("Local APIC Address Override", "5.2.12.8", "type B, length B, - 2x, base Q"),
    IO_SAPIC: versions("I/O SAPIC", "5.2.12.9", "type B, length B, id B, - x, gsi_base I, base Q"),
    # ACPI 3.0 added the processor's UID, and behind it a UID string of any length that ends with a zero byte.
    LOCAL_SAPIC: versions(
        "Local SAPIC",
        "5.2.12.10",
        "type B, length B, processor_id B, sapic_id B, eid B, - 3x, flags I",
        "processor_uid I",
    ),
    PLATFORM_INTERRUPT: versions(
        "Platform Interrupt Sources",
        "5.2.12.11",
        "type B, length B, inti H, interrupt_type B, processor_id B, eid B, vector B, gsi I, flags I",
    ),
    LOCAL_X2APIC: versions(
        "Processor Local x2APIC", "5.2.12.12", "type B, length B, - 2x, apic_id I, flags I, processor_uid I"
    ),
    LOCAL_X2APIC_NMI: versions(
        "Local x2APIC NMI", "5.2.12.13", "type B, length B, inti H, processor_uid I, lint B, - 3x"
    ),
    # 40 bytes in ACPI 5.0, 76 in 5.1, 80 in 6.0 (its last two bytes the SPE interrupt since 6.3), 82 in 6.5.
    GICC: versions(
        "Generic Interrupt Controller",
        "5.2.12.14",
        "type B, length B, - 2x, interface I, processor_uid I, flags I, parking_version I, performance_gsi I,"
        " parked_address Q, base Q",
        "virtual_base Q, hypervisor_base Q, maintenance_gsi I, redistributor_base Q, mpidr Q",
        "efficiency_class B, - x, spe_gsi H",
        "trbe_gsi H",
    ),
    GICD: versions(
        "Generic Interrupt Distributor",
        "5.2.12.15",
        "type B, length B, - 2x, id I, base Q, gsi_base I, version B, - 3x",
    ),
    GIC_MSI_FRAME: versions(
        "Generic MSI Frame", "5.2.12.16", "type B, length B, - 2x, id I, base Q, flags I, spi_count H, spi_base H"
    ),
    GICR: versions("Generic Interrupt Redistributor", "5.2.12.17", "type B, length B, - 2x, base Q, size I"),
    GIC_ITS: versions("Generic Interrupt Translator", "5.2.12.18", "type B, length B, - 2x, id I, base Q, - 4x"),
    WAKEUP: versions(
        "Multiprocessor Wakeup",
        "5.2.12.19",
        "type B, length B, mailbox_version H, - 4x, mailbox Q",
        "reset_vector Q",
    ),
    CORE_PIC: versions(
        "Core Programmable Interrupt Controller",
        "5.2.12.20",
        "type B, length B, version B, processor_uid I, core_id I, flags I",
    ),
    LIO_PIC: versions(
        "Legacy I/O Programmable Interrupt Controller",
        "5.2.12.21",
        "type B, length B, version B, base Q, size H, cascade_0 B, cascade_1 B, cascade_map_0 I, cascade_map_1 I",
    ),
    HT_PIC: versions(
        "HyperTransport Programmable Interrupt Controller",
        "5.2.12.22",
        "type B, length B, version B, base Q, size H, cascade_0 B, cascade_1 B, cascade_2 B, cascade_3 B,"
        " cascade_4 B, cascade_5 B, cascade_6 B, cascade_7 B",
    ),
    EIO_PIC: versions(
        "Extend I/O Programmable Interrupt Controller",
        "5.2.12.23",
        "type B, length B, version B, cascade_0 B, node B, node_map Q",
    ),
    MSI_PIC: versions(
        "MSI Programmable Interrupt Controller",
        "5.2.12.24",
        "type B, length B, version B, message_address Q, start I, count I",
    ),
    BIO_PIC: versions(
        "Bridge I/O Programmable Interrupt Controller",
        "5.2.12.25",
        "type B, length B, version B, base Q, size H, id H, gsi_base H",
    ),
    # The specification gives the cascade two bytes; structures that ACPICA and Linux made known have one.
    LPC_PIC: versions(
        "LPC Programmable Interrupt Controller",
        "5.2.12.26",
        "type B, length B, version B, base Q, size H, cascade_0 B",
        "cascade_high B",
    ),
    # The first 20 bytes were defined before the structures that the others speak of.
    RINTC: versions(
        "RISC-V Interrupt Controller",
        "ACPI 6.6, 5.2.12",
        "type B, length B, version B, - x, flags I, hart_id Q, processor_uid I",
        "external_id I, imsic_base Q, imsic_size I",
    ),
    IMSIC: versions(
        "RISC-V Incoming MSI Controller",
        "ACPI 6.6, 5.2.12",
        "type B, length B, version B, - x, flags I, interrupts H, guest_interrupts H, guest_index_bits B,"
        " hart_index_bits B, group_index_bits B, group_index_shift B",
    ),
    APLIC: versions(
        "RISC-V Advanced Platform Level Interrupt Controller",
        "ACPI 6.6, 5.2.12",
        "type B, length B, version B, id B, flags I, hardware_id Q, delivery_controllers H, sources H, gsi_base I,"
        " base Q, size I",
    ),
    PLIC: versions(
        "RISC-V Platform Level Interrupt Controller",
        "ACPI 6.6, 5.2.12",
        "type B, length B, version B, id B, hardware_id Q, sources H, max_priority H, flags I, size I, base Q,"
        " gsi_base I",
    ),
}
