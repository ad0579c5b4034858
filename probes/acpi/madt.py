"""MADT: processors and interrupt controllers (ACPI 6.5, 5.2.12). Signature APIC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from probes.acpi import madt_structures as kind
from probes.acpi.interrupts import inti, trigger_of
from probes.acpi.table import Entries, Entry, Table, distinct, read_head, walk
from probes.fact import Fact, Problem, Survey, Term, merge

START = 44

PCAT_COMPAT = 1
"""The machine also has two 8259 interrupt controllers, which must be masked (table 5.20)."""

ENABLED, ONLINE_CAPABLE = 1, 2
"""Local APIC, x2APIC and core PIC flags, bits 0 and 1 (table 5.24). Bit 1 came with MADT revision 5 (ACPI 6.3), and is
reserved where bit 0 is set."""

ONLINE_CAPABLE_SINCE = 5

GICC_ENABLED, GICC_PERFORMANCE_EDGE, GICC_MAINTENANCE_EDGE, GICC_ONLINE_CAPABLE = 0, 1, 2, 3
"""Bits of the GICC flags (table 5.37)."""

ALL_PROCESSORS = {kind.LOCAL_APIC_NMI: 0xFF, kind.LOCAL_X2APIC_NMI: 0xFFFFFFFF}
"""Processor UIDs that mean every processor (5.2.12.7, 5.2.12.13)."""

PLATFORM_INTERRUPT_TYPES = {1: "pmi", 2: "init", 3: "corrected_platform_error"}

GIC_VERSIONS = {1: 1, 2: 2, 3: 3, 4: 4}
"""Version of a distributor (table 5.40); 0 asks software to look at the hardware."""

SPI_SELECT = 1
"""MSI frame flag: count and base here replace what the frame's MSI_TYPER says; otherwise they mean nothing."""

UNKNOWN = "unknown"

KEY_LENGTH: Mapping[str, int] = {
    "local_apic_address": 0,
    "pcat_compatible": 0,
    "apic": 2,
    "apic_online_capable": 2,
    "ioapic": 2,
    "interrupt_override": 2,
    "nmi": 4,
    "nmi_source": 1,
    "io_sapic": 2,
    "local_sapic": 3,
    "platform_interrupt": 5,
    "gic_cpu_interface": 1,
    "gic_cpu_registers": 1,
    "gic_cpu_interrupt": 2,
    "gic_cpu_efficiency": 1,
    "gic_cpu_parking": 1,
    "gic_distributor": 1,
    "gic_msi_frame": 1,
    "gic_redistributor": 1,
    "gic_its": 1,
    "multiprocessor_wakeup": 1,
    "core_pic": 1,
    "legacy_io_pic": 1,
    "hypertransport_pic": 1,
    "extended_io_pic": 2,
    "msi_pic": 1,
    "bridge_io_pic": 1,
    "lpc_pic": 1,
    "riscv_intc": 1,
    "riscv_imsic": 4,
    "riscv_aplic": 1,
    "riscv_plic": 1,
}

Rows = Iterator[Fact]


def decode(table: Table) -> Entries:
    """Read the head and the interrupt controller structures."""
    head, problems = read_head(table, kind.HEAD)
    if head is None:
        return Entries((), problems)
    found = walk(table, START, kind.STRUCTURES)
    return Entries((head, *found.entries), found.problems)


def survey(table: Table) -> Survey:
    """Return what a MADT says of processors and interrupt controllers."""
    found = decode(table)
    if not found.entries:
        return Survey(problems=found.problems)
    problems: list[Problem] = list(found.problems)
    told = distinct(table, _facts(table, found.entries, problems), KEY_LENGTH)
    return merge((Survey(problems=tuple(problems)), told))


def _facts(table: Table, entries: tuple[Entry, ...], problems: list[Problem]) -> Iterator[tuple[int, Fact]]:
    head, *structures = entries
    yield from _head(head, structures)
    for entry in structures:
        if entry.type in WIRED:
            flags = entry.fields["inti"]
            wiring = inti(flags)
            if UNKNOWN in wiring:
                cause = f"{entry.name} has reserved polarity or trigger ({flags:#06x}), which is unknown"
                problems.append(table.problem(entry.offset, cause))
            yield entry.offset, WIRED[entry.type](entry, wiring)
        elif entry.type in (kind.LOCAL_APIC, kind.LOCAL_X2APIC):
            yield from ((entry.offset, fact) for fact in _apic(entry.fields, table.revision))
        elif entry.layout is not None and entry.type in READERS:
            yield from ((entry.offset, fact) for fact in READERS[entry.type](entry.fields))


