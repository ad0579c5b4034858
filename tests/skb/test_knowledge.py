"""Writes and what becomes of them, with a real engine and a real log."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from skb.errors import InvalidFact, RevisionConflict, StartFailed, UnknownFact
from skb.knowledge import Knowledge
from skb.store.log import Store

T = TypeVar("T")
ANY = {"var": "_"}

Run = Callable[[Coroutine[Any, Any, T]], T]


@pytest.fixture
def run() -> Iterator[Run[Any]]:
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def known(run: Run[Any], tmp_path: Path) -> Iterator[Knowledge]:
    with Store(tmp_path) as store:
        knowledge = Knowledge(store, engines=1)
        run(knowledge.open())
        yield knowledge
        run(knowledge.close())


def core(number: int, apic: int = 0) -> dict[str, Any]:
    return {"name": "core", "args": [number, apic, 1]}


def read(rows: list[dict[str, msgspec.Raw]]) -> list[dict[str, Any]]:
    """Read rows as a client does."""
    return msgspec.json.decode(msgspec.json.encode(rows), type=list[dict[str, Any]])


async def cores(known: Knowledge) -> list[tuple[int, int]]:
    return [(row["core"], row["apic_id"]) for row in read((await known.rows("core", {}, 100, 0)).rows)]


def test_one_life_of_facts(run: Run[Any], known: Knowledge) -> None:
    """Keys replace, equal facts stay, patterns retract, and every write counts; one engine tells it all."""

    async def story() -> None:
        assert await known.update([core(0, 1), core(1, 1)], []) == 1
        assert await known.update([core(0, 2)], []) == 2
        assert sorted(await cores(known)) == [(0, 2), (1, 1)]
        before = await cores(known)
        assert await known.update([core(0, 2)], []) == 3  # said again: nothing moves
        assert await cores(known) == before
        assert await known.update([], [{"name": "core", "args": [ANY, 1, ANY]}]) == 4
        assert await cores(known) == [(0, 2)]
        assert await known.update([], [core(77)]) == 5  # what is not there is not missed
        assert await cores(known) == [(0, 2)]

    run(story())


def test_a_refused_write_changes_nothing(run: Run[Any], known: Knowledge) -> None:
    async def story() -> None:
        await known.update([core(0)], [])
        with pytest.raises(InvalidFact):
            await known.update([core(1), core(-1)], [core(0)])
        with pytest.raises(UnknownFact):
            await known.update([core(1), {"name": "nothing", "args": []}], [])
        with pytest.raises(RevisionConflict):
            await known.update([core(1)], [], if_revision=0)
        assert (await cores(known), known.revision) == ([(0, 0)], 1)
        assert await known.update([core(1)], [], if_revision=1) == 2

    run(story())


@pytest.mark.parametrize("victim", ["template", "replica"])
def test_a_new_engine_knows_all_that_was_written(run: Run[Any], known: Knowledge, victim: str) -> None:
    async def story() -> None:
        await known.update([core(number, 2**65) for number in range(3)], [])
        await known.update([{"name": "cpu_name", "args": [0, 'B "1"\n']}], [core(1)])
        before = await cores(known), (await known.rows("cpu_name", {}, 10, 0)).rows
        (replica,), template = (
            known.pool.engines,
            known.pool._template,
        )  # there is no other way to know which process is which
        assert template is not None
        killed = template if victim == "template" else replica
        os.kill(killed.pid, signal.SIGKILL)
        await killed.lost
        assert await known.update([core(9)], []) == 3  # not lost, though the engine that should apply it is gone
        rows, name = await cores(known), (await known.rows("cpu_name", {}, 10, 0)).rows
        assert (rows, name) == ([*before[0], (9, 0)], before[1])
        assert known.pool.restarts >= 1

    run(story())


def test_a_write_that_nobody_waits_for_is_logged_and_applied(
    run: Run[Any], known: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up by its client just while it goes to disk."""
    started, release = threading.Event(), threading.Event()
    append = known._store.append

    def slow_disk(*transaction: Any) -> int:
        started.set()
        assert release.wait(30)
        return append(*transaction)

    async def story() -> None:
        monkeypatch.setattr(known._store, "append", slow_disk)
        write = asyncio.create_task(known.update([core(0)], []))
        await asyncio.to_thread(started.wait, 30)
        write.cancel()
        await asyncio.gather(write, return_exceptions=True)
        release.set()
        while known.revision < 1:
            await asyncio.sleep(0.01)
        assert await cores(known) == [(0, 0)]

    run(story())


def test_a_survey_writes_what_changed_and_only_that(run: Run[Any], known: Knowledge) -> None:
    async def story() -> None:
        assert await known.survey([core(0), core(1)]) == 1
        assert await known.survey([core(1), core(0)]) == 1
        assert await known.survey([core(0, 5), core(2)]) == 2  # 0 changed, 1 is gone, 2 is new
        assert sorted(await cores(known)) == [(0, 5), (2, 0)]
        assert await known.survey([core(0, 5), core(2)]) == 2

    run(story())


def test_a_survey_leaves_alone_what_was_written_by_hand_or_measured(run: Run[Any], known: Knowledge) -> None:
    measured = {"name": "message_rtt", "args": [0, 1, 1, 1, 1, 1]}

    async def story() -> None:
        await known.survey([core(0, 1), core(1, 1)])
        await known.update([core(0, 99), core(7, 7), core(1, 1), measured], [])
        revision = await known.survey([core(0, 1)])  # 1 is gone, but somebody has vouched for it since
        assert sorted(await cores(known)) == [(0, 99), (1, 1), (7, 7)]
        assert revision == 2
        assert len((await known.rows("message_rtt", {}, 10, 0)).rows) == 1

    run(story())


def test_a_log_with_facts_that_are_no_longer_declared_is_refused(run: Run[Any], tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.append("user", [], [{"name": "was_once_declared", "args": [1]}])
        knowledge = Knowledge(store)
        with pytest.raises(StartFailed, match=r"revision 1 .*was_once_declared.*--data"):
            run(knowledge.open())
        run(knowledge.close())
