"""Placements: a question about a machine, put as a problem of matrices and partitions, and the answer told in the machine's terms.

The rules say what messages cost (`costs`) and which parts the cores belong to (`placement`); the solver knows only numbers.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skb import emit
from skb.api import placement_models as models
from skb.api.placement_models import Placement, PlacementRequest
from skb.errors import InvalidRequest
from skb.knowledge import Knowledge
from skb.solver.placement import Placement as Found
from skb.solver.placement_constraints import Alone, AtMost, Constraint, Different, Only, Same

LEVELS = ("core", "physical_core", "l1", "l2", "l3", "die", "node", "package")
"""What two cores may have in common, from small to large; beyond, it is the machine."""

MOST_PAIRS = 100
PREFERENCES_SHARE = 0.25
"""Of the time: for finding out what a preference costs that did not come true."""

Solve = Callable[..., Awaitable[Found]]


@dataclass(frozen=True)
class Cores:
    """The cores to choose from, and what the rules tell of them. `parts`: for each kind of part, the one of each core, None if in none."""

    numbers: Sequence[int]
    parts: Mapping[str, Sequence[str | int | None]]
    memory: Mapping[int, int]
    order: Sequence[int]
    near: Mapping[str, Sequence[int]]

    def part(self, kind: str, name: str) -> tuple[int, ...]:
        """Give the partition into parts of a kind, as numbers; a core in none is one by itself."""
        if kind == "core":
            return tuple(range(len(self.numbers)))
        if kind not in self.parts:
            known = ", ".join(level for level in LEVELS if level == "core" or level in self.parts)
            raise InvalidRequest(
                f"{name}: nothing is known of this machine's parts of the kind {kind}; known are {known}"
            )
        number: dict[object, int] = {}
        keys = [("core", i) if id_ is None else ("part", id_) for i, id_ in enumerate(self.parts[kind])]
        return tuple(number.setdefault(key, len(number)) for key in keys)

    def level(self, a: int, b: int) -> str:
        """Give the smallest thing that two cores (as indices) have in common."""
        if a == b:
            return "core"
        for kind in LEVELS[1:]:
            ids = self.parts.get(kind)
            if ids is not None and ids[a] is not None and ids[a] == ids[b]:
                return kind
        return "machine"

    def among(self, wanted: Sequence[int], name: str) -> frozenset[int]:
        """Give cores as indices. Raises InvalidRequest for one that is not there."""
        if unknown := sorted(set(wanted) - set(self.numbers)):
            raise InvalidRequest(f"{name} names core {unknown[0]}, which is not among the cores {short(self.numbers)}")
        return frozenset(self.numbers.index(core) for core in wanted)


async def place(knowledge: Knowledge, solve: Solve, request: PlacementRequest, numbers: Sequence[int]) -> Placement:
    """Find where dispatchers go, among these cores. Raises InvalidRequest, with the names of constraints that conflict."""
    began = time.monotonic()
    _check(request)
    cores = await _look(knowledge, request, numbers)
    (distance, source), revision = await knowledge.rule("core_distance", list(numbers))
    question = _question(request, cores, distance)
    share = 1 - PREFERENCES_SHARE if request.prefer else 1.0
    found = await _solved(solve, question, request.seconds * share, request)
    preferences: list[models.PreferenceAnswer] = []
    for index, wish in enumerate(request.prefer):
        left = request.seconds - (time.monotonic() - began)
        seconds = max(0.05, left / (len(request.prefer) - index))
        found, answer = await _wish(solve, question, cores, found, wish, seconds)
        preferences.append(answer)
    preferences = [_settled(answer, cores, found) for answer in preferences]
    cost, bound = question.cost(found), question.bound(found)
    moves = _moves(request, cores, found)
    return Placement(
        assignment=[cores.numbers[index] for index in found.assignment],
        cost=cost,
        bound=min(bound, cost),
        gap=(cost - min(bound, cost)) / cost if cost else 0.0,
        status="optimal" if bound >= cost else "feasible",
        seconds=round(time.monotonic() - began, 3),
        distances=source,
        levels=_levels(request, cores, distance, found),
        pairs=_pairs(request, cores, distance, found),
        moves=moves,
        moving_cost=request.move_price * sum(move.origin in cores.numbers for move in moves),
        preferences=preferences,
        commands={form: emit.commands(_placed(request, cores, found), form) for form in request.emit},
        revision=revision,
    )


def _check(request: PlacementRequest) -> None:
    """Raise InvalidRequest for what does not go together with the number of dispatchers."""
    count = request.dispatchers
    if len(request.traffic) != count or any(len(row) != count for row in request.traffic):
        raise InvalidRequest(f"traffic must have {count} rows of {count} numbers, one for each dispatcher")
    for name, given in (("names", request.names), ("current", request.current)):
        if given is not None and len(given) != count:
            raise InvalidRequest(f"{name} has {len(given)} entries; give one for each of the {count} dispatchers")
    if request.move_price and request.current is None:
        raise InvalidRequest("move_price needs current: where the dispatchers are now")
    named = [(f"constraints[{i}]", each.dispatchers or []) for i, each in enumerate(request.constraints)]
    named += [(f"prefer[{i}]", [each.dispatcher]) for i, each in enumerate(request.prefer)]
    for place_, dispatchers in named:
        if unknown := [a for a in dispatchers if a >= count]:
            raise InvalidRequest(f"{place_} names dispatcher {unknown[0]}; there are 0 to {count - 1}")


async def _look(knowledge: Knowledge, request: PlacementRequest, numbers: Sequence[int]) -> Cores:
    """Ask the rules what the constraints need to know."""
    (parts, memory, order), _ = await knowledge.rule("placement_parts", list(numbers))
    near: dict[str, list[int]] = {}
    for index, constraint in enumerate(request.constraints):
        if isinstance(constraint, models.Near):
            name = _name(constraint, index)
            segment, bus, rest = constraint.device.split(":")
            address = [int(part, 16) for part in (segment, bus, *rest.split("."))]
            (found,), _ = await knowledge.rule("local_cores", {"f": "addr", "args": address})
            if found == "unknown":
                raise InvalidRequest(f"{name}: there is no PCI device {constraint.device}; skb facts device lists them")
            if not found:
                raise InvalidRequest(f"{name}: nothing tells which node the device {constraint.device} is near")
            near[constraint.device] = found
    told = {kind: [None if id_ == "none" else id_ for id_ in ids] for kind, ids in parts}
    return Cores(numbers, told, dict(memory), order, near)


def _name(constraint: models.PlacementConstraint, index: int) -> str:
    return constraint.name or f"constraints[{index}] ({constraint.type})"


@dataclass(frozen=True)
class _Question:
    """What the solver is asked. With preferences, costs are `scale` times the true ones, and one more for each that is not met."""

    distance: list[list[int]]
    traffic: list[list[int]]
    max_per_core: int
    avoid: tuple[int, ...]
    price: list[list[int]]
    constraints: tuple[Constraint, ...]
    start: tuple[int, ...]
    scale: int

    def cost(self, found: Found) -> int:
        """Give the true cost."""
        return found.cost // self.scale

    def bound(self, found: Found) -> int:
        """Give what no placement truly costs less than: even if all preferences but none of the cost went into the bound."""
        return -(-(found.bound - (self.scale - 1)) // self.scale)


def _question(request: PlacementRequest, cores: Cores, distance: list[list[int]]) -> _Question:
    scale = len(request.prefer) + 1
    price = [[0] * len(cores.numbers) for _ in range(request.dispatchers)]
    start: list[int] = []
    for a, core in enumerate(request.current or []):
        if core in cores.numbers:
            home = cores.numbers.index(core)
            start.append(home)
            price[a] = [0 if k == home else scale * request.move_price for k in range(len(cores.numbers))]
    for index, wish in enumerate(request.prefer):
        liked = next(iter(cores.among([wish.core], f"prefer[{index}]")))
        price[wish.dispatcher] = [each + (k != liked) for k, each in enumerate(price[wish.dispatcher])]
    return _Question(
        distance,
        [[scale * each for each in row] for row in request.traffic],
        request.max_per_core,
        tuple(sorted(cores.among(request.avoid, "avoid"))),
        price if any(map(any, price)) else [],
        tuple(_constraints(request, cores)),
        tuple(start) if len(start) == request.dispatchers else (),
        scale,
    )


def _constraints(request: PlacementRequest, cores: Cores) -> list[Constraint]:
    """Say the constraints asked for in the few forms that the solver knows."""
    everyone = tuple(range(request.dispatchers))
    needs = [0] * request.dispatchers
    memory: list[str] = []
    found: list[Constraint] = []
    for index, constraint in enumerate(request.constraints):
        name = _name(constraint, index)
        who = everyone if constraint.dispatchers is None else tuple(sorted(set(constraint.dispatchers)))
        match constraint:
            case models.OnlyCores():
                found.append(Only(name, who, cores.among(constraint.cores, name)))
            case models.AvoidCores():
                left = frozenset(range(len(cores.numbers))) - cores.among(constraint.cores, name)
                found.append(Only(name, who, left))
            case models.Same():
                found.append(Same(name, who, cores.part(constraint.part, name)))
            case models.Different():
                found.append(Different(name, who, cores.part(constraint.part, name)))
            case models.Exclusive():
                found.append(Alone(name, who, cores.part(constraint.part, name)))
            case models.AtMostPerPart():
                part = cores.part(constraint.part, name)
                weight = tuple(int(a in who) for a in everyone)
                found.append(AtMost(name, weight, part, (constraint.count,) * (max(part) + 1)))
            case models.Near():
                there = set(cores.near[constraint.device])
                found.append(Only(name, who, frozenset(i for i, core in enumerate(cores.numbers) if core in there)))
            case models.Kind():
                kinds = cores.parts.get("kind")
                if kinds is None:
                    raise InvalidRequest(f"{name}: nothing is known of kinds of cores on this machine")
                found.append(Only(name, who, frozenset(i for i, kind in enumerate(kinds) if kind == constraint.kind)))
            case models.Memory():
                memory.append(name)
                for a in who:
                    needs[a] += constraint.bytes
    if memory:
        found.append(_memory(", ".join(memory), needs, cores))
    return found


def _memory(name: str, needs: Sequence[int], cores: Cores) -> AtMost:
    """Say that what dispatchers need fits their nodes; all such constraints are one, since they share the nodes."""
    part = cores.part("node", name)
    most = [0] * (max(part) + 1)
    for number, node in zip(part, cores.parts["node"], strict=True):
        if isinstance(node, int):
            most[number] = cores.memory.get(node, 0)
    return AtMost(name, tuple(needs), part, tuple(most))


async def _ask(solve: Solve, question: _Question, seconds: float) -> Found:
    return await solve(
        question.distance,
        question.traffic,
        max_per_core=question.max_per_core,
        avoid=question.avoid,
        price=question.price,
        constraints=question.constraints,
        start=question.start,
        seconds=seconds,
    )


async def _solved(solve: Solve, question: _Question, seconds: float, request: PlacementRequest) -> Found:
    found = await _ask(solve, question, seconds)
    if found.status == "infeasible":
        raise InvalidRequest(f"no placement is possible: {found.reason}", conflict=list(found.conflict))
    if found.status == "unknown":
        raise InvalidRequest(f"in {request.seconds:g} s {found.reason}")
    return found


async def _wish(
    solve: Solve, question: _Question, cores: Cores, found: Found, wish: models.Preference, seconds: float
) -> tuple[Found, models.PreferenceAnswer]:
    """Find out why a preferred core was not taken: what the best placement with it costs. If it costs nothing, it is taken after all."""
    core = cores.numbers.index(wish.core)
    if found.assignment[wish.dispatcher] == core:
        return found, models.PreferenceAnswer(dispatcher=wish.dispatcher, core=wish.core, taken=True, reason="")
    asked = Only("the preference", (wish.dispatcher,), frozenset({core}))
    other = await _ask(
        solve, replace(question, constraints=(*question.constraints, asked), start=found.assignment), seconds
    )

    def refused(reason: str, extra: int | None = None) -> tuple[Found, models.PreferenceAnswer]:
        return found, models.PreferenceAnswer(
            dispatcher=wish.dispatcher, core=wish.core, taken=False, reason=reason, extra_cost=extra
        )

    if other.status == "unknown":
        return refused("no placement with it was found in the time")
    if other.status == "infeasible":
        against = [name for name in other.conflict if name != "the preference"]
        if "avoid" in against and core in question.avoid:
            return refused("the core is one to avoid")
        return refused(f"it cannot hold together with: {', '.join(against)}" if against else other.reason)
    if other.cost <= found.cost:
        kept = replace(other, bound=found.bound)
        return kept, models.PreferenceAnswer(dispatcher=wish.dispatcher, core=wish.core, taken=True, reason="")
    extra = question.cost(other) - question.cost(found)
    if extra == 0:
        return refused("it is another preference that came true, at the same cost", 0)
    least = question.bound(other) - question.cost(found)
    proof = f"and no placement with it costs less than {least:,} more" if least > 0 else "and less is not ruled out"
    exact = (
        "the cheapest placement with it" if other.status == "optimal" else "the best placement with it that was found"
    )
    return refused(f"{exact} costs {extra:,} more" + ("" if other.status == "optimal" else f", {proof}"), extra)


def _settled(answer: models.PreferenceAnswer, cores: Cores, found: Found) -> models.PreferenceAnswer:
    """Give the answer as it stands when all have been asked: another preference may have brought the placement that this one wanted."""
    if cores.numbers[found.assignment[answer.dispatcher]] != answer.core:
        return answer
    return models.PreferenceAnswer(dispatcher=answer.dispatcher, core=answer.core, taken=True, reason="")


def _levels(request: PlacementRequest, cores: Cores, distance: list[list[int]], found: Found) -> list[models.LevelCost]:
    messages: dict[str, int] = {}
    costs: dict[str, int] = {}
    at = found.assignment
    for a, row in enumerate(request.traffic):
        for b, count in enumerate(row):
            if count:
                level = cores.level(at[a], at[b])
                messages[level] = messages.get(level, 0) + count
                costs[level] = costs.get(level, 0) + count * distance[at[a]][at[b]]
    return [
        models.LevelCost(level=level, messages=messages[level], cost=costs[level])
        for level in (*LEVELS, "machine")
        if level in messages
    ]


def _pairs(request: PlacementRequest, cores: Cores, distance: list[list[int]], found: Found) -> list[models.PairCost]:
    pairs = []
    at = found.assignment
    for a, row in enumerate(request.traffic):
        for b in range(a, len(row)):
            out, back = row[b], request.traffic[b][a] if a != b else 0
            if out or back:
                cost = out * distance[at[a]][at[b]] + back * distance[at[b]][at[a]]
                pairs.append((cost, out + back, a, b))
    dearest = sorted(pairs, key=lambda pair: (-pair[0], pair[2], pair[3]))[:MOST_PAIRS]
    return [
        models.PairCost(
            dispatchers=(a, b),
            cores=(cores.numbers[at[a]], cores.numbers[at[b]]),
            level=cores.level(at[a], at[b]),
            messages=messages,
            cost=cost,
        )
        for cost, messages, a, b in dearest
    ]


def _moves(request: PlacementRequest, cores: Cores, found: Found) -> list[models.Move]:
    return [
        models.Move(dispatcher=a, origin=origin, core=cores.numbers[found.assignment[a]])
        for a, origin in enumerate(request.current or [])
        if origin is not None and origin != cores.numbers[found.assignment[a]]
    ]


def _placed(request: PlacementRequest, cores: Cores, found: Found) -> emit.Placed:
    nodes: Sequence[Any] = cores.parts.get("node", [None] * len(cores.numbers))
    return emit.Placed(
        request.names or [f"dispatcher {a}" for a in range(request.dispatchers)],
        [cores.numbers[index] for index in found.assignment],
        [nodes[index] for index in found.assignment],
        cores.order,
    )


def short(cores: Sequence[int]) -> str:
    """Write a list of cores that may be long."""
    return str(list(cores)) if len(cores) <= 16 else f"{list(cores[:16])} and {len(cores) - 16} more"
