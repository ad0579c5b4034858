"""Virtual functions (Single Root I/O Virtualization 1.1, 3.3; PCI Express 6.0, 9.3.3)."""

from __future__ import annotations

from collections.abc import Iterator

from probes.layout import layout
from probes.pci.config import Bar, decode_bars
from probes.pci.function import Found, Function

SRIOV = layout(
    "SR-IOV capability",
    "PCI Express 6.0, 9.3.3",
    "- 4x, capabilities I, control H, status H, initial H, total H, number H, dependency B, - x, first H, stride H, - 2x, device H,"
    " page_sizes I, page_size I",
)
BARS_OFFSET = 0x24
BARS = 6
FIRST_RESOURCE = 7
"""The line of the first of their registers in the kernel's `resource` file, which tells the bytes of all functions together."""


def sriov(function: Function, offset: int) -> Iterator[Found]:
    """Yield how many virtual functions there may be and are, where they are, and their base addresses."""
    fields = function.read(SRIOV, offset)
    total = fields["total"]
    yield function.fact("sriov", total, fields["number"] if fields["control"] & 1 else 0)
    yield function.fact("sriov_layout", fields["initial"], fields["first"], fields["stride"], fields["device"])
    registers = function.config[offset + BARS_OFFSET : offset + BARS_OFFSET + 4 * BARS]
    if len(registers) < 4 * BARS:
        yield f"the base addresses of virtual functions at {offset + BARS_OFFSET:#x} were not read"
        return
    for bar in decode_bars(registers, BARS, 0):
        if isinstance(bar, Bar):
            together = function.sizes.get(FIRST_RESOURCE + bar.slot)
            size: int | str = together // total if together and total else "unknown"
            yield function.fact("vf_bar", bar.slot, bar.base, size, bar.width, bar.prefetchable)
        else:
            yield f"of virtual functions, {bar}"
