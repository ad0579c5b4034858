"""What ACPICA's disassembler says of a table, read back as the facts it should become.

`iasl -d` prints a data table as `[offset decimal length] Name : value`, structures inside it beginning with a line `Subtable Type` or the
like. That reading is independent of the decoders under test. What it shows of fields by offset is in probes_dsl_fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from probes.fact import addr

LINE = re.compile(r"^(?:\[[0-9A-F]+h ([0-9]+) +[0-9]+\])? +([^:\[]+?) : (.*)$")

POLARITY = {0: "bus", 1: "high", 3: "low"}
TRIGGER = {0: "bus", 1: "edge", 3: "level"}
MODE = {0: "level", 1: "edge"}
SENSE = {0: "high", 1: "low"}

Facts = set[tuple[str, tuple[Any, ...]]]
Fields = Mapping[str, str]


def structures(text: str, *first_fields: str) -> Iterator[dict[str, str]]:
    """The structures of a table, each as its fields; the first holds those before any structure.

    Of a name that comes twice the first value is kept, and all of them under the name with " #all".
    """
    begin = first_fields or ("Subtable Type",)
    found: dict[str, str] = {}
    for line in text.split("Raw Table Data")[0].splitlines():
        field = LINE.match(line.rstrip())
        if field is None:
            continue
        name, value = field[2].split("(decoded below)")[0].strip(), field[3].strip()
        if name in begin:
            yield found
            found = {"offset": field[1]}
        found.setdefault(name, value)
        found[f"{name} #all"] = f"{found[f'{name} #all']}|{value}" if f"{name} #all" in found else value
    yield found


def names(text: str) -> list[str]:
    """The names of the structures of a table, in order."""
    return [
        found[1]
        for fields in list(structures(text, "Subtable Type", "Structure Type"))[1:]
        if (found := re.search(r"\[(.*)\]", fields.get("Subtable Type") or fields["Structure Type"])) is not None
    ]


def header(text: str) -> tuple[str, int, int, str]:
    """What acpi_table should say."""
    fields = next(structures(text))
    signature, oem_id = (re.search(r'"(.*?)"', fields[name]) for name in ("Signature", "Oem ID"))
    assert signature is not None
    assert oem_id is not None
    return signature[1], number(fields, "Revision"), number(fields, "Table Length"), oem_id[1].rstrip()


def number(fields: Fields, name: str) -> int:
    """The value of a field; those of flags are printed without a type."""
    return int(fields[name].split()[0], 16)


def numbers(fields: Fields, *wanted: str) -> tuple[int, ...]:
    """The values of some fields."""
    return tuple(number(fields, name) for name in wanted)


def every(fields: Fields, name: str) -> list[int]:
    """All values of a field that comes again and again."""
    return [int(value.split()[0], 16) for value in fields.get(f"{name} #all", "").split("|") if value]


def madt(text: str) -> Facts:
    """The facts of a MADT."""
    head, *entries = structures(text)
    facts: Facts = {("pcat_compatible", numbers(head, "PC-AT Compatibility"))}
    address = number(head, "Local Apic Address")
    for fields in entries:
        kind = number(fields, "Subtable Type")
        if kind in (0, 9):
            ids = ("Processor ID", "Local Apic ID") if kind == 0 else ("Processor UID", "Processor x2Apic ID")
            facts.add(("apic", numbers(fields, *ids, "Processor Enabled")))
            if number(head, "Revision") >= 5 and number(fields, "Flags") & 3 == 2:  # not printed of an x2APIC
                facts.add(("apic_online_capable", numbers(fields, *ids)))
        elif kind == 1:
            facts.add(("ioapic", numbers(fields, "I/O Apic ID", "Address", "Interrupt")))
        elif kind == 2:
            wires = numbers(fields, "Bus", "Source", "Interrupt")
            facts.add(("interrupt_override", (*wires, *_inti(fields))))
        elif kind == 3:
            facts.add(("nmi_source", (number(fields, "Interrupt"), *_inti(fields))))
        elif kind in (4, 10):
            uid = number(fields, "Processor ID" if kind == 4 else "Processor UID")
            who = "all" if uid == (0xFF if kind == 4 else 0xFFFFFFFF) else uid
            facts.add(("nmi", (who, number(fields, "Interrupt Input LINT"), *_inti(fields))))
        elif kind == 5:
            address = number(fields, "APIC Address")
        elif kind == 11:
            facts |= _gicc(fields)
        elif kind == 12:
            version = number(fields, "Version")
            where = numbers(fields, "Local GIC Hardware ID", "Base Address", "Interrupt Base")
            facts.add(("gic_distributor", (*where, version or "unknown")))
        elif kind == 13:
            selected = number(fields, "Select SPI")
            spis = numbers(fields, "SPI Count", "SPI Base") if selected else ("unknown", "unknown")
            facts.add(("gic_msi_frame", (*numbers(fields, "MSI Frame ID", "Base Address"), *spis)))
        elif kind == 14:
            facts.add(("gic_redistributor", (number(fields, "Base Address"), every(fields, "Length")[1])))
        elif kind == 15:
            facts.add(("gic_its", numbers(fields, "Translation ID", "Base Address")))
    return facts | ({("local_apic_address", (address,))} if address else set())


def _gicc(fields: Fields) -> Facts:
    uid = number(fields, "Processor UID")
    capable = number(fields, "Flags") >> 3 & 1  # printed by later disassemblers only
    short = number(fields, "Length") < 80
    facts: Facts = {
        (
            "gic_cpu_interface",
            (uid, *numbers(fields, "CPU Interface Number", "ARM MPIDR", "Processor Enabled"), capable),
        ),
        (
            "gic_cpu_registers",
            (
                uid,
                *(
                    number(fields, f"{name}Base Address") or "unknown"
                    for name in ("", "Virtual GIC ", "Hypervisor GIC ", "Redistributor ")
                ),
            ),
        ),
    }
    for what, name, mode in (
        ("performance", "Performance Interrupt", "Performance Interrupt Trigger Mode"),
        ("maintenance", "Virtual GIC Interrupt", "Virtual GIC Interrupt Trigger Mode"),
    ):
        if number(fields, name):
            facts.add(("gic_cpu_interrupt", (uid, what, number(fields, name), MODE[number(fields, mode)])))
    if not short:
        facts.add(("gic_cpu_efficiency", (uid, number(fields, "Efficiency Class"))))
        if number(fields, "SPE Overflow Interrupt"):
            facts.add(
                (
                    "gic_cpu_interrupt",
                    (uid, "statistical_profiling", number(fields, "SPE Overflow Interrupt"), "level"),
                )
            )
    if number(fields, "Parking Protocol Version"):
        facts.add(("gic_cpu_parking", (uid, *numbers(fields, "Parking Protocol Version", "Parked Address"))))
    return facts


def srat(text: str) -> Facts:
    """The facts of an SRAT."""
    facts: Facts = set()
    for fields in list(structures(text))[1:]:
        kind = number(fields, "Subtable Type")
        if not number(fields, "Enabled") if "Enabled" in fields else kind != 4:
            continue
        if kind == 0:
            domain = number(fields, "Proximity Domain Low(8)") | number(fields, "Proximity Domain High(24)") << 8
            facts.add(("cpu_affinity", (number(fields, "Apic ID"), domain)))
        elif kind == 2:
            facts.add(("cpu_affinity", (number(fields, "Apic ID"), number(fields, "Proximity Domain"))))
        elif kind == 3:
            uid = number(fields, "Acpi Processor UID")
            facts.add(("processor_affinity", (uid, number(fields, "Proximity Domain"))))
        elif kind == 4:
            facts.add(("gic_its_affinity", numbers(fields, "ITS ID", "Proximity Domain")))
        elif kind == 1 and number(fields, "Address Length"):
            flags = _set(fields, {"Hot Pluggable": "hot_pluggable", "Non-Volatile": "non_volatile"})
            where = numbers(fields, "Base Address", "Address Length", "Proximity Domain")
            facts.add(("memory_affinity", (*where, flags)))
    return facts


def slit(text: str) -> Facts:
    """The facts of a SLIT."""
    facts: Facts = set()
    row: re.Match[str] | None = None
    for line in text.splitlines():
        row = re.match(r"^\[.*\] +Locality +([0-9A-F]+) : ([0-9A-F ]+)$", line.rstrip())
        if row:
            for target, distance in enumerate(row[2].split()):
                facts.add(("node_distance", (int(row[1]), target, int(distance, 16))))
    return facts


def mcfg(text: str) -> Facts:
    """The facts of an MCFG."""
    names_ = ("Segment Group Number", "Start Bus Number", "End Bus Number", "Base Address")
    allocations = list(structures(text, "Base Address"))[1:]
    return {("pcie_confspace", numbers(fields, *names_)) for fields in allocations}


def hmat(text: str) -> Facts:
    """The facts of an HMAT of revision 2."""
    facts: Facts = set()
    for fields in list(structures(text, "Structure Type"))[1:]:
        kind = number(fields, "Structure Type")
        if kind == 0 and number(fields, "Processor Proximity Domain Valid"):
            pair = numbers(fields, "Memory Proximity Domain", "Attached Initiator Proximity Domain")
            facts.add(("memory_initiator", pair))
        elif kind == 1:
            level, data = numbers(fields, "Memory Hierarchy", "Data Type")
            name = ("memory_side_cache_" if level else "memory_") + ("latency" if data < 3 else "bandwidth")
            how = ((level,) if level else ()) + (("access", "read", "write")[data % 3],)
            initiators = every(fields, "Initiator Proximity Domain List")
            targets = every(fields, "Target Proximity Domain List")
            pairs = [(initiator, target) for initiator in initiators for target in targets]
            for pair, value in zip(pairs, every(fields, "Entry"), strict=True):
                if value not in (0, 0xFFFF):
                    facts.add((name, (*pair, *how, value * number(fields, "Entry Base Unit"))))
        elif kind == 2:
            sizes = numbers(fields, "Cache Level", "Total Cache Levels", "Memory Side Cache Size")
            associativity = ("none", "direct_mapped", "complex")[number(fields, "Cache Associativity")]
            policy = ("none", "write_back", "write_through")[number(fields, "Write Policy")]
            line = number(fields, "Cache Line Size")
            domain = number(fields, "Memory Proximity Domain")
            facts.add(("memory_side_cache", (domain, *sizes, associativity, policy, line)))
    return facts


def pptt(text: str) -> Facts:
    """The facts of a PPTT."""
    head, *entries = structures(text)
    late = number(head, "Revision") >= 2
    kinds = {int(fields["offset"]): number(fields, "Subtable Type") for fields in entries}
    facts: Facts = set()
    for fields in entries:
        at, kind = int(fields["offset"]), number(fields, "Subtable Type")
        if kind == 0:
            uid = number(fields, "ACPI Processor ID") if number(fields, "ACPI Processor ID valid") else "none"
            since = numbers(fields, "Processor is a thread", "Node is a leaf", "Identical Implementation")
            shown = since if late else ("unknown",) * 3
            parent = number(fields, "Parent") or "none"
            facts.add(("processor_node", (at, parent, uid, number(fields, "Physical package"), *shown)))
            for resource in every(fields, "Private Resource"):
                what = {1: "processor_node_cache", 2: "processor_node_id"}[kinds[resource]]
                facts.add((what, (at, resource)))
        elif kind == 1:
            types = {0: "data", 1: "instruction"}
            sizes = {"Size": "size", "Number of Sets": "sets", "Associativity": "ways", "Line Size": "line"}
            size, sets, ways, line = (
                number(fields, name) if number(fields, f"{name} valid") else "unknown" for name in sizes
            )
            valid = number(fields, "Cache Type valid")
            what = types.get(number(fields, "Cache Type"), "unified") if valid else "unknown"
            following = number(fields, "Next Level of Cache") or "none"
            facts.add(("processor_cache", (at, what, size, sets, ways, line, following)))
            if number(fields, "Allocation Type valid") or number(fields, "Write Policy valid"):
                writes = ("write_back", "write_through")[number(fields, "Write Policy")]
                allocates = ("read", "write", "read_write", "read_write")[number(fields, "Allocation Type")]
                write = writes if number(fields, "Write Policy valid") else "unknown"
                allocation = allocates if number(fields, "Allocation Type valid") else "unknown"
                facts.add(("processor_cache_policy", (at, write, allocation)))
        else:
            vendor = number(fields, "Vendor ID").to_bytes(4, "little").rstrip(b"\0").decode()
            rest = numbers(fields, "Level1 ID", "Level2 ID", "Major revision", "Minor revision", "Spin revision")
            facts.add(("processor_id", (at, vendor, *rest)))
    return facts


def dmar(text: str) -> Facts:
    """The facts of a DMAR."""
    head, *entries = structures(text, "Subtable Type", "Device Scope Type")
    flags = ("interrupt_remapping", "x2apic_opt_out", "dma_control_opt_in")
    are_set = tuple(name for bit, name in enumerate(flags) if number(head, "Flags") >> bit & 1)
    facts: Facts = {("dmar_platform", (number(head, "Host Address Width") + 1, are_set))}
    place, segment = -1, 0
    types = {1: "pci_endpoint", 2: "pci_bridge", 3: "ioapic", 4: "hpet", 5: "acpi_namespace"}
    for fields in entries:
        if "Device Scope Type" in fields:
            path = tuple(int(step, 16) for step in fields["PCI Path"].split(","))
            bus = number(fields, "PCI Bus Number")
            where = addr(segment, bus, *path) if len(path) == 2 else "unknown"
            what = types[number(fields, "Device Scope Type")]
            facts.add(("dmar_device", (place, what, number(fields, "Enumeration ID"), where, bus, path)))
            continue
        place += 1
        kind = number(fields, "Subtable Type")
        segment = number(fields, "PCI Segment Number") if "PCI Segment Number" in fields else 0
        if kind == 0:
            base = number(fields, "Register Base Address")
            facts.add(("dmar_unit", (place, segment, base, 4096, number(fields, "Flags") & 1)))
        elif kind == 1:
            base, limit = numbers(fields, "Base Address", "End Address (limit)")
            facts.add(("dmar_reserved_memory", (place, segment, base, limit + 1 - base)))
        elif kind == 2:
            facts.add(("dmar_root_ports", (place, segment, number(fields, "Flags") & 1)))
        elif kind == 3:
            facts.add(("dmar_unit_affinity", numbers(fields, "Base Address", "Proximity Domain")))
        elif kind == 4:
            facts.add(("dmar_acpi_device", (number(fields, "Device Number"), fields["Device Name"].strip('"'))))
    return facts


UNIT_FLAGS = (
    "ht_tunnel",
    "pass_posted_writes",
    "response_pass_posted_writes",
    "isochronous",
    "iotlb",
    "coherent",
    "prefetch",
    "page_requests",
)


def ivrs(text: str) -> Facts:
    """The facts of an IVRS, as far as the disassembler tells entries apart."""
    head, *entries = structures(text, "Subtable Type", "Entry Type")
    information = number(head, "Virtualization Info")
    names_ = {0: "extended_features", 1: "dma_remapping_opt_in", 22: "ht_ats_reserved"}
    are_set = tuple(name for bit, name in names_.items() if information >> bit & 1)
    guest = 48 if information >> 5 & 7 == 2 else "unknown"
    facts: Facts = {("ivrs_platform", (guest, information >> 8 & 127, information >> 15 & 127, are_set))}
    place, segment, start = -1, 0, (0, 0)
    for fields in entries:
        if "Subtable Type" in fields:
            place += 1
            kind, flags = numbers(fields, "Subtable Type", "Flags")
            if kind in (0x10, 0x11, 0x40):
                segment = number(fields, "PCI Segment Group")
                shown = tuple(name for bit, name in enumerate(UNIT_FLAGS) if flags >> bit & 1)
                where = _function(segment, number(fields, "DeviceId"))
                rest = numbers(fields, "Capability Offset", "Base Address")
                facts.add(("ivrs_unit", (place, kind, where, *rest, shown)))
                if kind != 0x10 and number(fields, "EFR Image"):
                    facts.add(("ivrs_unit_features", (place, number(fields, "EFR Image"), 0)))
            continue
        kind, device, setting = numbers(fields, "Entry Type", "Device ID", "Data Setting")
        if kind == 72:
            variety = {1: "ioapic", 2: "hpet"}[number(fields, "Variety")]
            source = _function(segment, number(fields, "Source Used Device ID"))
            facts.add(("ivrs_special_device", (place, variety, number(fields, "Handle"), source, _settings(setting))))
        elif kind in (3, 67):
            start = (kind, device)
            alias = _function(segment, number(fields, "Source Used Device ID")) if kind == 67 else "none"
            what = "range" if kind == 3 else "alias_range"
        elif kind == 4:
            ends = (_function(segment, start[1]), _function(segment, device))
            facts.add(("ivrs_device", (place, what, *ends, alias, ())))
        elif kind == 2:
            one = _function(segment, device)
            facts.add(("ivrs_device", (place, "select", one, one, "none", _settings(setting))))
    return facts


def _function(segment: int, device: int) -> Any:
    return addr(segment, device >> 8, device >> 3 & 31, device & 7)


def _settings(value: int) -> tuple[str, ...]:
    names_ = (
        "init_pass external_interrupt_pass nmi_pass - system_management_0 system_management_1 lint0_pass lint1_pass"
    )
    return tuple(name for bit, name in enumerate(names_.split()) if value >> bit & 1 and name != "-")


FADT_FLAGS = {
    "WBINVD instruction is operational (V1)": "wbinvd",
    "WBINVD flushes all caches (V1)": "wbinvd_flush",
    "All CPUs support C1 (V1)": "proc_c1",
    "C2 works on MP system (V1)": "p_lvl2_up",
    "Control Method Power Button (V1)": "pwr_button",
    "Control Method Sleep Button (V1)": "slp_button",
    "RTC wake not in fixed reg space (V1)": "fix_rtc",
    "RTC can wake system from S4 (V1)": "rtc_s4",
    "32-bit PM Timer (V1)": "tmr_val_ext",
    "Docking Supported (V1)": "dck_cap",
    "Reset Register Supported (V2)": "reset_reg_sup",
    "Sealed Case (V3)": "sealed_case",
    "Headless - No Video (V3)": "headless",
    "Use native instr after SLP_TYPx (V3)": "cpu_sw_slp",
    "PCIEXP_WAK Bits Supported (V4)": "pci_exp_wak",
    "Use Platform Timer (V4)": "use_platform_clock",
    "RTC_STS valid on S4 wake (V4)": "s4_rtc_sts_valid",
    "Remote Power-on capable (V4)": "remote_power_on_capable",
    "Use APIC Cluster Model (V4)": "force_apic_cluster_model",
    "Use APIC Physical Destination Mode (V4)": "force_apic_physical_destination_mode",
    "Hardware Reduced (V5)": "hw_reduced_acpi",
    "Low Power S0 Idle (V5)": "low_power_s0_idle_capable",
}
BOOT_FLAGS = {
    "Legacy Devices Supported (V2)": "legacy_devices",
    "8042 Present on ports 60/64 (V2)": "i8042",
    "VGA Not Present (V4)": "vga_not_present",
    "MSI Not Supported (V4)": "msi_not_supported",
    "PCIe ASPM Not Supported (V4)": "pcie_aspm_controls",
    "CMOS RTC Not Present (V5)": "cmos_rtc_not_present",
}
ARM_FLAGS = {"PSCI Compliant": "psci_compliant", "Must use HVC for PSCI": "psci_use_hvc"}


def facp(text: str) -> Facts:
    """The flags, the profile and the version of a FADT; its registers are compared as fields."""
    fields = next(structures(text))
    revision = number(fields, "Revision")
    profile = re.search(r"\[(.*)\]", fields["PM Profile"])
    assert profile is not None
    minor = number(fields, "FADT Minor Revision") & 15 if revision >= 5 else "unknown"
    boot = {**BOOT_FLAGS, **(ARM_FLAGS if revision >= 5 else {})}
    return {
        ("fadt_version", (revision, minor)),
        ("pm_profile", (profile[1].lower().replace(" ", "_"),)),
        *(("fadt_flag", (name,)) for name in _set(fields, FADT_FLAGS)),
        *(("boot_architecture", (name,)) for name in _set(fields, boot)),
    }


SPACES = {"SystemMemory": "memory", "SystemIO": "io"}


def _space(fields: Fields) -> str:
    found = re.search(r"\[(.*)\]", fields["Space ID"])
    assert found is not None
    return SPACES[found[1]]


def hpet(text: str) -> Facts:
    """The facts of an HPET."""
    fields = next(structures(text))
    block = number(fields, "Hardware Block ID")
    shape = ((block >> 8 & 31) + 1, block >> 13 & 1, block >> 15 & 1, block >> 16)
    protection = "page_4k" if number(fields, "4K Page Protect") else "none"
    protection = "page_64k" if number(fields, "64K Page Protect") else protection
    where = (number(fields, "Sequence Number"), _space(fields), number(fields, "Address"))
    return {("hpet", (*where, *shape, number(fields, "Minimum Clock Ticks"), protection))}


def spcr(text: str) -> Facts:
    """The console of an SPCR and how it interrupts."""
    fields = next(structures(text))
    if not number(fields, "Address"):
        return set()
    interface = {0: "uart_16550", 1: "uart_16450", 3: "arm_pl011"}[number(fields, "Interface Type")]
    baud = {3: 9600, 4: 19200, 6: 57600, 7: 115200}.get(number(fields, "Baud Rate"), "unknown")
    terminal = ("vt100", "vt100_extended", "vt_utf8", "ansi")[number(fields, "Terminal Type")]
    facts: Facts = {("serial_console", (interface, _space(fields), number(fields, "Address"), baud, terminal))}
    for bit, name in enumerate(("pic", "io_apic", "io_sapic", "gic")):
        if number(fields, "Interrupt Type") >> bit & 1:
            line = number(fields, "Interrupt" if bit else "PCAT-compatible IRQ")
            facts.add(("serial_console_interrupt", (name, line)))
    if number(fields, "PCI Vendor ID") != 0xFFFF:
        where = numbers(fields, "PCI Segment", "PCI Bus", "PCI Device", "PCI Function")
        facts.add(("serial_console_device", (addr(*where),)))
    return facts


def gtdt(text: str) -> Facts:
    """The facts of a GTDT."""
    head, *entries = structures(text, "Subtable Type", "Frame Number")
    facts: Facts = set()
    for name, what in (("Counter Block Address", "counter"), ("Counter Read Block Address", "counter_read")):
        if number(head, name) not in (0, 2**64 - 1):
            facts.add(("generic_timer_counter", (what, number(head, name))))
    triggers, senses, always = (every(head, name) for name in ("Trigger Mode", "Polarity", "Always On"))
    timers = {
        "secure_el1": "Secure EL1 Interrupt",
        "el1": "Non-Secure EL1 Interrupt",
        "virtual": "Virtual Timer Interrupt",
        "el2": "Non-Secure EL2 Interrupt",
    }
    for place, (what, name) in enumerate(timers.items()):
        if number(head, name):
            wiring = (SENSE[senses[place]], MODE[triggers[place]], always[place])
            facts.add(("generic_timer", (what, number(head, name), *wiring)))
    if number(head, "Virtual EL2 Timer GSIV") if "Virtual EL2 Timer GSIV" in head else 0:
        flags = number(head, "Virtual EL2 Timer Flags")
        wiring = (SENSE[flags >> 1 & 1], MODE[flags & 1], flags >> 2 & 1)
        facts.add(("generic_timer", ("el2_virtual", number(head, "Virtual EL2 Timer GSIV"), *wiring)))
    block = 0
    for fields in entries:
        if "Frame Number" in fields:
            el0 = number(fields, "EL0 Base Address")
            shown = "unknown" if el0 in (0, 2**64 - 1) else el0
            where = (block, *numbers(fields, "Frame Number", "Base Address"), shown)
            interrupt = (number(fields, "Timer Interrupt"), *_mode(fields))
            facts.add(("generic_timer_frame", (*where, *interrupt, *numbers(fields, "Secure", "Always On"))))
        elif number(fields, "Subtable Type") == 0:
            block = number(fields, "Block Address")
        else:
            where = numbers(fields, "Refresh Frame Address", "Control Frame Address", "Timer Interrupt")
            facts.add(("generic_watchdog", (*where, *_mode(fields), number(fields, "Security"))))
    return facts


def _mode(fields: Fields) -> tuple[str, str]:
    return SENSE[number(fields, "Polarity")], MODE[number(fields, "Trigger Mode")]


def msct(text: str) -> Facts:
    """The facts of an MSCT; entries without processors and memory fill it up."""
    head, *domains = structures(text, "Domain Range Start")
    most, clocks, last = numbers(head, "Max Proximity Domains", "Max Clock Domains", "Max Physical Address")
    facts: Facts = {("machine_limits", (most + 1, clocks + 1, last))}
    for fields in domains:
        limits = numbers(fields, "Domain Range Start", "Domain Range End", "Processor Capacity", "Memory Capacity")
        if any(limits[2:]):
            facts.add(("domain_limits", limits))
    return facts


READERS: Mapping[str, Callable[[str], Facts]] = {
    "apic": madt,
    "dmar": dmar,
    "facp": facp,
    "gtdt": gtdt,
    "hmat": hmat,
    "hpet": hpet,
    "ivrs": ivrs,
    "mcfg": mcfg,
    "msct": msct,
    "pptt": pptt,
    "slit": slit,
    "spcr": spcr,
    "srat": srat,
}


def _set(fields: Fields, known: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for field, name in known.items() if field in fields and number(fields, field))


def _inti(fields: Fields) -> tuple[str, str]:
    return POLARITY[number(fields, "Polarity")], TRIGGER[number(fields, "Trigger Mode")]
