"""Writing what clicks say about the senses of phrases, and taking it out again."""

from __future__ import annotations

from collections.abc import Mapping

from bandstand.memory_index.keys import query_key
from bandstand.memory_index.posterior import decay
from bandstand.memory_index.senses import SenseKey, SenseRecord, hashed
from bandstand.memory_index.tables import Tables
from bandstand.memory_index.transaction import values_of

_LOW_WATER = 0.95
"""To which share of the bound an eviction goes down."""


class SenseWriting:
    """The senses of one write transaction; users come as keys. ``changed``: whether readings would see a difference."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._settings = tables, tables.settings
        self.changed = False

    def click(self, phrase: str, clicks: Mapping[SenseKey, float], user: bytes | None, now: float) -> None:
        """Count clicks on a phrase by the sense that they support."""
        key = query_key(phrase)
        record = self._tables.senses.get(key) or self._tables.senses.put(key, SenseRecord())
        record.advance(now, self._settings.half_life)
        for sense, share in clicks.items():
            self.changed |= record.add(hashed(sense), share, user, self._settings.agree_users)
        if user is not None and user in record.users():
            self._tables.txn.put(user, key, db=self._tables.dbs["sense_users"])

    def forget_user(self, user: bytes) -> int:
        """Drop what a user alone stands for; in how many phrases that was looked for."""
        txn, db = self._tables.txn, self._tables.dbs["sense_users"]
        keys = values_of(txn, db, user)
        for key in keys:
            txn.delete(user, key, db=db)
            record = self._tables.senses.get(key)
            if record is not None:
                record.forget(user)
                if not record.evidence:
                    self._tables.senses.delete(key)
        return len(keys)

    def evict(self) -> int:
        """Bring the phrases down to their bound, those with the least evidence first; how many went."""
        txn, db, limit = self._tables.txn, self._tables.dbs["senses"], self._settings.max_queries
        if txn.stat(db)["entries"] <= limit:
            return 0
        held = [(key, SenseRecord.load(value)) for key, value in txn.cursor(db=db)]
        newest = max(record.updated for _, record in held)
        held.sort(
            key=lambda item: (item[1].evidence * decay(newest - item[1].updated, self._settings.half_life), item[0])
        )
        surplus = held[: len(held) - int(_LOW_WATER * limit)]
        for key, record in surplus:
            for user in record.users():
                txn.delete(user, key, db=self._tables.dbs["sense_users"])
            self._tables.senses.delete(key)
        self.changed = True
        return len(surplus)
