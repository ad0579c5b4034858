"""Bodies of optimisation questions and answers."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from skb.api import examples
from skb.api.models import Model

Integer = Annotated[int, Field(ge=-(2**60), le=2**60)]


class OptimizeOptions(Model):
    """How to look, how long, and what else to tell. Those that are given go before those that a goal binds Options to."""

    backend: Annotated[
        Literal["auto", "clpfd", "cpsat"],
        Field(description="Who solves it: CLP(FD) in an engine, CP-SAT, or by size whichever is likely to be quicker."),
    ] = "auto"
    seconds: Annotated[float, Field(gt=0, le=600, description="Time to take at most.")] = 10.0
    hint: dict[str, Integer] = Field(
        default_factory=dict, description="Where to look first, like the `values` of an earlier answer."
    )
    all_optimal: Annotated[int, Field(ge=0, le=100_000, description="List the optimal solutions, up to so many.")] = 0
    explain_infeasible: Annotated[
        bool, Field(description="If there is no solution, find named constraints that conflict.")
    ] = False
    workers: Annotated[int, Field(ge=1, le=64, description="Threads of CP-SAT.")] = 1
    seed: Annotated[int, Field(ge=0, lt=2**31, description="Of CP-SAT's chance.")] = 0


class OptimizeRequest(Model):
    """What is best? A model, or a goal that makes one from what is known of the machine."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.OPTIMIZE]})

    model: Annotated[
        str | list[Any] | None,
        Field(description="Declarations and constraints: a list of terms in JSON form, or Prolog text of that list."),
    ] = None
    objective: Annotated[
        str | dict[str, Any] | None,
        Field(description="minimize(Expression), maximize(Expression) or satisfy, in the same ways. Default: satisfy."),
    ] = None
    goal: Annotated[
        str | None,
        Field(
            max_length=100_000,
            description="In place of a model: a goal that binds Model, and may Objective and Options.",
        ),
    ] = None
    params: dict[str, Any] = Field(default_factory=dict, description="Values for variables of the goal, as in a query.")
    options: OptimizeOptions = Field(default_factory=OptimizeOptions)


class Optimum(Model):
    """What is best, and how well that is known."""

    status: Annotated[
        Literal["optimal", "feasible", "infeasible", "unknown"],
        Field(
            description="No solution is better, or any will do; time ran out, and none is better than `bound`; there is none; time ran "
            "out before one was found."
        ),
    ]
    cost: int | None
    bound: Annotated[int | None, Field(description="No solution is better than this.")]
    gap: Annotated[float | None, Field(description="abs(cost - bound) / max(1, abs(cost)).")]
    values: Annotated[dict[str, int] | None, Field(description="Of the variables, by their names.")]
    seconds: float
    backend: Literal["clpfd", "cpsat"]
    solutions: Annotated[list[dict[str, int]] | None, Field(description="With all_optimal: optimal ones.")] = None
    complete: Annotated[bool | None, Field(description="Whether these are all.")] = None
    conflict: Annotated[
        list[str] | None, Field(description="Names of constraints that contradict each other and what has no name.")
    ] = None
    minimal: Annotated[bool | None, Field(description="Whether the conflict is none without any of its names.")] = None
    revision: int
