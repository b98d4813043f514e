"""The catalogue in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import orjson

from bandstand.catalog.codec import decode, encode, kind_by_name
from bandstand.catalog.store import CHUNK, Change, Store
from bandstand.errors import BadInput, NotFound
from bandstand.sqlite import Database, Format
from bandstand.types import Clock, Entity, Ordinals
from bandstand.types.hashing import digest


def _name_kinds(connection: sqlite3.Connection) -> None:
    """Version 1 held kinds by their place in a list, so that the list could not change: now by name."""
    connection.create_function("kind_by_name", 1, kind_by_name, deterministic=True)
    connection.create_function("digest", 1, lambda payload: digest(payload, 16), deterministic=True)
    connection.execute("UPDATE entities SET payload = kind_by_name(payload), digest = digest(kind_by_name(payload))")


_FORMAT = Format(
    version=2,
    schema=(
        # A deleted entity keeps its row: its ordinal is never given away, and a search under way can still name it.
        """CREATE TABLE entities (
            ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, live INTEGER NOT NULL,
            added REAL NOT NULL, digest BLOB NOT NULL, payload BLOB NOT NULL) STRICT""",
        "CREATE UNIQUE INDEX entities_seq ON entities (seq)",
    ),
    upgrades={1: _name_kinds},
)
_UPSERT = """INSERT INTO entities VALUES (?, ?, ?, 1, ?, ?, ?) ON CONFLICT (ordinal) DO UPDATE SET
    seq = excluded.seq, live = 1, added = excluded.added, digest = excluded.digest, payload = excluded.payload"""


class SqliteStore(Store):
    """See `bandstand.catalog.store.Store`; sequence numbers are given inside the transaction of their changes.

    Raises:
        StorageError: from any method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._clock = clock
        # One connection for each direction: a long write never makes a search of the same process wait.
        self._writer, self._reader = Database(path, _FORMAT), Database(path, _FORMAT)

    def upsert(self, entities: Iterable[Entity]) -> int:
        """See `Store`."""
        source, changed = iter(entities), 0
        while chunk := {entity.id: entity for entity in islice(source, CHUNK)}:
            changed += self._upsert_chunk(chunk)
        return changed

    def _upsert_chunk(self, chunk: dict[str, Entity]) -> int:
        payloads = {id_: encode(entity) for id_, entity in chunk.items()}
        digests = {id_: digest(payload, 16) for id_, payload in payloads.items()}
        with self._writer.transaction() as connection:
            known = self._known(connection, list(chunk))
            seq, ordinal = connection.execute(
                "SELECT coalesce(max(seq), 0), (SELECT coalesce(max(ordinal), -1) FROM entities) FROM entities"
            ).fetchone()
            now, rows = self._clock(), []
            for id_, fingerprint in digests.items():
                old = known.get(id_)
                if old is not None and old[1] and old[3] == fingerprint:
                    continue
                seq += 1
                ordinal += old is None
                added = old[2] if old is not None and old[1] else now
                rows.append((old[0] if old is not None else ordinal, id_, seq, added, fingerprint, payloads[id_]))
            connection.executemany(_UPSERT, rows)
        return len(rows)

    @staticmethod
    def _known(connection: sqlite3.Connection, ids: list[str]) -> dict[str, tuple[int, int, float, bytes]]:
        """Return (ordinal, live, added, digest) of each id that has a row."""
        rows = connection.execute(
            "SELECT id, ordinal, live, added, digest FROM entities WHERE id IN (SELECT value FROM json_each(?))",
            (_json(ids),),
        )
        return {row[0]: row[1:] for row in rows}

    def delete(self, ids: Iterable[str]) -> int:
        """See `Store`."""
        with self._writer.transaction() as connection:
            known = self._known(connection, list(dict.fromkeys(ids)))
            seq = connection.execute("SELECT coalesce(max(seq), 0) FROM entities").fetchone()[0]
            gone = [ordinal for ordinal, live, _, _ in known.values() if live]
            rows = [(seq + i, ordinal) for i, ordinal in enumerate(gone, start=1)]
            connection.executemany("UPDATE entities SET live = 0, seq = ? WHERE ordinal = ?", rows)
        return len(rows)

    def get(self, id: str) -> Entity:  # noqa: A002 - the field's name
        """See `Store`."""
        rows = self._reader.rows("SELECT payload FROM entities WHERE id = ? AND live", (id,))
        if not rows:
            raise NotFound(f"there is no entity {id!r}")
        return decode(id, rows[0][0])

    def get_many(self, ordinals: Ordinals) -> list[Entity | None]:
        """See `Store`."""
        return self._by_ordinal(ordinals, deleted=False)

    def recall(self, ordinals: Ordinals) -> list[Entity | None]:
        """See `Store`."""
        return self._by_ordinal(ordinals, deleted=True)

    def _by_ordinal(self, ordinals: Ordinals, *, deleted: bool) -> list[Entity | None]:
        wanted = np.asarray(ordinals).tolist()
        rows = self._reader.rows(
            "SELECT ordinal, id, payload FROM entities WHERE live + ? AND ordinal IN (SELECT value FROM json_each(?))",
            (deleted, _json(wanted)),
        )
        found = {ordinal: decode(id_, payload) for ordinal, id_, payload in rows}
        return [found.get(ordinal) for ordinal in wanted]

    def ordinals(self, ids: Sequence[str]) -> Ordinals:
        """See `Store`."""
        rows = self._reader.rows(
            "SELECT id, ordinal FROM entities WHERE live AND id IN (SELECT value FROM json_each(?))",
            (_json(list(ids)),),
        )
        found = dict(rows)
        return np.fromiter((found.get(id_, -1) for id_ in ids), np.int32, len(ids))

    def scan(self, batch: int = 5_000) -> Iterator[tuple[int, Entity]]:
        """See `Store`."""
        last = -1
        while rows := self._reader.rows(
            "SELECT ordinal, id, payload FROM entities WHERE ordinal > ? AND live ORDER BY ordinal LIMIT ?",
            (last, batch),
        ):
            for ordinal, id_, payload in rows:
                yield ordinal, decode(id_, payload)
            last = rows[-1][0]

    def changes(self, after: int, limit: int) -> list[Change]:
        """See `Store`."""
        rows = self._reader.rows(
            "SELECT seq, ordinal, added, id, CASE WHEN live THEN payload END FROM entities WHERE seq > ? ORDER BY seq"
            " LIMIT ?",
            (after, limit),
        )
        return [
            Change(seq, ordinal, None if payload is None else decode(id_, payload), added)
            for seq, ordinal, added, id_, payload in rows
        ]

    def head(self) -> int:
        """See `Store`."""
        return int(self._reader.rows("SELECT coalesce(max(seq), 0) FROM entities")[0][0])

    def count(self) -> int:
        """See `Store`."""
        return int(self._reader.rows("SELECT count(*) FROM entities WHERE live")[0][0])

    def close(self) -> None:
        """See `Store`."""
        self._writer.close()
        self._reader.close()


def _json(values: list[str] | list[int]) -> str:
    try:
        return orjson.dumps(values).decode()
    except TypeError as error:
        raise BadInput(f"an id is not valid text: {error}", field="id") from error
