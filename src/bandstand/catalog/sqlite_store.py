"""The catalogue in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import orjson

from bandstand.catalog.codec import decode, encode, kind_by_name
from bandstand.catalog.ordinal_book import CHAPTERS_KEPT, OrdinalBook, keep_untold
from bandstand.catalog.store import CHUNK, Change, Store
from bandstand.errors import BadInput, NotFound
from bandstand.sqlite import CHAPTERS, Database, Format, tell_chapters
from bandstand.types import Clock, Entity, History, Ordinals
from bandstand.types.hashing import checksum, digest


def _name_kinds(connection: sqlite3.Connection) -> None:
    """Version 1 held kinds by their place in a list, so that the list could not change: now by name."""
    connection.create_function("kind_by_name", 1, kind_by_name, deterministic=True)
    connection.create_function("digest", 1, lambda payload: digest(payload, 16), deterministic=True)
    connection.execute("UPDATE entities SET payload = kind_by_name(payload), digest = digest(kind_by_name(payload))")


def _identify(connection: sqlite3.Connection) -> None:
    """Version 2 said of no number what it belongs to, and had no checksums."""
    tell_chapters(connection)
    keep_untold(connection)
    connection.execute("ALTER TABLE entities ADD COLUMN sum INTEGER NOT NULL DEFAULT 0")
    connection.create_function("checksum", -1, checksum, deterministic=True)
    connection.execute("UPDATE entities SET sum = checksum(ordinal, id, seq, live, added, digest)")


_FORMAT = Format(
    version=3,
    schema=(
        # A deleted entity keeps its row: its ordinal is never given away, and a search under way can still name it.
        """CREATE TABLE entities (
            ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, live INTEGER NOT NULL,
            added REAL NOT NULL, digest BLOB NOT NULL, payload BLOB NOT NULL, sum INTEGER NOT NULL DEFAULT 0) STRICT""",
        "CREATE UNIQUE INDEX entities_seq ON entities (seq)",
        CHAPTERS,
        CHAPTERS_KEPT,
    ),
    upgrades={1: _name_kinds, 2: _identify},
    numbers="SELECT coalesce(max(seq), 0) FROM entities",
)
_UPSERT = """INSERT INTO entities VALUES (?, ?, ?, 1, ?, ?, ?, ?) ON CONFLICT (ordinal) DO UPDATE SET
    seq = excluded.seq, live = 1, added = excluded.added, digest = excluded.digest, payload = excluded.payload,
    sum = excluded.sum"""
_HIDE = "UPDATE entities SET live = 0, seq = ?, sum = ? WHERE ordinal = ?"


class SqliteStore(Store):
    """See `bandstand.catalog.store.Store`; sequence numbers are given inside the transaction of their changes.

    Raises:
        StorageError: from any method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._clock = clock
        # One connection for each direction: a long write never makes a search of the same process wait.
        self._writer, self._reader = Database(path, _FORMAT), Database(path, _FORMAT)
        self._book = OrdinalBook(path.with_suffix(".ordinals"), self._writer)

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
            (seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM entities").fetchone()
            given = self._book.give(connection, [id_ for id_ in chunk if id_ not in known])
            now, rows = float(self._clock()), []
            for id_, fingerprint in digests.items():
                ordinal, live, added, before = known.get(id_, (given.get(id_, -1), 0, now, b""))
                if live and before == fingerprint:
                    continue
                seq += 1
                added = added if live else now
                total = checksum(ordinal, id_, seq, 1, added, fingerprint)
                rows.append((ordinal, id_, seq, added, fingerprint, payloads[id_], total))
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
        source, gone = iter(dict.fromkeys(ids)), 0
        while chunk := list(islice(source, CHUNK)):
            gone += self._delete_chunk(chunk)
        return gone

    def _delete_chunk(self, chunk: list[str]) -> int:
        with self._writer.transaction() as connection:
            known = self._known(connection, chunk)
            seq = connection.execute("SELECT coalesce(max(seq), 0) FROM entities").fetchone()[0]
            gone = [(id_, *row) for id_, row in known.items() if row[1]]
            rows = [
                (number, checksum(ordinal, id_, number, 0, added, fingerprint), ordinal)
                for number, (id_, ordinal, _, added, fingerprint) in enumerate(gone, start=seq + 1)
            ]
            connection.executemany(_HIDE, rows)
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

    def ordinals(self, ids: Sequence[str], *, within_s: float | None = None) -> Ordinals:  # noqa: ARG002 - it is here
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
        history = self.history() if rows else History()
        return [
            Change(seq, ordinal, None if payload is None else decode(id_, payload), added, history.at(seq).chapter)
            for seq, ordinal, added, id_, payload in rows
        ]

    def head(self) -> int:
        """See `Store`."""
        return int(self._reader.rows("SELECT coalesce(max(seq), 0) FROM entities")[0][0])

    def count(self) -> int:
        """See `Store`."""
        return int(self._reader.rows("SELECT count(*) FROM entities WHERE live")[0][0])

    def history(self) -> History:
        """See `Store`."""
        return self._reader.history()

    def ordinal_history(self) -> History:
        """See `Store`."""
        return self._book.history()

    def damage(self) -> Iterator[str]:
        """What is not as it was written: pages, rows by their checksums, and the book of ordinals by the rows."""
        yield from (*self._reader.damage(), *self._book.damage())
        given, last = dict(self._book.rows()), -1
        while rows := self._reader.rows(
            "SELECT ordinal, id, seq, live, added, digest, payload, sum FROM entities WHERE ordinal > ?"
            " ORDER BY ordinal LIMIT ?",
            (last, CHUNK),
        ):
            for *columns, payload, total in rows:
                if checksum(*columns) != total or digest(payload, 16) != columns[5]:
                    yield f"entity {columns[1]!r} is not what was written"
                elif given.get(columns[0]) != columns[1]:
                    yield f"{self._book.path} has another number for {columns[1]!r}: delete that file"
            last = rows[-1][0]

    def close(self) -> None:
        """See `Store`."""
        self._writer.close()
        self._reader.close()
        self._book.close()


def _json(values: list[str] | list[int]) -> str:
    try:
        return orjson.dumps(values).decode()
    except TypeError as error:
        raise BadInput(f"an id is not valid text: {error}", field="id") from error
