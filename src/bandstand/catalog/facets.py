"""Facets: how many of a set of entities have each value of a field, each kind, each year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandstand.catalog.columns import Columns
from bandstand.errors import BadInput, nearest
from bandstand.types import KINDS, Mask, Ordinals

MOST = 100
"""Values of one facet that are returned."""


@dataclass(frozen=True, slots=True)
class FacetCount:
    """A value, how many of the found entities have it, and how many of all that the filters allow."""

    value: str
    count: int
    total: int


def check_facets(columns: Columns, names: Sequence[str]) -> None:
    """Let pass ``kind``, ``year``, and the names of fields and attributes that some entity has.

    Raises:
        BadInput: another name.
    """
    for name in names:
        if name in _UNCOUNTED or not columns.has_field(name):
            known = [each for each in columns.field_names() if each not in _UNCOUNTED]
            remedy = nearest(name, known) or f": use {', '.join(known)}"
            raise BadInput(f"unknown facet {name!r}{remedy}", field="facets")


_UNCOUNTED = frozenset(("popularity", "url", "image"))
"""Fields that filters know, and of which counts by value say nothing."""


def facet_counts(
    columns: Columns, found: Ordinals, names: Sequence[str], *, allowed: Mask | None = None
) -> dict[str, tuple[FacetCount, ...]]:
    """Count, for each facet, the values among ``found``: the most frequent first, ties by value, at most `MOST`.

    Args:
        columns: the snapshot.
        found: ordinals (m,), as of candidates.
        names: facets that pass `check_facets`.
        allowed: what the filters let pass, bool (n,), by which totals are exact; None for every live entity.
    """
    mask, every = np.zeros(columns.n, np.bool_), np.zeros(columns.n, np.bool_)
    mask[found[found < columns.n]] = True
    mask &= columns.live
    if allowed is None:
        every = columns.live
    else:
        every[: len(allowed)] = allowed[: columns.n]
    return {name: _ranked(_counts(columns, mask, name), _counts(columns, every, name)) for name in names}


def _counts(columns: Columns, mask: Mask, name: str) -> dict[str, int]:
    if name == "kind":
        return dict(zip(KINDS, np.bincount(columns.kind[mask], minlength=len(KINDS)).tolist(), strict=True))
    if name == "year":
        years = columns.year[mask]
        values, counts = np.unique(years[~np.isnan(years)].astype(int), return_counts=True)
        return dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))
    name, column = name.casefold(), columns.field(name.casefold())
    having = {value: posting for (key, value), posting in columns.postings.items() if key == name}
    found = {value: int(np.count_nonzero(mask[posting.ordinals])) for value, posting in having.items()}
    return found if column is None else column.counts(mask) | found


def _ranked(counts: dict[str, int], totals: dict[str, int]) -> tuple[FacetCount, ...]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(FacetCount(value, count, totals.get(value, 0)) for value, count in ranked[:MOST] if count)
