"""A sum over every record of the memory, kept in each transaction: a record that was damaged since does not add up."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING

import lmdb

if TYPE_CHECKING:
    Database = lmdb._Database  # noqa: SLF001 - LMDB has no public name for it
    Databases = Mapping[str, Database]
    Cursor = lmdb.Cursor[bytes]
    WriteTransaction = lmdb.Transaction[bytes]

SUM = b"sum"
"""In ``meta``, and no part of the sum itself."""

_NUMBER = Struct("<Q")
_MODULUS = 1 << 64
_MOST = 64
"""Databases of a memory, at most."""

_PATIENCE_S = 600.0


def weight(key: bytes, value: bytes | memoryview) -> int:
    """What a record adds to the sum: the CRC-32 of key and value, which any change of a few bytes changes."""
    return zlib.crc32(value, zlib.crc32(key))


class SummedWrites:
    """A write transaction of LMDB that keeps the sum: as much of its interface as the memory uses.

    ``several`` are the databases in which a key may hold several values.
    """

    def __init__(self, txn: WriteTransaction, dbs: Databases, several: frozenset[int]) -> None:
        self._txn, self._meta, self._several = txn, dbs["meta"], several
        stored = txn.get(SUM, db=self._meta)
        self._sum = total(txn, dbs) if stored is None else _NUMBER.unpack(stored)[0]  # of a version without sums
        self._before = None if stored is None else self._sum

    def get(self, key: bytes, default: bytes | None = None, *, db: Database) -> bytes | None:
        """As LMDB does."""
        return self._txn.get(key, default, db=db)

    def put(self, key: bytes, value: bytes, *, db: Database, dupdata: bool = True) -> bool:  # noqa: ARG002 - as LMDB has it
        """As LMDB does."""
        if id(db) in self._several:
            new = self._txn.put(key, value, dupdata=False, db=db)
            self._sum += weight(key, value) if new else 0
            return new
        old = self._txn.get(key, db=db)
        self._sum += weight(key, value) - (0 if old is None else weight(key, old))
        return self._txn.put(key, value, db=db)

    def delete(self, key: bytes, value: bytes = b"", *, db: Database) -> bool:
        """As LMDB does; where a key may hold several values, one of them must be named."""
        if id(db) in self._several:
            removed = self._txn.delete(key, value, db=db)
            self._sum -= weight(key, value) if removed else 0
            return removed
        return self.pop(key, db=db) is not None

    def pop(self, key: bytes, *, db: Database) -> bytes | None:
        """As LMDB does."""
        value = self._txn.pop(key, db=db)
        self._sum -= 0 if value is None else weight(key, value)
        return value

    def drop(self, db: Database, *, delete: bool) -> None:
        """As LMDB does."""
        self._sum -= sum(weight(key, value) for key, value in self._txn.cursor(db=db) if not self._is_sum(key, db))
        self._before = None
        self._txn.drop(db, delete=delete)

    def cursor(self, *, db: Database) -> Cursor:
        """As LMDB does; the memory reads by cursors and never writes by them."""
        return self._txn.cursor(db=db)

    def stat(self, db: Database) -> dict[str, int]:
        """As LMDB does."""
        return {"entries": self._txn.stat(db)["entries"]}

    def _is_sum(self, key: bytes, db: Database) -> bool:
        return db is self._meta and key == SUM

    def finish(self) -> None:
        """Write the sum, where it is another one."""
        self._sum %= _MODULUS
        if self._sum != self._before:
            self._txn.put(SUM, _NUMBER.pack(self._sum), db=self._meta)


def total(txn: WriteTransaction, dbs: Databases) -> int:
    """The sum over every record."""
    found = 0
    for name, db in dbs.items():
        found += sum(weight(bytes(key), value) for key, value in txn.cursor(db=db) if (name, key) != ("meta", SUM))
    return found % _MODULUS


def damage(path: Path) -> str:
    """What is wrong with the records of a memory's folder, "" where nothing is.

    Read by a process of its own: where pages point to what is not there, reading them may end a process.
    """
    command = [sys.executable, "-m", __name__, str(path)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        return "reading it does not end"
    if done.returncode:
        return f"it cannot be read to its end ({done.stderr.strip().splitlines()[-1:] or done.returncode})"
    return done.stdout.strip()


def _told(path: str) -> str:
    """What `damage` says, by reading everything here."""
    with lmdb.open(path, readonly=True, lock=False, max_dbs=_MOST) as env:
        with env.begin() as txn:
            names = [bytes(name) for name, _ in txn.cursor()]
        dbs = {name.decode(): env.open_db(name, create=False) for name in names}
        with env.begin() as txn:
            stored, found = txn.get(SUM, db=dbs["meta"]), total(txn, dbs)
    if stored is None or _NUMBER.unpack(stored)[0] == found:
        return ""
    return "its records do not add up to what was written"


if __name__ == "__main__":
    sys.stdout.write(_told(sys.argv[1]))
