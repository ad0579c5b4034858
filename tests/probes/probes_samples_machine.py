"""Cases of the tables about the fixed parts of a machine: PPTT, FADT, HPET, SPCR, GTDT."""

from __future__ import annotations

import struct

from probes_samples import Case
from probes_tables import table

from probes.fact import Fact, addr


def pptt_of(*structures: bytes, revision: int = 3) -> bytes:
    """A PPTT; the first structure is at offset 36."""
    return table(b"PPTT", b"".join(structures), revision=revision)


def node(flags: int, parent: int, uid: int, *resources: int) -> bytes:
    """Processor Hierarchy Node."""
    return struct.pack(
        f"<BB2xIIII{len(resources)}I", 0, 20 + 4 * len(resources), flags, parent, uid, len(resources), *resources
    )


def cache(flags: int, following: int, attributes: int = 0, identity: int | None = None) -> bytes:
    """Cache Type: 32 KiB in 64 sets of 8 ways of 64 bytes; with an id as of ACPI 6.4."""
    fields = (flags, following, 32768, 64, 8, attributes, 64)
    if identity is None:
        return struct.pack("<BB2xIIIIBBH", 1, 24, *fields)
    return struct.pack("<BB2xIIIIBBHI", 1, 28, *fields, identity)


PACKAGE, UID_VALID, THREAD, LEAF, IDENTICAL = 1, 2, 4, 8, 16
IDENTITY = struct.pack("<BB2x4sQQHHH", 2, 30, b"ACME", 1, 2, 3, 4, 5)

PPTT = (
    Case(
        "PPTT package",
        pptt_of(node(PACKAGE | IDENTICAL, 0, 5)),
        (Fact("processor_node", (36, "none", "none", 1, 0, 0, 1)),),
    ),
    Case(
        "PPTT package, core and thread",
        pptt_of(node(PACKAGE, 0, 0), node(0, 36, 0), node(UID_VALID | THREAD | LEAF, 56, 7)),
        (
            Fact("processor_node", (36, "none", "none", 1, 0, 0, 0)),
            Fact("processor_node", (56, 36, "none", 0, 0, 0, 0)),
            Fact("processor_node", (76, 56, 7, 0, 1, 1, 0)),
        ),
    ),
    Case(
        "PPTT node of revision 1",
        pptt_of(node(UID_VALID | THREAD, 0, 7), revision=1),
        (Fact("processor_node", (36, "none", 7, 0, "unknown", "unknown", "unknown")),),
    ),
    Case(
        "PPTT caches",
        pptt_of(cache(0xFF, 0, 0b11010, 9), cache(0x7F, 36, 0b00101), node(UID_VALID, 0, 0, 64), revision=3),
        (
            Fact("processor_cache", (36, "unified", 32768, 64, 8, 64, "none")),
            Fact("processor_cache_policy", (36, "write_through", "read_write")),
            Fact("processor_cache_id", (36, 9)),
            Fact("processor_cache", (64, "instruction", 32768, 64, 8, 64, 36)),
            Fact("processor_cache_policy", (64, "write_back", "write")),
            Fact("processor_node", (88, "none", 0, 0, 0, 0, 0)),
            Fact("processor_node_cache", (88, 64)),
        ),
    ),
    Case(
        "PPTT cache of which nothing is stated",
        pptt_of(cache(0, 0)),
        (Fact("processor_cache", (36, "unknown", "unknown", "unknown", "unknown", "unknown", "none")),),
    ),
    Case(
        "PPTT identity",
        pptt_of(IDENTITY, node(PACKAGE, 0, 0, 36), revision=1),
        (
            Fact("processor_id", (36, "ACME", 1, 2, 3, 4, 5)),
            Fact("processor_node", (66, "none", "none", 1, "unknown", "unknown", "unknown")),
            Fact("processor_node_id", (66, 36)),
        ),
    ),
)


def register(space: int, bits: int, address: int) -> bytes:
    """Generic Address Structure."""
    return struct.pack("<BBBBQ", space, bits, 0, 0, address)


def fadt_of(
    size: int, revision: int, flags: int, minor: int = 0, arm: int = 0, boot: int = 0, profile: int = 4
) -> bytes:
    """A FADT of the first `size` bytes of what ACPI 6 has."""
    body = struct.pack("<IIBBHIBBBB", 1, 2, 0, profile, 9, 0xB2, 1, 0, 0, 0)  # to offset 56
    body += struct.pack("<8I", 0x400, 0, 0x404, 0, 0x450, 0x408, 0x420, 0)
    body += struct.pack("<8B", 4, 2, 1, 4, 32, 0, 0, 0)
    body += struct.pack("<HHHHBBBBBHxI", 100, 1001, 0, 0, 0, 0, 0, 0, 0x32, boot, flags)
    body += register(1, 8, 0xCF9) + struct.pack("<BHB", 6, arm, minor)
    body += struct.pack("<QQ", 0, 0) + register(1, 32, 0x500) + bytes(12) + register(0, 16, 1 << 40) + bytes(12 * 5)
    body += register(0, 8, 0x3000) + bytes(12) + struct.pack("<Q", 0)
    return table(b"FACP", body[: size - 36], revision=revision)


