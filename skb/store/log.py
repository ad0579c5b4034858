"""The durable log of one machine's facts, in SQLite: an append-only table of transactions, over a snapshot of the oldest.

A transaction is on disk before `append` returns (WAL with synchronous=FULL), so what was acknowledged survives kill -9 and power loss.
Every row carries a checksum, which is checked when it is read: a damaged log is refused, never half believed. A snapshot replaces the
transactions that it holds in one transaction of SQLite; whoever reads sees the one or the other.

One process at a time writes to a data folder; another one is told who does.
"""

import fcntl
import os
import secrets
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec

from skb.errors import InvalidRequest, StartFailed, StorageFailed
from skb.store.replay import Keys, State, Transaction

FORMAT = 2
"""Of the tables; kept in SQLite's user_version. Format 1 had no snapshots and no checksums."""

BUSY_SECONDS = 30.0
"""How long a write waits while a snapshot is put in place."""

SOME = 100
"""Transactions read at a time for whoever watches."""

KEEP_REVISIONS = 1000
"""Revisions that stay in the log when older ones become a snapshot: for history, and for whoever watches."""

_TABLES = """
CREATE TABLE IF NOT EXISTS log (revision INTEGER PRIMARY KEY, time REAL NOT NULL, origin TEXT NOT NULL,
    retracts TEXT NOT NULL, asserts TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS snapshot (revision INTEGER NOT NULL, part INTEGER NOT NULL, name TEXT NOT NULL,
    origin TEXT NOT NULL, count INTEGER NOT NULL, rows BLOB NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (revision, part)) STRICT;
CREATE TABLE IF NOT EXISTS base (revision INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""

_LOG_BYTES = "SELECT coalesce(sum(length(retracts) + length(asserts)), 0) FROM log"
_SNAPSHOT_BYTES = "SELECT coalesce(sum(length(rows)), 0) FROM snapshot WHERE revision = ?"


class Part(NamedTuple):
    """Rows of one fact in a snapshot, as a JSON array of arrays of arguments."""

    name: str
    origin: str
    size: int
    rows: bytes


class Written(NamedTuple):
    """A transaction as it lies in the log: its facts in JSON."""

    revision: int
    origin: str
    retracts: str
    asserts: str


class DamagedLog(Exception):
    """A row of the log or of the snapshot is not what was written."""


class Store:
    """The log of one machine, open for writing."""

    def __init__(self, directory: Path, machine: str = "local") -> None:
        """Open, and make what is missing. Raises StartFailed if it cannot be opened, or if another process has it open."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / f"{machine}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartFailed(
                f"the data folder {directory} cannot be used: {error.strerror}; choose another with --data"
            ) from error
        self.path = directory / f"{machine}.sqlite"
        try:
            self._claim(directory)
            self._database = self._open(self.path)
            self.base = base_revision(self._database)
            """The revision that the snapshot holds; later ones are in the log."""
            (latest,) = self._database.execute("SELECT coalesce(max(revision), 0) FROM log").fetchone()
            self.revision: int = max(latest, self.base)
            self.log_bytes: int
            """Of the transactions after the snapshot."""
            self.snapshot_bytes: int
            self._weigh()
            self.identity: str = self._identify()
            """Of this log and no other, whatever its machine is called: revisions of different logs are not the same."""
        except sqlite3.Error as error:
            os.close(self._lock)
            raise _unreadable(self.path, error) from error
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
    def _open(path: Path) -> sqlite3.Connection:
        database = connect(path)
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, 1, FORMAT):
            raise StartFailed(
                f"{path} was written by another version of the service (format {version}, this one reads {FORMAT}); "
                "use that version, or choose another folder with --data"
            )
        if version == 1:
            _migrate(database)
        else:
            database.executescript(_TABLES)
        database.execute(f"PRAGMA user_version={FORMAT}")
        return database

    def append(self, origin: str, retracts: list[Any], asserts: list[Any]) -> int:
        """Write a transaction to disk. Returns its revision. Raises StorageFailed if it is not there in whole."""
        texts = _json(retracts), _json(asserts)
        try:
            self._database.execute(
                "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)",
                (self.revision + 1, time.time(), origin, *texts, _checksum(origin, *texts)),
            )
        except sqlite3.Error as error:
            raise StorageFailed(
                f"the facts could not be written ({error}); nothing was changed. Make room, then write again"
            ) from error
        self.revision += 1
        self.log_bytes += sum(map(len, texts))
        return self.revision

    def transactions(self, after: int | None = None) -> Iterator[Transaction]:
        """Give the transactions after a revision, or all that are in the log, oldest first. Raises StartFailed if one is damaged."""
        try:
            yield from read_log(self._database, self.base if after is None else after)
        except (DamagedLog, sqlite3.Error) as error:
            raise _unreadable(self.path, error) from error

    def some_after(self, revision: int) -> list[Transaction]:
        """Give transactions after a revision, the oldest ones first, not more than fit in memory well. Raises StorageFailed.

        Opens the database anew: this may run beside writes, in another thread.
        """
        database = connect(self.path, read_only=True)
        try:
            database.execute("BEGIN")
            if revision < base_revision(database):
                return []  # they became a snapshot in the meantime
            return list(read_log(database, revision, revision + SOME))
        except (DamagedLog, sqlite3.Error) as error:
            raise StorageFailed(f"{self.path} cannot be read: {error}") from error
        finally:
            database.close()

    def replay(self) -> Iterator[Part | Written]:
        """Give all of it as it lies on disk: the snapshot, then the transactions after it. Raises StartFailed if any is damaged.

        Opens the database anew and sees it as of one moment: this may run in other threads, and while a snapshot is put in place.
        """
        try:
            with closing(connect(self.path, read_only=True)) as database:
                database.execute("BEGIN")
                base = base_revision(database)
                yield from read_snapshot(database, base)
                yield from read_written(database, base)
        except (DamagedLog, sqlite3.Error) as error:
            raise _unreadable(self.path, error) from error

    def state(self, keys: Keys, revision: int, only: list[str] | None = None) -> State:
        """Give what was known at a revision. Raises InvalidRequest if that is not in the log (any more)."""
        found = State(keys, only)
        database = connect(self.path, read_only=True)  # of its own: this may run beside writes, in another thread
        try:
            database.execute("BEGIN")  # as of one moment: a snapshot may be put in place meanwhile
            base = base_revision(database)
            if not base <= revision <= self.revision:
                raise InvalidRequest(
                    f"revision {revision} is not known; the log has those from {base} to {self.revision}"
                )
            for part in read_snapshot(database, base, only):
                found.load(part.name, msgspec.json.decode(part.rows), part.origin)
            for transaction in read_log(database, base, revision):
                found.apply(transaction)
        except (DamagedLog, sqlite3.Error) as error:
            raise StorageFailed(f"{self.path} cannot be read: {error}") from error
        finally:
            database.close()
        return found

    def rebase(self) -> None:
        """Take note that a snapshot was put in place of old transactions."""
        self.base = base_revision(self._database)
        self._weigh()

    def _weigh(self) -> None:
        (self.log_bytes,) = self._database.execute(_LOG_BYTES).fetchone()
        (self.snapshot_bytes,) = self._database.execute(_SNAPSHOT_BYTES, (self.base,)).fetchone()

    def _identify(self) -> str:
        fresh = secrets.token_hex(6)
        self._database.execute("INSERT OR IGNORE INTO about VALUES ('identity', ?)", (fresh,))
        (identity,) = self._database.execute("SELECT value FROM about WHERE key = 'identity'").fetchone()
        return str(identity)

    @property
    def about(self) -> dict[str, Any]:
        """What the machine was loaded from."""
        found = self._database.execute("SELECT value FROM about WHERE key = 'machine'").fetchone()
        return msgspec.json.decode(found[0], type=dict[str, Any]) if found else {}

    def describe(self, about: dict[str, Any]) -> None:
        """Note what the machine was loaded from. Raises StorageFailed."""
        try:
            self._database.execute("INSERT OR REPLACE INTO about VALUES ('machine', ?)", (_json(about),))
        except sqlite3.Error as error:
            raise StorageFailed(f"{self.path} could not be written ({error}); make room, then load again") from error

    def close(self) -> None:
        """Close the log and let others have the folder."""
        self._database.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def remove(directory: Path, machine: str) -> None:
    """Delete the log of a machine, which nobody has open."""
    for end in ("sqlite", "sqlite-wal", "sqlite-shm", "lock"):
        (directory / f"{machine}.{end}").unlink(missing_ok=True)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a log's database."""
    if read_only:
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
        )
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    return database


