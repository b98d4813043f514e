"""The durable vectors of the catalogue's entities; another encoder's are made beside them and then take their place."""

from __future__ import annotations

import json
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.store import Change
from bandstand.errors import BandstandError, Conflict, DamagedFile, StorageError
from bandstand.files import write_file
from bandstand.retrievers.encoder import Encoder, EncoderOf
from bandstand.retrievers.sentence import entity_sentence
from bandstand.sqlite import Database, Format
from bandstand.types import History, Ordinals, Place

BATCH = 2_048
"""Changes a transaction: about three seconds of encoding, the most that a crash can cost."""


def _identify(connection: sqlite3.Connection) -> None:
    """Version 1 did not say what its position belongs to, and had no checksums."""
    connection.execute("ALTER TABLE state ADD COLUMN chapter TEXT NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE vectors ADD COLUMN sum INTEGER")
    connection.create_function("crc32", 1, zlib.crc32, deterministic=True)
    connection.execute("UPDATE vectors SET sum = crc32(vector) WHERE vector IS NOT NULL")


_FORMAT = Format(
    version=2,
    schema=(
        # A deleted entity keeps a row without vector, so that readers learn of it.
        """CREATE TABLE vectors (
            ordinal INTEGER PRIMARY KEY, seq INTEGER NOT NULL, digest BLOB, vector BLOB, sum INTEGER) STRICT""",
        "CREATE UNIQUE INDEX vectors_seq ON vectors (seq)",
        """CREATE TABLE state (
            seq INTEGER NOT NULL, fingerprint TEXT NOT NULL, dim INTEGER NOT NULL, chapter TEXT NOT NULL) STRICT""",
        "INSERT INTO state VALUES (0, '', 0, '')",
    ),
    upgrades={1: _identify},
)
_UPSERT = (
    "INSERT INTO vectors VALUES (?, ?, ?, ?, ?) ON CONFLICT (ordinal) DO UPDATE SET seq = excluded.seq,"
    " digest = excluded.digest, vector = excluded.vector, sum = excluded.sum"
)
_REVIVE = "UPDATE vectors SET seq = ? WHERE ordinal = ? AND seq < 0"
"""Of a vector that was set aside and is found to be right as it is."""

