"""Writing what queries led to: impressions, clicks, plays, predictions, and when a pair becomes shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bandstand.errors import BadInput
from bandstand.memory_index.keys import ANONYMOUS, HASH_BYTES, ordinal_key, query_key
from bandstand.memory_index.posterior import decay
from bandstand.memory_index.record import CLICKS, IMPRESSIONS, PENDING, SEEN, SHARED, QueryRecord
from bandstand.memory_index.stored import worth
from bandstand.memory_index.tables import Tables
from bandstand.memory_index.transaction import items_under
from bandstand.types import Ordinals, Scores

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import Database, WriteTransaction


class Evidence:
    """The (query, entity) pairs of one write transaction. Users come as keys."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._settings = tables, tables.settings
        self._own_counts: dict[bytes, int] = {}

    def impression(self, normalized: str, ordinals: Ordinals, user: bytes | None, now: float) -> None:
        """Count one examined impression for each entity, where the query is known by a choice or a prediction."""
        key, shown = query_key(normalized), np.unique(ordinals).astype(np.int32)
        record = self._tables.queries.get(key)
        if record is not None:
            record.advance(now, self._settings.half_life)
            at = record.add(shown)
            record.counts[IMPRESSIONS, at] += 1
        own = None if user is None else self._tables.own.get(user + key)
        if own is not None:
            own.advance(now, self._settings.half_life)
            own.counts[IMPRESSIONS, np.isin(own.ordinals, shown)] += 1

    def choice(self, column: int, normalized: str, ordinal: int, weight: float, now: float) -> None:
        """Count a click or play (row ``column`` of the counts) in the query's record."""
        record = self._tables.query(normalized)
        record.advance(now, self._settings.half_life)
        at = record.row(ordinal)  # may replace the columns: not inside the next line
        record.counts[column, at] += weight

    def support(self, normalized: str, ordinal: int, user: bytes | None) -> None:
        """Remember who chose a pair; with enough different users it is shared and they are forgotten.

        Everybody without an id is one and the same supporter.
        """
        record = self._tables.query(normalized)
        at, supporter = record.row(ordinal), ANONYMOUS if user is None else user
        if record.states[at] == SHARED:
            return
        pair, (txn, db) = query_key(normalized) + ordinal_key(ordinal), self._support
        known = txn.get(pair, db=db) or b""
        supporters = {known[i : i + HASH_BYTES] for i in range(0, len(known), HASH_BYTES)} | {supporter}
        if len(supporters) >= self._settings.agree_users:
            record.states[at], record.text = SHARED, normalized
            txn.delete(pair, db=db)
        elif HASH_BYTES * len(supporters) > len(known):
            record.states[at] = PENDING
            txn.put(pair, known + supporter, db=db)

    def own_choice(self, column: int, normalized: str, ordinal: int, weight: float, user: bytes, now: float) -> None:
        """Count a click or play in the user's own record."""
        key = user + query_key(normalized)
        own = self._tables.own.get(key)
        if own is None:
            self._make_room(user)
            own = self._tables.own.put(key, QueryRecord.empty(normalized, now))
        own.advance(now, self._settings.half_life)
        at = own.row(ordinal)
        own.counts[column, at] += weight

    def predict(self, normalized: str, ordinals: Ordinals, scores: Scores) -> None:
        """Set the predicted scores of entities, replacing earlier ones of the same entities."""
        scores = np.asarray(scores, np.float32)
        if not ((scores > 0) & (scores < 1)).all():
            raise BadInput("a predicted score must lie between 0 and 1, both excluded", field="scores")
        unique, first = np.unique(ordinals, return_index=True)
        record, key = self._tables.query(normalized), query_key(normalized)
        record.text = normalized
        at = record.add(unique.astype(np.int32))
        record.predicted[at] = scores[first]
        for ordinal in unique.tolist():
            entity = ordinal_key(ordinal)
            (self._tables.phrases.get(entity) or self._tables.phrases.put(entity, set())).add(key)

    def retract(self, ordinal: int, keep: set[bytes]) -> None:
        """Take back an entity's predictions, but for the queries whose keys are to be kept."""
        phrases = self._tables.phrases.get(ordinal_key(ordinal))
        for key in phrases - keep if phrases else ():
            record = self._tables.queries.get(key)
            at = -1 if record is None else record.find(ordinal)
            if record is not None and at >= 0:
                record.predicted[at] = np.nan
                if record.states[at] == SEEN:
                    record.keep(record.ordinals != ordinal)
        if phrases:
            phrases &= keep
            if not phrases:
                self._tables.phrases.delete(ordinal_key(ordinal))

    def withdraw_own(self, user: bytes, key: bytes) -> None:
        """Remove a user's own record of a query, and from pairs that are not shared yet what it had added."""
        own, record = self._tables.own.get(user + key), self._tables.queries.get(key)
        if own is not None and record is not None:
            record.advance(own.updated, self._settings.half_life)
            own.advance(record.updated, self._settings.half_life)
            self._unsupport(key, own, record, user)
        self._tables.own.delete(user + key)

    def _unsupport(self, key: bytes, own: QueryRecord, record: QueryRecord, user: bytes) -> None:
        txn, db = self._support
        for at, ordinal in enumerate(own.ordinals.tolist()):
            there = record.find(ordinal)
            if there < 0 or record.states[there] != PENDING:
                continue
            pair = key + ordinal_key(ordinal)
            known = txn.get(pair, db=db) or b""
            left = b"".join(s for i in range(0, len(known), HASH_BYTES) if (s := known[i : i + HASH_BYTES]) != user)
            record.counts[:, there] = np.maximum(record.counts[:, there] - own.counts[:, at], 0)
            if left:
                txn.put(pair, left, db=db)
                continue
            txn.delete(pair, db=db)
            record.states[there], record.counts[CLICKS:, there] = SEEN, 0
            if np.isnan(record.predicted[there]):
                record.keep(record.ordinals != ordinal)

    def _make_room(self, user: bytes) -> None:
        """Bound a user's own queries; when there are too many, the tenth with the least evidence goes."""
        limit, tables = self._settings.history_per_user, self._tables
        if user not in self._own_counts:
            self._own_counts[user] = sum(1 for _ in items_under(tables.txn, tables.dbs["own"], user))
        if self._own_counts[user] >= limit:
            tables.flush()
            held = [(key, *worth(value)) for key, value in items_under(tables.txn, tables.dbs["own"], user)]
            newest = max(updated for _, _, updated, _ in held)
            held.sort(key=lambda query: query[1] * decay(newest - query[2], self._settings.half_life))
            for key, *_ in held[: len(held) - limit + 1 + limit // 10]:
                self.withdraw_own(user, key[HASH_BYTES:])
                self._own_counts[user] -= 1
        self._own_counts[user] += 1

    @property
    def _support(self) -> tuple[WriteTransaction, Database]:
        return self._tables.txn, self._tables.dbs["support"]
