"""What is known of one machine: its log, its engine, and the one order in which both see every write.

A write is validated, appended to the log, applied by the engine, acknowledged with its revision. Reads go to the engine.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from skb.engine.process import Engine
from skb.errors import InvalidFact, InvalidRequest, RevisionConflict, ServiceError, StartFailed, UnknownFact
from skb.store import Store
from skb.vocabulary import Declaration, Field, Vocabulary, fits, to_term

REFILL_BATCH = 5000
"""Facts after which a message to a new engine is long enough."""

WRITE_SECONDS = 120.0
"""What an engine may take for one message of facts."""

RESTLESS = frozenset({"os_interrupt_count"})
"""Facts that differ whenever one looks. That they do is no change of the machine: they are written with the next one that is."""


class Answers(NamedTuple):
    """Solutions of a goal: the values of its variables by name, in JSON form."""

    solutions: list[dict[str, Raw]]
    more: bool
    revision: int
    inferences: int


class Rows(NamedTuple):
    """Rows of a fact, as objects by field name."""

    rows: list[dict[str, Raw]]
    more: bool
    revision: int


class Knowledge:
    """What is known of one machine. `open` it before use."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = Engine(self._refill)
        self.vocabulary = Vocabulary([])

    async def open(self) -> None:
        """Start the engine and replay the log into it. Raises StartFailed."""
        async with self._engine.turn():
            pass

    async def close(self) -> None:
        """End the engine. The log is the business of whoever opened it."""
        await self._engine.close()

    @property
    def revision(self) -> int:
        """The latest revision."""
        return self._store.revision

    @property
    def engine_restarts(self) -> int:
        """How many times the engine was replaced."""
        return self._engine.restarts

    @property
    def busy(self) -> bool:
        """Whether the engine works on something, so that a question would have to wait."""
        return self._engine.busy

    async def _refill(self, engine: Engine) -> None:
        (declared,) = await engine.ask("vocabulary")
        self.vocabulary = Vocabulary(msgspec.json.decode(declared))
        for changes in self._batches():
            await engine.ask(_call("write", changes), seconds=WRITE_SECONDS)

    def _batches(self) -> Iterator[list[list[Any]]]:
        """Give the whole log as the changes that an engine is told at a time."""
        changes: list[list[Any]] = []
        facts = 0
        for transaction in self._store.transactions():
            try:
                retracts = [self.vocabulary.term(fact, pattern=True) for fact in transaction.retracts]
                asserts = [self.vocabulary.term(fact) for fact in transaction.asserts]
            except (UnknownFact, InvalidFact) as error:
                raise StartFailed(
                    f"revision {transaction.revision} of the log is not in today's vocabulary: {error}; "
                    "use the version that wrote it, or choose another folder with --data"
                ) from error
            changes.append([retracts, asserts])
            facts += len(retracts) + len(asserts)
            if facts >= REFILL_BATCH:
                yield changes
                changes, facts = [], 0
        yield changes

    async def update(
        self, asserts: list[Any], retracts: list[Any], if_revision: int | None = None, *, origin: str = "user"
    ) -> int:
        """Retract, then assert, in one transaction. Returns the revision in which that is so.

        A fact with the key of one that is known replaces it. Raises UnknownFact, InvalidFact, RevisionConflict, StorageFailed; then
        nothing has changed.
        """
        asserted = [self.vocabulary.term(fact) for fact in asserts]
        retracted = [self.vocabulary.term(fact, pattern=True) for fact in retracts]
        write = _call("write", [[retracted, asserted]])

        async def once() -> int:
            async with self._engine.turn():
                self._expect(if_revision)
                revision = await asyncio.to_thread(self._store.append, origin, retracts, asserts)
                try:
                    await self._engine.ask(write, seconds=WRITE_SECONDS)
                except ServiceError:  # it is in the log, which the next engine replays before it answers anyone
                    await self._engine.kill()
                return revision

        return await asyncio.shield(once())  # a write that nobody waits for is still both logged and applied

    def _expect(self, revision: int | None) -> None:
        if revision is not None and revision != self._store.revision:
            raise RevisionConflict(
                f"the latest revision is {self._store.revision}, not {revision}; read again, then write again"
            )

    async def _read(self, request: object, *, seconds: float = 30.0) -> tuple[list[Raw], int]:
        """Ask the engine; give its reply and the revision that it saw."""
        async with self._engine.turn():
            return await self._engine.ask(request, seconds=seconds), self._store.revision

    async def survey(self, facts: list[dict[str, Any]]) -> int:
        """Take in all facts of a probe. Writes what changed since the last one, and nothing if nothing did. Returns the revision.

        A probe takes back only what a probe wrote, and never replaces a row that somebody wrote by hand: what was acknowledged stays.
        """
        wanted = {_frozen(fact): fact for fact in facts}
        known: set[Any] = set()
        for name in {declaration.name for declaration in self.vocabulary if not declaration.measured}:
            (rows, _), _ = await self._read(
                _call("rows", name, [_ANY] * len(self.vocabulary.declaration(name).fields), 10**9, 0),
                seconds=WRITE_SECONDS,
            )
            known |= {_frozen({"name": name, "args": row}) for row in msgspec.json.decode(rows)}
        probed = self._probed()
        by_hand = {self.vocabulary.key(_thawed(row)) for row in known - probed.keys()}
        asserts = [
            fact for row, fact in wanted.items() if row not in known and self.vocabulary.key(fact) not in by_hand
        ]
        retracts = [fact for row, fact in probed.items() if row in known and row not in wanted]
        if all(fact["name"] in RESTLESS for fact in (*asserts, *retracts)):
            return self.revision
        return await self.update(asserts, retracts, origin="probe")

    def _probed(self) -> dict[Any, dict[str, Any]]:
        """Give the facts that a probe was the last to write, by their frozen form."""
        probed: dict[Any, dict[str, Any]] = {}
        for transaction in self._store.transactions():
            for fact in transaction.asserts:
                if transaction.origin == "probe":
                    probed[_frozen(fact)] = fact
                else:
                    probed.pop(_frozen(fact), None)
        return probed

    async def counts(self) -> list[tuple[Declaration, int]]:
        """Give every declared fact with the number of its rows."""
        (counts,), _ = await self._read("counts")
        return [(self.vocabulary.declaration(name), count) for name, count in msgspec.json.decode(counts)]

    async def rows(self, name: str, filters: Mapping[str, str], limit: int, offset: int) -> Rows:
        """Give rows of a fact whose fields have the values of `filters`, which are text as in a URL.

        Raises UnknownFact, InvalidRequest.
        """
        declaration = self.vocabulary.declaration(name)
        names = [field.name for field in declaration.fields]
        for given in filters:
            if given not in names:
                raise InvalidRequest(f"{name} has no field {given!r}; its fields are {', '.join(names)}")
        arguments = [
            _parse(field, filters[field.name]) if field.name in filters else _ANY for field in declaration.fields
        ]
        (rows, more), revision = await self._read(_call("rows", name, arguments, limit, offset))
        return Rows(_objects(names, rows), _is_true(more), revision)

    async def query(
        self, goal: str, params: Mapping[str, Any], limit: int, offset: int, timeout_ms: int, inferences: int
    ) -> Answers:
        """Solve a goal. `params` are values for its variables, by name. Raises SyntaxProblem, GoalRefused, GoalError, LimitExceeded."""
        seconds = timeout_ms / 1000
        request = _call(
            "solve",
            {"string": goal},
            [[name, value] for name, value in params.items()],
            limit,
            offset,
            seconds,
            inferences,
        )
        (names, rows, more, used), revision = await self._read(request, seconds=seconds)
        solutions = _objects(msgspec.json.decode(names), rows)
        return Answers(solutions, _is_true(more), revision, msgspec.json.decode(used, type=int))

    async def rule(self, name: str, *inputs: Any) -> tuple[list[Any], int]:
        """Call one of our own rules with its inputs; gives its outputs, and the revision that they hold for."""
        (outputs,), revision = await self._read(_call("call", name, list(inputs)))
        return msgspec.json.decode(outputs, type=list[Any]), revision


