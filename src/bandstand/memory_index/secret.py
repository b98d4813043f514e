"""The secret of one memory, with which users' ids are hashed, and the check that its format is known."""

from __future__ import annotations

import os

from bandstand.errors import Conflict, StorageError
from bandstand.memory_index.environment import Environment
from bandstand.memory_index.meta import Meta

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
