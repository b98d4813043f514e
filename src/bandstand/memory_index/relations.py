"""What goes together by what people did: queries with answers in common, entities chosen together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.environment import values_of
from bandstand.memory_index.history import co_chosen
from bandstand.memory_index.keys import HASH_BYTES, ordinal_key
from bandstand.memory_index.posterior import decay
from bandstand.memory_index.query_records import StoredQuery, shared_rows
from bandstand.memory_index.settings import MemorySettings
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Databases, ReadTransaction


_SEEDS, _KEPT = 64, 40
"""Of how many of the query's answers others are looked for, and how many like queries are kept."""

_CONSIDERED = 100
"""Of how many others with the most in common the size is looked up."""

_LEAST = 0.03
"""Below this cosine two queries have nothing to say of each other."""

_LINK = np.dtype([("ordinal", ">i4"), ("query", "<u8")])

QueryKeys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class LikeQueries:
    """Keys of queries uint64 (n,) ascending, and their likeness float32 (n,) in (0, 1]."""

    keys: QueryKeys
    likeness: Scores

    def of(self, queries: QueryKeys) -> Scores:
        """The likeness of queries (m,), 0 for those that are not among these; float32 (m,)."""
        if not len(self.keys):
            return np.zeros(len(queries), np.float32)
        at = np.minimum(np.searchsorted(self.keys, queries), len(self.keys) - 1)
        return np.where(self.keys[at] == queries, self.likeness[at], np.float32(0))


NONE_LIKE = LikeQueries(np.empty(0, np.uint64), np.empty(0, np.float32))


def like_queries(dbs: Databases, txn: ReadTransaction, key: bytes) -> LikeQueries:
    """Shared queries with answers in common with the query of a key, the likest `_KEPT`, itself left out.

    likeness(q, r) = Σ_e w(e) / (‖w‖ · sqrt(n_r)) over the entities e to which both led, w(e) = log(1 + choices of e
    under q) / sqrt(queries that led to e), n_r how many entities r led to: the cosine where r's choices count alike.
    An answer that many queries share says little. Only what enough users agree on is read.
    """
    value = txn.get(key, db=dbs["queries"])
    if value is None:
        return NONE_LIKE
    rows = StoredQuery(value).visible
    ordinals, gains = rows["ordinal"], rows["clicks"] + rows["plays"]
    seeds = np.argsort(-gains, kind="stable")[:_SEEDS]
    seeds = np.sort(seeds[gains[seeds] > 0])
    links = _links(dbs, txn, ordinals[seeds])
    if not len(links):
        return NONE_LIKE
    seed = np.searchsorted(ordinals[seeds], links["ordinal"])
    weights = np.log1p(gains[seeds]) / np.sqrt(np.maximum(np.bincount(seed, minlength=len(seeds)), 1))
    queries, at = np.unique(links["query"], return_inverse=True)
    common = np.bincount(at, weights[seed], minlength=len(queries)) / np.linalg.norm(weights)
    common[queries == np.frombuffer(key, np.uint64)] = 0
    best = np.argsort(-common, kind="stable")[:_CONSIDERED]
    return _likest(queries[best], common[best] / np.sqrt(_sizes(dbs, txn, queries[best])))


def _links(dbs: Databases, txn: ReadTransaction, ordinals: NDArray[np.int32]) -> np.ndarray:
    """(entity, query) for every query that shares one of the entities, in one sweep."""
    keys = [ordinal_key(ordinal) for ordinal in ordinals.tolist()]
    found = txn.cursor(db=dbs["links"]).getmulti(keys, dupdata=True, dupfixed_bytes=HASH_BYTES, keyfixed=True)
    return np.frombuffer(found, _LINK)


def _sizes(dbs: Databases, txn: ReadTransaction, queries: QueryKeys) -> NDArray[np.float64]:
    """How many entities each query led to; infinite where its record is gone."""
    values = [txn.get(query.tobytes(), db=dbs["queries"]) for query in queries]
    return np.array([np.inf if value is None else max(shared_rows(value), 1) for value in values])