_ANY = {"var": "_"}


def _call(name: str, *arguments: Any) -> dict[str, Any]:
    return {"f": name, "args": list(arguments)}


def _objects(names: list[str], rows: Raw) -> list[dict[str, Raw]]:
    """Give rows as objects. Their values stay as the engine wrote them, whatever their size and depth."""
    return [dict(zip(names, row, strict=True)) for row in msgspec.json.decode(rows, type=list[list[Raw]])]


def _is_true(raw: Raw) -> bool:
    return bytes(raw) == b'"true"'


def _frozen(value: Any) -> str:
    """Give a value in JSON form as something that can be looked up."""
    return msgspec.json.encode(value, order="sorted").decode()


def _thawed(row: str) -> dict[str, Any]:
    return msgspec.json.decode(row, type=dict[str, Any])


def _parse(field: Field, text: str) -> Any:
    """Read a field's value from a URL: an integer, a name, or `0000:00:1f.3`."""
    candidates: list[Any] = [text]
    with suppress(ValueError):
        candidates.insert(0, int(text, 0))
    if field.type == "addr":
        with suppress(ValueError):
            segment, bus, rest = text.split(":")
            device, function = rest.split(".")
            parts = [int(part, 16) for part in (segment, bus, device, function)]
            candidates.insert(0, {"f": "addr", "args": parts})
    for value in candidates:
        if fits(field.type, value):
            return to_term(field.type, value)
    raise InvalidRequest(f"{text!r} is no value of field {field.name}, which is {field.words}")
