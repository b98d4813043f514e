"""The durable vectors of the catalogue's entities: one writer, any number of reading processes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.sqlite import connect, mapped
from bandstand.catalog.store import Change
from bandstand.errors import Conflict
from bandstand.retrievers.encoder import Encoder
from bandstand.retrievers.sentence import entity_sentence
from bandstand.types import Ordinals

SCHEMA_VERSION = 1
BATCH = 2_048
"""Changes a transaction: about three seconds of encoding, the most that a crash can cost."""

_SCHEMA = (
    # A deleted entity keeps a row without vector, so that readers learn of it.
    "CREATE TABLE vectors (ordinal INTEGER PRIMARY KEY, seq INTEGER NOT NULL, digest BLOB, vector BLOB) STRICT",
    "CREATE UNIQUE INDEX vectors_seq ON vectors (seq)",
    "CREATE TABLE state (seq INTEGER NOT NULL, fingerprint TEXT NOT NULL, dim INTEGER NOT NULL) STRICT",
    "INSERT INTO state VALUES (0, '', 0)",
)
_UPSERT = (
    "INSERT INTO vectors VALUES (?, ?, ?, ?) ON CONFLICT (ordinal) DO UPDATE SET seq = excluded.seq,"
    " digest = excluded.digest, vector = excluded.vector"
)

Row = tuple[int, int, bytes | None, bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorBatch:
    """What changed: ``vectors`` float16 (n, dim) of ``ordinals`` int32 (n,), and the ``deleted`` ordinals.

    ``seq`` is the catalogue position that this brings a reader to, ``fingerprint`` names the encoder.
    """

    seq: int
    fingerprint: str
    ordinals: Ordinals
    vectors: NDArray[np.float16]
    deleted: Ordinals


class VectorStore:
    """One vector of float16 for each live entity, and how far in the catalogue's change feed they have come.

    Every batch is one transaction together with the position, so a process killed at any point resumes after the
    last batch. Safe for threads.

    Raises:
        StorageError: from any method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect(path, version=SCHEMA_VERSION, schema=_SCHEMA)
        self._lock = threading.RLock()

    @property
    def seq(self) -> int:
        """The catalogue position up to which vectors are stored."""
        return self._state()[0]

    @property
    def fingerprint(self) -> str:
        """The encoder that made the vectors, "" when there are none yet."""
        return self._state()[1]

    def count(self) -> int:
        """Return how many vectors there are."""
        with self._lock, mapped(self._path):
            found = self._connection.execute("SELECT count(*) FROM vectors WHERE vector IS NOT NULL").fetchone()
            return int(found[0])

    def adopt(self, encoder: Encoder) -> bool:
        """Make the store this encoder's; return whether vectors of another one were dropped (``seq`` is 0 then)."""
        with self._transaction() as connection:
            _, fingerprint, _ = self._state()
            if fingerprint == encoder.fingerprint:
                return False
            connection.execute("DELETE FROM vectors")
            connection.execute("UPDATE state SET seq = 0, fingerprint = ?, dim = ?", (encoder.fingerprint, encoder.dim))
            return fingerprint != ""

    def clear(self) -> None:
        """Drop every vector; the next `apply` starts from the beginning of the catalogue."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM vectors")
            connection.execute("UPDATE state SET seq = 0, fingerprint = '', dim = 0")

    def apply(self, changes: Sequence[Change], encoder: Encoder, progress: Callable[[int], None] | None = None) -> int:
        """Take in changes in ascending order, those already taken in skipped; return how many texts were encoded.

        An entity whose sentence is as it was is not encoded again. ``progress`` is told the changes done after each
        batch.

        Raises:
            Conflict: the store holds another encoder's vectors; `adopt` the encoder first.
        """
        seq, fingerprint, _ = self._state()
        if fingerprint == "":
            self.adopt(encoder)
        elif fingerprint != encoder.fingerprint:
            raise Conflict(
                f"{self._path} holds vectors of {fingerprint}, not of {encoder.fingerprint}: adopt it first."
            )
        fresh = [change for change in changes if change.seq > seq]
        done, encoded = len(changes) - len(fresh), 0
        for start in range(0, len(fresh), BATCH):
            batch = fresh[start : start + BATCH]
            encoded += self._apply_batch(batch, encoder)
            done += len(batch)
            if progress is not None:
                progress(done)
        return encoded

    def _apply_batch(self, batch: Sequence[Change], encoder: Encoder) -> int:
        known = self._digests([change.ordinal for change in batch])
        rows: list[Row] = [(change.ordinal, change.seq, None, None) for change in batch if change.entity is None]
        pending: list[tuple[Change, str, bytes]] = []
        for change in batch:
            if change.entity is not None:
                text = entity_sentence(change.entity)
                digest = blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
                if known.get(change.ordinal) != digest:
                    pending.append((change, text, digest))
        texts = list(dict.fromkeys(text for _, text, _ in pending))  # one vector a sentence: equal ones tie exactly
        vectors = dict(zip(texts, encoder.encode(texts).astype(np.float16), strict=True))
        rows += [(change.ordinal, change.seq, digest, vectors[text].tobytes()) for change, text, digest in pending]
        with self._transaction() as connection:
            connection.executemany(_UPSERT, rows)
            connection.execute("UPDATE state SET seq = max(seq, ?)", (batch[-1].seq,))
        return len(texts)

    def _digests(self, ordinals: Sequence[int]) -> dict[int, bytes]:
        with self._lock, mapped(self._path):
            found = self._connection.execute(
                "SELECT ordinal, digest FROM vectors WHERE ordinal IN (SELECT value FROM json_each(?))",
                (json.dumps(ordinals),),
            )
            return dict(found.fetchall())

    def since(self, seq: int) -> VectorBatch:
        """Return everything that changed after a position; 0 loads it all."""
        with self._transaction("DEFERRED") as connection:
            head, fingerprint, dim = self._state()
            if seq and seq == head:
                return _unchanged(head, fingerprint, dim)
            # SQLite would look through the whole table, to have the ordinals in order: right for all, not for a few.
            changed = f"FROM vectors{' INDEXED BY vectors_seq' if seq else ''} WHERE seq > ? AND vector IS"
            count = connection.execute(f"SELECT count(*) {changed} NOT NULL", (seq,)).fetchone()[0]
            ordinals, vectors = np.empty(count, np.int32), np.empty((count, dim), np.float16)
            rows = connection.execute(f"SELECT ordinal, vector {changed} NOT NULL ORDER BY ordinal", (seq,))
            for row, (ordinal, vector) in enumerate(rows):
                ordinals[row] = ordinal
                vectors[row] = np.frombuffer(vector, np.float16)
            gone = connection.execute(f"SELECT ordinal {changed} NULL", (seq,)).fetchall()
        return VectorBatch(
            seq=head,
            fingerprint=fingerprint,
            ordinals=ordinals,
            vectors=vectors,
            deleted=np.array([ordinal for (ordinal,) in gone], np.int32),
        )

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock, mapped(self._path):
            self._connection.close()

    def _state(self) -> tuple[int, str, int]:
        with self._lock, mapped(self._path):
            seq, fingerprint, dim = self._connection.execute("SELECT seq, fingerprint, dim FROM state").fetchone()
            return seq, fingerprint, dim

    @contextmanager
    def _transaction(self, mode: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        with self._lock, mapped(self._path):
            self._connection.execute(f"BEGIN {mode}")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _unchanged(seq: int, fingerprint: str, dim: int) -> VectorBatch:
    """What is answered many times a second while nothing happens: looking through the table would take its size."""
    none = np.empty(0, np.int32)
    return VectorBatch(
        seq=seq, fingerprint=fingerprint, ordinals=none, vectors=np.empty((0, dim), np.float16), deleted=none
    )
