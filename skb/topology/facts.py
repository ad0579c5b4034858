"""The facts of a machine as the renderings read them: rows by name, with addresses that can be compared and looked up.

Facts come in JSON form, `{"name": ..., "args": [...]}`, from a probe or from the service alike. What is not of the expected shape (another
version's fact, a fact that somebody wrote by hand) is passed over: a picture shows what it understands.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

CORE_LIMIT = 1 << 16
"""Cores are bits of a set here; no machine has this many."""


class Address(NamedTuple):
    """A PCI function."""

    segment: int
    bus: int
    device: int
    function: int

    def __str__(self) -> str:
        return "{:04x}:{:02x}:{:02x}.{:x}".format(*self)


class Facts:
    """What is known of a machine, by name of fact."""

    def __init__(self, facts: Iterable[Mapping[str, Any]]) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        for fact in facts:
            self._rows.setdefault(fact["name"], []).append(tuple(map(_term, fact["args"])))

    def rows(self, name: str, *types: type) -> list[tuple[Any, ...]]:
        """Return the rows of a fact whose arguments have these types; `object` takes any."""
        return [row for row in self._rows.get(name, ()) if len(row) == len(types) and all(map(isinstance, row, types))]

    def first(self, name: str, *types: type) -> dict[Any, Any]:
        """Return, by the first argument, the second of the first row that has it (or all others, where there are more)."""
        found: dict[Any, Any] = {}
        for row in self.rows(name, *types):
            found.setdefault(row[0], row[1] if len(row) == 2 else row[1:])
        return found

    def sets(self, name: str) -> dict[int, int]:
        """Return, by the first argument, the cores that are the second, as bits."""
        found: dict[int, int] = {}
        for key, core in self.rows(name, int, int):
            if 0 <= core < CORE_LIMIT:
                found[key] = found.get(key, 0) | 1 << core
        return found

    def cores(self) -> dict[int, int | None]:
        """Return the cores that are known, in order, and whether each is online (1), offline (0), or that is not told."""
        found: dict[int, int | None] = dict.fromkeys(
            (row[0] for row in self.rows("cpu_thread", int, int, int, int)), None
        )
        found.update((row[0], row[2]) for row in self.rows("core", int, object, int))
        return {core: found[core] for core in sorted(found) if 0 <= core < CORE_LIMIT}


def _term(value: Any) -> Any:
    if isinstance(value, Mapping):
        arguments = value.get("args")
        plain = isinstance(arguments, list) and len(arguments) == 4 and all(isinstance(part, int) for part in arguments)
        return Address(*arguments) if plain and arguments and value.get("f") == "addr" else None
    return tuple(map(_term, value)) if isinstance(value, list | tuple) else value


def bits(cores: Iterable[int]) -> int:
    """Return a set of cores as bits."""
    value = 0
    for core in cores:
        value |= 1 << core
    return value


def members(value: int) -> list[int]:
    """Return the members of a set, in order."""
    text = bin(value)[:1:-1]
    found = []
    position = text.find("1")
    while position >= 0:
        found.append(position)
        position = text.find("1", position + 1)
    return found


def lowest(value: int) -> int:
    """Return the lowest member of a set that is not empty."""
    return (value & -value).bit_length() - 1
