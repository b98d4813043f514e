"""Remembered rows as an operator's decisions leave them: pins first, what is blocked gone, scores as they were set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandstand.memory_index.curation import Curation
from bandstand.memory_index.rows import EXACT, Rows
from bandstand.types import Ordinals

_PIN_STEP = np.float32(1e-4)
"""How far the scores of two pins that follow each other lie apart; beliefs stay below 1 less a few of these."""


def curated(rows: Rows, curation: Curation) -> Rows:
    """The rows with what an operator decided: pins stand first, in their order, with scores from 1 down.

    What the memory does not hold joins without counts, as if the query itself had led to it.
    """
    wanted = {**curation.scores, **{o: 1.0 - float(_PIN_STEP) * at for at, o in enumerate(curation.pinned)}}
    new = np.array([ordinal for ordinal in wanted if ordinal not in rows.ordinals], np.int32)
    joined = _joined(rows, new)
    scores = joined.scores.copy()
    for ordinal, score in wanted.items():
        scores[joined.ordinals == ordinal] = score
    keep = ~np.isin(joined.ordinals, list(curation.blocked))
    order = np.lexsort((joined.ordinals[keep], -scores[keep]))
    at = np.flatnonzero(keep)[order]
    return _changed(replace(joined, scores=scores), lambda _, column: column[at])


def _joined(rows: Rows, new: Ordinals) -> Rows:
    """The rows with more entities at the end, of which nothing is known."""
    known = {"predicted": np.nan, "distance": EXACT}
    return _changed(
        rows, lambda name, column: np.concatenate([column, _more(name, new, known.get(name, 0.0))], dtype=column.dtype)
    )


def _more(name: str, new: Ordinals, value: float) -> NDArray[Any]:
    return new if name == "ordinals" else np.full(len(new), value, np.float32)


def _changed(rows: Rows, change: Callable[[str, NDArray[Any]], NDArray[Any]]) -> Rows:
    """The rows with every column changed alike."""
    columns = {field.name: getattr(rows, field.name) for field in fields(rows) if field.name != "corrected"}
    changed: dict[str, Any] = {name: change(name, column) for name, column in columns.items()}
    return replace(rows, **changed)