Row = tuple[int, int, bytes | None, bytes | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorBatch:
    """What changed: ``vectors`` float16 (n, dim) of ``ordinals`` int32 (n,), and the ``deleted`` ordinals.

    ``seq`` is the catalogue position that this brings a reader to, ``fingerprint`` names the encoder. ``origin`` is
    another number when all vectors were made anew.
    """

    seq: int
    fingerprint: str
    ordinals: Ordinals
    vectors: NDArray[np.float16]
    deleted: Ordinals
    origin: int = 1


class VectorStore:
    """One vector of float16 for each live entity, and how far in the catalogue's change feed they have come.

    Every batch is one transaction together with the position, so a process killed at any point resumes after the
    last batch. Safe for threads.

    Raises:
        StorageError: from any method, when the file cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _FORMAT)

    @property
    def seq(self) -> int:
        """The catalogue position up to which vectors are stored."""
        return self._state()[0]

    @property
    def fingerprint(self) -> str:
        """The encoder that made the vectors, "" when there are none yet."""
        return self._state()[1]

    @property
    def place(self) -> Place:
        """The place in the catalogue's history up to which vectors are stored."""
        ((seq, chapter),) = self._database.rows("SELECT seq, chapter FROM state")
        return Place(seq, chapter)

    def count(self) -> int:
        """Return how many vectors there are."""
        ((count,),) = self._database.rows("SELECT count(*) FROM vectors WHERE vector IS NOT NULL AND seq > 0")
        return int(count)

    def start_over(self) -> None:
        """Set every vector aside until the catalogue's changes come again: they belong to another history of it.

        Those whose sentences come again as they were need not be made again.
        """
        with self._database.transaction() as connection:
            connection.execute("UPDATE vectors SET seq = -1 - ordinal")
            connection.execute("UPDATE state SET seq = 0, chapter = ''")

    def adopt(self, encoder: Encoder) -> bool:
        """Make the store this encoder's; return whether vectors of another one were dropped (``seq`` is 0 then)."""
        with self._database.transaction() as connection:
            _, fingerprint, _ = self._state()
            if fingerprint == encoder.fingerprint:
                return False
            connection.execute("DELETE FROM vectors")
            connection.execute(
                "UPDATE state SET seq = 0, chapter = '', fingerprint = ?, dim = ?", (encoder.fingerprint, encoder.dim)
            )
            return fingerprint != ""

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
                f"{self._database.path} holds vectors of {fingerprint}, not of {encoder.fingerprint}: adopt it first."
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
        rows: list[Row] = [(change.ordinal, change.seq, None, None, None) for change in batch if change.entity is None]
        pending: list[tuple[Change, str, bytes]] = []
        for change in batch:
            if change.entity is not None:
                text = entity_sentence(change.entity)
                digest = _digest(text)
                if known.get(change.ordinal) != digest:
                    pending.append((change, text, digest))
        texts = list(dict.fromkeys(text for _, text, _ in pending))  # one vector a sentence: equal ones tie exactly
        vectors = dict(zip(texts, encoder.encode(texts).astype(np.float16), strict=True))
        made = {text: vector.tobytes() for text, vector in vectors.items()}
        rows += [
            (change.ordinal, change.seq, digest, made[text], zlib.crc32(made[text])) for change, text, digest in pending
        ]
        with self._database.transaction() as connection:
            connection.executemany(_UPSERT, rows)
            connection.executemany(_REVIVE, [(change.seq, change.ordinal) for change in batch])
            connection.execute("UPDATE state SET seq = ?, chapter = ? WHERE seq < ?1", batch[-1].place)
        return len(texts)

    def _digests(self, ordinals: Sequence[int]) -> dict[int, bytes]:
        found = "SELECT ordinal, digest FROM vectors WHERE ordinal IN (SELECT value FROM json_each(?))"
        return dict(self._database.rows(found, (json.dumps(ordinals),)))

    def since(self, seq: int) -> VectorBatch:
        """Return everything that changed after a position; 0 loads it all."""
        with self._database.transaction("DEFERRED") as connection:
            head, fingerprint, dim = self._state()
            if seq and seq == head:
                return _unchanged(head, fingerprint, dim)
            # SQLite would look through the whole table, to have the ordinals in order: right for all, not for a few.
            # What is set aside has a number below 0.
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

    def damage(self, changes: Sequence[Change]) -> Iterator[str]:
        """What is not as it was written: pages, vectors, and entities of the catalogue's changes that have none."""
        yield from self._database.damage()
        rows = self._database.rows("SELECT ordinal, digest, vector, sum FROM vectors WHERE seq > 0")
        stored, (_, _, dim) = {ordinal: digest for ordinal, digest, *_ in rows}, self._state()
        for ordinal, _, vector, total in rows:
            if vector is not None and (zlib.crc32(vector) != total or len(vector) != 2 * dim):
                yield f"the vector of ordinal {ordinal} is not what was written"
        for change in changes:
            if stored.get(change.ordinal) != (
                None if change.entity is None else _digest(entity_sentence(change.entity))
            ):
                yield f"the vector of ordinal {change.ordinal} is of another sentence"

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._database.close()

    def _state(self) -> tuple[int, str, int]:
        ((seq, fingerprint, dim),) = self._database.rows("SELECT seq, fingerprint, dim FROM state")
        return seq, fingerprint, dim


class VectorStores:
    """The vectors of a home: those that serve searches, and those that are being made beside them.

    Each encoder's are in a file of their own, ``vectors-<number>.sqlite`` (the first in ``vectors.sqlite``). A small
    file names the one that serves and is replaced in one step: a process killed at any point leaves either the old
    vectors serving or the new ones, whole. One process makes and swaps, any number read and follow. Safe for threads.

    Raises:
        StorageError: from any method, when a file cannot be opened, read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pointer = folder / "vectors.serving"
        self._lock = threading.RLock()
        self._number = self._pointed()
        self._serving = VectorStore(self._path(self._number))
        self._making: VectorStore | None = None

    @property
    def serving(self) -> VectorStore:
        """What searches read, as of now."""
        with self._lock:
            self._follow()
            return self._serving

    @property
    def making(self) -> VectorStore | None:
        """What is made beside them, see `prepare`."""
        return self._making

    @property
    def fingerprint(self) -> str:
        """The encoder of the vectors that serve, "" when there are none yet."""
        return self.serving.fingerprint

    @property
    def place(self) -> Place:
        """The place in the catalogue's history up to which those that serve are stored."""
        return self.serving.place

    def follow(self, history: History) -> None:
        """Start over where what is stored does not belong to this history of the catalogue."""
        with self._lock:
            self._follow()
            beside = self._path(self._number + 1)
            for path in (self._path(self._number), *([beside] if beside.exists() else [])):
                with closing(VectorStore(path)) as store:
                    if not history.holds(store.place):
                        store.start_over()

    def since(self, seq: int) -> VectorBatch:
        """See `VectorStore.since`: of those that serve, whose ``origin`` is another number after a swap."""
        with self._lock:
            self._follow()
            return replace(self._serving.since(seq), origin=self._number)

    def prepare(self, encoder: Encoder, *, anew: bool = False) -> None:
        """Make ready for an encoder's vectors: in place where there are none or these, else beside those that serve.

        What an interrupted run made beside them is gone on with where it is this encoder's, else deleted. ``anew``
        asks for new vectors also where they are this encoder's.
        """
        with self._lock:
            self._follow()
            self._stop_making()
            if not self._serving.fingerprint:
                self._serving.adopt(encoder)
            beside, wanted = self._path(self._number + 1), encoder.fingerprint
            if anew or self._serving.fingerprint != wanted or _fingerprint(beside) == wanted:
                self._making = VectorStore(beside)
                self._making.adopt(encoder)
            self._delete_others()

    def swap(self) -> None:
        """Let what was made beside the others serve, and delete the others; who still reads them reads on."""
        with self._lock:
            if self._making is None:
                return
            self._stop_making()
            with _mapped_os(self._pointer):
                write_file(self._pointer, b"%d\n" % (self._number + 1))
            self._follow()
            self._delete_others()

    def close(self) -> None:
        """Close the files; safe to call twice."""
        with self._lock:
            self._serving.close()
            self._stop_making()

    def _stop_making(self) -> None:
        if self._making is not None:
            self._making.close()
            self._making = None

    def _follow(self) -> None:
        """Open what serves where this or another process has swapped, maybe once more meanwhile."""
        while (number := self._pointed()) != self._number:
            serving = VectorStore(self._path(number))
            self._serving.close()
            self._number, self._serving = number, serving

    def _pointed(self) -> int:
        number = self._written()
        while number != 1 and not self._path(number).exists():
            if self._written() == number:  # else it was swapped, and the other deleted, meanwhile
                raise DamagedFile(f"{self._pointer} is damaged: delete it, and run `bandstand index --rebuild`")
            number = self._written()
        return number

    def _written(self) -> int:
        """The number in the pointer's file; 1 where there is none yet, 0 where it is no number."""
        with _mapped_os(self._pointer):
            content = self._pointer.read_bytes() if self._pointer.exists() else b"1"
        return int(content) if content.strip().isdigit() else 0

    def _path(self, number: int) -> Path:
        return self._folder / ("vectors.sqlite" if number == 1 else f"vectors-{number}.sqlite")

    def _delete_others(self) -> None:
        """Delete what neither serves nor is being made."""
        kept = {self._path(self._number), *([] if self._making is None else [self._path(self._number + 1)])}
        with _mapped_os(self._folder):
            for path in self._folder.glob("vectors*.sqlite"):
                for suffix in () if path in kept else ("", "-wal", "-shm"):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)


