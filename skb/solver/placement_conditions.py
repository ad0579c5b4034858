"""What a placement must keep to, beyond that every dispatcher has a core: in five forms, which all others come down to.

A *partition* says for each core which part of the machine it belongs to (its node, its package, its physical core, itself), as numbers.
Every condition has a `name`, by which a conflict is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from skb.solver.errors import SolverError

Partition = tuple[int, ...]


@dataclass(frozen=True)
class Only:
    """Each of the dispatchers is on one of the cores."""

    name: str
    dispatchers: tuple[int, ...]
    cores: frozenset[int]


@dataclass(frozen=True)
class Same:
    """All of the dispatchers are in one part."""

    name: str
    dispatchers: tuple[int, ...]
    part: Partition


@dataclass(frozen=True)
class Different:
    """No two of the dispatchers are in one part."""

    name: str
    dispatchers: tuple[int, ...]
    part: Partition


@dataclass(frozen=True)
class Alone:
    """Each of the dispatchers is the only dispatcher in its part."""

    name: str
    dispatchers: tuple[int, ...]
    part: Partition


@dataclass(frozen=True)
class AtMost:
    """The weights (one for each dispatcher) of those in part i come to no more than `most[i]`."""

    name: str
    weight: tuple[int, ...]
    part: Partition
    most: tuple[int, ...]


Condition = Only | Same | Different | Alone | AtMost


def checked_conditions(conditions: Sequence[Condition], dispatchers: int, cores: int) -> tuple[Condition, ...]:
    """Return the conditions, or say which of them speaks of what there is not."""
    for condition in conditions:
        if isinstance(condition, AtMost):
            if len(condition.weight) != dispatchers or min(condition.weight, default=0) < 0:
                raise SolverError(f"{condition.name}: give a weight from 0 for each of the {dispatchers} dispatchers")
        elif unknown := [a for a in condition.dispatchers if not 0 <= a < dispatchers]:
            raise SolverError(
                f"{condition.name}: there is no dispatcher {unknown[0]}; there are 0 to {dispatchers - 1}"
            )
        if isinstance(condition, Only):
            if unknown := sorted(core for core in condition.cores if not 0 <= core < cores):
                raise SolverError(f"{condition.name}: there is no core {unknown[0]}; there are 0 to {cores - 1}")
        elif len(condition.part) != cores or min(condition.part, default=0) < 0:
            raise SolverError(f"{condition.name}: give a part from 0 for each of the {cores} cores")
        if isinstance(condition, AtMost) and max(condition.part, default=-1) >= len(condition.most):
            raise SolverError(f"{condition.name}: give the most for each of the {max(condition.part) + 1} parts")
    return tuple(conditions)


def restricted(condition: Condition, cores: Sequence[int]) -> Condition:
    """Return the condition as it reads when these cores are all there are, numbered anew in this order."""
    if isinstance(condition, Only):
        return replace(condition, cores=frozenset(i for i, core in enumerate(cores) if core in condition.cores))
    return replace(condition, part=tuple(condition.part[core] for core in cores))


def broken(condition: Condition, assignment: Sequence[int]) -> bool:
    """Tell whether a complete assignment breaks the condition."""
    if isinstance(condition, Only):
        return any(assignment[a] not in condition.cores for a in condition.dispatchers)
    if isinstance(condition, AtMost):
        used = [0] * len(condition.most)
        for weight, core in zip(condition.weight, assignment, strict=True):
            used[condition.part[core]] += weight
        return any(sum_ > most for sum_, most in zip(used, condition.most, strict=True))
    parts = [condition.part[assignment[a]] for a in condition.dispatchers]
    if isinstance(condition, Same):
        return any(a != b for a, b in pairwise(parts))
    if isinstance(condition, Different):
        return len(set(parts)) < len(parts)
    members = set(condition.dispatchers)
    mine = set(parts)
    return len(mine) < len(parts) or any(
        condition.part[core] in mine for a, core in enumerate(assignment) if a not in members
    )


def allows(condition: Condition, placed: Sequence[int]) -> Callable[[int, int], bool]:
    """Return a test of (dispatcher, core): does the condition allow it beside those placed (-1 where not yet)?

    Only what one pair at a time can break is seen. So a complete assignment, built up by allowed steps, keeps the condition.
    """
    if isinstance(condition, Only):
        bound, cores = set(condition.dispatchers), condition.cores
        return lambda a, core: a not in bound or core in cores
    part = condition.part
    if isinstance(condition, AtMost):
        used = [0] * len(condition.most)
        for a, core in enumerate(placed):
            if core >= 0:
                used[part[core]] += condition.weight[a]
        weight, most = condition.weight, condition.most
        return lambda a, core: used[part[core]] + weight[a] <= most[part[core]]
    members = set(condition.dispatchers)
    taken = {part[placed[a]] for a in condition.dispatchers if placed[a] >= 0}
    if isinstance(condition, Same):
        return lambda a, core: a not in members or not taken or taken == {part[core]}
    if isinstance(condition, Different):
        return lambda a, core: a not in members or part[core] not in taken
    lived_in = {part[core] for core in placed if core >= 0}
    return lambda a, core: part[core] not in (lived_in if a in members else taken)


def likeness(condition: Condition, dispatchers: range) -> list[object]:
    """Return a value for each dispatcher; the condition treats those with equal values alike."""
    if isinstance(condition, AtMost):
        return list(condition.weight)
    members = set(condition.dispatchers)
    return [a in members for a in dispatchers]


def core_likeness(condition: Condition, cores: range) -> list[object]:
    """Return a value for each core; two with equal values differ for the condition at most in the part they belong to."""
    if isinstance(condition, Only):
        return [core in condition.cores for core in cores]
    if isinstance(condition, AtMost):
        return [condition.most[part] for part in condition.part]
    return [None for _ in cores]


Verdict = Literal["feasible", "infeasible", "unknown"]
