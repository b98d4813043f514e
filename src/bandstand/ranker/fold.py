"""Duplicates folded: the same recording on several albums is one hit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandstand.types import Ordinals, Scores

Rows = NDArray[np.intp]
"""Indices into the rows of a candidate set."""


def fold(ordinals: Ordinals, scores: Scores, fold_keys: NDArray[np.int64]) -> Rows:
    """The indices of the best row of each duplicate group, best first.

    Args:
        ordinals: int32 (m,), which break ties (the lower one, so the older entity, first).
        scores: float32 (m,), higher is better; NaN counts as lowest.
        fold_keys: int64 (m,), equal for rows that are the same recording (`Columns.fold_key` at ``ordinals``).

    Returns:
        Indices (g,) into the rows, g the number of distinct keys.
    """
    order = np.lexsort((ordinals, -scores))
    _, first = np.unique(fold_keys[order], return_index=True)
    first.sort()
    return order[first]
