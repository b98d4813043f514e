"""The local log as an outbox: which of its rows the cluster has, and which process of the machine delivers the rest."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from bandstand.errors import StorageError
from bandstand.feedback.sqlite import connect, mapped
from bandstand.opensearch.log_order import Tail

# The table is called spool for the sake of files that were written before the class had its name.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (name TEXT PRIMARY KEY, value NOT NULL);
CREATE TABLE IF NOT EXISTS delivered (upto INTEGER PRIMARY KEY, last INTEGER NOT NULL);
"""
_SET = "INSERT INTO spool VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_ROWS = "SELECT seq, kind, time, payload FROM log WHERE seq > ? ORDER BY seq LIMIT ?"
_USERS = "SELECT DISTINCT user_id FROM log WHERE user_id IS NOT NULL"
_DELIVERIES = 10_000


class Row(NamedTuple):
    """A logged row: its number in this outbox, its kind, when it was logged, and its encoded record."""

    seq: int
    kind: str
    time: float
    payload: bytes


class Outbox:
    """The delivery state of the log in the file ``path``, kept in the same file. Safe for threads and processes.

    Raises:
        StorageError: from every method, when the file cannot be read or written.
    """

    def __init__(self, path: Path, *, busy_s: float) -> None:
        self._path = path
        self._connection = connect(path, busy_s=busy_s)
        self._using = threading.Lock()
        self._lock: IO[str] | None = None
        self._run(lambda connection: connection.executescript(_SCHEMA))
        self._run(
            lambda connection: connection.execute("INSERT OR IGNORE INTO spool VALUES ('id', ?)", (uuid.uuid4().hex,))
        )
        self.id = str(self._get("id"))

    def claim(self) -> bool:
        """Become the one process that delivers, unless another is; holds until `close` or the end of the process."""
        if self._lock is None:
            lock = self._path.with_suffix(".shipping").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                return False
            self._lock = lock
        return True

    @property
    def upto(self) -> int:
        """The row up to which everything is delivered."""
        return int(self._get("upto") or 0)

    @property
    def seen(self) -> Tail | None:
        """How far the cluster's order was read by who delivers; None before the first time."""
        number, last = self._get("number"), self._get("last")
        return None if number is None or last is None else Tail(int(number), int(last))

    def rows(self, limit: int) -> list[Row]:
        """The next rows to deliver, in order."""
        upto = self.upto
        return [Row(*row) for row in self._run(lambda connection: connection.execute(_ROWS, (upto, limit)).fetchall())]

    def waiting(self) -> int:
        """How many rows are not delivered."""
        upto = self.upto
        return int(self._run(lambda c: c.execute("SELECT count(*) FROM log WHERE seq > ?", (upto,)).fetchone()[0]))

    def advance(self, seen: Tail, upto: int | None = None) -> None:
        """The order was read as far as ``seen``, and, if given, everything up to a row stands before that place."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_SET, [("number", seen.number), ("last", seen.last)])
            if upto is not None:
                connection.execute(_SET, ("upto", upto))
                connection.execute("INSERT OR IGNORE INTO delivered VALUES (?, ?)", (upto, seen.last))
                connection.execute("DELETE FROM log WHERE kind = 'control' AND seq <= ?", (upto,))
            connection.execute("COMMIT")

        self._run(write)

    def place(self, seq: int) -> int | None:
        """The cluster's seq up to which a row of this log stands; None while it is not delivered."""
        query = "SELECT last FROM delivered WHERE upto >= ? ORDER BY upto LIMIT 1"
        found = self._run(lambda connection: connection.execute(query, (seq,)).fetchone())
        return None if found is None else int(found[0])

    def users(self) -> list[str]:
        """Whose records it holds."""
        return [user for (user,) in self._run(lambda connection: connection.execute(_USERS).fetchall())]

    def clear(self, before: float) -> int:
        """Drop delivered rows that were logged before a moment, at most some thousands; how many went."""
        upto = self.upto
        last = "SELECT coalesce(max(upto), 0) - ? FROM delivered"
        dropped = "DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE seq <= ? AND time < ? ORDER BY seq LIMIT ?)"

        def write(connection: sqlite3.Connection) -> int:
            connection.execute(f"DELETE FROM delivered WHERE upto < ({last})", (_DELIVERIES,))  # noqa: S608 - constants
            return connection.execute(dropped, (upto, before, _DELIVERIES)).rowcount

        return int(self._run(write))

    def close(self) -> None:
        """Let another process deliver."""
        with self._using:
            self._connection.close()
        if self._lock is not None:
            self._lock.close()

    def _get(self, name: str) -> Any:  # noqa: ANN401 - what SQLite holds
        found = self._run(lambda c: c.execute("SELECT value FROM spool WHERE name = ?", (name,)).fetchone())
        return None if found is None else found[0]

    def _run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:  # noqa: ANN401 - whatever the work returns
        with self._using, mapped(self._path):
            try:
                return work(self._connection)
            except sqlite3.ProgrammingError as error:
                raise StorageError("the log is closed; open it again") from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
