"""What a transaction of the memory wrote: noted meanwhile, applied elsewhere, and as bytes of a commit."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from bandstand.memory_index.environment import DATABASES

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Cursor, Database, Databases, WriteTransaction

_NAMES = tuple(DATABASES)
_HEAD = Struct("<BBII")
_REMOVED, _STORED = 0, 1


class Place(NamedTuple):
    """Where something is stored: a database and a key, and the value too where a key may hold several."""

    db: str
    key: bytes
    value: bytes


Writes = Mapping[Place, bytes | None]
"""The value that each place holds afterwards, None where it holds nothing."""


class Recorder:
    """A write transaction of LMDB that notes what is written: as much of its interface as the memory uses."""

    def __init__(self, txn: WriteTransaction, dbs: Databases) -> None:
        self._txn = txn
        self._names = {id(db): name for name, db in dbs.items()}
        self.writes: dict[Place, bytes | None] = {}

    def get(self, key: bytes, default: bytes | None = None, *, db: Database) -> bytes | None:
        """As LMDB does."""
        return self._txn.get(key, default, db=db)

    def put(self, key: bytes, value: bytes, *, db: Database, dupdata: bool = True) -> bool:
        """As LMDB does."""
        self.writes[self._place(db, key, value)] = bytes(value)
        return self._txn.put(key, value, dupdata=dupdata, db=db)

    def delete(self, key: bytes, value: bytes = b"", *, db: Database) -> bool:
        """As LMDB does; where a key may hold several values, one of them must be named."""
        removed = self._txn.delete(key, value, db=db)
        if removed:
            self.writes[self._place(db, key, value)] = None
        return removed

    def pop(self, key: bytes, *, db: Database) -> bytes | None:
        """As LMDB does."""
        value = self._txn.pop(key, db=db)
        if value is not None:
            self.writes[self._place(db, key, value)] = None
        return value

    def cursor(self, *, db: Database) -> Cursor:
        """As LMDB does; the memory reads by cursors and never writes by them."""
        return self._txn.cursor(db=db)

    def stat(self, db: Database) -> dict[str, int]:
        """As LMDB does."""
        return {"entries": self._txn.stat(db)["entries"]}

    def _place(self, db: Database, key: bytes, value: bytes) -> Place:
        name = self._names[id(db)]
        return Place(name, bytes(key), bytes(value) if DATABASES[name] else b"")


def apply(txn: WriteTransaction, dbs: Databases, writes: Iterable[tuple[Place, bytes | None]]) -> None:
    """Bring a transaction to what others wrote."""
    for place, value in writes:
        if value is not None:
            txn.put(place.key, value, dupdata=True, db=dbs[place.db])
        else:
            txn.delete(place.key, place.value, db=dbs[place.db])


def packed(writes: Writes, *, size: int) -> Iterator[bytes]:
    """Writes as compressed parts, each of about ``size`` bytes before compression; none for no writes."""
    part = bytearray()
    for place, value in writes.items():
        content = place.value if value is None else value
        state = _REMOVED if value is None else _STORED
        part += _HEAD.pack(_NAMES.index(place.db), state, len(place.key), len(content)) + place.key + content
        if len(part) >= size:
            yield zlib.compress(part, 1)
            part.clear()
    if part:
        yield zlib.compress(part, 1)


def unpacked(part: bytes) -> Iterator[tuple[Place, bytes | None]]:
    """Inverse of `packed`, of one part."""
    data, at = zlib.decompress(part), 0
    while at < len(data):
        db, state, key_size, size = _HEAD.unpack_from(data, at)
        middle = at + _HEAD.size + key_size
        key, content = data[at + _HEAD.size : middle], data[middle : middle + size]
        several = DATABASES[_NAMES[db]]
        yield Place(_NAMES[db], key, content if several else b""), content if state == _STORED else None
        at = middle + size
