"""What a memory says of itself: its secret, its format, and its named counters."""

from __future__ import annotations

import os
from struct import Struct
from typing import TYPE_CHECKING, Generic

from bandstand.errors import Conflict, StorageError
from bandstand.memory_index.environment import Environment, Value

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Database, Transaction


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


_SCHEMA = 1
_SECRET = b"secret"


def secret_of(env: Environment) -> bytes:
    """The secret that is stored; one is made where there is none.

    Raises:
        StorageError: what is stored is of another format.
    """
    return _read(env) or _agreed(env)


def _read(env: Environment) -> bytes | None:
    with env.reading() as txn:
        secret = txn.get(_SECRET, db=env.dbs["meta"])
        schema = Meta(txn, env.dbs["meta"]).get("schema")
    if secret is not None and schema != _SCHEMA:
        raise StorageError(
            f"the memory in {env.path} has format {schema}, this version reads {_SCHEMA}: "
            "delete the folder and learn anew from the log"
        )
    return None if secret is None else bytes(secret)


def _agreed(env: Environment) -> bytes:
    try:
        return _make(env)
    except Conflict:  # another machine was faster: now it is known
        return _make(env)


def _make(env: Environment) -> bytes:
    with env.writing() as txn:
        secret = txn.get(_SECRET, db=env.dbs["meta"])
        if secret is None:  # else another process was faster
            secret = os.urandom(32)
            txn.put(_SECRET, secret, db=env.dbs["meta"])
            Meta(txn, env.dbs["meta"]).set("schema", _SCHEMA)
        return secret
