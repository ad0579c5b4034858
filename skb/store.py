"""The durable log of one machine's facts: an append-only table of transactions in SQLite.

A transaction is on disk before `append` returns (WAL with synchronous=FULL), so what was acknowledged survives kill -9 and power loss.
One process at a time writes to a data folder; another one is told who does.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from skb.errors import StartFailed, StorageFailed

FORMAT = 1
"""Of the tables; kept in SQLite's user_version."""


class Transaction(NamedTuple):
    """What one write took away and added, in the JSON form of facts, and who wrote it: `user` or `probe`."""

    revision: int
    origin: str
    retracts: list[Any]
    asserts: list[Any]


class Store:
    """The log of one machine, open for writing."""

    def __init__(self, directory: Path, machine: str = "local") -> None:
        """Open, and make what is missing. Raises StartFailed if it cannot be opened, or if another process has it open."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartFailed(
                f"the data folder {directory} cannot be used: {error.strerror}; choose another with --data"
            ) from error
        try:
            self._claim(directory)
            self._database, self.revision = self._open(directory / f"{machine}.sqlite")
        except BaseException:
            os.close(self._lock)
            raise

    def _claim(self, directory: Path) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StartFailed(
                f"the data folder {directory} is in use by process {holder}; stop that service, or choose another with --data"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    @staticmethod
    def _open(path: Path) -> tuple[sqlite3.Connection, int]:
        try:
            database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise StartFailed(
                    f"{path} was written by another version of the service (format {version}, this one reads {FORMAT}); "
                    "use that version, or choose another folder with --data"
                )
            database.execute(
                "CREATE TABLE IF NOT EXISTS log (revision INTEGER PRIMARY KEY, time REAL NOT NULL, "
                "origin TEXT NOT NULL, retracts TEXT NOT NULL, asserts TEXT NOT NULL) STRICT"
            )
            database.execute(f"PRAGMA user_version={FORMAT}")
            revision: int = database.execute("SELECT coalesce(max(revision), 0) FROM log").fetchone()[0]
        except sqlite3.Error as error:
            raise StartFailed(
                f"{path} cannot be opened: {error}; mend or remove it, or choose another folder with --data"
            ) from error
        return database, revision

    def append(self, origin: str, retracts: list[Any], asserts: list[Any]) -> int:
        """Write a transaction to disk. Returns its revision. Raises StorageFailed if it is not there in whole."""
        try:
            self._database.execute(
                "INSERT INTO log VALUES (?, ?, ?, ?, ?)",
                (self.revision + 1, time.time(), origin, _text(retracts), _text(asserts)),
            )
        except sqlite3.Error as error:
            raise StorageFailed(
                f"the facts could not be written ({error}); nothing was changed. Make room, then write again"
            ) from error
        self.revision += 1
        return self.revision

    def transactions(self) -> Iterator[Transaction]:
        """Give every transaction, oldest first."""
        for revision, origin, retracts, asserts in self._database.execute(
            "SELECT revision, origin, retracts, asserts FROM log ORDER BY revision"
        ):
            yield Transaction(revision, origin, msgspec.json.decode(retracts), msgspec.json.decode(asserts))

    def close(self) -> None:
        """Close the log and let others have the folder."""
        self._database.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _text(facts: list[Any]) -> str:
    """JSON, since that has integers of any size."""
    return msgspec.json.encode(facts).decode()