BLOCKS_32 = (
    Fact("acpi_register", ("pm1a_event", "io", 0x400, 32)),
    Fact("acpi_register", ("pm1a_control", "io", 0x404, 16)),
    Fact("acpi_register", ("pm2_control", "io", 0x450, 8)),
    Fact("acpi_register", ("pm_timer", "io", 0x408, 32)),
    Fact("acpi_register", ("gpe0", "io", 0x420, 256)),
)
BLOCKS_64 = (
    Fact("acpi_register", ("pm1a_event", "io", 0x500, 32)),
    Fact("acpi_register", ("pm1a_control", "memory", 1 << 40, 16)),
    *BLOCKS_32[2:],
)
FIXED = (Fact("sci_interrupt", (9,)), Fact("processor_idle_latency", ("c2", 100_000_000)))
RESET = (Fact("acpi_register", ("reset", "io", 0xCF9, 8)), Fact("reset_value", (6,)))
SLEEP = (Fact("acpi_register", ("sleep_control", "memory", 0x3000, 8)),)

FADT = (
    Case(
        "FADT of ACPI 1.0, whose profile and boot flags are reserved",
        fadt_of(116, 1, 1 << 8, boot=3),
        (
            Fact("fadt_version", (1, "unknown")),
            Fact("pm_profile", ("unspecified",)),
            Fact("fadt_flag", ("tmr_val_ext",)),
            *FIXED,
            *BLOCKS_32,
            Fact("pm_timer_width", (32,)),
        ),
    ),
    Case(
        "FADT of ACPI 4.0",
        fadt_of(244, 4, 1 << 10, boot=0b010011),
        (
            Fact("fadt_version", (4, "unknown")),
            Fact("pm_profile", ("enterprise_server",)),
            Fact("fadt_flag", ("reset_reg_sup",)),
            *(Fact("boot_architecture", (name,)) for name in ("legacy_devices", "i8042", "pcie_aspm_controls")),
            *FIXED,
            *BLOCKS_64,
            Fact("pm_timer_width", (24,)),
            *RESET,
        ),
    ),
    Case(
        "FADT of ACPI 6.5 with persistent caches",
        fadt_of(276, 6, 2 << 22, minor=0x15, profile=99),
        (
            Fact("fadt_version", (6, 5)),
            Fact("pm_profile", ("unknown",)),
            Fact("persistent_cpu_caches", ("persistent",)),
            *FIXED,
            *BLOCKS_64,
            Fact("pm_timer_width", (24,)),
            *SLEEP,
        ),
    ),
    Case(
        "FADT of hardware-reduced Arm",
        fadt_of(268, 5, 1 << 20 | 1 << 22, minor=1, arm=3),
        (
            Fact("fadt_version", (5, 1)),
            Fact("pm_profile", ("enterprise_server",)),
            Fact("fadt_flag", ("hw_reduced_acpi",)),
            Fact("persistent_cpu_caches", ("not_persistent",)),
            Fact("boot_architecture", ("psci_compliant",)),
            Fact("boot_architecture", ("psci_use_hvc",)),
            *SLEEP,
        ),
    ),
)


def hpet_of(number: int, address: int = 0xFED00000, min_tick: int = 0x37EE, flags: int = 1) -> bytes:
    """An HPET whose block has three comparators of 64 bits."""
    block = 0x8086 << 16 | 1 << 15 | 1 << 13 | 2 << 8 | 1
    return table(
        b"HPET", struct.pack("<I", block) + register(0, 64, address) + struct.pack("<BHB", number, min_tick, flags)
    )


HPET = (
    Case("HPET", hpet_of(0), (Fact("hpet", (0, "memory", 0xFED00000, 3, 1, 1, 0x8086, 0x37EE, "page_4k")),)),
    Case(
        "HPET of no protection",
        hpet_of(1, flags=0),
        (Fact("hpet", (1, "memory", 0xFED00000, 3, 1, 1, 0x8086, 0x37EE, "none")),),
    ),
)


