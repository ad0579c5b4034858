"""The request to solve a model, as data (see `exchange`), and what comes back."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from skb.client.exchange import Exchange

MARGIN_SECONDS = 10.0
"""What making a model of a goal may take beyond the time for solving it."""


class Optimum(Struct, frozen=True):
    """What is best. `status`: `optimal`, `feasible` (time ran out), `infeasible`, `unknown`; no solution is better than `bound`.

    `solutions` are the optimal ones, if they were asked for, and `complete` says whether all of them; `conflict` has names of constraints
    that contradict each other, and `minimal` says whether each is needed for that. What is not known is None.
    """

    status: str
    cost: int | None
    bound: int | None
    gap: float | None
    values: dict[str, int] | None
    seconds: float
    backend: str
    solutions: list[dict[str, int]] | None
    complete: bool | None
    conflict: list[str] | None
    minimal: bool | None
    revision: int


def optimize(
    model: str | Sequence[Any] | None,
    objective: str | Mapping[str, Any] | None,
    goal: str | None,
    params: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Exchange[Optimum]:
    """What is best?"""
    body: dict[str, Any] = {"options": {name: value for name, value in options.items() if value is not None}}
    if model is not None:
        body["model"] = model
    if objective is not None:
        body["objective"] = objective
    if goal is not None:
        body |= {"goal": goal, "params": params or {}}
    seconds = float(options.get("seconds") or 10) + MARGIN_SECONDS
    return Exchange("POST", "/v1/optimize", Optimum, body=body, seconds=seconds)
