"""Taking out: users who ask for it, entities that are gone, and what is worth least when there is too much."""

from __future__ import annotations

from collections.abc import Collection

from bandstand.memory_index.environment import items_under, values_of
from bandstand.memory_index.evidence import Choices, Evidence, SenseWriting
from bandstand.memory_index.history import choices
from bandstand.memory_index.keys import HASH_BYTES, ordinal_key
from bandstand.memory_index.posterior import decay
from bandstand.memory_index.query_records import shared_rows, worth
from bandstand.memory_index.tables import Tables
from bandstand.memory_index.trends import place

_LOW_WATER = 0.95
"""To which share of a bound an eviction goes down, so that it is not needed at every batch."""


class Forgetting:
    """The removals of one write transaction; users come as keys."""

    def __init__(self, tables: Tables, evidence: Evidence, personal: Choices, senses: SenseWriting) -> None:
        self._tables, self._evidence, self._personal, self._senses = tables, evidence, personal, senses

    def users(self, users: Collection[bytes]) -> int:
        """Remove everything keyed by users, and what too few others agree on; how many records and choices.

        Counts of pairs that stay shared stay.
        """
        self._evidence.leave(users)
        return sum(self._drop(user) + self._senses.forget_user(user) for user in users)

    def entity(self, ordinal: int) -> int:
        """Remove an entity from every record that leads to it by an index; how many records changed.

        Rows that no index names (shown but not chosen, or one user's own) fall out by their record's bounds.
        """
        self._evidence.retract(ordinal, keep=set())
        self._tables.flush()
        changed = self._personal.forget_entity(ordinal)
        for key in values_of(self._tables.txn, self._tables.dbs["links"], ordinal_key(ordinal)):
            record = self._tables.queries.get(key)
            if record is not None and record.find(ordinal) >= 0:
                record.drop(ordinal)
                self._tables.txn.delete(key + ordinal_key(ordinal), db=self._tables.dbs["support"])
                changed += 1
        key, at = place(ordinal)
        page = self._tables.trend.get(key)
        if page is not None:
            page.amounts[at] = 0
        return changed

    def evict(self) -> int:
        """Bring queries and users down to their bounds; how many went.

        What enough people agree on goes last: what somebody invents evicts nothing that is used.
        """
        self._tables.flush()
        return self._evict_queries() + self._evict_users() + self._senses.evict()

    def _evict_queries(self) -> int:
        txn, db, settings = self._tables.txn, self._tables.dbs["queries"], self._tables.settings
        if txn.stat(db)["entries"] <= settings.max_queries:
            return 0
        held = [(key, shared_rows(value) > 0, *worth(value)) for key, value in txn.cursor(db=db)]
        newest = max(updated for _, _, _, updated, _ in held)
        held.sort(
            key=lambda query: (query[1], query[2] * decay(newest - query[3], settings.half_life), query[4], query[0])
        )
        surplus = held[: len(held) - int(_LOW_WATER * settings.max_queries)]
        for key, *_ in surplus:
            self._tables.drop_query(key)
        return len(surplus)

    def _evict_users(self) -> int:
        txn, db, settings = self._tables.txn, self._tables.dbs["users"], self._tables.settings
        if txn.stat(db)["entries"] <= settings.max_users:
            return 0
        held = sorted((float(choices(value)["last"].max(initial=0)), key) for key, value in txn.cursor(db=db))
        surplus = held[: len(held) - int(_LOW_WATER * settings.max_users)]
        for _, user in surplus:
            self._drop(user)
            self._senses.evict_user(user)
        return len(surplus)

    def _drop(self, user: bytes) -> int:
        """Remove a user's own records and history, and what they alone stand for; how much that was."""
        self._tables.flush()
        own = [key for key, _ in items_under(self._tables.txn, self._tables.dbs["own"], user)]
        for key in own:
            self._evidence.withdraw_own(user, key[HASH_BYTES:])
        return len(own) + self._personal.forget_user(user)
