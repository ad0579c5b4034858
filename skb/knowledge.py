"""What is known of one machine: its log, its engines, and the one order in which both see every write.

A write is validated, appended to the log, told to every engine, acknowledged with its revision. Reads go to any engine that is free.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from skb.engine.pool import Pool
from skb.engine.process import encode
from skb.errors import (
    EngineFailed,
    FellBehind,
    InvalidRequest,
    KeyExists,
    RevisionConflict,
    RevisionNotReached,
    StartFailed,
)
from skb.refill import refill
from skb.rules.queries import DeclaredQuery, declared, named
from skb.rules.versions import Version
from skb.spelling import meant
from skb.store.compact import compact
from skb.store.log import KEEP_REVISIONS, Store
from skb.vocabulary import Declaration, Field, Vocabulary, fits, to_term

COMPACT_BYTES = 8 * 1024 * 1024
"""Of the log, from which all of it becomes a snapshot, unless the one there is has twice as many: making it costs as it is large."""

REACH_SECONDS = 10.0
"""How long a read waits for the revision that it wants."""

MOST_SOLUTIONS = 10**15
"""Of a stream that has no limit."""

STREAM_ROWS = 500
"""Solutions in one message of a stream."""

RESTLESS = frozenset({"os_interrupt_count"})
"""Facts that differ whenever one looks. That they do is no change of the machine: they are written with the next one that is."""

log = logging.getLogger(__name__)


class Answers(NamedTuple):
    """Solutions of a goal: the values of its variables by name, in JSON form."""

    solutions: list[dict[str, Raw]]
    more: bool
    revision: int
    inferences: int


class Change(NamedTuple):
    """What a transaction did to the facts that somebody watches."""

    revision: int
    origin: str
    retracts: list[Any]
    asserts: list[Any]


class Rows(NamedTuple):
    """Rows of a fact, as objects by field name."""

    rows: list[dict[str, Any]]
    more: bool
    revision: int


class Knowledge:
    """What is known of one machine. Its engines start when they are first needed; `open` starts them now."""

    def __init__(
        self, store: Store, engines: int | None = None, rules: Mapping[str, Version] = MappingProxyType({})
    ) -> None:
        """Take the log, how many engines there should be, and the rules that people taught, as they are whenever an engine starts."""
        self._store = store
        self._rules = rules
        self._pool = Pool(self._fill, engines, self._lesson)
        self._queries: tuple[dict[str, int], dict[str, DeclaredQuery]] | None = None
        self._grown: asyncio.Future[None] | None = None
        self._writing: set[asyncio.Task[int]] = set()
        self._compacting: asyncio.Task[None] | None = None
        self.vocabulary = Vocabulary([])
        self.inferences = 0
        """Of all goals that were solved."""

    async def open(self) -> None:
        """Start an engine and replay the log into it. Raises StartFailed."""
        try:
            await self._pool.open()
        except EngineFailed as error:
            raise StartFailed(error.detail) from error

    async def close(self) -> None:
        """End the engines. The log is the business of whoever opened it."""
        await asyncio.gather(*self._writing, return_exceptions=True)  # else they would start engines again
        if self._compacting is not None:
            self._compacting.cancel()
            await asyncio.gather(self._compacting, return_exceptions=True)
        await self._pool.close()

    @property
    def revision(self) -> int:
        """The latest revision."""
        return self._store.revision

    @property
    def oldest_revision(self) -> int:
        """The oldest revision whose rows can still be had."""
        return self._store.base

    @property
    def pool(self) -> Pool:
        """The engines."""
        return self._pool

    @property
    def store(self) -> Store:
        """The log."""
        return self._store

    @property
    def tag(self) -> str:
        """What names this state of the machine's facts, and no other: for caches."""
        return f"{self._store.identity}.{self._store.revision}"

    @property
    def about(self) -> dict[str, Any]:
        """What the machine was loaded from."""
        return self._store.about

    def describe(self, about: dict[str, Any]) -> None:
        """Note what the machine was loaded from."""
        self._store.describe(about)

    async def rest(self) -> None:
        """Let go of the engines until somebody asks again."""
        await self._pool.close()

    # Rules

    def _lesson(self, without: str | None = None) -> bytes | None:
        """Give the message that teaches the rules, but for one module, on which others may build."""
        modules = [
            [name, {"string": rules.text}]
            for name, rules in sorted(self._rules.items())
            if rules.text and name != without
        ]
        expected = [without] if without is not None else []
        return encode(_call("teach", modules, expected)) if modules else None

    def relearn(self) -> None:
        """Have whatever is asked from now on answered by the rules of today."""
        self._pool.relearn()

    async def aside(self, request: bytes, *, without: str, seconds: float) -> list[Raw]:
        """Ask an engine of its own, which knows all rules but those of a module, and is thrown away. Raises as `query` does."""
        await self.ready()
        return await self._pool.aside(self._lesson(without), request, seconds=seconds)

    async def queries(self) -> dict[str, DeclaredQuery]:
        """Give the declared queries, by name."""
        taught = {name: rules.version for name, rules in self._rules.items()}
        if self._queries is None or self._queries[0] != taught:
            (found,), _ = await self._read("queries")
            self._queries = taught, declared(msgspec.json.decode(found, type=list[Any]))
        return self._queries[1]

    async def ask(
        self, name: str, given: Mapping[str, Any], limit: int, offset: int, timeout_ms: int, most_inferences: int
    ) -> Answers:
        """Answer a declared query. Raises UnknownQuery, InvalidRequest, and as `query` does."""
        query = named(await self.queries(), name)
        answers = await self.query(query.goal, query.bindings(given), limit, offset, timeout_ms, most_inferences)
        return answers._replace(solutions=[query.answer(solution) for solution in answers.solutions])

    # Filling engines

    async def _fill(self, pool: Pool) -> int:
        (declared,) = await pool.ask_template(encode("vocabulary"))
        self.vocabulary = Vocabulary(msgspec.json.decode(declared))
        frames = refill(self._store, self.vocabulary)
        telling: asyncio.Task[None] | None = None
        try:
            while (
                frame := await asyncio.to_thread(next, frames, None)
            ) is not None:  # made while the one before is taken in
                if telling is not None:
                    await telling
                telling = asyncio.create_task(pool.load(frame))
            if telling is not None:
                await telling
        finally:
            if telling is not None:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        return self._store.revision

    # Writing

    async def update(
        self,
        asserts: list[Any],
        retracts: list[Any],
        if_revision: int | None = None,
        *,
        replace: bool = True,
        origin: str = "user",
    ) -> int:
        """Retract, then assert, in one transaction. Returns the revision in which that is so.

        A fact with the key of one that is known replaces it, or, if not `replace`, is an error. Raises UnknownFact, InvalidFact,
        RevisionConflict, KeyExists, StorageFailed; then nothing has changed.
        """
        await self.ready()
        asserted = [self.vocabulary.term(fact) for fact in asserts]
        retracted = [self.vocabulary.term(fact, pattern=True) for fact in retracts]
        frame = encode(_call("write", [[retracted, asserted]]))

        async def once() -> int:
            async with self._pool.order():
                self._expect(if_revision)
                if not replace:
                    await self._expect_new_keys(asserts, asserted, retracted)
                revision = await asyncio.to_thread(self._store.append, origin, retracts, asserts)
                await self._pool.write(frame, revision)
            self._announce()
            return revision

        writing = asyncio.create_task(once())
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        return await asyncio.shield(writing)  # a write that nobody waits for is still both logged and applied

    def _written(self, writing: asyncio.Task[int]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled():
            writing.exception()  # whoever wrote may be gone

    async def ready(self) -> None:
        """Have the vocabulary, which the first engine brings."""
        if not self.vocabulary:
            await self._pool.open()

    def _expect(self, revision: int | None) -> None:
        if revision is not None and revision != self._store.revision:
            raise RevisionConflict(
                f"the latest revision is {self._store.revision}, not {revision}; read again, then write again"
            )

    async def _expect_new_keys(self, asserts: list[Any], asserted: list[Any], retracted: list[Any]) -> None:
        (taken,) = await self._pool.ask_template(encode(_call("taken", retracted, asserted)))
        numbers = msgspec.json.decode(taken, type=list[int])
        keys: set[str] = set()
        for number, fact in enumerate(asserts):
            key = self.vocabulary.key(fact)
            if key in keys or number in numbers:
                shown = msgspec.json.encode(fact).decode()
                raise KeyExists(
                    f"a row with the key of {shown} is there already; retract it first, or let it be replaced"
                )
            keys.add(key)

    def _announce(self) -> None:
        if self._grown is not None:
            self._grown.set_result(None)
            self._grown = None
        if self._compacting is None and (until := self._foldable()):
            self._compacting = asyncio.create_task(self._compact(until))

    def _foldable(self) -> int:
        """Give the revision up to which the log should become a snapshot, 0 if it is short enough."""
        store = self._store
        if store.log_bytes > max(COMPACT_BYTES, store.snapshot_bytes // 2):
            return store.revision
        return store.revision - KEEP_REVISIONS if store.revision - store.base > 2 * KEEP_REVISIONS else 0

    async def _compact(self, until: int) -> None:
        try:
            if await compact(self._store.path, until, self.vocabulary.keys()):
                self._store.rebase()
            else:
                log.warning("the log was not compacted; it stays as it is")
        finally:
            self._compacting = None

    async def survey(self, facts: list[dict[str, Any]]) -> int:
        """Take in all facts of a probe. Writes what changed since the last one, and nothing if nothing did. Returns the revision.

        A probe takes back only what a probe wrote, and never replaces a row that somebody wrote by hand: what was acknowledged stays.
        """
        await self.ready()
        names = [declaration.name for declaration in self.vocabulary if not declaration.measured]
        state = await asyncio.to_thread(self._store.state, self.vocabulary.keys(), self.revision, names)
        known = {
            _frozen({"name": name, "args": row.args}): row.origin for name in state.names() for row in state.rows(name)
        }
        wanted = {_frozen(fact): fact for fact in facts}
        by_hand = {self.vocabulary.key(_thawed(row)) for row, origin in known.items() if origin != "probe"}
        asserts = [
            fact for row, fact in wanted.items() if row not in known and self.vocabulary.key(fact) not in by_hand
        ]
        retracts = [_thawed(row) for row, origin in known.items() if origin == "probe" and row not in wanted]
        if all(fact["name"] in RESTLESS for fact in (*asserts, *retracts)):
            return self.revision
        return await self.update(asserts, retracts, origin="probe")

    # Reading

    async def _read(self, request: object, *, seconds: float = 30.0) -> tuple[list[Raw], int]:
        """Ask an engine; give its reply and the revision that it saw."""
        return await self._pool.ask(encode(request), seconds=seconds)

    async def watch(self, since: int, names: list[str]) -> AsyncGenerator[Change]:
        """Give what every transaction after a revision did to some facts, or to all if none are named, as they come.

        Raises UnknownFact, InvalidRequest; while it goes on, FellBehind for whoever is slower than the log is cut.
        """
        await self.ready()
        for name in names:
            self.vocabulary.declaration(name)
        if not self._store.base <= since <= self._store.revision:
            raise InvalidRequest(
                f"changes since revision {since} are not known; the log has those since {self._store.base} to {self._store.revision}. "
                "Read the facts, then watch from the revision that the answer names"
            )
        return self._changes(since, frozenset(names))

    async def _changes(self, since: int, names: frozenset[str]) -> AsyncGenerator[Change]:
        while True:
            if since < self._store.base:
                raise FellBehind(
                    f"revision {since + 1} is not in the log any more, which starts after {self._store.base}; read the facts anew"
                )
            for change in await asyncio.to_thread(self._store.some_after, since):
                since = change.revision
                retracts = [fact for fact in change.retracts if not names or fact["name"] in names]
                asserts = [fact for fact in change.asserts if not names or fact["name"] in names]
                if retracts or asserts:
                    yield Change(since, change.origin, retracts, asserts)
            while self._store.revision == since:
                await self._growth()

    async def _growth(self) -> None:
        """Wait for the next write."""
        if self._grown is None:
            self._grown = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._grown)

    async def reached(self, revision: int) -> None:
        """Wait until a revision is there. Raises RevisionNotReached if that takes too long."""
        try:
            async with asyncio.timeout(REACH_SECONDS):
                while self._store.revision < revision:
                    await self._growth()
        except TimeoutError:
            raise RevisionNotReached(
                f"the latest revision is {self._store.revision}, and {revision} did not come within {REACH_SECONDS:g} s"
            ) from None

    async def counts(self) -> list[tuple[Declaration, int]]:
        """Give every declared fact with the number of its rows."""
        (counts,), _ = await self._read("counts")
        return [(self.vocabulary.declaration(name), count) for name, count in msgspec.json.decode(counts)]

    async def rows(
        self, name: str, filters: Mapping[str, str], limit: int, offset: int, revision: int | None = None
    ) -> Rows:
        """Give rows of a fact whose fields have the values of `filters`, which are text as in a URL.

        As of a revision that is still in the log, if one is given. Raises UnknownFact, InvalidRequest.
        """
        await self.ready()
        declaration = self.vocabulary.declaration(name)
        names = [field.name for field in declaration.fields]
        for given in filters:
            if given not in names:
                raise InvalidRequest(
                    f"{name} has no field {given!r}; {meant(given, names)}its fields are {', '.join(names)}"
                )
        wanted = {
            field.name: _parse(field, filters[field.name]) for field in declaration.fields if field.name in filters
        }
        if revision is not None:
            return await asyncio.to_thread(self._rows_at, revision, declaration, wanted, limit, offset)
        arguments = [
            to_term(field.type, wanted[field.name]) if field.name in wanted else _ANY for field in declaration.fields
        ]
        (rows, more), revision = await self._read(_call("rows", name, arguments, limit, offset))
        return Rows(_objects(names, rows), _is_true(more), revision)

    def _rows_at(
        self, revision: int, declaration: Declaration, wanted: Mapping[str, Any], limit: int, offset: int
    ) -> Rows:
        names = [field.name for field in declaration.fields]
        state = self._store.state(self.vocabulary.keys(), revision, [declaration.name])
        found = (dict(zip(names, row.args, strict=True)) for row in state.rows(declaration.name))
        matching = (row for row in found if all(row[name] == value for name, value in wanted.items()))
        page = list(islice(matching, offset, offset + limit + 1))
        return Rows(page[:limit], len(page) > limit, revision)

    async def all_facts(self) -> tuple[list[dict[str, Any]], int]:
        """Give all rows of all facts, as they were at one revision, in JSON form; and that revision."""
        await self.ready()
        revision = self.revision

        def read() -> list[dict[str, Any]]:
            state = self._store.state(self.vocabulary.keys(), revision)
            return [{"name": name, "args": row.args} for name in state.names() for row in state.rows(name)]

        return await asyncio.to_thread(read), revision

    async def query(
        self,
        goal: str,
        params: Mapping[str, Any],
        limit: int,
        offset: int,
        timeout_ms: int,
        most_inferences: int,
        *,
        exact: bool = False,
    ) -> Answers:
        """Solve a goal. `params` are values for its variables, by name. Raises SyntaxProblem, GoalRefused, GoalError, LimitExceeded."""
        seconds = timeout_ms / 1000
        request = _call(
            "solve",
            {"string": goal},
            [[name, value] for name, value in params.items()],
            limit,
            offset,
            most_inferences,
            exact,
        )
        (names, rows, more, used), revision = await self._read(request, seconds=seconds)
        solutions = _objects(msgspec.json.decode(names), rows)
        inferences = msgspec.json.decode(used, type=int)
        self.inferences += inferences
        return Answers(solutions, _is_true(more), revision, inferences)

    async def stream(
        self,
        goal: str,
        params: Mapping[str, Any],
        limit: int | None,
        timeout_ms: int,
        inferences: int,
        *,
        exact: bool = False,
    ) -> AsyncGenerator[Rows]:
        """Solve a goal; gives its solutions some at a time, as they are found. Raises as `query` does."""
        pairs = [[name, value] for name, value in params.items()]
        left = MOST_SOLUTIONS if limit is None else limit
        frame = encode(_call("stream", {"string": goal}, pairs, left + 1, inferences, STREAM_ROWS, exact))
        async with aclosing(self._pool.stream(frame, seconds=timeout_ms / 1000)) as batches:
            async for arguments, revision in batches:
                if arguments:
                    names, rows = arguments
                    found = _objects(msgspec.json.decode(names), rows)
                    yield Rows(found[:left], len(found) > left, revision)
                    left -= min(len(found), left)

    async def explain(
        self, goal: str, params: Mapping[str, Any], depth: int, timeout_ms: int, inferences: int
    ) -> dict[str, Any]:
        """Give the first proof of a goal, as the API shows it. Raises as `query` does."""
        pairs = [[name, value] for name, value in params.items()]
        request = _call("explain", {"string": goal}, pairs, depth, inferences)
        (names, values, steps), revision = await self._read(request, seconds=timeout_ms / 1000)
        bindings = dict(zip(msgspec.json.decode(names), msgspec.json.decode(values, type=list[Raw]), strict=False))
        proof = [_step(step) for step in msgspec.json.decode(steps)]
        return {"holds": bool(proof), "bindings": bindings, "proof": proof, "revision": revision}

    async def term(self, text: str) -> Any:
        """Read Prolog text; gives a term in JSON form, with the names of its variables where they stand. Raises SyntaxProblem."""
        (term,), _ = await self._read(_call("read", {"string": text}))
        return msgspec.json.decode(term)

    async def rule(self, name: str, *inputs: Any, seconds: float = 30.0) -> tuple[list[Any], int]:
        """Call one of our own rules with its inputs; gives its outputs, and the revision that they hold for."""
        (outputs,), revision = await self._read(_call("call", name, list(inputs)), seconds=seconds)
        return msgspec.json.decode(outputs, type=list[Any]), revision


_ANY = {"var": "_"}


def _step(step: list[Any]) -> dict[str, Any]:
    goal, by, rule, because = step
    return {"goal": goal, "by": by, "rule": rule or None, "because": [_step(below) for below in because]}


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
            return value
    raise InvalidRequest(f"{text!r} is no value of field {field.name}, which is {field.words}")
