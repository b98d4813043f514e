"""Near spellings of shared queries, found by the characters that two spellings have in common after deletions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from rapidfuzz.distance import DamerauLevenshtein

from bandstand.memory_index.environment import values_of
from bandstand.memory_index.keys import query_key

if TYPE_CHECKING:
    from bandstand.memory_index.environment import Database, ReadTransaction, WriteTransaction

SHORTEST, LONGEST = 4, 100
"""Lengths between which spelling is forgiven: below, every word is near another; above, nobody retypes."""

TWO_EDITS_FROM = 8
_PREFIX = 12
_CANDIDATES = 256
_DIGITS = re.compile(r"\d+")


def edits_allowed(query: str) -> int:
    """How many edits a query's length forgives: 0, 1 or 2."""
    if not SHORTEST <= len(query) <= LONGEST:
        return 0
    return 2 if len(query) >= TWO_EDITS_FROM else 1


def edits_between(asked: str, stored: str) -> int | None:
    """Damerau-Levenshtein distance where it is forgiven, else None; numbers must agree (2024 is not 2025)."""
    allowed = edits_allowed(asked)
    if not allowed or len(stored) < SHORTEST or abs(len(asked) - len(stored)) > allowed:
        return None
    edits: int = DamerauLevenshtein.distance(asked, stored, score_cutoff=allowed)
    if not 0 < edits <= allowed or _DIGITS.findall(asked) != _DIGITS.findall(stored):
        return None
    return edits


def deletions(query: str) -> set[str]:
    """The query's first characters with up to `edits_allowed` of them deleted.

    Two texts within d edits meet in at least one text after at most d deletions from each (SymSpell, Garbe 2012);
    looking at a prefix alone bounds the number (79 for two deletions of 12) and only adds candidates to verify.
    """
    prefix = query[:_PREFIX]
    found = {prefix}
    for count in range(1, edits_allowed(query) + 1):
        found.update("".join(kept) for kept in combinations(prefix, len(prefix) - count))
    return found


def word_order_key(query: str) -> bytes | None:
    """One key for every order of a query's words; None for a single word."""
    words = sorted(query.split())
    return query_key("\0" + " ".join(words)) if len(words) > 1 else None


def _deletion_keys(query: str) -> Iterator[bytes]:
    digits = " ".join(_DIGITS.findall(query))  # other numbers, other neighbourhood
    return (query_key(f"{deletion}\0{digits}") for deletion in deletions(query))


def _index_keys(query: str) -> list[bytes]:
    keys = list(_deletion_keys(query)) if edits_allowed(query) else []
    order = word_order_key(query)
    return keys if order is None else [*keys, order]


def index(txn: WriteTransaction, db: Database, query: str) -> None:
    """Make a query findable by `nearby` and `reordered`."""
    value = query_key(query)
    for key in _index_keys(query):
        txn.put(key, value, dupdata=True, db=db)


def unindex(txn: WriteTransaction, db: Database, query: str) -> None:
    """Undo `index`."""
    value = query_key(query)
    for key in _index_keys(query):
        txn.delete(key, value, db=db)


def nearby(txn: ReadTransaction, db: Database, query: str) -> list[bytes]:
    """Keys of stored queries that may be near, each once; at most 256, to be verified by `edits_between`."""
    found: dict[bytes, None] = {}
    for key in _deletion_keys(query) if edits_allowed(query) else ():
        found.update(dict.fromkeys(values_of(txn, db, key)))
        if len(found) >= _CANDIDATES:
            break
    return list(found)[:_CANDIDATES]


def reordered(txn: ReadTransaction, db: Database, query: str) -> list[bytes]:
    """Keys of stored queries with the same words in another order."""
    key, itself = word_order_key(query), query_key(query)
    return [] if key is None else [value for value in values_of(txn, db, key) if value != itself]