def spcr_of(
    interface: int,
    port: bytes,
    rest: bytes = b"",
    *,
    baud: int = 7,
    kind: int = 2,
    pci: tuple[int, ...] = (),
    revision: int = 2,
) -> bytes:
    """An SPCR: IRQ 4, global system interrupt 36, a VT-UTF8 terminal."""
    device, vendor, bus, slot, function, segment = pci or (0xFFFF, 0xFFFF, 0, 0, 0, 0)
    body = struct.pack("<B3x12sBBIBBBBBB", interface, port, kind, 4, 36, baud, 0, 1, 0, 2, 0)
    body += struct.pack("<HHBBBIB", device, vendor, bus, slot, function, 0, segment) + (rest or bytes(4))
    return table(b"SPCR", body, revision=revision)


NAME = b"\\_SB.COM0\0"

SPCR = (
    Case(
        "SPCR of a 16550",
        spcr_of(0, register(1, 8, 0x3F8), kind=3),
        (
            Fact("serial_console", ("uart_16550", "io", 0x3F8, 115200, "vt_utf8")),
            Fact("serial_console_interrupt", ("pic", 4)),
            Fact("serial_console_interrupt", ("io_apic", 36)),
        ),
    ),
    Case(
        "SPCR of an Arm UART",
        spcr_of(3, register(0, 32, 1 << 40), baud=0, kind=8),
        (
            Fact("serial_console", ("arm_pl011", "memory", 1 << 40, "unknown", "vt_utf8")),
            Fact("serial_console_interrupt", ("gic", 36)),
        ),
    ),
    Case(
        "SPCR of a PCI function",
        spcr_of(6, register(1, 8, 0xE000), kind=0, pci=(0x3D, 0x8086, 0, 0x16, 3, 1)),
        (
            Fact("serial_console", ("ti_omap", "io", 0xE000, 115200, "vt_utf8")),
            Fact("serial_console_device", (addr(1, 0, 0x16, 3),)),
        ),
    ),
    Case(
        "SPCR of revision 4 with a rate and a name",
        spcr_of(
            18,
            register(0, 32, 4096),
            struct.pack("<IIHH", 48_000_000, 1_500_000, len(NAME), 88) + NAME,
            kind=16,
            revision=4,
        ),
        (
            Fact("serial_console", ("uart_16550_gas", "memory", 4096, 1_500_000, "vt_utf8")),
            Fact("serial_console_interrupt", ("plic", 36)),
            Fact("serial_console_name", ("\\_SB.COM0",)),
        ),
    ),
    Case("SPCR of a console that is off", spcr_of(0, register(1, 8, 0)), ()),
)


def gtdt_of(*timers: bytes, revision: int = 2, count: int | None = None) -> bytes:
    """A GTDT of revision 2 or 3, with counters at no address."""
    head = struct.pack("<Q4x8I", 0xFFFFFFFFFFFFFFFF, 29, 0, 30, 0b110, 27, 1, 26, 2)
    late = struct.pack("<II", 28, 4) if revision > 2 else b""
    start = 36 + len(head) + 16 + len(late)
    head += (
        struct.pack("<QII", 0xFFFFFFFFFFFFFFFF, len(timers) if count is None else count, start if timers else 0) + late
    )
    return table(b"GTDT", head + b"".join(timers), revision=revision)


def frame(number: int) -> bytes:
    """Generic Timer Block Timer Structure: secure, level, active high."""
    return struct.pack("<B3xQQ5I", number, 0x2A820000, 0xFFFFFFFFFFFFFFFF, 92, 0, 93, 0, 1)


BLOCK = struct.pack("<BHxQII", 0, 20 + 80, 0x2A810000, 2, 20) + frame(0) + frame(1)
WATCHDOG = struct.pack("<BHxQQII", 1, 28, 0x2A450000, 0x2A440000, 93, 0b110)

TIMERS = (
    Fact("generic_timer", ("secure_el1", 29, "high", "level", 0)),
    Fact("generic_timer", ("el1", 30, "low", "level", 1)),
    Fact("generic_timer", ("virtual", 27, "high", "edge", 0)),
    Fact("generic_timer", ("el2", 26, "low", "level", 0)),
)

GTDT = (
    Case("GTDT", gtdt_of(), TIMERS),
    Case(
        "GTDT of ACPI 6.3",
        gtdt_of(revision=3),
        (*TIMERS, Fact("generic_timer", ("el2_virtual", 28, "high", "level", 1))),
    ),
    Case(
        "GTDT timer block",
        gtdt_of(BLOCK),
        (
            *TIMERS,
            *(
                Fact("generic_timer_frame", (0x2A810000, number, 0x2A820000, "unknown", 92, "high", "level", 1, 0))
                for number in (0, 1)
            ),
        ),
    ),
    Case(
        "GTDT watchdog",
        gtdt_of(WATCHDOG),
        (*TIMERS, Fact("generic_watchdog", (0x2A450000, 0x2A440000, 93, "low", "level", 1))),
    ),
)
