"""What the memory holds of one user, for that user to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bandstand.memory_index.environment import items_under
from bandstand.memory_index.history import choices
from bandstand.memory_index.query_records import StoredQuery

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Databases, ReadTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnQuery:
    """An entity to which a query of the user led: decayed counts as of ``updated``, in seconds since 1970."""

    text: str
    updated: float
    ordinal: int
    impressions: float
    clicks: float
    plays: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnChoice:
    """An entity that the user chose: a decayed number as of ``last``, in seconds since 1970."""

    ordinal: int
    times: float
    last: float


def held_of(dbs: Databases, txn: ReadTransaction, user: bytes) -> tuple[list[OwnQuery], list[OwnChoice]]:
    """A user's own queries, by text, and choices, by time; ``user`` is a key."""
    queries = [
        OwnQuery(
            text=record.text,
            updated=record.updated,
            ordinal=int(record.rows["ordinal"][at]),
            impressions=float(record.rows["impressions"][at]),
            clicks=float(record.rows["raw_clicks"][at]),
            plays=float(record.rows["raw_plays"][at]),
        )
        for record in (StoredQuery(value) for _, value in items_under(txn, dbs["own"], user))
        for at in range(len(record.rows))
    ]
    chosen = [
        OwnChoice(ordinal=int(row["ordinal"]), times=float(row["times"]), last=float(row["last"]))
        for row in choices(txn.get(user, db=dbs["users"]) or b"")
    ]
    return sorted(queries, key=lambda query: (query.text, query.ordinal)), sorted(chosen, key=lambda each: each.last)
