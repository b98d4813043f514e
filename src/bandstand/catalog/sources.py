"""What was read of libraries and servers before: so that what is unchanged is not read again, and what is gone goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from bandstand.sqlite import Database, Format

_FORMAT = Format(
    version=1,
    schema=(
        """CREATE TABLE readings (source TEXT NOT NULL, key TEXT NOT NULL, stamp TEXT NOT NULL, payload BLOB NOT NULL,
            PRIMARY KEY (source, key)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE entities (source TEXT NOT NULL, id TEXT NOT NULL,
            PRIMARY KEY (source, id)) STRICT, WITHOUT ROWID""",
    ),
)


class Source:
    """What a home remembers of one library or server, by its name; close it after use.

    Raises:
        StorageError: from any method, when the file cannot be read or written.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._database = Database(path, _FORMAT, synchronous="NORMAL")
        self._name = name

    def reading(self, key: str, stamp: str) -> bytes | None:
        """What was read under a key, if it bore the same stamp then."""
        rows = self._database.rows(
            "SELECT payload FROM readings WHERE source = ? AND key = ? AND stamp = ?", (self._name, key, stamp)
        )
        return rows[0][0] if rows else None

    def keep(self, readings: Iterable[tuple[str, str, bytes]]) -> None:
        """Remember (key, stamp, what was read)."""
        rows = [(self._name, *reading) for reading in readings]
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?)", rows)

    def forget_others(self, keys: Collection[str]) -> None:
        """Forget what was read under any other key."""
        known = {key for (key,) in self._database.rows("SELECT key FROM readings WHERE source = ?", (self._name,))}
        with self._database.transaction() as connection:
            gone = [(self._name, key) for key in known.difference(keys)]
            connection.executemany("DELETE FROM readings WHERE source = ? AND key = ?", gone)

    def gone(self, ids: Collection[str]) -> set[str]:
        """Of the entities that it consisted of, those that are not among ``ids``."""
        return self._entities().difference(ids)

    def consists_of(self, ids: Collection[str]) -> None:
        """Remember its entities."""
        known = self._entities()
        gone, new = (
            [(self._name, id_) for id_ in some] for some in (known.difference(ids), set(ids).difference(known))
        )
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM entities WHERE source = ? AND id = ?", gone)
            connection.executemany("INSERT INTO entities VALUES (?, ?)", new)

    def _entities(self) -> set[str]:
        return {id_ for (id_,) in self._database.rows("SELECT id FROM entities WHERE source = ?", (self._name,))}

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._database.close()
