"""Cases of the tables about DMA remapping: DMAR and IVRS."""

from __future__ import annotations

import struct

from probes_samples import Case
from probes_tables import table

from probes.fact import Fact, addr


def dmar_of(*structures: bytes, flags: int = 1) -> bytes:
    """A DMAR of 46-bit addresses."""
    return table(b"DMAR", struct.pack("<BB10x", 45, flags) + b"".join(structures), revision=1)


def scope(kind: int, bus: int, *path: int, flags: int = 0, enumeration: int = 0) -> bytes:
    """Device Scope."""
    return struct.pack("<BBBxBB", kind, 6 + len(path), flags, enumeration, bus) + bytes(path)


def remapping(kind: int, layout: str, *values: int, scopes: bytes = b"") -> bytes:
    """A remapping structure; the layout is what follows type and length."""
    fields = struct.pack(f"<{layout}", *values)
    return struct.pack("<HH", kind, 4 + len(fields) + len(scopes)) + fields + scopes


def drhd(base: int, include_all: int, scopes: bytes = b"", size: int = 0) -> bytes:
    """Hardware Unit Definition."""
    return remapping(0, "BBHQ", include_all, size, 0, base, scopes=scopes)


DMAR_HEAD = (Fact("dmar_platform", (46, ("interrupt_remapping",))),)
HERE = addr(0, 0, 0x1F, 7)

DMAR = (
    Case(
        "DMAR of no unit",
        dmar_of(flags=7),
        (Fact("dmar_platform", (46, ("interrupt_remapping", "x2apic_opt_out", "dma_control_opt_in"))),),
    ),
    Case(
        "DMAR unit with devices",
        dmar_of(
            drhd(0xFED90000, 1, scope(3, 0, 0x1F, 7, enumeration=8) + scope(4, 0, 0x1F, 7) + scope(2, 0, 1, 0, 2, 3))
        ),
        (
            *DMAR_HEAD,
            Fact("dmar_unit", (0, 0, 0xFED90000, 4096, 1)),
            Fact("dmar_device", (0, "ioapic", 8, HERE, 0, (0x1F, 7))),
            Fact("dmar_device", (0, "hpet", 0, HERE, 0, (0x1F, 7))),
            Fact("dmar_device", (0, "pci_bridge", 0, "unknown", 0, (1, 0, 2, 3))),
        ),
    ),
    Case(
        "DMAR unit of several pages",
        dmar_of(drhd(0xFED90000, 0, size=3)),
        (*DMAR_HEAD, Fact("dmar_unit", (0, 0, 0xFED90000, 32768, 0))),
    ),
    Case(
        "DMAR reserved memory",
        dmar_of(remapping(1, "2xHQQ", 0, 0x1000, 0x2FFF, scopes=scope(1, 0, 0x1F, 7))),
        (
            *DMAR_HEAD,
            Fact("dmar_reserved_memory", (0, 0, 0x1000, 0x2000)),
            Fact("dmar_device", (0, "pci_endpoint", 0, HERE, 0, (0x1F, 7))),
        ),
    ),
    Case("DMAR root ports", dmar_of(remapping(2, "BxH", 1, 3)), (*DMAR_HEAD, Fact("dmar_root_ports", (0, 3, 1)))),
    Case("DMAR affinity", dmar_of(remapping(3, "4xQI", 4096, 2)), (*DMAR_HEAD, Fact("dmar_unit_affinity", (4096, 2)))),
    Case(
        "DMAR ACPI device",
        dmar_of(
            remapping(4, "3xB", 1, scopes=b"\\_SB.PCI0.I2C0\0"), drhd(4096, 0, scope(5, 0, 0x1F, 7, enumeration=1))
        ),
        (
            *DMAR_HEAD,
            Fact("dmar_acpi_device", (1, "\\_SB.PCI0.I2C0")),
            Fact("dmar_unit", (1, 0, 4096, 4096, 0)),
            Fact("dmar_device", (1, "acpi_namespace", 1, HERE, 0, (0x1F, 7))),
        ),
    ),
    Case(
        "DMAR translation caches",
        dmar_of(remapping(5, "BxH", 1, 0, scopes=scope(1, 0, 0x1F, 7))),
        (
            *DMAR_HEAD,
            Fact("dmar_translation_caches", (0, 0, 1)),
            Fact("dmar_device", (0, "pci_endpoint", 0, HERE, 0, (0x1F, 7))),
        ),
    ),
    Case(
        "DMAR device properties",
        dmar_of(remapping(6, "2xH", 0, scopes=scope(1, 0, 0x1F, 7, flags=0b10001))),
        (
            *DMAR_HEAD,
            Fact("dmar_device_properties", (0, 0)),
            Fact("dmar_device", (0, "pci_endpoint", 0, HERE, 0, (0x1F, 7))),
            Fact("dmar_device_property", (0, 0, (0x1F, 7), "nested_not_allowed")),
            Fact("dmar_device_property", (0, 0, (0x1F, 7), "atc_required")),
        ),
    ),
)


