"""Records under change in one write transaction: read once, changed in memory, written back in key order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from bandstand.memory_index.history import CoChosen, History, UsersWhoChose
from bandstand.memory_index.keys import keys_in, ordinal_key, query_key
from bandstand.memory_index.phrase_senses import SenseRecord
from bandstand.memory_index.query_records import SEEN, QueryRecord
from bandstand.memory_index.settings import MemorySettings
from bandstand.memory_index.shared_queries import publish, withdraw
from bandstand.memory_index.trends import TrendPage
from bandstand.types import Ordinals

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Database, Databases, WriteTransaction

R = TypeVar("R")

_LIVE = 20_000
"""Records kept in memory before they are written back in the middle of a batch."""


class Table(Generic[R]):
    """Write-back cache of one database: what was taken for a change is written by `flush`."""

    def __init__(
        self, txn: WriteTransaction, db: Database, load: Callable[[bytes], R], dump: Callable[[R], bytes]
    ) -> None:
        self._txn, self._db, self._load, self._dump = txn, db, load, dump
        self.live: dict[bytes, R] = {}
        self.touched = False

    def get(self, key: bytes) -> R | None:
        """The record to change, None when there is none."""
        record = self.live.get(key)
        if record is None:
            value = self._txn.get(key, db=self._db)
            if value is None:
                return None
            record = self.put(key, self._load(value))
        return record

    def put(self, key: bytes, record: R) -> R:
        """Take a new record under a key."""
        self.live[key] = record
        self.touched = True
        return record

    def delete(self, key: bytes) -> None:
        """Remove a record, written already or not."""
        self.live.pop(key, None)
        self.touched = True
        self._txn.delete(key, db=self._db)

    def flush(self) -> None:
        """Write everything back and forget it."""
        for key in sorted(self.live):
            self._txn.put(key, self._dump(self.live[key]), db=self._db)
        self.live.clear()


class Tables:
    """Every table of one write transaction; `flush` keeps the indexes over shared queries in step with the records."""

    def __init__(self, dbs: Databases, txn: WriteTransaction, settings: MemorySettings) -> None:
        self.txn, self.dbs, self.settings = txn, dbs, settings
        self.queries = Table(txn, dbs["queries"], QueryRecord.load, QueryRecord.dump)
        self.own = Table(txn, dbs["own"], QueryRecord.load, QueryRecord.dump)
        self.phrases = Table(txn, dbs["phrases"], _load_keys, _dump_keys)
        self.users = Table(txn, dbs["users"], History.load, History.dump)
        self.users_who_chose = Table(txn, dbs["fans"], UsersWhoChose.load, UsersWhoChose.dump)
        self.co_chosen = Table(txn, dbs["related"], CoChosen.load, CoChosen.dump)
        self.trend = Table(txn, dbs["trend"], TrendPage.load, TrendPage.dump)
        self.senses = Table(txn, dbs["senses"], SenseRecord.load, SenseRecord.dump)
        self.added_pairs = 0
        self._written = [table for table in vars(self).values() if isinstance(table, Table)]

    def query(self, normalized: str) -> QueryRecord:
        """The shared record of a query, made when missing."""
        key = query_key(normalized)
        return self.queries.get(key) or self.queries.put(key, QueryRecord())

    def spill(self) -> None:
        """Flush when many records are held; call only where no record is in hand."""
        if len(self.queries.live) + len(self.own.live) + len(self.users.live) + len(self.senses.live) > _LIVE:
            self.flush()

    def flush(self) -> None:
        """Write every change into the transaction."""
        for key in sorted(self.queries.live):
            self._finalize(key, self.queries.live[key])
        for table in self._written:
            table.flush()

    @property
    def touched(self) -> bool:
        """Whether any record was taken for a change or removed."""
        return any(table.touched for table in self._written)

    def drop_query(self, key: bytes) -> None:
        """Remove a query's shared record with everything that points to it."""
        record = self.queries.get(key)
        if record is not None:
            self._unsupport(key, record.rows["ordinal"][record.rows["state"] != SEEN])
            record.clear()
            self._finalize(key, record)

    def _unsupport(self, key: bytes, ordinals: Ordinals) -> None:
        """Forget who chose pairs of a query."""
        for ordinal in ordinals:
            self.txn.delete(key + ordinal_key(ordinal), db=self.dbs["support"])

    def _finalize(self, key: bytes, record: QueryRecord) -> None:
        """Bound a record, index what became shared, withdraw what no longer is, remove what says nothing."""
        if len(record) > self.settings.max_pairs_per_query:
            surplus = record.surplus(self.settings.max_pairs_per_query)
            self._unsupport(key, record.rows["ordinal"][surplus & (record.rows["state"] != SEEN)])
            record.keep(~surplus)
        if record.holds_nothing:  # shown, at most
            record.clear()
        shared = record.shared_ordinals
        if len(record.published) and not np.array_equal(shared, record.published):
            withdraw(self.txn, self.dbs, key, record, shared)
        if len(shared):
            publish(self.txn, self.dbs, key, record, shared, self.settings.links_per_entity)
        self.added_pairs += len(record) - record.stored
        record.published, record.stored = shared, len(record)
        if not len(record):
            self.queries.delete(key)
        elif not len(shared) and not record.is_predicted:
            record.text = ""


def _load_keys(value: bytes) -> set[bytes]:
    return set(keys_in(value))


def _dump_keys(keys: set[bytes]) -> bytes:
    return b"".join(sorted(keys))
