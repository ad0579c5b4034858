"""A member's place in a communication tree.

Trees come from the SKB as `root` and `children`, children in the order in which they are to be served. A protocol only ever
needs one member's view of it: whom it hears from and whom it feeds.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct


class Position(Struct, frozen=True, array_like=True):
    """One member's place: its parent (None at the root) and its children in the order of sending."""

    member: int
    parent: int | None
    children: tuple[int, ...]
    root: int


def positions(root: int, children: Mapping[int, Sequence[int]]) -> dict[int, Position]:
    """Give every member its position.

    Raises ValueError if `children` is not a tree rooted at `root`: a member reached twice, or listed and never reached.
    """
    placed: dict[int, Position] = {}
    waiting: list[tuple[int, int | None]] = [(root, None)]
    while waiting:
        member, parent = waiting.pop()
        if member in placed:
            raise ValueError(f"not a tree: member {member} is reached twice; every member needs exactly one parent")
        below = tuple(children.get(member, ()))
        placed[member] = Position(member, parent, below, root)
        waiting.extend((child, member) for child in below)
    if lost := set(children) - placed.keys():
        raise ValueError(f"not a tree: members {sorted(lost)} cannot be reached from the root {root}")
    return placed


def grow(root: int, core_children: Mapping[int, Sequence[int]], core_of: Sequence[int]) -> dict[int, Position]:
    """Turn a tree of cores into a tree of dispatchers, which sit on them.

    `core_of[i]` is the core of dispatcher i; `root` is a dispatcher. On each core one dispatcher speaks for it (the root on its
    own core, elsewhere the lowest): it feeds those of the cores below first, since they are far, then its neighbours on the core.
    """
    on_core: dict[int, list[int]] = {}
    for member in _root_first(root, range(len(core_of))):
        on_core.setdefault(core_of[member], []).append(member)
    speaker = {core: members[0] for core, members in on_core.items()}
    children: dict[int, list[int]] = {}
    for core, members in on_core.items():
        below = [speaker[child] for child in core_children.get(core, ())]
        children[speaker[core]] = [*below, *members[1:]]
    return positions(root, children)


def _root_first(root: int, members: Iterable[int]) -> list[int]:
    return [root, *(member for member in members if member != root)]
