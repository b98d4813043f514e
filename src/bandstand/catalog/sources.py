"""What was read of libraries and servers before: so that what is unchanged is not read again, and what is gone goes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from bandstand.errors import NotFound
from bandstand.sqlite import Database, Format

_FORMAT = Format(
    version=1,
    schema=(
        """CREATE TABLE readings (source TEXT NOT NULL, key TEXT NOT NULL, stamp TEXT NOT NULL, payload BLOB NOT NULL,
            PRIMARY KEY (source, key)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE entities (source TEXT NOT NULL, id TEXT NOT NULL,
            PRIMARY KEY (source, id)) STRICT, WITHOUT ROWID""",
        """CREATE TABLE covers (id TEXT PRIMARY KEY, source TEXT NOT NULL, path TEXT NOT NULL)
            STRICT, WITHOUT ROWID""",
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

    def keep_covers(self, paths: Mapping[str, Path]) -> None:
        """Remember in which files the covers of entities are, and forget those of others."""
        rows = [(id_, self._name, str(path)) for id_, path in paths.items()]
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM covers WHERE source = ?", (self._name,))
            connection.executemany("INSERT OR REPLACE INTO covers VALUES (?, ?, ?)", rows)

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


def cover_of(path: Path, entity_id: str) -> Path:
    """The file that holds an entity's cover, by the file of what a home remembers of its sources.

    Raises:
        NotFound: none is known.
        StorageError: the file cannot be read.
    """
    rows: list[tuple[str]] = []
    if path.exists():
        with closing(Database(path, _FORMAT, synchronous="NORMAL")) as database:
            rows = database.rows("SELECT path FROM covers WHERE id = ?", (entity_id,))
    if not rows:
        raise NotFound(f"{entity_id!r} has no cover on this machine")
    return Path(rows[0][0])
