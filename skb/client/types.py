"""What the service answers, typed. Members that a newer service adds are ignored."""

from typing import Any

from msgspec import Struct, field

FactJson = dict[str, Any]
"""A fact: `{"name": "numa_core", "args": [0, 1]}`."""


class Health(Struct, frozen=True):
    """Whether the service can answer."""

    status: str
    revision: int
    engine_restarts: int


class Version(Struct, frozen=True):
    """Which service answers."""

    name: str
    version: str
    api: int


class Machine(Struct, frozen=True):
    """A machine that the service knows, and what it was loaded from."""

    name: str
    revision: int
    engines: int
    about: dict[str, Any]


class Loaded(Struct, frozen=True):
    """What a recording told. `problems`: what could not be read."""

    name: str
    revision: int
    facts: int
    problems: list[str]


class Change(Struct, frozen=True):
    """What a transaction did to the facts that are watched."""

    revision: int
    origin: str
    retracts: list[FactJson] = field(name="retract")
    asserts: list[FactJson] = field(name="assert")


class Step(Struct, frozen=True):
    """A goal of a proof, by what it holds (`fact`, `rule`, `computed`, ...), and the goals that it follows from."""

    goal: str
    by: str
    rule: str | None
    because: list["Step"]


class Explanation(Struct, frozen=True):
    """The first proof of a goal, and the values of its variables in it."""

    holds: bool
    bindings: dict[str, Any]
    proof: list[Step]
    revision: int


class FieldInfo(Struct, frozen=True):
    """A field of a fact. `type` says in words what a value must be."""

    name: str
    type: str
    key: bool


class Predicate(Struct, frozen=True):
    """A declared fact, and how many rows it has."""

    name: str
    fields: list[FieldInfo]
    doc: str
    source: str
    rows: int


class Page(Struct, frozen=True):
    """Rows of a fact. `cursor` gets the next; None at the end."""

    rows: list[dict[str, Any]]
    cursor: str | None
    revision: int


class Updated(Struct, frozen=True):
    """The revision that a write made."""

    revision: int


class Answer(Struct, frozen=True):
    """Solutions of a goal: values of its variables by name. `more`: there are more than were asked for."""

    solutions: list[dict[str, Any]]
    more: bool
    revision: int
    stats: dict[str, Any]


class RootedTree(Struct, frozen=True):
    """A tree that several roots share, seen from one of them."""

    children: dict[int, list[int]]
    cost_ps: int


class Tree(Struct, frozen=True):
    """A tree; each core serves its children in order, or, in a reduction, hears from them. All is done after `cost_ps`.

    `shapes` is what classic shapes cost. Of several roots, `root` is the first, and `by_root` has what each sees.
    """

    root: int
    children: dict[int, list[int]]
    cost_ps: int
    bound_ps: int
    status: str
    seconds: float
    costs: str
    revision: int
    shapes: dict[str, int] = field(default_factory=dict)
    by_root: dict[int, RootedTree] = field(default_factory=dict)


class WorstPath(Struct, frozen=True):
    """The dearest path between two cores with traffic."""

    path: list[int]
    cost_ps: int


class Routes(Struct, frozen=True):
    """Channels between cores. `next_hop[a][b]` is the neighbour to which core a hands what is for core b.

    `cost` is the sum of traffic times path cost in ps; no channels cost less than `bound`.
    """

    cores: list[int]
    channels: list[tuple[int, int]]
    next_hop: dict[int, dict[int, int]]
    cost: int
    bound: int
    worst: WorstPath
    status: str
    seconds: float
    distances: str
    revision: int
