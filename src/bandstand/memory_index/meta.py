"""Named counters of the memory: version, position, changes, pairs."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Generic

from bandstand.memory_index.transaction import Value

if TYPE_CHECKING:
    from bandstand.memory_index.transaction import Database, Transaction

_NUMBER = Struct("<q")


class Meta(Generic[Value]):
    """Counters by name within one transaction; 0 until set."""

    def __init__(self, txn: Transaction[Value], db: Database) -> None:
        self._txn: Transaction[Value] = txn
        self._db = db

    def get(self, name: str) -> int:
        """A counter's value."""
        value = self._txn.get(name.encode(), db=self._db)
        number: int = 0 if value is None else _NUMBER.unpack(value)[0]
        return number

    def set(self, name: str, number: int) -> None:
        """Set a counter."""
        self._txn.put(name.encode(), _NUMBER.pack(number), db=self._db)

    def add(self, name: str, amount: int) -> int:
        """Add to a counter; its new value."""
        number = self.get(name) + amount
        self.set(name, number)
        return number
