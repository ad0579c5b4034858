"""Bodies of PCI plans: what is to be given addresses, and what it was given."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from skb.api import examples
from skb.api.models import Model

ADDRESS = r"^([0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-1][0-9a-fA-F]\.[0-7]$"
MOST = 4096
"""Registers, bridges or ranges of one set."""

Space = Literal["memory", "io"]
Kind = Literal["memory", "prefetchable", "io"]
Function = Annotated[str, Field(pattern=ADDRESS, description="A PCI function, like 0000:00:1f.3.")]
Bus = Annotated[int, Field(ge=0, le=255)]
Place = Annotated[int, Field(ge=0, lt=2**64)]
Size = Annotated[int, Field(gt=0, lt=2**60)]
Spare = Annotated[int, Field(ge=0, lt=2**50)]


class PciWindow(Model):
    """Addresses that a root bridge forwards to its bus, ends included."""

    segment: Annotated[int, Field(ge=0, lt=2**32)] = 0
    bus: Annotated[int, Field(ge=0, le=255, description="The bus of the root bridge.")] = 0
    space: Space = "memory"
    low: Place
    high: Place


class PciBridge(Model):
    """A PCI-to-PCI bridge."""

    function: Function
    secondary: Annotated[int, Field(ge=0, le=255, description="The bus behind it.")]
    prefetchable_width: Annotated[
        Literal[0, 32, 64], Field(description="Bits of the addresses of its prefetchable window; 0: it has none.")
    ] = 64
    hotplug: Annotated[bool, Field(description="Whether cards may come and go behind it.")] = False


class PciBar(Model):
    """What a function needs addresses for."""

    function: Function
    index: Annotated[
        str,
        Field(
            pattern="^([0-5]|rom|vf[0-5]|ea[0-9]+)$",
            description="0 to 5, rom, or vf0 to vf5: of all virtual functions.",
        ),
    ] = "0"
    size: Annotated[int, Field(gt=0, lt=2**60, description="Bytes: a power of two, or a multiple of the alignment.")]
    space: Space = "memory"
    width: Annotated[Literal[32, 64], Field(description="Bits of its address.")] = 32
    prefetchable: bool = False
    alignment: Annotated[int | None, Field(gt=0, lt=2**60, description="Of the base, in bytes. Default: the size.")] = (
        None
    )
    fixed: Annotated[int | None, Field(ge=0, lt=2**64, description="Where it is, if it cannot be anywhere else.")] = (
        None
    )


class PciReserved(Model):
    """Addresses that nothing may be given, ends included."""

    name: Annotated[str, Field(max_length=100)] = "reserved"
    space: Space = "memory"
    low: Place
    high: Place


class PciDevices(Model):
    """Functions, bridges and root bridges."""

    windows: Annotated[list[PciWindow], Field(max_length=MOST)]
    bridges: list[PciBridge] = Field(default_factory=list, max_length=MOST)
    bars: list[PciBar] = Field(default_factory=list, max_length=MOST)
    reserved: list[PciReserved] = Field(default_factory=list, max_length=MOST)


class PciHeadroom(Model):
    """Bytes to be kept free behind a bridge, for cards that come later; each in one piece, aligned to the largest power of two in it."""

    memory: Spare = 0
    prefetchable: Spare = 0
    io: Spare = 0


class PciPlanRequest(Model):
    """Which base addresses should PCI functions have, and what should bridges pass on?"""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.PCI_PLAN]})

    devices: Annotated[
        PciDevices | None, Field(description="What is to be given addresses. Default: the machine's functions.")
    ] = None
    windows: Annotated[
        list[PciWindow] | None, Field(max_length=MOST, description="Windows of root bridges, in place of those known.")
    ] = None
    reserved: list[PciReserved] = Field(
        default_factory=list, max_length=MOST, description="Ranges to leave alone besides those known."
    )
    keep: list[Function] = Field(
        default_factory=list,
        max_length=MOST,
        description="Functions of the machine whose registers stay where they are.",
    )
    headroom: PciHeadroom = Field(
        default_factory=PciHeadroom, description="What each bridge with hot-plug is to keep free."
    )
    headroom_of: dict[Function, PciHeadroom] = Field(
        default_factory=dict, max_length=MOST, description="What single bridges are to keep free, by their function."
    )
    leave_out: list[Literal["rom", "vf"]] = Field(
        default_factory=list, description="Of the machine's: expansion ROMs, or what virtual functions need."
    )
    spaces: list[Space] = Field(default=["memory", "io"], min_length=1, description="What to plan.")
    share: Annotated[
        bool,
        Field(
            description="Whether prefetchable registers below a bridge on the root bus may go through the windows of other memory"
            " where that is better or the only way."
        ),
    ] = False
    seconds: Annotated[float, Field(gt=0, le=600, description="Time to look for a better plan, and for a proof.")] = 5.0


class PciBase(Model):
    """What a register is set to."""

    function: str
    index: str
    base: int
    size: int
    space: Space


class PciOpened(Model):
    """What a bridge passes on, `limit` included."""

    bridge: str
    secondary: int
    kind: Kind
    base: int
    limit: int


class PciKept(Model):
    """What stays free behind a bridge."""

    bridge: str
    secondary: int
    kind: Kind
    base: int
    size: int


class PciRange(Model):
    """Addresses, ends included."""

    low: int
    high: int


class PciUse(Model):
    """How much of one space of a root bridge is used, in bytes."""

    segment: int
    bus: int
    space: Space
    ranges: Annotated[
        list[PciRange], Field(description="From first to last address used, in each of its windows that is used.")
    ]
    wanted: Annotated[int, Field(description="What registers and head-room add up to.")]
    used: Annotated[int, Field(description="What the ranges add up to.")]
    wasted: Annotated[int, Field(description="used - wanted")]
    bound: Annotated[int, Field(description="No plan uses less than this.")]
    greedy: Annotated[
        int | None,
        Field(
            description="What greedy placement in post-order uses, as firmware does it; null: it finds no place for all."
        ),
    ]


class PciPlan(Model):
    """Base addresses and windows of bridges, and how good that is known to be. The rules of PCI have judged it before it is given."""

    status: Literal["optimal", "feasible"]
    bars: list[PciBase]
    windows: list[PciOpened]
    headroom: list[PciKept]
    uses: list[PciUse]
    wanted: int
    used: int
    wasted: int
    bound: Annotated[int, Field(description="No plan uses less than this.")]
    gap: Annotated[float, Field(description="(used - bound) / used; 0 when optimal.")]
    seconds: float
    windows_from: Annotated[
        Literal["firmware", "in_use", "both", "asked"],
        Field(description="Where windows of root bridges come from: ACPI, what functions use today, or the request."),
    ]
    revision: int