def ivrs_of(*blocks: bytes) -> bytes:
    """An IVRS of 48 bits of guest virtual, 48 of physical and 64 of virtual addresses."""
    information = 64 << 15 | 48 << 8 | 2 << 5 | 1
    return table(b"IVRS", struct.pack("<I8x", information) + b"".join(blocks), revision=2)


def unit(*devices: bytes, kind: int = 0x10, segment: int = 0) -> bytes:
    """I/O Virtualization Hardware Definition: the unit is function 00:00.2, its capability at 0x40."""
    entries = b"".join(devices)
    after = struct.pack("<I", 0) if kind == 0x10 else struct.pack("<IQQ", 0, 0xF77EF22294ADA, 0x10)
    head = struct.pack("<BBHHHQHH", kind, 0xB0, 24 + len(after) - 4 + len(entries), 2, 0x40, 0xFEB80000, segment, 0)
    return head + after + entries


def memory(kind: int, flags: int, device: int, auxiliary: int) -> bytes:
    """I/O Virtualization Memory Definition, of one page."""
    return struct.pack("<BBHHHH6xQQ", kind, flags, 32, device, auxiliary, 1, 0x7000, 0x1000)


def four(kind: int, device: int, settings: int = 0) -> bytes:
    """A device entry of four bytes."""
    return struct.pack("<BHB", kind, device, settings)


def eight(kind: int, device: int, last: bytes, settings: int = 0) -> bytes:
    """A device entry of eight bytes."""
    return four(kind, device, settings) + last


def named(uid_format: int, uid: bytes) -> bytes:
    """A device entry of an ACPI device."""
    return struct.pack("<BHB8s8sBB", 240, 0x00A5, 0, b"AMDI0020", b"", uid_format, len(uid)) + uid


IVRS_HEAD = (Fact("ivrs_platform", (48, 48, 64, ("extended_features",))),)
UNIT = Fact("ivrs_unit", (0, 0x10, addr(0, 0, 0, 2), 0x40, 0xFEB80000, ("iotlb", "coherent", "page_requests")))
ONE, TWO = addr(0, 0, 1, 0), addr(0, 0, 2, 0)


def device(kind: str, first: object, last: object, alias: object = "none", *settings: str) -> Fact:
    """The fact of a device entry."""
    return Fact("ivrs_device", (0, kind, first, last, alias, settings))  # type: ignore[arg-type]


def behind(name: str, *devices: bytes, says: tuple[Fact, ...]) -> Case:
    """A unit with device entries."""
    return Case(f"IVRS {name}", ivrs_of(unit(*devices)), (*IVRS_HEAD, UNIT, *says))


