"""The search for placements, in C (`placement_walk.h`)."""

from typing import final

from typing_extensions import Buffer

@final
class Walk:
    """A walk through placements by robust tabu search; it stands at a complete one that is within all capacities."""

    def __new__(
        cls,
        terms: list[tuple[Buffer, Buffer]],
        linear: Buffer,
        room: Buffer,
        capacities: list[tuple[Buffer, Buffer, Buffer]],
        groups: list[tuple[Buffer, Buffer]],
        at: Buffer,
        seed: int,
    ) -> Walk: ...
    def run(self, patience: int, enough: int, end: int, /) -> bool:
        """Walk on until `patience` steps brought nothing, the cost is `enough`, or the monotonic clock says `end` (ns)."""
    @property
    def best(self) -> list[int]: ...
    @property
    def best_cost(self) -> int: ...
    @property
    def steps(self) -> int: ...
