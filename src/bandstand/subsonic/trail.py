"""What each account was shown lately, and on which search: there belongs what it then plays or stars."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from bandstand.sqlite import Database, Format
from bandstand.types import Clock
from bandstand.types.hashing import digest

WINDOW_S = 1_800.0
"""How long after a search something may be what it led to."""

_FORMAT = Format(
    version=1,
    schema=(
        """CREATE TABLE searches (query_id TEXT PRIMARY KEY, user BLOB NOT NULL, text BLOB NOT NULL, time REAL NOT NULL,
            seen REAL NOT NULL, shown BLOB NOT NULL) STRICT""",
        "CREATE INDEX searches_user ON searches (user, time)",
    ),
    erases=True,
)
_NOTE = """INSERT INTO searches VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (query_id) DO UPDATE SET seen = excluded.seen, shown = excluded.shown"""


class Shown(NamedTuple):
    """A search, the entities that it showed, and, where those were shown as folders, which by the folders' ids."""

    query_id: str
    entities: tuple[str, ...]
    folders: dict[str, str]


class Trail:
    """Searches of the last half hour, shared by the processes of one server; names and queries are kept as hashes.

    Raises:
        StorageError: from any method, when the file cannot be read or written.
    """

    def __init__(self, path: Path, clock: Clock = time.time) -> None:
        self._database, self._clock = Database(path, _FORMAT, synchronous="OFF"), clock

    def note(self, user: str, text: str, shown: Shown) -> None:
        """Remember what a search showed; further pages of it add to that."""
        now = self._clock()
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM searches WHERE time < ?", (now - WINDOW_S,))
            rows = connection.execute("SELECT shown FROM searches WHERE query_id = ?", (shown.query_id,)).fetchall()
            entities, folders = orjson.loads(rows[0][0]) if rows else ((), {})
            content = orjson.dumps([list(dict.fromkeys((*entities, *shown.entities))), {**folders, **shown.folders}])
            connection.execute(_NOTE, (shown.query_id, digest(user, 16), digest(text, 16), now, now, content))

    def lately(self, user: str) -> Sequence[Shown]:
        """What an account was shown, what it saw last first."""
        rows = self._database.rows(
            "SELECT query_id, shown FROM searches WHERE user = ? AND time >= ? ORDER BY seen DESC",
            (digest(user, 16), self._clock() - WINDOW_S),
        )
        return [Shown(query_id, *orjson.loads(shown)) for query_id, shown in rows]

    def search(self, user: str, text: str, *, within: float = WINDOW_S) -> str | None:
        """The id of an account's last search for a text, if that was made within so many seconds."""
        rows = self._database.rows(
            "SELECT query_id FROM searches WHERE user = ? AND text = ? AND time >= ? ORDER BY time DESC LIMIT 1",
            (digest(user, 16), digest(text, 16), self._clock() - within),
        )
        return str(rows[0][0]) if rows else None

    def forget(self, user: str) -> None:
        """Forget an account's searches."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM searches WHERE user = ?", (digest(user, 16),))
        self._database.truncate_log()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._database.close()
