"""A new engine knows what the old one knew, whichever way the log brings it: replayed, as a snapshot, or partly both."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skb.errors import InvalidFact, StartFailed
from skb.knowledge import Knowledge
from skb.store.compact import make_snapshot
from skb.store.log import Store, connect
from skb.vocabulary import Vocabulary

ADDR = st.builds(lambda bus: {"f": "addr", "args": [0, bus, 0, 0]}, st.integers(0, 2))
SMALL = st.integers(0, 2)
TEXT = st.sampled_from(["", "a", 'q"\\', "[]", "é\n", '{"name":"core"}'])
ARGUMENTS: dict[str, list[st.SearchStrategy[Any]]] = {
    "core": [SMALL, st.integers(0, 1) | st.just(2**70), st.integers(0, 1)],  # keyed by its first argument
    "cpu_feature": [SMALL, st.sampled_from(["fpu", "[]", "a b"])],  # all of it is its key
    "cpu_name": [SMALL, TEXT],
    "os_interrupt": [SMALL, TEXT, ADDR | st.just("unknown")],
    "device_node": [ADDR, SMALL],
}


def of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*ARGUMENTS[name]).map(lambda args: {"name": name, "args": list(args)})


def pattern_of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    places = [argument | st.just({"var": "_"}) for argument in ARGUMENTS[name]]
    return st.tuples(*places).map(lambda args: {"name": name, "args": list(args)})


FACT = st.sampled_from(sorted(ARGUMENTS)).flatmap(of)
PATTERN = st.sampled_from(sorted(ARGUMENTS)).flatmap(pattern_of)
WRITE = st.tuples(st.lists(PATTERN, max_size=2), st.lists(FACT, max_size=8))

Rows = dict[str, list[list[Any]]]


async def known_rows(known: Knowledge) -> Rows:
    """All rows, in their order."""
    return {
        name: [
            list(row.values())
            for row in msgspec.json.decode(msgspec.json.encode((await known.rows(name, {}, 1000, 0)).rows))
        ]
        for name in ARGUMENTS
    }


async def reopened(folder: Path) -> tuple[Rows, int]:
    with Store(folder) as store:
        known = Knowledge(store, engines=1)
        try:
            await known.open()
            return await known_rows(known), known.revision
        finally:
            await known.close()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(writes=st.lists(WRITE, min_size=1, max_size=6), data=st.data())
def test_live_replayed_and_snapshotted_states_are_equal(
    writes: list[tuple[list[Any], list[Any]]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, half, whole = (tmp_path_factory.mktemp(name) for name in ("log", "half", "whole"))
    middle = data.draw(st.integers(1, len(writes)))

    async def story() -> None:
        with Store(folder) as store:
            known = Knowledge(store, engines=1)
            for retracts, asserts in writes:
                await known.update(asserts, retracts)
            live, keys = await known_rows(known), known.vocabulary.keys()
            state = store.state(keys, len(writes))
            at_middle = {name: list(store.state(keys, middle).rows(name)) for name in ARGUMENTS}
            await known.close()
        assert {name: [row.args for row in state.rows(name)] for name in ARGUMENTS} == live
        for copy, until in ((half, middle), (whole, len(writes))):
            shutil.copytree(folder, copy, dirs_exist_ok=True)
            database = connect(copy / "local.sqlite")
            make_snapshot(database, until, keys)
            database.close()
            with Store(copy) as store:  # history goes on where the snapshot ends
                assert {name: list(store.state(keys, until).rows(name)) for name in ARGUMENTS} == (
                    at_middle if until == middle else {name: list(state.rows(name)) for name in ARGUMENTS}
                )
        for copy in (folder, half, whole):
            rows, revision = await reopened(copy)
            assert revision == len(writes)
            if copy is folder:
                assert rows == live
            assert {name: sorted(map(str, each)) for name, each in rows.items()} == {
                name: sorted(map(str, each)) for name, each in live.items()
            }

    with asyncio.Runner() as runner:
        runner.run(story())


NONE = {"f": "oneof", "args": [["none"]]}
DECLARED = [
    ["thing", [["number", "count"], ["who", "atom"], ["words", "text"], ["at", "addr"]], "", ["number"], ""],
    ["mixed", [["uid", {"f": "or", "args": ["count", {"f": "or", "args": ["text", NONE]}]}]], "", ["uid"], ""],
    ["flags", [["on", "flag"], ["kind", {"f": "oneof", "args": [["a", "b"]]}], ["list", {"f": "list", "args": ["core"]}]], "", ["on"], ""],
]  # fmt: skip
VALUE = st.one_of(
    st.integers(-2, 3), st.sampled_from([2**70, -(2**70), True, False, None, 0.5, "a", "none", ""]),
    st.lists(st.integers(-1, 1), max_size=2), ADDR,
    st.just({"f": "addr", "args": [0, 0, 0]}), st.just({"f": "addr", "args": [0, 0, 0, -1]}),
    st.just({"f": "other", "args": [0, 0, 0, 0]}), st.just({"var": "_"}),
)  # fmt: skip


@settings(max_examples=300)
@given(data=st.data())
def test_rows_are_checked_and_made_terms_as_single_facts_are(data: st.DataObject) -> None:
    vocabulary = Vocabulary(DECLARED)
    declaration = data.draw(st.sampled_from([*vocabulary]))
    row = st.tuples(*(VALUE for _ in declaration.fields)).map(list)
    rows = data.draw(st.lists(row, max_size=3))
    text = msgspec.json.encode(rows)
    assert outcome(lambda: msgspec.json.decode(vocabulary.terms(declaration, text))) == outcome(
        lambda: [vocabulary.term({"name": declaration.name, "args": args})["args"] for args in rows]
    )


def outcome(what: Callable[[], Any]) -> Any:
    try:
        return what()
    except InvalidFact as error:
        return str(error)


@pytest.mark.parametrize("column", ["asserts", "retracts", "origin"])
def test_a_damaged_row_of_the_log_is_one_error_at_the_start(tmp_path: Path, column: str) -> None:
    with Store(tmp_path) as store:
        for number in range(3):
            store.append("user", [], [{"name": "core", "args": [number, 0, 1]}])
    with sqlite3.connect(tmp_path / "local.sqlite") as database:
        database.execute(f"UPDATE log SET {column} = {column} || ' ' WHERE revision = 2")
    database.close()
    with pytest.raises(StartFailed, match=r"local\.sqlite cannot be read: revision 2 has a wrong checksum; .*--data"):
        asyncio.run(reopened(tmp_path))


def test_a_missing_row_of_the_log_is_one_error_at_the_start(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for _ in range(3):
            store.append("user", [], [])
    with sqlite3.connect(tmp_path / "local.sqlite") as database:
        database.execute("DELETE FROM log WHERE revision = 2")
    database.close()
    with pytest.raises(StartFailed, match=r"revision 2 is missing"):
        asyncio.run(reopened(tmp_path))


def test_a_damaged_snapshot_is_one_error_at_the_start(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append("user", [], [{"name": "core", "args": [0, 0, 1]}])
    database = connect(tmp_path / "local.sqlite")
    make_snapshot(database, 1, {"core": (0,)})
    database.execute("UPDATE snapshot SET rows = CAST('[[1,0,1]]' AS BLOB)")
    database.close()
    with pytest.raises(StartFailed, match=r"part 0 of the snapshot of revision 1 has a wrong checksum"):
        asyncio.run(reopened(tmp_path))
