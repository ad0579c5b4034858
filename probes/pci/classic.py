"""Capabilities in the first 256 bytes: power management, MSI, MSI-X, PCI Express."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probes.layout import layout
from probes.pci.function import Decoder, Found, Function, bits

POWER = layout("power management capability", "PCI Power Management 1.2, 3.2", "- 2x, capabilities H, control H")

MSI = layout("MSI capability", "PCI 3.0, 6.8.1", "- 2x, control H")

MSIX = layout("MSI-X capability", "PCI 3.0, 6.8.2", "- 2x, control H, table I, pending I")

EXPRESS = layout(
    "PCI Express capability",
    "PCI Express 6.0, 7.5.3",
    "- 2x, flags H, device_capabilities I, device_control H, device_status H",
)
LINK = layout("link registers", "PCI Express 6.0, 7.5.3.6", "capabilities I, control H, status H")
LINK_OFFSET = 0x0C
SLOT = layout("slot registers", "PCI Express 6.0, 7.5.3.9", "capabilities I, control H, status H")
SLOT_OFFSET = 0x14

SPEEDS: Mapping[int, int] = {1: 2500, 2: 5000, 3: 8000, 4: 16000, 5: 32000, 6: 64000}
"""MT/s by the number of the vector in Link Capabilities 2 (7.5.3.18)."""

PORT_TYPES: Mapping[int, str] = {
    0: "endpoint",
    1: "legacy_endpoint",
    4: "root_port",
    5: "upstream_port",
    6: "downstream_port",
    7: "bridge_to_pci",
    8: "bridge_from_pci",
    9: "integrated_endpoint",
    10: "event_collector",
}

WITHOUT_LINK = frozenset({"integrated_endpoint", "event_collector"})
"""They are part of the root complex; nothing leads there that would have a speed (7.5.3.6)."""

WITH_SLOT = frozenset({"root_port", "downstream_port"})


def power_management(function: Function, offset: int) -> Iterator[Found]:
    """Yield in which state the function is, and which it has between on and off."""
    fields = function.read(POWER, offset)
    capabilities = fields["capabilities"]
    yield function.fact(
        "power_management", f"d{fields['control'] & 3}", bits(capabilities, 9, 9), bits(capabilities, 10, 10)
    )


def msi(function: Function, offset: int) -> Iterator[Found]:
    """Yield how many vectors the function can use, and how many it does."""
    control = function.read(MSI, offset)["control"]
    capable, allowed = bits(control, 3, 1), bits(control, 6, 4)
    if capable > 5:
        yield f"MSI at {offset:#x} has the reserved number of vectors {capable}"
        return
    yield function.fact("msi", 1 << capable)
    if allowed <= 5:
        yield function.fact("msi_state", control & 1, 1 << allowed, 64 if control & 0x80 else 32, bits(control, 8, 8))
    else:
        yield f"MSI at {offset:#x} allows the reserved number of vectors {allowed}"


def msix(function: Function, offset: int) -> Iterator[Found]:
    """Yield the size of the table, and where it and the pending bits are."""
    fields = function.read(MSIX, offset)
    yield function.fact("msix", (fields["control"] & 0x7FF) + 1)
    yield function.fact(
        "msix_table",
        fields["control"] >> 15,
        fields["table"] & 7,
        fields["table"] & ~7,
        fields["pending"] & 7,
        fields["pending"] & ~7,
    )


def express(function: Function, offset: int) -> Iterator[Found]:
    """Yield what kind of port or endpoint it is, its link and its slot."""
    fields = function.read(EXPRESS, offset)
    flags, control = fields["flags"], fields["device_control"]
    port = PORT_TYPES.get(bits(flags, 7, 4))
    if port is None:
        yield f"PCI Express at {offset:#x} has the reserved type {bits(flags, 7, 4)}"
        return
    yield function.fact(
        "pcie_function",
        port,
        128 << bits(fields["device_capabilities"], 2, 0),
        128 << bits(control, 7, 5),
        128 << bits(control, 14, 12),
    )
    if port in WITHOUT_LINK:
        return
    link = function.read(LINK, offset + LINK_OFFSET)
    yield function.fact(
        "pcie_link",
        SPEEDS.get(link["status"] & 0xF, "unknown"),
        bits(link["status"], 9, 4),
        SPEEDS.get(link["capabilities"] & 0xF, "unknown"),
        bits(link["capabilities"], 9, 4),
    )
    if port in WITH_SLOT and bits(flags, 8, 8):
        slot = function.read(SLOT, offset + SLOT_OFFSET)
        capabilities = slot["capabilities"]
        yield function.fact(
            "pcie_slot", bits(capabilities, 31, 19), bits(capabilities, 6, 6), bits(slot["status"], 6, 6)
        )


DECODERS: Mapping[str, Decoder] = {"pm": power_management, "msi": msi, "msix": msix, "exp": express}
