"""Every field that ACPICA's disassembler prints, against every field that the decoders read: by offset, size and name.

`iasl -d` prints `[offset decimal size] Name : value`. Offsets and names are its own, so that a layout with a field at the wrong place,
of the wrong size, or called something that it is not, differs. Bits of flags and lists, which it prints without sizes of their own, are
compared as facts (probes_dsl).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from probes.acpi import cedt, dmar, fadt, gtdt, hmat, hpet, ivrs, madt, mcfg, msct, pptt, slit, spcr, srat
from probes.acpi.table import Entries, Entry, Table, flatten
from probes.layout import Layout

DECODERS: Mapping[str, Callable[[Table], Entries]] = {
    "apic": madt.decode,
    "cedt": cedt.decode,
    "dmar": dmar.decode,
    "facp": fadt.decode,
    "gtdt": gtdt.decode,
    "hmat": hmat.decode,
    "hpet": hpet.decode,
    "ivrs": ivrs.decode,
    "mcfg": mcfg.decode,
    "msct": msct.decode,
    "pptt": pptt.decode,
    "slit": slit.decode,
    "spcr": spcr.decode,
    "srat": srat.decode,
}

Place = tuple[int, int, str]
"""Offset, bytes, and name of a field."""

LINE = re.compile(r"^\[[0-9A-F]+h ([0-9]+) +([0-9]+)\] +(.+?) : (.*)$")

HEADER = {4: "Table Length", 8: "Revision"}

NOT_DECODED = (
    re.compile(r"Reserved\d*$|Signature$|Checksum$|Oem |Asl Compiler|PCI Path$"),
    # Lists: what is in them becomes facts, which are compared.
    re.compile(r"(Initiator|Target) Proximity Domain List$|Entry$|Private Resource$|Locality +\d+$|SMBIOS Handle$"),
    re.compile(r"Processor UID String$"),
    re.compile(r"Table Revision$"),  # of SRAT: it must be 1, for compatibility, and says nothing
)

NAMES: Mapping[str, Mapping[str, str]] = {
    "*": {
        "type": "Subtable Type",
        "length": "Length",
        "flags": "Flags",
        "inti": "Flags",
        "base": "Base Address",
        "size": "Length",
        "gsi": "Interrupt",
        "domain": "Proximity Domain",
        "processor_uid": "Processor UID",
        "processor_id": "Processor ID",
        "lint": "Interrupt Input LINT",
        "segment": "PCI Segment Number",
    },
    "Multiple APIC Description Table": {"address": "Local Apic Address"},
    "Processor Local APIC": {"processor_uid": "Processor ID", "apic_id": "Local Apic ID"},
    "I/O APIC": {"id": "I/O Apic ID", "base": "Address", "gsi_base": "Interrupt"},
    "Interrupt Source Override": {"bus": "Bus", "irq": "Source"},
    "Local APIC NMI": {"processor_uid": "Processor ID"},
    "Local APIC Address Override": {"base": "APIC Address"},
    "I/O SAPIC": {"id": "I/O Sapic ID", "gsi_base": "Interrupt Base", "base": "Address"},
    "Local SAPIC": {"sapic_id": "Local Sapic ID", "eid": "Local Sapic EID"},
    "Platform Interrupt Sources": {
        "interrupt_type": "InterruptType",
        "eid": "Processor EID",
        "vector": "I/O Sapic Vector",
    },
    "Processor Local x2APIC": {"apic_id": "Processor x2Apic ID"},
    "Generic Interrupt Controller": {
        "interface": "CPU Interface Number",
        "parking_version": "Parking Protocol Version",
        "performance_gsi": "Performance Interrupt",
        "parked_address": "Parked Address",
        "virtual_base": "Virtual GIC Base Address",
        "hypervisor_base": "Hypervisor GIC Base Address",
        "maintenance_gsi": "Virtual GIC Interrupt",
        "redistributor_base": "Redistributor Base Address",
        "mpidr": "ARM MPIDR",
        "efficiency_class": "Efficiency Class",
        "spe_gsi": "SPE Overflow Interrupt",
    },
    "Generic Interrupt Distributor": {
        "id": "Local GIC Hardware ID",
        "gsi_base": "Interrupt Base",
        "version": "Version",
    },
    "Generic MSI Frame": {"id": "MSI Frame ID", "spi_count": "SPI Count", "spi_base": "SPI Base"},
    "Generic Interrupt Translator": {"id": "Translation ID"},
    "Processor Local APIC/SAPIC Affinity": {
        "domain": "Proximity Domain Low(8)",
        "apic_id": "Apic ID",
        "sapic_eid": "Local Sapic EID",
        "clock_domain": "Clock Domain",
    },
    "Memory Affinity": {"size": "Address Length"},
    "Processor Local x2APIC Affinity": {"apic_id": "Apic ID", "clock_domain": "Clock Domain"},
    "GICC Affinity": {"processor_uid": "Acpi Processor UID", "clock_domain": "Clock Domain"},
    "GIC ITS Affinity": {"id": "ITS ID"},
    "Generic Initiator Affinity": {"handle_type": "Device Handle Type"},
    "System Locality Information Table": {"count": "Localities"},
    "Configuration Space Base Address Allocation": {
        "segment": "Segment Group Number",
        "bus_low": "Start Bus Number",
        "bus_high": "End Bus Number",
    },
    "Memory Proximity Domain Attributes": {
        "type": "Structure Type",
        "initiator": "Attached Initiator Proximity Domain",
        "domain": "Memory Proximity Domain",
    },
    "System Locality Latency and Bandwidth Information": {
        "type": "Structure Type",
        "data_type": "Data Type",
        "initiators": "Initiator Proximity Domains #",
        "targets": "Target Proximity Domains #",
        "base_unit": "Entry Base Unit",
    },
    "Memory Side Cache Information": {
        "type": "Structure Type",
        "domain": "Memory Proximity Domain",
        "size": "Memory Side Cache Size",
        "attributes": "Cache Attributes",
        "smbios_handles": "SMBIOS Handle #",
    },
    "Processor Hierarchy Node": {
        "parent": "Parent",
        "processor_uid": "ACPI Processor ID",
        "resources": "Private Resource Number",
    },
    "Cache Type": {
        "next": "Next Level of Cache",
        "size": "Size",
        "sets": "Number of Sets",
        "ways": "Associativity",
        "attributes": "Attributes",
        "line_size": "Line Size",
    },
    "ID": {
        "vendor": "Vendor ID",
        "level_1": "Level1 ID",
        "level_2": "Level2 ID",
        "major": "Major revision",
        "minor": "Minor revision",
        "spin": "Spin revision",
    },
    "DMA Remapping Reporting Structure": {"host_address_width": "Host Address Width"},
    "Hardware Unit Definition": {"base": "Register Base Address"},
    "Reserved Memory Region": {"limit": "End Address (limit)"},
    "ACPI Namespace Device Declaration": {"number": "Device Number"},
    "Device Scope": {
        "type": "Device Scope Type",
        "length": "Entry Length",
        "enumeration": "Enumeration ID",
        "bus": "PCI Bus Number",
    },
    "I/O Virtualization Reporting Structure": {"information": "Virtualization Info"},
    "Hardware Definition Block": {
        "device": "DeviceId",
        "capability": "Capability Offset",
        "segment": "PCI Segment Group",
        "information": "Virtualization Info",
        "features": "Feature Reporting",
        "attributes": "Attributes",
        "features_image": "EFR Image",
    },
    "Memory Definition Block": {
        "device": "DeviceId",
        "auxiliary": "Auxiliary Data",
        "base": "Start Address",
        "size": "Memory Length",
    },
    "Device Entry": {
        "type": "Entry Type",
        "device": "Device ID",
        "settings": "Data Setting",
        "source": "Source Used Device ID",
        "extended": "Extended Data",
        "handle": "Handle",
        "variety": "Variety",
    },
    "High Precision Event Timer": {
        "block_id": "Hardware Block ID",
        "number": "Sequence Number",
        "min_tick": "Minimum Clock Ticks",
    },
    "Serial Port Console Redirection Table": {
        "interface": "Interface Type",
        "interrupt_type": "Interrupt Type",
        "irq": "PCAT-compatible IRQ",
        "baud_rate": "Baud Rate",
        "parity": "Parity",
        "stop_bits": "Stop Bits",
        "flow_control": "Flow Control",
        "terminal": "Terminal Type",
        "pci_device": "PCI Device ID",
        "pci_vendor": "PCI Vendor ID",
        "pci_bus": "PCI Bus",
        "pci_slot": "PCI Device",
        "pci_function": "PCI Function",
        "pci_flags": "PCI Flags",
        "pci_segment": "PCI Segment",
    },
    "Maximum System Characteristics Table": {
        "offset": "Proximity Offset",
        "domains": "Max Proximity Domains",
        "clock_domains": "Max Clock Domains",
        "physical_address": "Max Physical Address",
    },
    "Maximum Proximity Domain Information": {
        "revision": "Revision",
        "low": "Domain Range Start",
        "high": "Domain Range End",
        "processors": "Processor Capacity",
        "memory": "Memory Capacity",
    },
    "Generic Timer Description Table": {
        "counter": "Counter Block Address",
        "secure_el1_gsi": "Secure EL1 Interrupt",
        "secure_el1_flags": "EL1 Flags",
        "el1_gsi": "Non-Secure EL1 Interrupt",
        "el1_flags": "NEL1 Flags",
        "virtual_gsi": "Virtual Timer Interrupt",
        "virtual_flags": "VT Flags",
        "el2_gsi": "Non-Secure EL2 Interrupt",
        "el2_flags": "NEL2 Flags",
        "counter_read": "Counter Read Block Address",
        "timers": "Platform Timer Count",
        "timers_offset": "Platform Timer Offset",
        "el2_virtual_gsi": "Virtual EL2 Timer GSIV",
        "el2_virtual_flags": "Virtual EL2 Timer Flags",
    },
    "Generic Timer Block": {"base": "Block Address", "frames": "Timer Count", "frames_offset": "Timer Offset"},
    "Generic Timer Block Timer": {
        "number": "Frame Number",
        "el0_base": "EL0 Base Address",
        "gsi": "Timer Interrupt",
        "flags": "Timer Flags",
        "virtual_gsi": "Virtual Timer Interrupt",
        "virtual_flags": "Virtual Timer Flags",
        "common_flags": "Common Flags",
    },
    "Generic Watchdog Timer": {
        "refresh": "Refresh Frame Address",
        "control": "Control Frame Address",
        "gsi": "Timer Interrupt",
        "flags": "Timer Flags",
    },
    "Fixed ACPI Description Table": {
        "facs_32": "FACS Address",
        "dsdt_32": "DSDT Address",
        "model": "Model",
        "profile": "PM Profile",
        "sci": "SCI Interrupt",
        "smi_command": "SMI Command Port",
        "acpi_enable": "ACPI Enable Value",
        "acpi_disable": "ACPI Disable Value",
        "s4bios": "S4BIOS Command",
        "pstate_control": "P-State Control",
        "pm1a_event_port": "PM1A Event Block Address",
        "pm1b_event_port": "PM1B Event Block Address",
        "pm1a_control_port": "PM1A Control Block Address",
        "pm1b_control_port": "PM1B Control Block Address",
        "pm2_control_port": "PM2 Control Block Address",
        "pm_timer_port": "PM Timer Block Address",
        "gpe0_port": "GPE0 Block Address",
        "gpe1_port": "GPE1 Block Address",
        "pm1_event_length": "PM1 Event Block Length",
        "pm1_control_length": "PM1 Control Block Length",
        "pm2_control_length": "PM2 Control Block Length",
        "pm_timer_length": "PM Timer Block Length",
        "gpe0_length": "GPE0 Block Length",
        "gpe1_length": "GPE1 Block Length",
        "gpe1_base": "GPE1 Base Offset",
        "cst_control": "_CST Support",
        "c2_latency": "C2 Latency",
        "c3_latency": "C3 Latency",
        "flush_size": "CPU Cache Size",
        "flush_stride": "Cache Flush Stride",
        "duty_offset": "Duty Cycle Offset",
        "duty_width": "Duty Cycle Width",
        "day_alarm": "RTC Day Alarm Index",
        "month_alarm": "RTC Month Alarm Index",
        "century": "RTC Century Index",
        "boot_flags": "Boot Flags",
        "reset_value": "Value to cause reset",
        "arm_flags": "ARM Flags",
        "minor": "FADT Minor Revision",
        "facs": "FACS Address",
        "dsdt": "DSDT Address",
        "hypervisor": "Hypervisor ID",
    },
}

REGISTER = {
    "space": "Space ID",
    "bits": "Bit Width",
    "bit_offset": "Bit Offset",
    "access": "Encoded Access Width",
    "address": "Address",
}

JOINED: Mapping[tuple[str, str, str], str] = {
    ("Processor Local APIC/SAPIC Affinity", "domain_middle", "domain_high"): "Proximity Domain High(24)",
    ("Generic Initiator Affinity", "handle_low", "handle_high"): "Device Handle",
}
"""Fields that the disassembler prints as one."""

NEWER = {
    ("System Locality Latency and Bandwidth Information", "min_transfer_size"),
    ("Memory Side Cache Information", "address_mode"),
    ("Hardware Unit Definition", "size"),
    ("Device Scope", "flags"),
    ("Hardware Definition Block", "features_image_2"),
    ("Serial Port Console Redirection Table", "language"),
    ("Serial Port Console Redirection Table", "clock_frequency"),
}
"""Fields that were reserved when the disassembler (20200925, ACPI 6.3) was written, and that it prints as such."""

OLDER = {("Memory Proximity Domain Attributes", "base"), ("Memory Proximity Domain Attributes", "size")}
"""Fields of HMAT revision 1 that were reserved by then."""


def expected(text: str) -> dict[Place, int]:
    """The fields that a disassembly prints."""
    found: dict[Place, int] = {}
    for line in text.split("Raw Table Data")[0].splitlines():
        field = LINE.match(line.rstrip())
        if field is None or "[Generic Address Structure]" in line:
            continue
        name = field[3].split("(decoded below)")[0].strip()
        if any(pattern.match(name) for pattern in NOT_DECODED):
            continue
        found[int(field[1]), int(field[2]), name] = _value(field[4], name)
    return found


def _value(printed: str, name: str) -> int:
    digits = printed.split("[")[0].strip()
    if name == "Device Handle":  # bytes in the order that they have in memory
        return int.from_bytes(bytes.fromhex(digits), "little")
    return int(digits.replace(" ", ""), 16)


def told(kind: str, table: Table) -> dict[Place, int]:
    """The fields that the decoders read of a table."""
    found: dict[Place, int] = {(4, 4, HEADER[4]): table.length, (8, 1, HEADER[8]): table.revision}
    for entry in flatten(DECODERS[kind](table).entries):
        if entry.layout is None:
            found[entry.offset, 1, "Subtable Type"] = entry.type
            found[entry.offset + 1, 1, "Length"] = entry.length
            continue
        found.update(_fields(entry, entry.layout))
    return found


def _fields(entry: Entry, layout: Layout) -> Iterator[tuple[Place, int]]:
    joined = {
        name: (pair, shown)
        for *pair, shown in ((a, b, s) for (n, a, b), s in JOINED.items() if n == layout.name)
        for name in pair
    }
    offsets = dict(places(layout))
    for name, (at, size) in offsets.items():
        if (layout.name, name) in NEWER | OLDER:
            continue
        if name in joined:
            (low, high), shown = joined[name]
            if name == low:
                width = size + offsets[high][1]
                value = entry.fields[low] | entry.fields[high] << 8 * size
                yield (entry.offset + at, width, shown), value
            continue
        yield (entry.offset + at, size, shown_name(layout.name, name)), entry.fields[name]


def shown_name(layout: str, field: str) -> str:
    """The name that the disassembler has for a field of a layout."""
    known = {**NAMES["*"], **NAMES.get(layout, {})}
    if field in known:
        return known[field]
    part = next((part for part in sorted(REGISTER, key=len, reverse=True) if field.endswith(f"_{part}")), None)
    return REGISTER[part] if part else field


SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}


def places(layout: Layout) -> Iterator[tuple[str, tuple[int, int]]]:
    """Offset and size of each field of a layout."""
    at = 0
    for name, code in layout.fields:
        size = SIZES[code] if name != "-" else int(code[:-1] or 1)
        if name != "-":
            yield name, (at, size)
        at += size