def base_revision(database: sqlite3.Connection) -> int:
    """Give the revision of the snapshot, 0 without one."""
    revision: int = database.execute("SELECT coalesce(max(revision), 0) FROM base").fetchone()[0]
    return revision


def read_log(database: sqlite3.Connection, after: int, until: int | None = None) -> Iterator[Transaction]:
    """Give transactions after a revision, checked. Raises DamagedLog."""
    for revision, origin, retracts, asserts in read_written(database, after, until):
        yield Transaction(revision, origin, msgspec.json.decode(retracts), msgspec.json.decode(asserts))


def read_written(database: sqlite3.Connection, after: int, until: int | None = None) -> Iterator[Written]:
    """Give transactions after a revision as they lie there, checked. Raises DamagedLog."""
    expected = after + 1
    last = 2**62 if until is None else until
    for revision, origin, retracts, asserts, checksum in database.execute(
        "SELECT revision, origin, retracts, asserts, checksum FROM log WHERE revision > ? AND revision <= ? ORDER BY revision",
        (after, last),
    ):
        if revision != expected:
            raise DamagedLog(f"revision {expected} is missing")
        if _checksum(origin, retracts, asserts) != checksum:
            raise DamagedLog(f"revision {revision} has a wrong checksum")
        yield Written(revision, origin, retracts, asserts)
        expected += 1


