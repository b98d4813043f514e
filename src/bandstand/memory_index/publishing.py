"""The indexes over shared queries: spelling, answers in common, popularity, and which still want a vector."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

import numpy as np

from bandstand.memory_index import spelling
from bandstand.memory_index.keys import counter_key, encode, ordinal_key
from bandstand.memory_index.record import QueryRecord
from bandstand.types import Ordinals

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import Databases, WriteTransaction

POPULARITY = Struct("<dd")
"""A shared query's clicks and plays, and the time as of which they are counted."""

VECTOR_HEADER = Struct("<Q")
"""The change number with which a vector was set; the float16 vector follows."""

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
        spelling.index(txn, dbs["near"], record.text)
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
    spelling.unindex(txn, dbs["near"], record.text)
    text = encode(record.text)
    if 0 < len(text) <= _LONGEST_SUGGESTION:
        txn.delete(text, db=dbs["popular"])
    txn.delete(key, db=dbs["wanted"])
    vector = txn.pop(key, db=dbs["vectors"])
    if vector is not None:
        txn.delete(counter_key(VECTOR_HEADER.unpack_from(vector)[0]), db=dbs["changes"])