def _digest(sentence: str) -> bytes:
    return blake2b(sentence.encode("utf-8", "replace"), digest_size=16).digest()


def _fingerprint(path: Path) -> str:
    """The encoder of the vectors in a file, "" where there are none."""
    if not path.exists():
        return ""
    with closing(VectorStore(path)) as store:
        return store.fingerprint


@contextmanager
def _mapped_os(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path} cannot be used: {error.strerror}. Make it and its folder writable.") from error


class VectorFollower:
    """The vectors of a home as a follower of the catalogue.

    While another encoder's are made beside those that serve, these are kept up to date too and come first, so that new
    entities are found meanwhile. The new ones serve from the moment on at which they have reached the newest change.

    Args:
        encoder: makes new vectors.
        encoder_of: opens the encoder of those that serve; where it is gone they stay as they are.
        head: the catalogue's newest change.
        anew: make new vectors also where there are some of this encoder.
    """

    name = "vectors"

    def __init__(
        self,
        stores: VectorStores,
        encoder: Encoder,
        encoder_of: EncoderOf,
        *,
        head: Callable[[], int],
        anew: bool = False,
    ) -> None:
        self._stores = stores
        self._encoder = encoder
        self._encoder_of = encoder_of
        self._head = head
        stores.prepare(encoder, anew=anew)
        self._swap_if_complete()

    @property
    def seq(self) -> int:
        """See `bandstand.learner.indexer.Follower`: of the store whose turn it is."""
        return self._turn()[0].seq

    def follow(self, changes: Sequence[Change]) -> None:
        """See `bandstand.learner.indexer.Follower`."""
        store, encoder = self._turn()
        store.apply(changes, encoder)
        self._swap_if_complete()

    def _turn(self) -> tuple[VectorStore, Encoder]:
        serving, making = self._stores.serving, self._stores.making
        if making is None:
            return serving, self._encoder
        if serving.seq < self._head():
            with suppress(BandstandError):
                return serving, self._encoder_of(serving.fingerprint)
        return making, self._encoder

    def _swap_if_complete(self) -> None:
        making = self._stores.making
        if making is not None and making.seq >= self._head():
            self._stores.swap()


def _unchanged(seq: int, fingerprint: str, dim: int) -> VectorBatch:
    """What is answered many times a second while nothing happens: looking through the table would take its size."""
    none = np.empty(0, np.int32)
    return VectorBatch(
        seq=seq, fingerprint=fingerprint, ordinals=none, vectors=np.empty((0, dim), np.float16), deleted=none
    )
