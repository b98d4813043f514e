"""Names for LMDB's transactions, typed by what they read: memoryviews in reads, bytes in writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, TypeVar

Value = TypeVar("Value", bytes, memoryview)

if TYPE_CHECKING:
    import lmdb

    Database = lmdb._Database  # noqa: SLF001 - LMDB has no public name for it
    Cursor = lmdb.Cursor[bytes]
    Transaction = lmdb.Transaction
    Databases = Mapping[str, Database]
    ReadTransaction = Transaction[memoryview]
    WriteTransaction = Transaction[bytes]


def items_from(txn: Transaction[Value], db: Database, first: bytes) -> Iterator[tuple[bytes, Value]]:
    """Keys from ``first`` on, ascending, each with its first value. Do not write to ``db`` while iterating."""
    cursor = txn.cursor(db=db)
    found = cursor.set_range(first) if first else cursor.first()
    while found:
        yield bytes(cursor.key()), cursor.value()
        found = cursor.next_nodup()


def items_under(txn: Transaction[Value], db: Database, prefix: bytes) -> Iterator[tuple[bytes, Value]]:
    """Keys that start with ``prefix``, ascending, with their values. Do not write to ``db`` while iterating."""
    return takewhile(lambda item: item[0].startswith(prefix), items_from(txn, db, prefix))


def values_of(txn: Transaction[Value], db: Database, key: bytes) -> list[bytes]:
    """Every value of a key that may hold several, ascending."""
    cursor = txn.cursor(db=db)
    return [bytes(value) for value in cursor.iternext_dup()] if cursor.set_key(key) else []
