"""What a placement must keep to, beyond that every dispatcher has a core: in five forms, which all others come down to.

A *partition* says for each core which part of the machine it belongs to (its node, its package, its physical core, itself), as numbers.
Every constraint has a `name`, by which a conflict is told.
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


Constraint = Only | Same | Different | Alone | AtMost


def checked_constraints(constraints: Sequence[Constraint], dispatchers: int, cores: int) -> tuple[Constraint, ...]:
    """Return the constraints, or say which of them speaks of what there is not."""
    for constraint in constraints:
        if isinstance(constraint, AtMost):
            if len(constraint.weight) != dispatchers or min(constraint.weight, default=0) < 0:
                raise SolverError(f"{constraint.name}: give a weight from 0 for each of the {dispatchers} dispatchers")
        elif unknown := [a for a in constraint.dispatchers if not 0 <= a < dispatchers]:
            raise SolverError(
                f"{constraint.name}: there is no dispatcher {unknown[0]}; there are 0 to {dispatchers - 1}"
            )
        if isinstance(constraint, Only):
            if unknown := sorted(core for core in constraint.cores if not 0 <= core < cores):
                raise SolverError(f"{constraint.name}: there is no core {unknown[0]}; there are 0 to {cores - 1}")
        elif len(constraint.part) != cores or min(constraint.part, default=0) < 0:
            raise SolverError(f"{constraint.name}: give a part from 0 for each of the {cores} cores")
        if isinstance(constraint, AtMost) and max(constraint.part, default=-1) >= len(constraint.most):
            raise SolverError(f"{constraint.name}: give the most for each of the {max(constraint.part) + 1} parts")
    return tuple(constraints)


def restricted(constraint: Constraint, cores: Sequence[int]) -> Constraint:
    """Return the constraint as it reads when these cores are all there are, numbered anew in this order."""
    if isinstance(constraint, Only):
        return replace(constraint, cores=frozenset(i for i, core in enumerate(cores) if core in constraint.cores))
    return replace(constraint, part=tuple(constraint.part[core] for core in cores))


def broken(constraint: Constraint, assignment: Sequence[int]) -> bool:
    """Tell whether a complete assignment breaks the constraint."""
    if isinstance(constraint, Only):
        return any(assignment[a] not in constraint.cores for a in constraint.dispatchers)
    if isinstance(constraint, AtMost):
        used = [0] * len(constraint.most)
        for weight, core in zip(constraint.weight, assignment, strict=True):
            used[constraint.part[core]] += weight
        return any(sum_ > most for sum_, most in zip(used, constraint.most, strict=True))
    parts = [constraint.part[assignment[a]] for a in constraint.dispatchers]
    if isinstance(constraint, Same):
        return any(a != b for a, b in pairwise(parts))
    if isinstance(constraint, Different):
        return len(set(parts)) < len(parts)
    members = set(constraint.dispatchers)
    mine = set(parts)
    return len(mine) < len(parts) or any(
        constraint.part[core] in mine for a, core in enumerate(assignment) if a not in members
    )


def allows(constraint: Constraint, placed: Sequence[int]) -> Callable[[int, int], bool]:
    """Return a test of (dispatcher, core): does the constraint allow it beside those placed (-1 where not yet)?

    Only what one pair at a time can break is seen. So a complete assignment, built up by allowed steps, keeps the constraint.
    """
    if isinstance(constraint, Only):
        bound, cores = set(constraint.dispatchers), constraint.cores
        return lambda a, core: a not in bound or core in cores
    part = constraint.part
    if isinstance(constraint, AtMost):
        used = [0] * len(constraint.most)
        for a, core in enumerate(placed):
            if core >= 0:
                used[part[core]] += constraint.weight[a]
        weight, most = constraint.weight, constraint.most
        return lambda a, core: used[part[core]] + weight[a] <= most[part[core]]
    members = set(constraint.dispatchers)
    taken = {part[placed[a]] for a in constraint.dispatchers if placed[a] >= 0}
    if isinstance(constraint, Same):
        return lambda a, core: a not in members or not taken or taken == {part[core]}
    if isinstance(constraint, Different):
        return lambda a, core: a not in members or part[core] not in taken
    lived_in = {part[core] for core in placed if core >= 0}
    return lambda a, core: part[core] not in (lived_in if a in members else taken)


def likeness(constraint: Constraint, dispatchers: range) -> list[object]:
    """Return a value for each dispatcher; the constraint treats those with equal values alike."""
    if isinstance(constraint, AtMost):
        return list(constraint.weight)
    members = set(constraint.dispatchers)
    return [a in members for a in dispatchers]


def core_likeness(constraint: Constraint, cores: range) -> list[object]:
    """Return a value for each core; two with equal values differ for the constraint at most in the part they belong to."""
    if isinstance(constraint, Only):
        return [core in constraint.cores for core in cores]
    if isinstance(constraint, AtMost):
        return [constraint.most[part] for part in constraint.part]
    return [None for _ in cores]


Verdict = Literal["feasible", "infeasible", "unknown"]
