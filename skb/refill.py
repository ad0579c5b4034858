"""What a new template is told of its machine: the snapshot and the log, as messages for the engine.

A million facts must be there again within seconds, so this looks at none of them by itself. The facts of a snapshot, and those that
transactions of the log add, go to the engine by their name, as the JSON that lies on disk; they are held against their declaration by one
decoder in C for each, and only facts with texts are made anew (texts are strings of Prolog, names are atoms).

Facts of different names never meet, so their order among each other does not matter; that of facts of one name is kept, and what a
transaction takes back is told between what came before it and what comes after.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import NoReturn

import msgspec
from msgspec import Raw, Struct

from skb.errors import InvalidFact, StartFailed, UnknownFact
from skb.store.log import Part, Store, Written
from skb.vocabulary import Declaration, Vocabulary

BATCH = 20_000
"""Facts after which a message is long enough."""


class _Fact(Struct, gc=False):
    name: str
    args: Raw


_facts = msgspec.json.Decoder(list[_Fact]).decode


def refill(store: Store, vocabulary: Vocabulary) -> Iterator[bytes]:
    """Give the messages that tell an empty template all that is known. May run in other threads, one at a time.

    Raises StartFailed for what is damaged, and for what is not in the vocabulary (any more).
    """
    rows: defaultdict[str, list[Raw]] = defaultdict(list)
    waiting = 0
    for told in store.replay():
        if isinstance(told, Part):
            yield _part(told, vocabulary)
            continue
        if told.retracts != "[]":
            yield from _added(rows, store, vocabulary)
            waiting = 0
            yield _taken_back(told, vocabulary)
        facts = _facts(told.asserts)
        for fact in facts:
            rows[fact.name].append(fact.args)
        waiting += len(facts)
        if waiting >= BATCH:
            yield from _added(rows, store, vocabulary)
            waiting = 0
    yield from _added(rows, store, vocabulary)


def _part(part: Part, vocabulary: Vocabulary) -> bytes:
    try:
        return _message("load", vocabulary.declaration(part.name), part.rows, vocabulary)
    except (UnknownFact, InvalidFact) as error:
        raise _of_another_version(f"the snapshot's {part.name}", error) from error


def _taken_back(transaction: Written, vocabulary: Vocabulary) -> bytes:
    try:
        patterns = [vocabulary.term(fact, pattern=True) for fact in msgspec.json.decode(transaction.retracts)]
    except (UnknownFact, InvalidFact) as error:
        raise _of_another_version(f"revision {transaction.revision} of the log", error) from error
    return msgspec.json.encode({"f": "write", "args": [[[patterns, []]]]})


def _added(rows: dict[str, list[Raw]], store: Store, vocabulary: Vocabulary) -> Iterator[bytes]:
    """Give the messages for facts of the log that wait, and let them go."""
    for name, some in rows.items():
        for start in range(0, len(some), BATCH):
            try:
                declaration = vocabulary.declaration(name)
                yield _message("merge", declaration, b"[" + b",".join(some[start : start + BATCH]) + b"]", vocabulary)
            except (UnknownFact, InvalidFact) as error:
                _blame(store, vocabulary, error)
    rows.clear()


def _message(what: str, declaration: Declaration, rows: bytes, vocabulary: Vocabulary) -> bytes:
    return b'{"f":"%s","args":["%s",%s]}' % (
        what.encode(),
        declaration.name.encode(),
        vocabulary.terms(declaration, rows),
    )


def _blame(store: Store, vocabulary: Vocabulary, found: Exception) -> NoReturn:
    """Say in which transaction it is."""
    for transaction in store.transactions():
        for fact in transaction.asserts:
            try:
                vocabulary.term(fact)
            except (UnknownFact, InvalidFact) as error:
                raise _of_another_version(f"revision {transaction.revision} of the log", error) from error
    raise _of_another_version("the log", found) from found


def _of_another_version(what: str, error: Exception) -> StartFailed:
    return StartFailed(
        f"{what} is not in today's vocabulary: {error}; use the version that wrote it, or choose another folder with --data"
    )
