"""What a sequence of transactions comes to, in plain Python: for snapshots, for history, and to know what a probe may take back.

The meaning is the engine's (`engine.pl`): first a transaction's patterns go, then its facts come, and a fact with the key of one that is
there replaces it. Rows are held by fact and key, in the order in which they came.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

Keys = Mapping[str, tuple[int, ...]]
"""By name of a fact, the positions of the arguments that identify a row."""


class Transaction(NamedTuple):
    """What one write took away and added, in the JSON form of facts, and who wrote it: `user` or `probe`."""

    revision: int
    origin: str
    retracts: list[Any]
    asserts: list[Any]


class Row(NamedTuple):
    """A row and who wrote it last."""

    args: list[Any]
    origin: str


class State:
    """Rows as of some revision; of all facts, or of those named."""

    def __init__(self, keys: Keys, only: Iterable[str] | None = None) -> None:
        self._keys = keys
        self._only = None if only is None else frozenset(only)
        self._rows: dict[str, dict[bytes, Row]] = {}

    def load(self, name: str, rows: Iterable[list[Any]], origin: str) -> None:
        """Take rows of a snapshot."""
        if self._only is None or name in self._only:
            known = self._rows.setdefault(name, {})
            for args in rows:
                known[self._key(name, args)] = Row(args, origin)

    def apply(self, transaction: Transaction) -> None:
        """Take a transaction."""
        for pattern in transaction.retracts:
            if self._only is None or pattern["name"] in self._only:
                self._retract(pattern["name"], pattern["args"])
        for fact in transaction.asserts:
            if self._only is None or fact["name"] in self._only:
                self._assert(fact["name"], fact["args"], transaction.origin)

    def names(self) -> Iterator[str]:
        """Give the facts that have rows."""
        return (name for name, rows in self._rows.items() if rows)

    def rows(self, name: str) -> Iterator[Row]:
        """Give the rows of a fact, in the order in which they came."""
        return iter(self._rows.get(name, {}).values())

    def _key(self, name: str, args: list[Any]) -> bytes:
        positions = self._keys.get(name)
        return _text(args if positions is None else [args[position] for position in positions])

    def _assert(self, name: str, args: list[Any], origin: str) -> None:
        known = self._rows.setdefault(name, {})
        key = self._key(name, args)
        row = known.get(key)
        if row is not None and _text(row.args) != _text(args):
            del known[key]  # a row that is replaced comes anew, behind the others
        known[key] = Row(args, origin)

    def _retract(self, name: str, args: list[Any]) -> None:
        known = self._rows.get(name)
        if not known:
            return
        if not any(_is_variable(argument) for argument in args):
            key = self._key(name, args)
            if key in known and _text(known[key].args) == _text(args):
                del known[key]
            return
        for key in [key for key, row in known.items() if _matches(args, row.args)]:
            del known[key]


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _is_variable(argument: Any) -> bool:
    return isinstance(argument, dict) and set(argument) == {"var"}


def _matches(pattern: list[Any], args: list[Any]) -> bool:
    """Whether a pattern unifies with a row. Variables stand for whole arguments; `_` is another one wherever it stands."""
    bound: dict[str, bytes] = {}
    for wanted, argument in zip(pattern, args, strict=True):
        if not _is_variable(wanted):
            if _text(wanted) != _text(argument):
                return False
        elif wanted["var"] != "_" and bound.setdefault(wanted["var"], _text(argument)) != _text(argument):
            return False
    return True
