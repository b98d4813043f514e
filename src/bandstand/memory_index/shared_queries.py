"""Queries that enough users agree on: their indexes, and how they complete what is being typed."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.catalog.prefix import Ranges, under
from bandstand.memory_index import near_queries
from bandstand.memory_index.environment import items_from
from bandstand.memory_index.keys import counter_key, decode, encode, ordinal_key
from bandstand.memory_index.posterior import decays
from bandstand.memory_index.query_records import QueryRecord
from bandstand.types import Ordinals

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Database, Databases, ReadTransaction, WriteTransaction


POPULARITY = Struct("<dd")
"""A shared query's clicks and plays, and the time as of which they are counted."""

VECTOR_HEADER = Struct("<Q")
"""The change number with which a vector was set; the float16 vector follows."""

ENCODER = b"query_encoder"
"""Under this key of the learner's own: the fingerprint of the encoder that made the vectors."""

_LONGEST_SUGGESTION = 255


def publish(
    txn: WriteTransaction, dbs: Databases, key: bytes, record: QueryRecord, shared: Ordinals, links: int
) -> None:
    """Bring the indexes up to the shared ordinals of a record; an entity points to ``links`` queries at most."""
    for ordinal in np.setdiff1d(shared, record.published) if len(shared) != len(record.published) else ():
        entity, cursor = ordinal_key(ordinal), txn.cursor(db=dbs["links"])
        if not cursor.set_key(entity) or cursor.count() < links:
            txn.put(entity, key, db=dbs["links"])
    if not len(record.published):
        near_queries.index(txn, dbs["near"], record.text)
        txn.put(key, b"", db=dbs["wanted"])
    text = encode(record.text)
    if 0 < len(text) <= _LONGEST_SUGGESTION:
        txn.put(text, POPULARITY.pack(record.popularity, record.updated), db=dbs["popular"])


def withdraw(txn: WriteTransaction, dbs: Databases, key: bytes, record: QueryRecord, shared: Ordinals) -> None:
    """Take what is published but not among ``shared`` any more out of the indexes."""
    for ordinal in np.setdiff1d(record.published, shared):
        txn.delete(ordinal_key(ordinal), key, db=dbs["links"])
    record.published = np.intersect1d(record.published, shared)
    if len(shared):
        return
    near_queries.unindex(txn, dbs["near"], record.text)
    text = encode(record.text)
    if 0 < len(text) <= _LONGEST_SUGGESTION:
        txn.delete(text, db=dbs["popular"])
    txn.delete(key, db=dbs["wanted"])
    vector = txn.pop(key, db=dbs["vectors"])
    if vector is not None:
        txn.delete(counter_key(VECTOR_HEADER.unpack_from(vector)[0]), db=dbs["changes"])


@dataclass(frozen=True, slots=True, eq=False)
class PopularQueries:
    """Normalised ``texts`` ascending, and float32 (n,) how often each was chosen under, decayed to the newest."""

    texts: list[str]
    chosen: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def empty(cls) -> PopularQueries:
        """None at all."""
        return cls([], np.empty(0, np.float32))

    @classmethod
    def read(cls, txn: ReadTransaction, db: Database, half_life: float) -> PopularQueries:
        """Everything that is published; 200,000 queries take some 0.3 s."""
        found = sorted((decode(text), *POPULARITY.unpack(value)) for text, value in items_from(txn, db, b""))
        if not found:
            return cls.empty()
        texts, counts, updated = zip(*found, strict=True)
        times = np.array(updated)
        return cls(list(texts), np.array(counts, np.float32) * decays(times.max() - times, half_life))

    def complete(self, typed: str, k: int, *, ranges: Ranges = under) -> list[str]:
        """At most ``k`` queries that begin as a normalised text does, most chosen first, ties by text."""
        found = [np.arange(len(self))[each] for each in ranges(self.texts, typed)]
        if not found or k <= 0:
            return []
        at = np.concatenate(found)
        best = at[np.lexsort((at, -self.chosen[at]))[:k]]
        return [self.texts[place] for place in best.tolist()]
