"""Make a snapshot of old transactions, in a process of its own: `python -m skb.store.compact PARENT PATH REVISION`, keys on standard input.

A million rows take seconds of pure computing, which the service has no time for. The new snapshot is written beside the old one in small
pieces; then one transaction makes it the base and drops what it replaces, so that a crash at any moment leaves the one or the other.
"""

import asyncio
import os
import sqlite3
import sys
import zlib
from pathlib import Path

import msgspec

from skb.lifeline import die_with_parent
from skb.store.log import base_revision, connect, read_log, read_snapshot
from skb.store.replay import Keys, State

PART_ROWS = 5000


async def compact(path: Path, revision: int, keys: Keys) -> bool:
    """Make `revision` the base. Say whether that was done; what went wrong is on standard error, and nothing has changed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "skb.store.compact", str(os.getpid()), str(path), str(revision),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await process.communicate(msgspec.json.encode(keys))
    except BaseException:
        if process.returncode is None:
            process.kill()
        await process.wait()
        raise
    return process.returncode == 0


def make_snapshot(database: sqlite3.Connection, revision: int, keys: Keys) -> None:
    """Put a snapshot of a revision in place of the transactions up to it."""
    base = base_revision(database)
    state = State(keys)
    for part in read_snapshot(database, base):
        state.load(part.name, msgspec.json.decode(part.rows), part.origin)
    for transaction in read_log(database, base, revision):
        state.apply(transaction)
    database.execute("DELETE FROM snapshot WHERE revision <> ?", (base,))  # what an interrupted one left
    number = 0
    for name in list(state.names()):
        by_origin: dict[str, list[object]] = {}
        for row in state.rows(name):
            by_origin.setdefault(row.origin, []).append(row.args)
        for origin, rows in by_origin.items():
            for start in range(0, len(rows), PART_ROWS):
                part_rows = rows[start : start + PART_ROWS]
                blob = msgspec.json.encode(part_rows)
                database.execute(
                    "INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (revision, number, name, origin, len(part_rows), blob, zlib.crc32(blob)),
                )
                number += 1
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM base")
    database.execute("INSERT INTO base VALUES (?)", (revision,))
    database.execute("DELETE FROM log WHERE revision <= ?", (revision,))
    database.execute("DELETE FROM snapshot WHERE revision <> ?", (revision,))
    database.execute("COMMIT")


def main() -> None:
    """Make the snapshot."""
    parent, path, revision = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    die_with_parent(parent)
    os.nice(10)
    keys = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, tuple[int, ...]])
    database = connect(path)
    try:
        make_snapshot(database, revision, keys)
    finally:
        database.close()


if __name__ == "__main__":
    main()
