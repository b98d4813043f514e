"""What a catalogue store offers, and the one on disk: a SQLite file for several threads and processes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson

from bandstand.catalog.codec import decode, encode, kind_by_name
from bandstand.catalog.sqlite import connect, mapped
from bandstand.errors import BadInput, NotFound
from bandstand.types import Clock, Entity, Ordinals
from bandstand.types.hashing import digest

SCHEMA_VERSION = 2
CHUNK = 4_096
"""Entities a transaction: large enough to amortise its cost, small enough that other writers get their turn."""

_SCHEMA = (
    # A deleted entity keeps its row: its ordinal is never given away, and a search under way can still name it.
    """CREATE TABLE entities (
        ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, live INTEGER NOT NULL,
        added REAL NOT NULL, digest BLOB NOT NULL, payload BLOB NOT NULL) STRICT""",
    "CREATE UNIQUE INDEX entities_seq ON entities (seq)",
)


def _name_kinds(connection: sqlite3.Connection) -> None:
    """Version 1 held kinds by their place in a list, so that the list could not change: now by name."""
    connection.create_function("kind_by_name", 1, kind_by_name, deterministic=True)
    connection.create_function("digest", 1, lambda payload: digest(payload, 16), deterministic=True)
    connection.execute("UPDATE entities SET payload = kind_by_name(payload), digest = digest(kind_by_name(payload))")


_UPGRADES = {1: _name_kinds}
_UPSERT = """INSERT INTO entities VALUES (?, ?, ?, 1, ?, ?, ?) ON CONFLICT (ordinal) DO UPDATE SET
    seq = excluded.seq, live = 1, added = excluded.added, digest = excluded.digest, payload = excluded.payload"""


@dataclass(frozen=True, slots=True)
class Change:
    """The newest state of one entity: ``entity`` is None when it is deleted; ``added`` is seconds since 1970."""

    seq: int
    ordinal: int
    entity: Entity | None
    added: float


class CatalogStore:
    """Entities by id and by ordinal, and the order in which they last changed.

    Ordinals count from 0 without gaps and are never given to another id. Every change takes the next sequence
    number inside its transaction, so a reader that remembers the last number it saw misses nothing.

    Raises:
        StorageError: from any method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        # One connection for each direction: a long write never makes a search of the same process wait.
        self._writer = connect(path, version=SCHEMA_VERSION, schema=_SCHEMA, upgrades=_UPGRADES)
        self._reader = connect(path, version=SCHEMA_VERSION, schema=_SCHEMA, upgrades=_UPGRADES)
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()

    def upsert(self, entities: Iterable[Entity]) -> int:
        """Store entities, the last of several with one id winning; return how many differ from what was stored."""
        source, changed = iter(entities), 0
        while chunk := {entity.id: entity for entity in islice(source, CHUNK)}:
            changed += self._upsert_chunk(chunk)
        return changed

    def _upsert_chunk(self, chunk: dict[str, Entity]) -> int:
        payloads = {id_: encode(entity) for id_, entity in chunk.items()}
        digests = {id_: digest(payload, 16) for id_, payload in payloads.items()}
        with self._transaction() as connection:
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
        """Delete entities; return how many of the ids were there."""
        with self._transaction() as connection:
            known = self._known(connection, list(dict.fromkeys(ids)))
            seq = connection.execute("SELECT coalesce(max(seq), 0) FROM entities").fetchone()[0]
            gone = [ordinal for ordinal, live, _, _ in known.values() if live]
            rows = [(seq + i, ordinal) for i, ordinal in enumerate(gone, start=1)]
            connection.executemany("UPDATE entities SET live = 0, seq = ? WHERE ordinal = ?", rows)
        return len(rows)

    def get(self, id: str) -> Entity:  # noqa: A002 - the field's name
        """Return the entity of an id, or raise `NotFound`."""
        rows = self._rows("SELECT payload FROM entities WHERE id = ? AND live", (id,))
        if not rows:
            raise NotFound(f"there is no entity {id!r}")
        return decode(id, rows[0][0])

    def get_many(self, ordinals: Ordinals) -> list[Entity | None]:
        """Return the entities of ordinals, aligned; None where unknown or deleted."""
        return self._by_ordinal(ordinals, deleted=False)

    def recall(self, ordinals: Ordinals) -> list[Entity | None]:
        """Return the last known state of ordinals, deleted ones too, aligned; None where never given."""
        return self._by_ordinal(ordinals, deleted=True)

    def _by_ordinal(self, ordinals: Ordinals, *, deleted: bool) -> list[Entity | None]:
        wanted = np.asarray(ordinals).tolist()
        rows = self._rows(
            "SELECT ordinal, id, payload FROM entities WHERE live + ? AND ordinal IN (SELECT value FROM json_each(?))",
            (deleted, _json(wanted)),
        )
        found = {ordinal: decode(id_, payload) for ordinal, id_, payload in rows}
        return [found.get(ordinal) for ordinal in wanted]

    def ordinals(self, ids: Sequence[str]) -> Ordinals:
        """Return the ordinals of ids, int32 (n,), -1 where unknown or deleted."""
        rows = self._rows(
            "SELECT id, ordinal FROM entities WHERE live AND id IN (SELECT value FROM json_each(?))",
            (_json(list(ids)),),
        )
        found = dict(rows)
        return np.fromiter((found.get(id_, -1) for id_ in ids), np.int32, len(ids))

    def scan(self, batch: int = 5_000) -> Iterator[tuple[int, Entity]]:
        """Yield (ordinal, entity) of everything live by ordinal, reading ``batch`` rows at a time."""
        last = -1
        while rows := self._rows(
            "SELECT ordinal, id, payload FROM entities WHERE ordinal > ? AND live ORDER BY ordinal LIMIT ?",
            (last, batch),
        ):
            for ordinal, id_, payload in rows:
                yield ordinal, decode(id_, payload)
            last = rows[-1][0]

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return at most ``limit`` changes with a sequence number above ``after``, ascending."""
        rows = self._rows(
            "SELECT seq, ordinal, added, id, CASE WHEN live THEN payload END FROM entities WHERE seq > ? ORDER BY seq"
            " LIMIT ?",
            (after, limit),
        )
        return [
            Change(seq, ordinal, None if payload is None else decode(id_, payload), added)
            for seq, ordinal, added, id_, payload in rows
        ]

    def head(self) -> int:
        """Return the newest sequence number, 0 when nothing was ever stored."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM entities")[0][0])

    def count(self) -> int:
        """Return how many entities are live."""
        return int(self._rows("SELECT count(*) FROM entities WHERE live")[0][0])

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._write_lock, self._read_lock, mapped(self._path):
            self._writer.close()
            self._reader.close()

    def _rows(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._read_lock, mapped(self._path):
            return self._reader.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction, held from before its first read so that numbers are given in commit order."""
        with self._write_lock, mapped(self._path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")


def _json(values: list[str] | list[int]) -> str:
    try:
        return orjson.dumps(values).decode()
    except TypeError as error:
        raise BadInput(f"an id is not valid text: {error}", field="id") from error


class Store(Protocol):
    """Entities by id and by ordinal, and the order in which they last changed; see `CatalogStore`.

    Raises:
        StorageError, Unavailable: from any method, when what is stored cannot be reached.
    """

    def upsert(self, entities: Iterable[Entity]) -> int:
        """Store entities, the last of several with one id winning; return how many differ from what was stored."""
        ...

    def delete(self, ids: Iterable[str]) -> int:
        """Delete entities; return how many of the ids were there."""
        ...

    def get(self, id: str) -> Entity:  # noqa: A002 - the field's name
        """Return the entity of an id, or raise `NotFound`."""
        ...

    def get_many(self, ordinals: Ordinals) -> list[Entity | None]:
        """Return the entities of ordinals, aligned; None where unknown or deleted."""
        ...

    def recall(self, ordinals: Ordinals) -> list[Entity | None]:
        """Return the last known state of ordinals, deleted ones too, aligned; None where never given."""
        ...

    def ordinals(self, ids: Sequence[str]) -> Ordinals:
        """Return the ordinals of ids, int32 (n,), -1 where unknown or deleted."""
        ...

    def scan(self, batch: int = 5_000) -> Iterator[tuple[int, Entity]]:
        """Yield (ordinal, entity) of everything live by ordinal, reading ``batch`` rows at a time."""
        ...

    def changes(self, after: int, limit: int) -> list[Change]:
        """Return at most ``limit`` changes with a sequence number above ``after``, ascending."""
        ...

    def head(self) -> int:
        """Return the newest sequence number, 0 when nothing was ever stored."""
        ...

    def count(self) -> int:
        """Return how many entities are live."""
        ...

    def close(self) -> None:
        """Give back what is held open; safe to call twice."""
        ...
