"""How much of what the query's slots ask for an entity has, and whether they name it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.ranker.keys import artist_key
from bandstand.types import KINDS, Mask, Ordinals, Scores, Slot
from bandstand.understanding.periods import bounds
from bandstand.understanding.records import NAMED, UNSTATED


def slot_match(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """Σ slot confidence · entity confidence / Σ slot confidence, over attributes, kinds and years.

    float32 (m,) in [0, 1]; NaN where the query asks for none of them.
    """
    stated = [slot for slot in slots if slot.name not in UNSTATED]
    asked = sum(slot.confidence for slot in stated)
    if not asked:
        return np.full(len(ordinals), np.nan, np.float32)
    matched = np.zeros(len(ordinals), np.float32)
    for slot in stated:
        matched += slot.confidence * _held(slot, ordinals, columns)
    return matched / np.float32(asked)


def name_match(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """The largest confidence of the slots that name an entity, or the artist whose it is; float32 (m,) in [0, 1]."""
    named = np.zeros(len(ordinals), np.float32)
    for slot in slots:
        if slot.name in NAMED:
            np.maximum(named, np.float32(slot.confidence) * _named(slot, ordinals, columns), out=named)
    return named


def _named(slot: Slot, ordinals: Ordinals, columns: Columns) -> Mask:
    """Which entities a name is the name of."""
    if slot.name == "artist":
        theirs: Mask = columns.artist_key[ordinals] == artist_key(slot.value)
        return theirs
    of_kind: Mask = (columns.kind[ordinals] == KINDS.index(slot.name)) & (columns.titles[ordinals] == slot.value)
    return of_kind


def _held(slot: Slot, ordinals: Ordinals, columns: Columns) -> Scores | Mask:
    """The confidence with which each entity has what one slot names."""
    if slot.name == "kind":
        is_kind: Mask = columns.kind[ordinals] == [*KINDS, slot.value].index(slot.value)
        return is_kind
    if slot.name == "year":
        first, last = bounds(slot.value)
        inside: Mask = (columns.year[ordinals] >= first) & (columns.year[ordinals] <= last)
        return inside
    having, confidences = columns.having(slot.name, slot.value)
    if not len(having):
        return np.zeros(len(ordinals), np.float32)
    nearest = np.minimum(np.searchsorted(having, ordinals), len(having) - 1)
    return np.where(having[nearest] == ordinals, confidences[nearest], np.float32(0))