IVRS = (
    behind("padding", four(0, 0), eight(64, 0, bytes(4)), says=()),
    behind(
        "all devices",
        four(1, 0, 0xF7),
        says=(
            device(
                "all",
                addr(0, 0, 0, 0),
                addr(0, 0xFF, 0x1F, 7),
                "none",
                *("init_pass", "external_interrupt_pass", "nmi_pass", "system_management_0", "system_management_1"),
                *("lint0_pass", "lint1_pass"),
            ),
        ),
    ),
    behind("selected device", four(2, 8, 4), says=(device("select", ONE, ONE, "none", "nmi_pass"),)),
    behind("range", four(3, 8), four(4, 16), says=(device("range", ONE, TWO),)),
    behind(
        "alias",
        eight(66, 8, struct.pack("<xHx", 16)),
        says=(device("alias_select", ONE, ONE, TWO),),
    ),
    behind(
        "range of an alias",
        eight(67, 8, struct.pack("<xHx", 0x100)),
        four(4, 16),
        says=(device("alias_range", ONE, TWO, addr(0, 1, 0, 0)),),
    ),
    behind(
        "device without address translation services",
        eight(70, 8, struct.pack("<I", 1 << 31)),
        says=(device("extended_select", ONE, ONE, "none", "ats_disabled"),),
    ),
    behind(
        "range with extended settings",
        eight(71, 8, bytes(4)),
        four(4, 16),
        says=(device("extended_range", ONE, TWO),),
    ),
    behind(
        "I/O APIC and HPET",
        eight(72, 0, struct.pack("<BHB", 33, 0xA0, 1), 0xD7),
        eight(72, 0, struct.pack("<BHB", 0, 0xA0, 2)),
        says=(
            Fact(
                "ivrs_special_device",
                (
                    *(0, "ioapic", 33, addr(0, 0, 0x14, 0)),
                    (
                        "init_pass",
                        "external_interrupt_pass",
                        "nmi_pass",
                        "system_management_0",
                        "lint0_pass",
                        "lint1_pass",
                    ),
                ),
            ),
            Fact("ivrs_special_device", (0, "hpet", 0, addr(0, 0, 0x14, 0), ())),
        ),
    ),
    behind(
        "ACPI device", named(0, b""), says=(Fact("ivrs_acpi_device", (0, addr(0, 0, 0x14, 5), "AMDI0020", "", "none")),)
    ),
    behind(
        "ACPI device of an integer id",
        named(1, struct.pack("<Q", 3)),
        says=(Fact("ivrs_acpi_device", (0, addr(0, 0, 0x14, 5), "AMDI0020", "", 3)),),
    ),
    behind(
        "ACPI device of a string id",
        named(2, b"\\_SB.FUR0"),
        says=(Fact("ivrs_acpi_device", (0, addr(0, 0, 0x14, 5), "AMDI0020", "", "\\_SB.FUR0")),),
    ),
    Case(
        "IVRS one unit described three times",
        ivrs_of(unit(), unit(kind=0x11), unit(kind=0x40, segment=1)),
        (
            *IVRS_HEAD,
            UNIT,
            UNIT._replace(args=(1, 0x11, *UNIT.args[2:])),
            Fact("ivrs_unit_features", (1, 0xF77EF22294ADA, 0x10)),
            UNIT._replace(args=(2, 0x40, addr(1, 0, 0, 2), *UNIT.args[3:])),
            Fact("ivrs_unit_features", (2, 0xF77EF22294ADA, 0x10)),
        ),
    ),
    Case(
        "IVRS memory of all devices",
        ivrs_of(memory(0x20, 8, 0, 0)),
        (
            *IVRS_HEAD,
            Fact("ivrs_memory", (0, addr(1, 0, 0, 0), addr(1, 0xFF, 0x1F, 7), 0x7000, 0x1000, ("exclusion",))),
        ),
    ),
    Case(
        "IVRS memory of a device",
        ivrs_of(memory(0x21, 7, 8, 0)),
        (
            *IVRS_HEAD,
            Fact("ivrs_memory", (0, addr(1, 0, 1, 0), addr(1, 0, 1, 0), 0x7000, 0x1000, ("unity", "read", "write"))),
        ),
    ),
    Case(
        "IVRS memory of a range",
        ivrs_of(memory(0x22, 3, 8, 16)),
        (*IVRS_HEAD, Fact("ivrs_memory", (0, addr(1, 0, 1, 0), addr(1, 0, 2, 0), 0x7000, 0x1000, ("unity", "read")))),
    ),
)