def read_snapshot(database: sqlite3.Connection, revision: int, only: list[str] | None = None) -> Iterator[Part]:
    """Give the parts of a snapshot, checked. Raises DamagedLog."""
    chosen = "" if only is None else f" AND name IN ({','.join('?' * len(only))})"
    for part, name, origin, count, rows, checksum in database.execute(
        f"SELECT part, name, origin, count, rows, checksum FROM snapshot WHERE revision = ?{chosen} ORDER BY part",  # noqa: S608 - places only
        (revision, *(only or ())),
    ):
        if zlib.crc32(rows) != checksum:
            raise DamagedLog(f"part {part} of the snapshot of revision {revision} has a wrong checksum")
        yield Part(name, origin, count, rows)


def _migrate(database: sqlite3.Connection) -> None:
    """Turn format 1 into this one."""
    database.execute("BEGIN IMMEDIATE")
    database.execute("ALTER TABLE log RENAME TO log1")
    for statement in filter(str.strip, _TABLES.split(";")):
        database.execute(statement)
    rows = database.execute("SELECT revision, time, origin, retracts, asserts FROM log1 ORDER BY revision").fetchall()
    database.executemany(
        "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)",
        [(*row, _checksum(row[2], row[3], row[4])) for row in rows],
    )
    database.execute("DROP TABLE log1")
    database.execute("COMMIT")


def _unreadable(path: Path, error: Exception) -> StartFailed:
    return StartFailed(f"{path} cannot be read: {error}; mend or remove it, or choose another folder with --data")


def _checksum(*texts: str) -> int:
    return zlib.crc32("\n".join(texts).encode())


def _json(value: Any) -> str:
    """JSON, since that has integers of any size."""
    return msgspec.json.encode(value).decode()
