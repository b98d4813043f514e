"""SQLite connections of the log: how they are opened, and what their errors mean to whoever must act on them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bandstand.catalog.sqlite import use_wal
from bandstand.errors import StorageError

SCHEMA_VERSION = 1

# `query_id` finds the events of a search, `user_id` what must go when a user goes. AUTOINCREMENT never gives a
# number twice, so a reader's stored position stays valid when the newest rows are deleted.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT,
    time REAL NOT NULL,
    query_id TEXT,
    user_id TEXT,
    session_id TEXT,
    payload BLOB NOT NULL,
    UNIQUE (kind, id)
);
CREATE INDEX IF NOT EXISTS log_events_by_query ON log (query_id) WHERE kind = 'event' AND query_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS log_by_user ON log (user_id) WHERE user_id IS NOT NULL;
"""

_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, nothing that was acknowledged is lost",
    sqlite3.SQLITE_READONLY: "it is read-only; give this user write permission on the file and its folder",
    sqlite3.SQLITE_BUSY: "another process holds its lock; stop the other writer or try again",
    sqlite3.SQLITE_LOCKED: "another process holds its lock; stop the other writer or try again",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore it from a backup, or move it away to start a new one",
    sqlite3.SQLITE_NOTADB: "it is not a database; move it away, or choose another home folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that the folder exists and may be written",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; check the disk and its free space",
}


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Turn SQLite's exceptions into `StorageError` with a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        # The low byte is the primary code: SQLITE_IOERR_FSYNC and its like share the remedy of SQLITE_IOERR.
        code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        remedy = _REMEDIES.get(code, "close other programs that use it and try again")
        raise StorageError(f"the log {path} failed ({error}): {remedy}") from error


def connect(path: Path, *, busy_s: float, durable: bool = True) -> sqlite3.Connection:
    """A connection in autocommit mode; it waits up to ``busy_s`` seconds for locks, and syncs commits if ``durable``.

    Raises:
        StorageError: the file cannot be opened, is damaged, or was written by a newer version.
    """
    with mapped(path):
        connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, durable=durable)
        except BaseException:
            connection.close()
            raise
    return connection


def checkpoint(path: Path, *, busy_s: float) -> None:
    """Move everything from the write-ahead log into the database and cut the former to zero bytes.

    Raises:
        StorageError: readers of other processes kept old pages in use for ``busy_s`` seconds.
    """
    connection = connect(path, busy_s=busy_s)
    try:
        with mapped(path):
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()
    if busy:
        raise StorageError(f"deleted, but {path}-wal still holds old pages for a reader; end long reads and try again")


def _prepare(connection: sqlite3.Connection, path: Path, *, durable: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StorageError(f"the log {path} has format {version}, newer than this program; upgrade Bandstand")
    use_wal(connection)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    connection.execute("PRAGMA secure_delete = ON")
    if version < SCHEMA_VERSION:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