def _likest(queries: QueryKeys, likeness: NDArray[np.float64]) -> LikeQueries:
    best = np.argsort(-likeness, kind="stable")[:_KEPT]
    best = np.sort(best[likeness[best] >= _LEAST])
    best = best[np.argsort(queries[best])]
    return LikeQueries(queries[best], np.minimum(likeness[best], 1).astype(np.float32))


Scored = tuple[Ordinals, Scores]
"""Ordinals int32 (n,), each once, and scores float32 (n,) in [0, 1]."""


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """Entities ``together`` with one in users' choices, and ``asked`` for by the same queries."""

    together: Scored
    asked: Scored


def relations(dbs: Databases, txn: ReadTransaction, settings: MemorySettings, ordinal: int, now: float) -> Relations:
    """What everybody may know; see `_together` and `_asked`."""
    return Relations(together=_together(dbs, txn, settings, ordinal), asked=_asked(dbs, txn, settings, ordinal, now))


def _together(dbs: Databases, txn: ReadTransaction, settings: MemorySettings, ordinal: int) -> Scored:
    """x(f) = n(e, f) / (sqrt(n(e) · n(f)) + shrinkage): the cosine of two sets of users, shrunk where they are few.

    n(e, f) counts users who chose the two shortly after one another, or the one where it was offered as related to the
    other; pairs of fewer than ``agree_users`` users are theirs alone and left out.
    """
    value = txn.get(ordinal_key(ordinal), db=dbs["related"])
    if value is None:
        return nothing()
    rows, choosers = co_chosen(value)
    rows = rows[rows["users"] >= settings.agree_users]
    rows = rows[np.argsort(rows["ordinal"])]
    others = [txn.get(ordinal_key(ordinal), db=dbs["related"]) for ordinal in rows["ordinal"].tolist()]
    theirs = np.array([0.0 if other is None else co_chosen(other)[1] for other in others])
    both = rows["users"].astype(np.float64)  # who chose f as related to e need not have chosen e
    scores = both / (np.sqrt(np.maximum(choosers, both) * np.maximum(theirs, both)) + settings.shrinkage)
    return rows["ordinal"].astype(np.int32), scores.astype(np.float32)


def _asked(dbs: Databases, txn: ReadTransaction, settings: MemorySettings, ordinal: int, now: float) -> Scored:
    """x(f) = Σ_q P(q | e) · c(q, f) / (Σ_g c(q, g) + shrinkage), P(q | e) = c(q, e) / Σ_r c(r, e).

    The sum is over shared queries that led to the entity, c are decayed clicks and plays on which enough users agree:
    a walk from the entity to a query and on to what else it led to (Craswell & Szummer 2007, "Random walks on the
    click graph"), shrunk where a query has few clicks.
    """
    ordinals, walked, reached = [np.empty(0, np.int32)], [np.empty(0)], 0.0
    for key in values_of(txn, dbs["links"], ordinal_key(ordinal)):
        value = txn.get(key, db=dbs["queries"])
        if value is None:
            continue
        record = StoredQuery(value)
        found, left = record.visible["ordinal"], decay(now - record.updated, settings.half_life)
        counts = (record.visible["clicks"] + record.visible["plays"]) * left
        own = float(counts[found == ordinal].sum())
        reached += own
        ordinals.append(found)
        walked.append(own * counts / (counts.sum() + settings.shrinkage))
    unique, at = np.unique(np.concatenate(ordinals), return_inverse=True)
    sums = np.bincount(at, np.concatenate(walked), minlength=len(unique))
    kept = (sums > 0) & (unique != ordinal)
    return unique[kept].astype(np.int32), (sums[kept] / max(reached, 1e-9)).astype(np.float32)


def nothing() -> Scored:
    """Not one entity."""
    return np.empty(0, np.int32), np.empty(0, np.float32)
