"""Bodies of requests and responses about trees and routes, with the documentation that OpenAPI shows of them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from skb.api import examples
from skb.api.models import MOST_CORES, Matrix, Model

Seconds = Annotated[float, Field(gt=0, le=600, description="Time to look for a better answer.")]
Limit = Annotated[int, Field(ge=1, le=MOST_CORES)]
Core = Annotated[int, Field(ge=0)]
Children = dict[int, list[int]]

Shape = Literal["star", "binomial", "fibonacci", "spanning", "cluster", "adaptive"]


class TreeRequest(Model):
    """By which tree should a broadcast or a reduction go? Name one root, or several that are to share a tree."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.TREE, examples.SHARED_TREE]})

    root: Annotated[Core | None, Field(description="The core that broadcasts, or that hears from all.")] = None
    roots: Annotated[
        list[Core] | None, Field(min_length=1, max_length=MOST_CORES, description="Cores that share one tree.")
    ] = None
    weights: Annotated[
        list[Annotated[int, Field(ge=1, le=10**6)]] | None,
        Field(description="Of each of `roots`: the weighted sum of costs counts. Without weights their worst counts."),
    ] = None
    cores: Annotated[
        list[int] | None, Field(description="Members: cores to reach, every root among them; all online if absent.")
    ] = None
    relays: Annotated[
        list[int], Field(default_factory=list, description="Cores that may forward without being members.")
    ]
    max_degree: Annotated[Limit | None, Field(description="Children that a core may have.")] = None
    max_depth: Annotated[Limit | None, Field(description="Messages between the root and any core.")] = None
    reduce: Annotated[bool, Field(description="The root is to hear from all, not to tell all.")] = False
    shape: Annotated[Shape | None, Field(description="A classic shape, for comparison; it is the answer then.")] = None
    seconds: Seconds = 2.0


class RootedTree(Model):
    """A shared tree seen from one of its roots."""

    children: Children
    cost_ps: int


class Tree(Model):
    """A tree; each core serves its children in the order given, or, in a reduction, hears from them in that order."""

    root: Annotated[int, Field(description="Of several, the first; `children` are as seen from it.")]
    children: Children
    cost_ps: Annotated[
        int,
        Field(description="When the last core has received, or the root from all, in ps; of several roots, the aim."),
    ]
    bound_ps: Annotated[int, Field(description="No tree costs less than this.")]
    status: Literal["optimal", "feasible", "unknown"]
    seconds: float
    costs: Annotated[str, Field(description="Where message costs come from: `measured` or `topology`.")]
    revision: int
    shapes: Annotated[
        dict[str, int],
        Field(
            description="What the classic shapes cost that keep to the limits, in ps; for one root.",
        ),
    ]
    by_root: Annotated[dict[int, RootedTree], Field(description="Of several roots: the tree as each sees it.")]


class RoutesRequest(Model):
    """Which channels, when a core can have so many at most, and which way do messages take?"""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.ROUTES]})

    max_neighbours: Annotated[Limit, Field(description="Channels that a core may have; each goes both ways.")]
    cores: Annotated[list[int] | None, Field(description="Cores to connect; all that are online if absent.")] = None
    traffic: Annotated[
        Matrix | None,
        Field(
            description="Messages from core (row) to core (column), in the order of `cores`; one for each pair if absent."
        ),
    ] = None
    seconds: Seconds = 2.0


class WorstPath(Model):
    """The dearest path between two cores with traffic."""

    path: list[int]
    cost_ps: int


class Routes(Model):
    """Channels between cores, and the table of every core."""

    cores: list[int]
    channels: Annotated[
        list[tuple[int, int]], Field(description="Pairs of cores, the one named first in `cores` first.")
    ]
    next_hop: Annotated[
        dict[int, dict[int, int]],
        Field(description="Of each core: the neighbour to which it hands what is for another."),
    ]
    cost: Annotated[int, Field(description="Sum over ordered pairs of traffic times path cost, in ps.")]
    bound: Annotated[int, Field(description="No channels cost less than this.")]
    worst: WorstPath
    status: Literal["optimal", "feasible"]
    seconds: float
    distances: Annotated[str, Field(description="Where latencies come from: `measured` or `topology`.")]
    revision: int