def _head(head: Entry, structures: list[Entry]) -> Iterator[tuple[int, Fact]]:
    """Yield what holds for the whole table. An address of 64 bits replaces that of the head (5.2.12.8)."""
    wide = [entry for entry in structures if entry.type == kind.ADDRESS_OVERRIDE]
    for entry in wide:
        yield entry.offset, Fact("local_apic_address", (entry.fields["base"],))
    if not wide and head.fields["address"]:
        yield head.offset, Fact("local_apic_address", (head.fields["address"],))
    yield head.offset, Fact("pcat_compatible", (head.fields["flags"] & PCAT_COMPAT,))


def _apic(fields: Mapping[str, int], revision: int) -> Rows:
    who = (fields["processor_uid"], fields["apic_id"])
    enabled = fields["flags"] & ENABLED
    yield Fact("apic", (*who, enabled))
    if revision >= ONLINE_CAPABLE_SINCE and not enabled and fields["flags"] & ONLINE_CAPABLE:
        yield Fact("apic_online_capable", who)


def _override(entry: Entry, wiring: tuple[str, str]) -> Fact:
    fields = entry.fields
    return Fact("interrupt_override", (fields["bus"], fields["irq"], fields["gsi"], *wiring))


def _nmi_source(entry: Entry, wiring: tuple[str, str]) -> Fact:
    return Fact("nmi_source", (entry.fields["gsi"], *wiring))


def _local_nmi(entry: Entry, wiring: tuple[str, str]) -> Fact:
    uid = entry.fields["processor_uid"]
    who: Term = "all" if uid == ALL_PROCESSORS[entry.type] else uid
    return Fact("nmi", (who, entry.fields["lint"], *wiring))


def _platform_interrupt(entry: Entry, wiring: tuple[str, str]) -> Fact:
    fields = entry.fields
    what: Term = PLATFORM_INTERRUPT_TYPES.get(fields["interrupt_type"], UNKNOWN)
    where = (fields["processor_id"], fields["eid"], fields["vector"])
    return Fact("platform_interrupt", (what, fields["gsi"], *where, *wiring))


WIRED: Mapping[int, Callable[[Entry, tuple[str, str]], Fact]] = {
    kind.OVERRIDE: _override,
    kind.NMI_SOURCE: _nmi_source,
    kind.LOCAL_APIC_NMI: _local_nmi,
    kind.LOCAL_X2APIC_NMI: _local_nmi,
    kind.PLATFORM_INTERRUPT: _platform_interrupt,
}


def _ioapic(fields: Mapping[str, int]) -> Rows:
    yield Fact("ioapic", (fields["id"], fields["base"], fields["gsi_base"]))


def _io_sapic(fields: Mapping[str, int]) -> Rows:
    yield Fact("io_sapic", (fields["id"], fields["base"], fields["gsi_base"]))


def _local_sapic(fields: Mapping[str, int]) -> Rows:
    who = (fields["processor_id"], fields["sapic_id"], fields["eid"])
    yield Fact("local_sapic", (*who, fields.get("processor_uid", UNKNOWN), fields["flags"] & ENABLED))


def _gicc(fields: Mapping[str, int]) -> Rows:
    uid, flags = fields["processor_uid"], fields["flags"]
    enabled, capable = flags >> GICC_ENABLED & 1, flags >> GICC_ONLINE_CAPABLE & 1
    yield Fact("gic_cpu_interface", (uid, fields["interface"], fields.get("mpidr", UNKNOWN), enabled, capable))
    places = ("base", "virtual_base", "hypervisor_base", "redistributor_base")
    yield Fact("gic_cpu_registers", (uid, *(fields.get(place) or UNKNOWN for place in places)))
    # Performance and maintenance interrupts state their trigger; those of SPE and TRBE are level (5.2.12.14).
    lines = (
        ("performance", "performance_gsi", trigger_of(flags, GICC_PERFORMANCE_EDGE)),
        ("maintenance", "maintenance_gsi", trigger_of(flags, GICC_MAINTENANCE_EDGE)),
        ("statistical_profiling", "spe_gsi", "level"),
        ("trace_buffer", "trbe_gsi", "level"),
    )
    for what, field, trigger in lines:
        if fields.get(field):
            yield Fact("gic_cpu_interrupt", (uid, what, fields[field], trigger))
    if "efficiency_class" in fields:
        yield Fact("gic_cpu_efficiency", (uid, fields["efficiency_class"]))
    if fields["parking_version"]:
        yield Fact("gic_cpu_parking", (uid, fields["parking_version"], fields["parked_address"]))


def _gicd(fields: Mapping[str, int]) -> Rows:
    version: Term = GIC_VERSIONS.get(fields["version"], UNKNOWN)
    yield Fact("gic_distributor", (fields["id"], fields["base"], fields["gsi_base"], version))


