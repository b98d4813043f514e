"""What goes with an entity by what people did: chosen by the same users, and chosen under the same queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandstand.memory_index.history import mates
from bandstand.memory_index.keys import ordinal_key
from bandstand.memory_index.posterior import decay
from bandstand.memory_index.settings import MemorySettings
from bandstand.memory_index.stored import CLICK, PLAY, StoredQuery
from bandstand.memory_index.transaction import values_of
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import Databases, ReadTransaction

Scored = tuple[Ordinals, Scores]
"""Ordinals int32 (n,) ascending, and scores float32 (n,) in [0, 1)."""


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
        return _nothing()
    rows, choosers = mates(value)
    rows = rows[rows["users"] >= settings.agree_users]
    rows = rows[np.argsort(rows["ordinal"])]
    others = [txn.get(ordinal_key(mate), db=dbs["related"]) for mate in rows["ordinal"].tolist()]
    theirs = np.array([0.0 if other is None else mates(other)[1] for other in others])
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
        found = record.ordinals[: record.visible]
        counts = (record.block[CLICK] + record.block[PLAY])[: record.visible] * decay(
            now - record.updated, settings.half_life
        )
        own = float(counts[found == ordinal].sum())
        reached += own
        ordinals.append(found)
        walked.append(own * counts / (counts.sum() + settings.shrinkage))
    unique, at = np.unique(np.concatenate(ordinals), return_inverse=True)
    sums = np.bincount(at, np.concatenate(walked), minlength=len(unique))
    kept = (sums > 0) & (unique != ordinal)
    return unique[kept].astype(np.int32), (sums[kept] / max(reached, 1e-9)).astype(np.float32)


def _nothing() -> Scored:
    return np.empty(0, np.int32), np.empty(0, np.float32)
