"""The local log as an outbox: which of its rows the cluster has, and which process of the machine delivers the rest."""

from __future__ import annotations

import fcntl
import uuid
from typing import IO, Any, NamedTuple

from bandstand.feedback.sqlite_log import SqliteLog
from bandstand.opensearch.log_order import Tail

# The table is called spool for the sake of files that were written before the class had its name.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS spool (name TEXT PRIMARY KEY, value NOT NULL)",
    "CREATE TABLE IF NOT EXISTS delivered (upto INTEGER PRIMARY KEY, last INTEGER NOT NULL)",
)
_SET = "INSERT INTO spool VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_ROWS = "SELECT seq, kind, time, payload FROM log WHERE seq > ? ORDER BY seq LIMIT ?"
_USERS = "SELECT DISTINCT user_id FROM log WHERE user_id IS NOT NULL"
_SESSIONS = "SELECT DISTINCT session_id FROM log WHERE session_id IS NOT NULL AND user_id IS NULL"
_PLACE = "SELECT last FROM delivered WHERE upto >= ? ORDER BY upto LIMIT 1"
_CLEAR = (
    "DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE seq <= ? AND time < ? ORDER BY seq LIMIT ?) RETURNING seq"
)
_FORGET_DELIVERIES = "DELETE FROM delivered WHERE upto < (SELECT coalesce(max(upto), 0) - ? FROM delivered)"
_AT_ONCE = 10_000


class Row(NamedTuple):
    """A logged row: its number in this outbox, its kind, when it was logged, and its encoded record."""

    seq: int
    kind: str
    time: float
    payload: bytes


class Outbox:
    """A log of this machine, and in the same file how far it was delivered. Safe for threads and processes.

    Raises:
        StorageError: from every method, when the file cannot be read or written.
    """

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self._database = log.open_database()
        self._lock: IO[str] | None = None
        with self._database.transaction() as connection:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT OR IGNORE INTO spool VALUES ('id', ?)", (uuid.uuid4().hex,))
        self.id = str(self._get("id"))

    def claim(self) -> bool:
        """Become the one process that delivers, unless another is; holds until `close` or the end of the process."""
        if self._lock is None:
            lock = self.log.path.with_suffix(".shipping").open("a")
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
        return [Row(*row) for row in self._database.rows(_ROWS, (self.upto, limit))]

    def waiting(self) -> int:
        """How many rows are not delivered."""
        ((count,),) = self._database.rows("SELECT count(*) FROM log WHERE seq > ?", (self.upto,))
        return int(count)

    def advance(self, seen: Tail, upto: int | None = None) -> None:
        """The order was read as far as ``seen``, and, if given, everything up to a row stands before that place."""
        with self._database.transaction() as connection:
            connection.executemany(_SET, [("number", seen.number), ("last", seen.last)])
            if upto is not None:
                connection.execute(_SET, ("upto", upto))
                connection.execute("INSERT OR IGNORE INTO delivered VALUES (?, ?)", (upto, seen.last))
                connection.execute("DELETE FROM log WHERE kind = 'control' AND seq <= ?", (upto,))

    def place(self, seq: int) -> int | None:
        """The cluster's seq up to which a row of this log stands; None while it is not delivered."""
        found = self._database.rows(_PLACE, (seq,))
        return int(found[0][0]) if found else None

    def users(self) -> list[str]:
        """Whose records it holds."""
        return [user for (user,) in self._database.rows(_USERS)]

    def sessions(self) -> list[str]:
        """Of which sessions it holds records that name nobody."""
        return [session for (session,) in self._database.rows(_SESSIONS)]

    def clear(self, before: float) -> int:
        """Drop delivered rows that were logged before a moment, at most some thousands; how many went."""
        self._database.rows(_FORGET_DELIVERIES, (_AT_ONCE,))
        return len(self._database.rows(_CLEAR, (self.upto, before, _AT_ONCE)))

    def close(self) -> None:
        """Let another process deliver, and close the log.

        Raises:
            StorageError: see `SqliteLog.close`.
        """
        self._database.close()
        if self._lock is not None:
            self._lock.close()
        self.log.close()

    def _get(self, name: str) -> Any:  # noqa: ANN401 - what SQLite holds
        found = self._database.rows("SELECT value FROM spool WHERE name = ?", (name,))
        return found[0][0] if found else None
