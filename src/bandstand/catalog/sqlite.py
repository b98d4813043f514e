"""Opening a SQLite file of ours, and its errors in the words of our error tree."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bandstand.errors import StorageError

BUSY_SECONDS = 30.0
_APPLICATION_ID = 0x42534343  # "BSCC": tells our file from somebody else's database
_REMEDIES = {
    "not a database": "It is damaged or not ours: move it away and ingest again.",
    "malformed": "It is damaged: move it away and ingest again.",
    "full": "Free some space and try again: nothing that was committed is lost.",
    "readonly": "Make the file and its folder writable.",
    "unable to open": "Check that the folder exists and is writable.",
    "locked": "Another process has been writing for long: try again when it is done.",
    "closed": "The store was closed before this call.",
}


@contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Raise `StorageError` with the remedy for whatever SQLite raises inside the block."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = next((text for words, text in _REMEDIES.items() if words in str(error)), "See the cause.")
        raise StorageError(f"{path}: {error}. {remedy}") from error


Upgrades = Mapping[int, Callable[[sqlite3.Connection], None]]
"""By schema version, what brings the tables of a file of that version to the next one."""


def connect(path: Path, *, version: int, schema: Sequence[str], upgrades: Upgrades | None = None) -> sqlite3.Connection:
    """Open (or create) a file in WAL mode, usable from any thread under the caller's lock.

    A file of an older version is brought up to this one in one transaction: wholly or, when it is interrupted, not at
    all; ``upgrades`` has an entry for every version that there was.

    Raises:
        StorageError: it cannot be opened, belongs to another program, or was written by a newer version.
    """
    with mapped(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _refuse_foreign(connection, path, version)
            use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power cut
            _create(connection, version, schema, upgrades or {})
        except BaseException:
            connection.close()
            raise
        return connection


def use_wal(connection: sqlite3.Connection) -> None:
    """Turn write-ahead logging on. SQLite does not wait for its turn at this one change: ask again until it is ours.

    Raises:
        sqlite3.Error: somebody else has held the file for `BUSY_SECONDS`, or it cannot be written.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _refuse_foreign(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Raise before anything is written to a file that is not ours or is newer than we are."""
    # Tables before the id: another process may be creating both, in one transaction, between the two.
    tables = _number(connection, "SELECT count(*) FROM sqlite_schema")
    ours = _number(connection, "PRAGMA application_id") == _APPLICATION_ID
    found = _number(connection, "PRAGMA user_version")
    if tables and not ours:
        raise StorageError(f"{path} is a database of another program. Choose another path, or move it away.")
    if found > version:
        raise StorageError(f"{path} has schema version {found}, known is {version}. Install a newer Bandstand.")


def _create(connection: sqlite3.Connection, version: int, schema: Sequence[str], upgrades: Upgrades) -> None:
    """Create the tables of a new file, or upgrade those of an old one; one process only."""
    connection.execute("BEGIN IMMEDIATE")
    found = _number(connection, "PRAGMA user_version")
    if not found:
        for statement in schema:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    for old in range(found, version) if found else ():
        upgrades[old](connection)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])
