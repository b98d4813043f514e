"""How much of what the query's slots ask for an entity has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.types import KINDS, Mask, Ordinals, Scores, Slot


def slot_match(slots: Sequence[Slot], ordinals: Ordinals, columns: Columns) -> Scores:
    """Σ slot confidence · entity confidence / Σ slot confidence, float32 (m,) in [0, 1]; NaN without slots."""
    asked = sum(slot.confidence for slot in slots)
    if not asked:
        return np.full(len(ordinals), np.nan, np.float32)
    matched = np.zeros(len(ordinals), np.float32)
    for slot in slots:
        matched += slot.confidence * _held(slot, ordinals, columns)
    return matched / np.float32(asked)


def _held(slot: Slot, ordinals: Ordinals, columns: Columns) -> Scores | Mask:
    """The confidence with which each entity has what one slot names."""
    if slot.name == "kind":
        is_kind: Mask = columns.kind[ordinals] == [*KINDS, slot.value].index(slot.value)
        return is_kind
    if slot.name == "year":
        return _of_year(slot.value, columns.year[ordinals])
    having, confidences = columns.having(slot.name, slot.value)
    if not len(having):
        return np.zeros(len(ordinals), np.float32)
    nearest = np.minimum(np.searchsorted(having, ordinals), len(having) - 1)
    return np.where(having[nearest] == ordinals, confidences[nearest], np.float32(0))


def _of_year(value: str, years: Scores) -> Mask:
    """Which years are meant by "1994" or by "1990-1999", inclusive; never an unknown one."""
    first, _, last = value.partition("-")
    inside: Mask = (years >= int(first)) & (years <= int(last or first))
    return inside