def _gic_msi_frame(fields: Mapping[str, int]) -> Rows:
    selected = fields["flags"] & SPI_SELECT
    spis = (fields["spi_count"], fields["spi_base"]) if selected else (UNKNOWN, UNKNOWN)
    yield Fact("gic_msi_frame", (fields["id"], fields["base"], *spis))


def _gicr(fields: Mapping[str, int]) -> Rows:
    yield Fact("gic_redistributor", (fields["base"], fields["size"]))


def _gic_its(fields: Mapping[str, int]) -> Rows:
    yield Fact("gic_its", (fields["id"], fields["base"]))


def _wakeup(fields: Mapping[str, int]) -> Rows:
    reset = fields.get("reset_vector") or UNKNOWN
    yield Fact("multiprocessor_wakeup", (fields["mailbox"], fields["mailbox_version"], reset))


def _core_pic(fields: Mapping[str, int]) -> Rows:
    yield Fact("core_pic", (fields["processor_uid"], fields["core_id"], fields["flags"] & ENABLED))


def _cascade(fields: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(value for name, value in fields.items() if name in CASCADES)


CASCADES = frozenset(f"cascade_{number}" for number in range(8))


def _lio_pic(fields: Mapping[str, int]) -> Rows:
    maps = (fields["cascade_map_0"], fields["cascade_map_1"])
    yield Fact("legacy_io_pic", (fields["base"], fields["size"], _cascade(fields), maps))


def _ht_pic(fields: Mapping[str, int]) -> Rows:
    yield Fact("hypertransport_pic", (fields["base"], fields["size"], _cascade(fields)))


def _eio_pic(fields: Mapping[str, int]) -> Rows:
    yield Fact("extended_io_pic", (fields["node"], fields["cascade_0"], fields["node_map"]))


def _msi_pic(fields: Mapping[str, int]) -> Rows:
    yield Fact("msi_pic", (fields["message_address"], fields["start"], fields["count"]))


def _bio_pic(fields: Mapping[str, int]) -> Rows:
    yield Fact("bridge_io_pic", (fields["id"], fields["base"], fields["size"], fields["gsi_base"]))


def _lpc_pic(fields: Mapping[str, int]) -> Rows:
    cascade = fields["cascade_0"] | fields.get("cascade_high", 0) << 8
    yield Fact("lpc_pic", (fields["base"], fields["size"], cascade))


def _rintc(fields: Mapping[str, int]) -> Rows:
    flags = fields["flags"]
    external = fields.get("external_id", UNKNOWN)
    imsic = (fields["imsic_base"], fields["imsic_size"]) if fields.get("imsic_base") else (UNKNOWN, UNKNOWN)
    who = (fields["processor_uid"], fields["hart_id"])
    yield Fact("riscv_intc", (*who, flags & ENABLED, flags >> 1 & 1, external, *imsic))


def _imsic(fields: Mapping[str, int]) -> Rows:
    bits = ("guest_index_bits", "hart_index_bits", "group_index_bits", "group_index_shift")
    counts = (fields["interrupts"], fields["guest_interrupts"])
    yield Fact("riscv_imsic", (*counts, *(fields[name] for name in bits)))


def _aplic(fields: Mapping[str, int]) -> Rows:
    names = ("id", "base", "size", "gsi_base", "delivery_controllers", "sources")
    yield Fact("riscv_aplic", tuple(fields[name] for name in names))


def _plic(fields: Mapping[str, int]) -> Rows:
    names = ("id", "base", "size", "gsi_base", "sources", "max_priority")
    yield Fact("riscv_plic", tuple(fields[name] for name in names))


READERS: Mapping[int, Callable[[Mapping[str, int]], Rows]] = {
    kind.IO_APIC: _ioapic,
    kind.IO_SAPIC: _io_sapic,
    kind.LOCAL_SAPIC: _local_sapic,
    kind.GICC: _gicc,
    kind.GICD: _gicd,
    kind.GIC_MSI_FRAME: _gic_msi_frame,
    kind.GICR: _gicr,
    kind.GIC_ITS: _gic_its,
    kind.WAKEUP: _wakeup,
    kind.CORE_PIC: _core_pic,
    kind.LIO_PIC: _lio_pic,
    kind.HT_PIC: _ht_pic,
    kind.EIO_PIC: _eio_pic,
    kind.MSI_PIC: _msi_pic,
    kind.BIO_PIC: _bio_pic,
    kind.LPC_PIC: _lpc_pic,
    kind.RINTC: _rintc,
    kind.IMSIC: _imsic,
    kind.APLIC: _aplic,
    kind.PLIC: _plic,
}
