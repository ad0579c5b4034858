"""Generic Address Structures: where a register is (ACPI 6.5, 5.2.3.2)."""

from __future__ import annotations

from collections.abc import Mapping

from probes.fact import Term

FIELDS = "{0}_space B, {0}_bits B, {0}_bit_offset B, {0}_access B, {0}_address Q"

SPACES: Mapping[int, str] = {
    0: "memory",
    1: "io",
    2: "pci_config",
    3: "embedded_controller",
    4: "smbus",
    5: "cmos",
    6: "pci_bar",
    7: "ipmi",
    8: "gpio",
    9: "generic_serial_bus",
    10: "platform_communications_channel",
    11: "platform_runtime_mechanism",
    0x7F: "functional_fixed_hardware",
}


def register(name: str) -> str:
    """Return the layout fields of a register that is called `name`."""
    return FIELDS.format(name)


def place(fields: Mapping[str, int], name: str) -> tuple[Term, ...]:
    """Return space, address, and width in bits of a register."""
    space: Term = SPACES.get(fields[f"{name}_space"], "unknown")
    return (space, fields[f"{name}_address"], fields[f"{name}_bits"])
