"""Facets: how many of a set of entities have each value of an attribute, each kind, each year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.errors import BadInput
from bandstand.types import KINDS, Mask, Ordinals

MOST = 100
"""Values of one facet that are returned."""


@dataclass(frozen=True, slots=True)
class FacetCount:
    """A value and how many entities have it."""

    value: str
    count: int


def facet_counts(columns: Columns, chosen: Ordinals | Mask, names: Sequence[str]) -> dict[str, tuple[FacetCount, ...]]:
    """Count, for each facet, the values among ``chosen``: the most frequent first, ties by value, at most `MOST`.

    Args:
        columns: the snapshot.
        chosen: ordinals (m,), as of candidates, or a mask (n,), as of filters, for which counts are exact.
        names: ``kind``, ``year`` or an attribute's name.

    Raises:
        BadInput: no entity of the catalogue has an attribute of that name.
    """
    mask = np.zeros(columns.n, np.bool_)
    if chosen.dtype == np.bool_:
        mask[: len(chosen)] = chosen[: columns.n]
    else:
        mask[chosen[chosen < columns.n]] = True
    mask &= columns.live
    return {name: _ranked(_counts(columns, mask, name)) for name in names}


def _counts(columns: Columns, mask: Mask, name: str) -> dict[str, int]:
    if name == "kind":
        return dict(zip(KINDS, np.bincount(columns.kind[mask], minlength=len(KINDS)).tolist(), strict=True))
    if name == "year":
        years = columns.year[mask]
        values, counts = np.unique(years[~np.isnan(years)].astype(int), return_counts=True)
        return dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))
    having = {value: posting for (key, value), posting in columns.postings.items() if key == name}
    if not having:
        known = sorted({key for key, _ in columns.postings})
        raise BadInput(f"unknown facet {name!r}: use kind, year or one of {', '.join(known)}", field="facets")
    return {value: int(np.count_nonzero(mask[posting.ordinals])) for value, posting in having.items()}


def _ranked(counts: dict[str, int]) -> tuple[FacetCount, ...]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(FacetCount(value, count) for value, count in ranked[:MOST] if count)
