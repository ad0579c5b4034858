"""The rules that people taught, on disk: every version of every module, and which of them is current.

One SQLite file in the data folder. A push is on disk before it is acknowledged; no version is ever changed, so that one can return to it.
"""

import sqlite3
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from skb.errors import InvalidRequest, RulesConflict, StartFailed, StorageFailed, UnknownRules
from skb.store.log import connect

FORMAT = 1
"""Of the tables; kept in SQLite's user_version."""

_TABLES = """
CREATE TABLE IF NOT EXISTS version (module TEXT NOT NULL, version INTEGER NOT NULL, time REAL NOT NULL, text TEXT, tests TEXT NOT NULL,
    before INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (module, version)) STRICT;
CREATE TABLE IF NOT EXISTS current (module TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT;
"""


class Version(NamedTuple):
    """A version of a module, from 1. Without text, the module was removed. `time` is in seconds since 1970."""

    module: str
    version: int
    time: float
    text: str | None
    tests: str
    before: int
    """The version that was current when this one came; 0 for none."""


class Versions:
    """All versions of all modules."""

    def __init__(self, directory: Path) -> None:
        """Open the file in a data folder, and make it if it is missing. Raises StartFailed."""
        self._path = directory / "rules" / "rules.sqlite"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._database = connect(self._path)
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise StartFailed(
                    f"{self._path} was written by another version of the service (format {version}, this one reads {FORMAT}); "
                    "use that version, or choose another folder with --data"
                )
            self._database.executescript(_TABLES)
            self._database.execute(f"PRAGMA user_version={FORMAT}")
            self.current = {found.module: found for found in self._read_current()}
            """The current version of each module that there is, by name."""
        except (sqlite3.Error, OSError) as error:
            raise StartFailed(
                f"{self._path} cannot be read: {error}; mend or remove it, or choose another folder with --data"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def get(self, module: str, version: int | None = None) -> Version:
        """Give a version of a module, the current one if none is named. Raises UnknownRules."""
        if version is None:
            if (found := self.current.get(module)) is None:
                raise UnknownRules(f"there is no module {module[:64]!r}; GET /v1/rules lists those that are taught")
            return found
        for found in self.all(module):
            if found.version == version:
                return found
        raise UnknownRules(
            f"there is no version {version} of {module[:64]!r}; GET /v1/rules/{module[:64]} lists those that are kept"
        )

    def all(self, module: str) -> list[Version]:
        """Give all versions of a module, the oldest first. Raises StorageFailed."""
        rows = self._database.execute("SELECT * FROM version WHERE module = ? ORDER BY version", (module,))
        try:
            return [self._checked(row) for row in rows]
        except sqlite3.Error as error:
            raise StorageFailed(f"{self._path} cannot be read: {error}") from error

    def push(self, module: str, text: str | None, tests: str, if_version: int | None = None) -> Version:
        """Have a new version be current; without text, there is no such module any more. Raises RulesConflict, StorageFailed."""
        self.expect(module, if_version)
        (latest,) = self._database.execute(
            "SELECT coalesce(max(version), 0) FROM version WHERE module = ?", (module,)
        ).fetchone()
        new = Version(module, latest + 1, time.time(), text, tests, self._number(module))
        self._write(
            ("INSERT INTO version VALUES (?, ?, ?, ?, ?, ?, ?)", (*new, _checksum(new))),
            ("INSERT OR REPLACE INTO current VALUES (?, ?)", (module, new.version)),
        )
        self._set(new)
        return new

    def before(self, module: str) -> Version:
        """Give the version that was current before this one. Raises UnknownRules, InvalidRequest."""
        number = self._number(module)
        if number == 0:
            raise UnknownRules(f"nothing was ever taught as {module[:64]!r}; GET /v1/rules lists the modules")
        now = self.get(module, number)
        if now.before == 0:
            raise InvalidRequest(f"there is no version of {module} before {number}; to have no such module, DELETE it")
        return self.get(module, now.before)

    def rollback(self, module: str) -> Version:
        """Return to the version that was current before this one. Raises UnknownRules, InvalidRequest, StorageFailed."""
        before = self.before(module)
        self._write(("UPDATE current SET version = ? WHERE module = ?", (before.version, module)))
        self._set(before)
        return before

    def expect(self, module: str, version: int | None) -> None:
        """Make sure which version is current, 0 for none; None is any. Raises RulesConflict."""
        current = self.current.get(module)
        number = current.version if current else 0
        if version is not None and version != number:
            raise RulesConflict(
                f"the current version of {module[:64]} is {number}, not {version}; look at it, then push again"
            )

    def _set(self, version: Version) -> None:
        if version.text is None:
            self.current.pop(version.module, None)
        else:
            self.current[version.module] = version

    def _number(self, module: str) -> int:
        found = self._database.execute("SELECT version FROM current WHERE module = ?", (module,)).fetchone()
        return int(found[0]) if found else 0

    def _write(self, *statements: tuple[str, tuple[object, ...]]) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                self._database.execute(statement, values)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise StorageFailed(
                f"the rules could not be written ({error}); nothing was changed. Make room, then push again"
            ) from error

    def _read_current(self) -> list[Version]:
        rows = self._database.execute("SELECT version.* FROM version NATURAL JOIN current WHERE text IS NOT NULL")
        return [self._checked(row) for row in rows]

    def _checked(self, row: tuple[object, ...]) -> Version:
        *values, checksum = row
        found = Version(*values)  # type: ignore[arg-type]  # as the table has them
        if _checksum(found) != checksum:
            raise StartFailed(
                f"{self._path}: version {found.version} of {found.module} has a wrong checksum; restore the file from a copy, or "
                "remove it, and teach the rules anew"
            )
        return found


def _checksum(version: Version) -> int:
    return zlib.crc32(repr(tuple(version)).encode())
