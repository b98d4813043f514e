"""Which entities have what a slot of the query names."""

from __future__ import annotations

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.types import KINDS, Ordinals, Scores, Slot
from bandstand.understanding.senses import bounds


def held(slot: Slot, columns: Columns, ordinals: Ordinals | None = None) -> Scores:
    """The confidence with which entities have the kind, the year or the attribute value that a slot names.

    float32 in [0, 1], aligned with ``ordinals``, without them with the whole catalogue; 0 where it is not stated.
    """
    rows = slice(None) if ordinals is None else ordinals
    found: Scores
    if slot.name == "kind":
        found = (columns.kind[rows] == [*KINDS, slot.value].index(slot.value)).astype(np.float32)
        return found
    if slot.name == "year" and slot.value[:1].isdigit():
        (first, last), years = bounds(slot.value), columns.year[rows]
        found = ((years >= first) & (years <= last)).astype(np.float32)
        return found
    having, confidences = columns.having(slot.name, slot.value)
    if ordinals is None:
        found = np.zeros(columns.n, np.float32)
        found[having] = confidences
        return found
    if not len(having):
        return np.zeros(len(ordinals), np.float32)
    nearest = np.minimum(np.searchsorted(having, ordinals), len(having) - 1)
    return np.where(having[nearest] == ordinals, confidences[nearest], np.float32(0))
