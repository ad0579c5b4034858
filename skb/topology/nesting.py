"""Parts of a machine put inside each other by the cores they hold, not by what kinds of machines usually look like.

The rule is that of `rules/topology.pl`: whatever holds more cores is outside, and of two with the same cores the one with the lower order.
A part that overlaps another without being inside it (firmware lies) becomes a leaf beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from skb.topology.facts import lowest, members


@dataclass(eq=False)
class Part:
    """A part of a machine; `crossing` says that it is a leaf because it overlaps another."""

    type: str
    id: Any
    cores: int
    order: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    children: list[Part] = field(default_factory=list)
    crossing: bool = False


def nest(root: Part, parts: Iterable[Part]) -> None:
    """Put parts below a root, which holds all their cores."""
    innermost = dict.fromkeys(members(root.cores), root)
    ranked = sorted(parts, key=lambda part: (-part.cores.bit_count(), part.order, lowest(part.cores), str(part.id)))
    for part in ranked:
        held = members(part.cores)
        holders = {id(innermost[core]): innermost[core] for core in held}
        if len(holders) == 1:
            (holder,) = holders.values()
            holder.children.append(part)
            for core in held:
                innermost[core] = part
        else:
            part.crossing = True
            _around(root, part.cores).children.append(part)
    _sort(root)


def holder_of(root: Part, cores: int) -> Part:
    """Return the outermost part that holds just these cores, or else the innermost that holds them all."""
    holder = root
    while holder.cores != cores:
        inner = [part for part in holder.children if part.cores & cores == cores and not part.crossing]
        if not inner:
            break
        holder = inner[0]
    return holder


def _around(root: Part, cores: int) -> Part:
    """Return the innermost part that holds these cores."""
    holder = root
    while inner := [part for part in holder.children if part.cores & cores == cores and not part.crossing]:
        holder = inner[0]
    return holder


def _sort(part: Part) -> None:
    part.children.sort(key=lambda child: lowest(child.cores))
    for child in part.children:
        _sort(child)
