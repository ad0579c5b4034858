"""The search for placements, in C (`placement_walk.h`)."""

from typing import final

from typing_extensions import Buffer

@final
class Walk:
    """A walk through placements; it stands at a complete one that is within all capacities."""

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
        """Walk on by tabu search until `patience` steps brought nothing, the cost is `enough`, or the monotonic clock says `end` (ns)."""
    def climb(self, patience: int, enough: int, end: int, /) -> bool:
        """The same by iterated local search; a step is a disturbance and what follows from it."""
    @property
    def best(self) -> list[int]: ...
    @property
    def best_cost(self) -> int: ...
    @property
    def steps(self) -> int: ...
