"""Bodies of placement questions and answers."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from skb.api import examples
from skb.api.models import MOST_CORES, Matrix, Model

Dispatchers = Annotated[
    list[Annotated[int, Field(ge=0)]] | None, Field(min_length=1, description="Whom it concerns; all, if absent.")
]
Name = Annotated[str | None, Field(max_length=200, description="What a conflict calls it.")]
Part = Annotated[
    Literal["core", "physical_core", "l1", "l2", "l3", "die", "node", "package"],
    Field(description="What kind of part of the machine; `l1` to `l3` are what shares a cache of that level."),
]
Form = Literal["taskset", "numactl", "rankfile", "slurm", "systemd", "cpuset"]


class _Constraint(Model):
    model_config = ConfigDict(extra="forbid")

    name: Name = None


class OnlyCores(_Constraint):
    """Each of the dispatchers is on one of these cores."""

    type: Literal["only"]
    dispatchers: Dispatchers = None
    cores: Annotated[list[int], Field(min_length=1)]


class AvoidCores(_Constraint):
    """None of the dispatchers is on any of these cores."""

    type: Literal["avoid"]
    dispatchers: Dispatchers = None
    cores: list[int]


class Same(_Constraint):
    """All of the dispatchers are in one part."""

    type: Literal["same"]
    dispatchers: Dispatchers = None
    part: Part = "node"


class Different(_Constraint):
    """No two of the dispatchers are in one part."""

    type: Literal["different"]
    dispatchers: Dispatchers = None
    part: Part = "node"


class Exclusive(_Constraint):
    """Each of the dispatchers has a part to itself: no other dispatcher is in it."""

    type: Literal["exclusive"]
    dispatchers: Dispatchers = None
    part: Part = "core"


class AtMostPerPart(_Constraint):
    """At most so many of the dispatchers are in any one part."""

    type: Literal["at_most"]
    dispatchers: Dispatchers = None
    count: Annotated[int, Field(ge=0)]
    part: Part = "core"


class Near(_Constraint):
    """Each of the dispatchers is on the node nearest to a PCI device."""

    type: Literal["near"]
    dispatchers: Dispatchers = None
    device: Annotated[
        str, Field(pattern=r"^[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$", examples=["0000:03:00.0"])
    ]


class Kind(_Constraint):
    """Each of the dispatchers is on a core of this kind."""

    type: Literal["kind"]
    dispatchers: Dispatchers = None
    kind: Literal["performance", "efficiency", "uniform"]


class Memory(_Constraint):
    """Each of the dispatchers needs so many bytes on its own node; all that a node's dispatchers need fits its memory."""

    type: Literal["memory"]
    dispatchers: Dispatchers = None
    bytes: Annotated[int, Field(ge=0)]


PlacementConstraint = Annotated[
    OnlyCores | AvoidCores | Same | Different | Exclusive | AtMostPerPart | Near | Kind | Memory,
    Field(discriminator="type"),
]


class Preference(Model):
    """A core that a dispatcher would like. It decides only between placements that cost the same."""

    model_config = ConfigDict(extra="forbid")

    dispatcher: Annotated[int, Field(ge=0)]
    core: int


Label = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class PlacementRequest(Model):
    """Where should these dispatchers go?"""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.PLACEMENT]})

    dispatchers: Annotated[int, Field(ge=1, le=MOST_CORES)]
    traffic: Annotated[Matrix, Field(description="Messages from dispatcher (row) to dispatcher (column).")]
    names: Annotated[
        list[Label] | None,
        Field(description="What commands call the dispatchers; their numbers if absent."),
    ] = None
    cores: Annotated[list[int] | None, Field(description="Cores to choose from; all that are online if absent.")] = None
    avoid: Annotated[list[int], Field(default_factory=list, description="Cores to leave free.")]
    max_per_core: Annotated[int, Field(ge=1, description="Dispatchers that one core may have.")] = 1
    constraints: Annotated[
        list[PlacementConstraint], Field(default_factory=list, max_length=1000, description="What must hold.")
    ]
    prefer: Annotated[
        list[Preference],
        Field(default_factory=list, max_length=1000, description="What should be, if it costs nothing."),
    ]
    current: Annotated[
        list[int | None] | None, Field(description="Where the dispatchers are now; null for one that is new.")
    ] = None
    move_price: Annotated[
        int,
        Field(ge=0, le=2**60, description="What moving a dispatcher costs, in ps times messages, like the traffic."),
    ] = 0
    emit: Annotated[
        list[Form], Field(default_factory=list, description="Forms in which to write the placement for other tools.")
    ]
    seconds: Annotated[float, Field(gt=0, le=600, description="Time to look for a better answer.")] = 2.0


class Move(Model):
    """A dispatcher that leaves a core for another. A core that is gone is left without a price."""

    dispatcher: int
    origin: int
    core: int


class LevelCost(Model):
    """What travels between cores that have this, and nothing smaller, in common."""

    level: Annotated[
        str, Field(description="`core`, `physical_core`, `l1`, `l2`, `l3`, `die`, `node`, `package` or `machine`.")
    ]
    messages: int
    cost: int


class PairCost(Model):
    """What two dispatchers exchange, in both directions."""

    dispatchers: tuple[int, int]
    cores: tuple[int, int]
    level: str
    messages: int
    cost: int


class PreferenceAnswer(Model):
    """Whether a wish came true, and if not, why."""

    dispatcher: int
    core: int
    taken: bool
    reason: str
    extra_cost: Annotated[int | None, Field(description="What the best placement found with it costs more.")] = None


class Placement(Model):
    """The core of each dispatcher, and how good that is known to be."""

    assignment: list[int]
    cost: Annotated[
        int, Field(description="Sum over ordered pairs of traffic times distance, in ps, and the price of moves.")
    ]
    bound: Annotated[int, Field(description="No placement costs less than this.")]
    gap: Annotated[float, Field(description="(cost - bound) / cost; 0 when optimal.")]
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    seconds: float
    distances: Annotated[str, Field(description="Where distances come from: `measured` or `topology`.")]
    levels: Annotated[list[LevelCost], Field(description="The cost by what cores have in common, from near to far.")]
    pairs: Annotated[list[PairCost], Field(description="The dearest pairs of dispatchers, at most 100.")]
    moves: list[Move]
    moving_cost: int
    preferences: list[PreferenceAnswer]
    commands: Annotated[dict[str, str], Field(description="The placement as other tools take it, by form.")]
    revision: int
