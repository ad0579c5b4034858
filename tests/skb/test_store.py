"""The log: what was appended is there, whole and in order, and only one process writes."""

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skb.errors import StartFailed, StorageFailed
from skb.store.log import FORMAT, Store, Transaction

ARGUMENT = st.recursive(
    st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: st.lists(below, max_size=3),
    max_leaves=5,
)
FACT = st.fixed_dictionaries({"name": st.sampled_from(["core", "device"]), "args": st.lists(ARGUMENT, max_size=4)})
WRITE = st.tuples(st.sampled_from(["user", "probe"]), st.lists(FACT, max_size=3), st.lists(FACT, max_size=3))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(WRITE, max_size=5))
def test_what_was_appended_is_read_again_in_order(
    writes: list[tuple[str, list[Any], list[Any]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    with Store(folder) as store:
        assert [store.append(*write) for write in writes] == list(range(1, len(writes) + 1))
    with Store(folder) as store:
        assert store.revision == len(writes)
        assert list(store.transactions()) == [Transaction(n, *write) for n, write in enumerate(writes, start=1)]


def test_a_new_log_is_at_revision_0(tmp_path: Path) -> None:
    with Store(tmp_path / "made" / "on" / "the" / "way") as store:
        assert store.revision == 0
        assert list(store.transactions()) == []


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(StartFailed, match="in use by process"):
        Store(tmp_path)
    Store(tmp_path).close()


def test_a_log_of_another_format_is_refused(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "local.sqlite") as database:
        database.execute(f"PRAGMA user_version={FORMAT + 1}")
    database.close()
    with pytest.raises(StartFailed, match=f"format {FORMAT + 1}"):
        Store(tmp_path)
    with pytest.raises(StartFailed, match=f"format {FORMAT + 1}"):  # and the folder is free for another try
        Store(tmp_path)


def test_a_damaged_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "local.sqlite").write_bytes(bytes(range(256)) * 64)
    with pytest.raises(StartFailed, match="cannot be read"):
        Store(tmp_path)


def test_a_log_cut_short_by_a_crash_keeps_what_was_whole(tmp_path: Path) -> None:
    """A process that dies between transactions, its write-ahead log not folded in."""
    script = (
        "import os, sys; from pathlib import Path; from skb.store.log import Store; store = Store(Path(sys.argv[1]));"
        "[store.append('user', [], [{'name': 'core', 'args': [n, n, 1]}]) for n in range(5)]; os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, timeout=30).returncode == 9
    with (tmp_path / "local.sqlite-wal").open("ab") as tail:
        tail.write(b"\0" * 100)  # the start of a frame that never was whole
    with Store(tmp_path) as store:
        assert [transaction.asserts[0]["args"][0] for transaction in store.transactions()] == [0, 1, 2, 3, 4]


@pytest.fixture
def small_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_changes_nothing(tmp_path: Path, small_files: None) -> None:
    large = [{"name": "core", "args": [0, "x" * 500_000, 1]}]
    with Store(tmp_path) as store:
        store.append("user", [], [])
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))
        with pytest.raises(StorageFailed, match="nothing was changed"):
            store.append("user", [], large)
        assert store.revision == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        assert store.append("user", [], large) == 2
    with Store(tmp_path) as store:
        assert [transaction.asserts for transaction in store.transactions()] == [[], large]
