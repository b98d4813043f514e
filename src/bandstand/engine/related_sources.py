"""What the catalogue itself says goes with an entity: whose it is, lists that hold it, attributes in common."""

from __future__ import annotations

import numpy as np

from bandstand.catalog.builder import attribute_key
from bandstand.catalog.columns import Columns
from bandstand.catalog.memberships import Memberships
from bandstand.types import KINDS, Entity, Ordinals, Scores

Scored = tuple[Ordinals, Scores]
"""Ordinals int32 (n,), each once, and scores float32 (n,) in [0, 1]."""

_ARTIST = KINDS.index("artist")


def by_artist(columns: Columns, ordinal: int) -> Scored:
    """The artist whose an entity is, surely, and what else is theirs, by popularity: x = 1, or (1 + popularity) / 4."""
    key = columns.artist_key[ordinal]
    if not key:
        return _nothing()
    same = np.flatnonzero((columns.artist_key == key) & columns.live)
    scores = np.where(columns.kind[same] == _ARTIST, 1.0, (1 + columns.popularity[same]) / 4)
    return same.astype(np.int32), scores.astype(np.float32)


def by_lists(memberships: Memberships, columns: Columns, ordinal: int) -> Scored:
    """What stands in the same lists; the lists themselves, and for a list what it holds: x = (1 + popularity) / 2."""
    beside, scores = memberships.beside(ordinal)
    direct = np.union1d(memberships.held_by(ordinal), memberships.holders_of(ordinal)).astype(np.int32)
    beside, scores = beside[other := ~np.isin(beside, direct)], scores[other]
    return np.concatenate([beside, direct]), np.concatenate([scores, (1 + columns.popularity[direct]) / 2])


def by_attributes(columns: Columns, entity: Entity) -> Scored:
    """What has the same attributes, rare ones first.

    x(f) = Σ_a conf_e(a) · conf_f(a) · idf(a) / Σ_a conf_e(a) · idf(a), idf(a) = ln(entities / those that have a).
    """
    shared, most = np.zeros(columns.n, np.float32), 0.0
    for attribute in entity.attributes:
        ordinals, confidences = columns.having(*attribute_key(attribute.name, attribute.value))
        if len(ordinals):
            weight = attribute.confidence * float(np.log(columns.n / len(ordinals)))
            shared[ordinals] += weight * confidences
            most += weight
    found = np.flatnonzero(shared)
    return found.astype(np.int32), shared[found] / np.float32(max(most, 1e-9))


def _nothing() -> Scored:
    return np.empty(0, np.int32), np.empty(0, np.float32)
