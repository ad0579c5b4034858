"""The request to place dispatchers, as data (see `exchange`), and what comes back."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from skb.client.exchange import Exchange


class LevelCost(Struct, frozen=True):
    """What travels between cores that have `level`, and nothing smaller, in common: messages, and their cost in ps."""

    level: str
    messages: int
    cost: int


class PairCost(Struct, frozen=True):
    """What two dispatchers exchange, in both directions."""

    dispatchers: tuple[int, int]
    cores: tuple[int, int]
    level: str
    messages: int
    cost: int


class Move(Struct, frozen=True):
    """A dispatcher that leaves a core, `origin`, for another."""

    dispatcher: int
    origin: int
    core: int


class Preference(Struct, frozen=True):
    """Whether a preferred core was taken, and if not, why; `extra_cost` is what the best placement found with it costs more."""

    dispatcher: int
    core: int
    taken: bool
    reason: str
    extra_cost: int | None = None


class Placement(Struct, frozen=True):
    """The core of each dispatcher. `cost` is the sum of traffic times distance in ps, and the price of moves; none costs less than `bound`.

    `levels` and `pairs` (the dearest hundred) say where the cost comes from, `commands` is the placement as other tools take it.
    """

    assignment: list[int]
    cost: int
    bound: int
    gap: float
    status: str
    seconds: float
    distances: str
    revision: int
    levels: list[LevelCost] = []
    pairs: list[PairCost] = []
    moves: list[Move] = []
    moving_cost: int = 0
    preferences: list[Preference] = []
    commands: dict[str, str] = {}


def place(
    dispatchers: int,
    traffic: Sequence[Sequence[int]],
    cores: Sequence[int] | None,
    avoid: Sequence[int],
    max_per_core: int,
    constraints: Sequence[Mapping[str, Any]],
    prefer: Mapping[int, int],
    current: Sequence[int | None] | None,
    move_price: int,
    names: Sequence[str] | None,
    emit: Sequence[str],
    seconds: float,
) -> Exchange[Placement]:
    """Where should dispatchers go?"""
    body: dict[str, Any] = {
        "dispatchers": dispatchers,
        "traffic": [list(row) for row in traffic],
        "cores": None if cores is None else list(cores),
        "avoid": list(avoid),
        "max_per_core": max_per_core,
        "seconds": seconds,
    }
    wishes = [{"dispatcher": dispatcher, "core": core} for dispatcher, core in prefer.items()]
    more: dict[str, Any] = {
        "constraints": [dict(each) for each in constraints],
        "prefer": wishes,
        "current": None if current is None else list(current),
        "move_price": move_price,
        "names": None if names is None else list(names),
        "emit": list(emit),
    }
    body |= {name: value for name, value in more.items() if value}
    return Exchange("POST", "/v1/placement", Placement, body=body, seconds=seconds)
