"""The request for base addresses for PCI, as data (see `exchange`), and what comes back."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from skb.client.exchange import Exchange

MARGIN_SECONDS = 10.0
"""What judging a plan, and finding out why there is none, may take beyond the time for planning."""


class PciBase(Struct, frozen=True):
    """What a base address register is set to. `index`: 0 to 5, `rom`, or `vf0` to `vf5` for those of all virtual functions."""

    function: str
    index: str
    base: int
    size: int
    space: str


class PciOpened(Struct, frozen=True):
    """What a bridge passes on, `limit` included. `kind`: `memory`, `prefetchable` or `io`."""

    bridge: str
    secondary: int
    kind: str
    base: int
    limit: int


class PciKept(Struct, frozen=True):
    """What stays free behind a bridge."""

    bridge: str
    secondary: int
    kind: str
    base: int
    size: int


class PciRange(Struct, frozen=True):
    """Addresses, ends included."""

    low: int
    high: int


class PciUse(Struct, frozen=True):
    """How much of one space of a root bridge is used, in bytes: from first to last address in each of its windows.

    No plan uses less than `bound`; `greedy` is what greedy placement in post-order uses, None if it fails.
    """

    segment: int
    bus: int
    space: str
    ranges: list[PciRange]
    wanted: int
    used: int
    wasted: int
    bound: int
    greedy: int | None


class PciPlan(Struct, frozen=True):
    """Base addresses and windows of bridges. `status`: `optimal` or `feasible`; the sums are over `uses`.

    `windows_from`: where windows of root bridges come from, `firmware`, `in_use`, `both` or `asked`.
    """

    status: str
    bars: list[PciBase]
    windows: list[PciOpened]
    headroom: list[PciKept]
    uses: list[PciUse]
    wanted: int
    used: int
    wasted: int
    bound: int
    gap: float
    seconds: float
    windows_from: str
    revision: int


def pci_plan(
    devices: Mapping[str, Any] | None,
    windows: Sequence[Mapping[str, Any]] | None,
    reserved: Sequence[Mapping[str, Any]],
    keep: Sequence[str],
    headroom: Mapping[str, int] | None,
    headroom_of: Mapping[str, Mapping[str, int]] | None,
    leave_out: Sequence[str],
    spaces: Sequence[str],
    *,
    share: bool,
    seconds: float,
) -> Exchange[PciPlan]:
    """Which base addresses should PCI functions have?"""
    body: dict[str, Any] = {
        "devices": devices,
        "windows": None if windows is None else list(windows),
        "reserved": list(reserved),
        "keep": list(keep),
        "headroom": dict(headroom or {}),
        "headroom_of": dict(headroom_of or {}),
        "leave_out": list(leave_out),
        "spaces": list(spaces),
        "share": share,
        "seconds": seconds,
    }
    return Exchange("POST", "/v1/pci-plan", PciPlan, body=body, seconds=seconds + MARGIN_SECONDS)
