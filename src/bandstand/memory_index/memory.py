"""The memory: what queries led to, what users chose, what is trending, and the learner's own state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.errors import BandstandError
from bandstand.memory_index.batch import PLACE, MemoryBatch
from bandstand.memory_index.curation import Curation, edits_of
from bandstand.memory_index.environment import Environment, LmdbEnvironment, items_from, items_under
from bandstand.memory_index.history import favourites
from bandstand.memory_index.identity import Meta, secret_of
from bandstand.memory_index.keys import NUMBER, counter_key, ordinal_key, query_key, user_key
from bandstand.memory_index.lookup import Lookup
from bandstand.memory_index.own import OwnChoice, OwnQuery, held_of
from bandstand.memory_index.personal import PersonalLookup
from bandstand.memory_index.phrase_senses import SenseCounts
from bandstand.memory_index.query_records import StoredQuery, shared_rows, worth
from bandstand.memory_index.relations import NONE_LIKE, LikeQueries, Relations, like_queries, relations
from bandstand.memory_index.rows import LikeAnswers, MemoryStats, PersonalRows, QueryRow, Rows
from bandstand.memory_index.settings import MemorySettings
from bandstand.memory_index.shared_queries import ENCODER, VECTOR_HEADER, PopularQueries
from bandstand.memory_index.trends import trending
from bandstand.types import Ordinals, Place, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.environment import ReadTransaction

__all__ = ["Memory", "MemoryBatch"]


class Memory:
    """One LMDB folder, opened once in a process; its threads share this object, other processes open it beside.

    Reads never wait for the writer and see the last committed batch. ``map_size`` is where the map starts, in bytes;
    it grows by itself. ``open_env`` opens the environment, for a memory that is not this machine's alone. ``ordinals``
    gives the place in the catalogue's history up to which ordinals are given: it is stored with every batch.

    Raises:
        Conflict: the folder is already open in this process.
        StorageError: from any method, when the files cannot be opened, read or written, or are of another version.
    """

    def __init__(
        self,
        path: Path,
        *,
        settings: MemorySettings | None = None,
        map_size: int = 1 << 30,
        open_env: Callable[[Path, int], Environment] = LmdbEnvironment,
        ordinals: Callable[[], Place] = Place,
    ) -> None:
        self.settings = settings or MemorySettings()
        self._ordinals = ordinals
        self._env = open_env(path, map_size)
        self.senses = SenseCounts(self._env.dbs, self._env.reading)
        self._latest_like: tuple[tuple[bytes, int], LikeQueries] = (b"", -1), NONE_LIKE
        try:
            self._secret = secret_of(self._env)
        except BandstandError:
            self._env.close()
            raise

    def lookup(self, normalized: str, *, user: str | None, now: float) -> Rows:
        """What a normalised query led to, for this user (None: nobody in particular) at ``now``.

        The query's own record; where nothing was learned on it, its words in another order or a near spelling; and
        where that is little, what other queries with the same answers led to.
        """
        key = None if user is None else user_key(user, self._secret)
        with self._env.reading() as txn:
            return Lookup(self._env.dbs, txn, self.settings, user=key, now=now).rows(normalized)

    def personal(self, user: str, normalized: str, *, now: float) -> PersonalRows:
        """What a user chose before, what goes with it, and what like users chose; like queries first."""
        with self._env.reading() as txn:
            lookup = PersonalLookup(self._env.dbs, txn, self.settings, normalized, now)
            return lookup.rows(user_key(user, self._secret), partial(self._like, txn, normalized))

    def chosen(self, user: str, *, now: float) -> tuple[Ordinals, Scores]:
        """What a user chose before: ordinals (n,), the most and the latest chosen first, and decayed strengths (n,)."""
        with self._env.reading() as txn:
            value = txn.get(user_key(user, self._secret), db=self._env.dbs["users"])
            return favourites(value, now, self.settings.history_half_life)

    def exact(self, normalized: str, *, user: str | None, now: float) -> Rows:
        """As `lookup`, by the query's own record alone."""
        key = None if user is None else user_key(user, self._secret)
        with self._env.reading() as txn:
            return Lookup(self._env.dbs, txn, self.settings, user=key, now=now).exact_rows(normalized)

    def has_learned(self, normalized: str, user: str | None) -> bool:
        """Whether a normalised query has led enough users, or this one, to anything."""
        key, dbs = query_key(normalized), self._env.dbs
        with self._env.reading() as txn:
            record = txn.get(key, db=dbs["queries"])
            if record is not None and shared_rows(record):
                return True
            return user is not None and txn.get(user_key(user, self._secret) + key, db=dbs["own"]) is not None

    def people(self, normalized: str, ordinals: Ordinals) -> NDArray[np.int64]:
        """How many users chose each entity (n,) under a normalised query, as far as their own records still hold it."""
        key, db = query_key(normalized), self._env.dbs["people"]
        with self._env.reading() as txn:
            found = (txn.get(key + ordinal_key(ordinal), db=db) for ordinal in ordinals.tolist())
            return np.array([0 if value is None else NUMBER.unpack(value)[0] for value in found], np.int64)

    def successful(self, after: int) -> tuple[int, list[tuple[str, float]]]:
        """As `learned`, with the clicks and plays on each query in place of its vector."""
        dbs = self._env.dbs
        with self._env.reading() as txn:
            records = (
                txn.get(key, db=dbs["queries"]) for _, key in items_from(txn, dbs["changes"], counter_key(after + 1))
            )
            found = [(StoredQuery(record).text, worth(record)[0]) for record in records if record is not None]
            return Meta(txn, dbs["meta"]).get("changes"), found

    def like_answers(self, normalized: str, *, now: float) -> LikeAnswers:
        """What other shared queries led to that have answers in common with a normalised query."""
        with self._env.reading() as txn:
            lookup = Lookup(self._env.dbs, txn, self.settings, user=None, now=now)
            return lookup.like_answers(self._like(txn, normalized))

    def held_of(self, user: str) -> tuple[list[OwnQuery], list[OwnChoice]]:
        """What is held of a user (see `actor_of`), for that user to read: queries by text, choices by time."""
        with self._env.reading() as txn:
            return held_of(self._env.dbs, txn, user_key(user, self._secret))

    def knows(self, user: str) -> bool:
        """Whether the user has ever chosen anything that is still held."""
        with self._env.reading() as txn:
            return txn.get(user_key(user, self._secret), db=self._env.dbs["users"]) is not None

    def relations(self, ordinal: int, *, now: float) -> Relations:
        """What goes with an entity by what people did."""
        with self._env.reading() as txn:
            return relations(self._env.dbs, txn, self.settings, ordinal, now)

    def trending(self, *, now: float) -> tuple[Ordinals, Scores]:
        """Decayed clicks and plays of every entity with any: ordinals (n,), ascending, and amounts (n,)."""
        with self._env.reading() as txn:
            return trending(txn, self._env.dbs["trend"], now, self.settings.trend_half_life)

    def learned(self, after: int) -> tuple[int, list[tuple[str, Scores]]]:
        """Shared queries whose vector was set after a change number, with it, and the newest change number.

        Start with 0 and hand the number back at the next call. Vectors are float32 (dim,), stored as float16.
        """
        dbs, found = self._env.dbs, []
        with self._env.reading() as txn:
            for _, key in items_from(txn, dbs["changes"], counter_key(after + 1)):
                vector, record = txn.get(key, db=dbs["vectors"]), txn.get(key, db=dbs["queries"])
                if vector is not None and record is not None:
                    numbers = np.frombuffer(vector, np.float16, offset=VECTOR_HEADER.size)
                    found.append((StoredQuery(record).text, numbers.astype(np.float32)))
            return Meta(txn, dbs["meta"]).get("changes"), found

    def withdrawn(self, learned: Collection[str]) -> list[str]:
        """Which of all the queries that `learned` has given so far have no vector any more.

        Costs nothing where none was withdrawn: then as many vectors are stored as were given, or more.
        """
        with self._env.reading() as txn:
            db = self._env.dbs["vectors"]
            if txn.stat(db)["entries"] >= len(learned):
                return []
            return [text for text in learned if txn.get(query_key(text), db=db) is None]

    def encoder(self) -> str:
        """The fingerprint of the encoder that made the vectors of `learned`; "" where nobody has said so yet."""
        return (self.state(ENCODER) or b"").decode()

    def vectors_wanted(self, limit: int) -> list[str]:
        """Shared queries without a vector, at most ``limit``; encode them, then `MemoryBatch.set_vector`."""
        dbs = self._env.dbs
        with self._env.reading() as txn:
            wanted = (txn.get(bytes(key), db=dbs["queries"]) for key, _ in txn.cursor(db=dbs["wanted"]))
            return [StoredQuery(value).text for value in islice(wanted, limit) if value is not None]

    def popular(self) -> PopularQueries:
        """Every shared query, as of now."""
        with self._env.reading() as txn:
            return PopularQueries.read(txn, self._env.dbs["popular"], self.settings.half_life)

    def query_rows(self, normalized: str, *, now: float | None = None) -> tuple[QueryRow, ...]:
        """What everybody's record of a query holds and believes, for people to read, best first.

        Without ``now``, as of the record's last change. Pairs that are only one user's are not shown.
        """
        with self._env.reading() as txn:
            value = txn.get(query_key(normalized), db=self._env.dbs["queries"])
            if value is None:
                return ()
            record = StoredQuery(value)
            lookup = Lookup(self._env.dbs, txn, self.settings, user=None, now=record.updated if now is None else now)
            return lookup.believed_rows(record)

    def follow(self) -> int:
        """Take in what other machines have committed; how many commits. Always 0 for a memory of one machine.

        Raises:
            Unavailable: the others cannot be reached; what was known before stays.
        """
        return self._env.follow()

    def position(self) -> int:
        """How far the log is consumed; 0 at first."""
        return self._counter("position")

    @property
    def place(self) -> Place:
        """The place in the history of the ordinals that is known here; the beginning while nothing was learned."""
        stored = self.state(PLACE)
        if stored is None:
            return Place(1) if self.version() else Place()
        number, _, chapter = stored.decode().partition(" ")
        return Place(int(number), chapter)

    def version(self) -> int:
        """How many batches were committed that changed something."""
        return self._counter("version")

    def state(self, key: bytes) -> bytes | None:
        """A value that the learner keeps here."""
        with self._env.reading() as txn:
            value = txn.get(key, db=self._env.dbs["state"])
            return None if value is None else bytes(value)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The values that the learner keeps here under a prefix, ascending, as they are now."""
        with self._env.reading() as txn:
            found = [(key, bytes(value)) for key, value in items_under(txn, self._env.dbs["state"], prefix)]
        return iter(found)

    def curation(self, normalized: str) -> Curation:
        """What an operator decided about a query's answers; nothing, for most."""
        return Curation.of(edits_of(self.state, normalized))

    def stats(self) -> MemoryStats:
        """How much is held."""
        used, map_size = self._env.used()
        with self._env.reading() as txn:
            entries = {name: txn.stat(db)["entries"] for name, db in self._env.dbs.items()}
            meta = Meta(txn, self._env.dbs["meta"])
            return MemoryStats(
                queries=entries["queries"],
                shared_queries=entries["wanted"] + entries["vectors"],
                pairs=meta.get("pairs"),
                own_queries=entries["own"],
                users=entries["users"],
                vectors=entries["vectors"],
                bytes=used,
                map_size=map_size,
                version=meta.get("version"),
            )

    @contextmanager
    def batch(self) -> Iterator[MemoryBatch]:
        """One write transaction: on disk when the block ends, undone when it raises. Batches wait for each other."""
        with self._env.writing() as txn:
            batch = MemoryBatch(self._env.dbs, txn, self.settings, lambda user: user_key(user, self._secret))
            yield batch
            batch.finish(self._ordinals)

    def erase(self) -> bool:
        """Overwrite what was deleted so far, so that no byte of it is left in any file; False: not yet, call again.

        Raises:
            Unavailable: others have to take it in, and cannot be reached.
        """
        return self._env.erase()

    def begin_anew(self, state: Mapping[bytes, bytes]) -> None:
        """Forget everything but the secret by which users are known; ``state`` is kept for the learner instead.

        Raises:
            Conflict: it is shared with other machines.
        """
        self._env.check_alone()
        with self.batch() as batch:
            batch.forget_everything(keep=())
            for key, value in state.items():
                batch.put(key, value)

    def close(self) -> None:
        """Close the files; the object is of no use afterwards."""
        self._env.close()

    def _like(self, txn: ReadTransaction, normalized: str) -> LikeQueries:
        """Like queries; two retrievers of one search ask for the same."""
        asked = query_key(normalized), Meta(txn, self._env.dbs["meta"]).get("version")
        latest = self._latest_like  # another thread may put its own there
        if latest[0] != asked:
            latest = self._latest_like = asked, like_queries(self._env.dbs, txn, asked[0])
        return latest[1]

    def _counter(self, name: str) -> int:
        with self._env.reading() as txn:
            return Meta(txn, self._env.dbs["meta"]).get(name)
